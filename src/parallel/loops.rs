//! The parallel loops and the scope, as methods: written once, for `Pool` and
//! for `Submitter`.

use super::builder::ParallelBuilder;
use super::error::TryMapError;
use super::map::ParallelItems;
use super::scope::{self, Scope};
use super::stream::Stream;
use crate::pool::Pool;
use crate::submit::Submitter;
use crate::task::TaskError;

macro_rules! loops {
    ($type:ty) => {
        impl $type {
            /// Calls `body` with a [`Scope`], whose tasks may borrow whatever outlives the scope.
            /// Returns what `body` returns, once all those tasks have ended. Blocks until then.
            ///
            /// No stop and no deadline can cut this short, since the tasks borrow. A stop does not
            /// block it either: it removes the scope's unstarted tasks from the pool's accounting,
            /// and this thread runs them, as it runs tasks submitted to a closed pool. A task of a
            /// scope that is still running at the deadline of a stop is reported as abandoned, but
            /// its scope continues to wait for it. No task of a scope is ever in
            /// [`StopReport::unstarted`].
            ///
            /// The body runs on this thread, in addition to the workers. If it does a large part of
            /// the work itself, open the scope in a task.
            ///
            /// In one of the pool's own workers, this runs the scope's unstarted tasks, newest
            /// first, so nested scopes do not deadlock, whatever the size of the pool. While the
            /// last tasks run elsewhere, the worker waits and runs nothing else. If no results have
            /// to be combined at each level, let the tasks submit to one scope instead, as in the
            /// example of [`Scope`].
            ///
            /// # Depth
            ///
            /// If tasks open scopes of their own, one worker may run them on top of each other.
            /// Each level takes 800 bytes of its stack in an optimized build, 4 KB in a debug
            /// build, plus what the closures take. The default stack of 2 MiB holds some 2,500
            /// levels. Beyond that it overflows, which ends the process (`SIGABRT`); a scope has no
            /// error to return instead. Halving limits the depth of a recursion to 64. If nothing
            /// limits it: let the tasks submit to one scope, which takes no stack; below some depth
            /// call the function itself instead of opening a scope; or set a larger
            /// [`stack_size`](crate::PoolBuilder::stack_size), of which only the part in use takes
            /// memory.
            ///
            /// [`StopReport::unstarted`]: crate::StopReport::unstarted
            ///
            /// # Panics
            ///
            /// If `body` panics, this panics with that payload after all tasks have ended.
            /// Otherwise it panics with the first panic of a task whose handle was dropped or that
            /// has none. All panics are logged and counted. A panic in the drop of what `body` or a
            /// task returned is logged and not passed on.
            ///
            /// # Examples
            ///
            /// ```
            /// let pool = groundcrew::Pool::new(2)?;
            /// let mut numbers = vec![4, 1, 3];
            /// let mut sorted = 0;
            /// let sum = pool.scope(|s| {
            ///     let sum: i32 = numbers.iter().sum();
            ///     s.execute(|| numbers.sort()); // borrows, on another thread
            ///     s.execute(|| sorted += 1);
            ///     sum
            /// });
            /// assert_eq!((sum, sorted, numbers), (8, 1, vec![1, 3, 4]));
            /// # Ok::<(), std::io::Error>(())
            /// ```
            ///
            /// A task may submit more tasks to its own scope, and open scopes of its own:
            ///
            /// ```
            /// use groundcrew::Pool;
            ///
            /// fn sum(pool: &Pool, numbers: &[u64]) -> u64 {
            ///     if numbers.len() < 100 {
            ///         return numbers.iter().sum();
            ///     }
            ///     let (left, right) = numbers.split_at(numbers.len() / 2);
            ///     pool.scope(|s| {
            ///         let right = s.submit(|| sum(pool, right));
            ///         sum(pool, left) + right.join().unwrap()
            ///     })
            /// }
            ///
            /// let pool = Pool::new(2)?;
            /// let numbers: Vec<u64> = (0..10_000).collect();
            /// assert_eq!(sum(&pool, &numbers), 49_995_000);
            /// # Ok::<(), std::io::Error>(())
            /// ```
            ///
            /// What a task borrows has to outlive the scope:
            ///
            /// ```compile_fail,E0373
            /// let pool = groundcrew::Pool::new(2).unwrap();
            /// pool.scope(|s| {
            ///     let inside = vec![1, 2, 3];
            ///     s.execute(|| assert_eq!(inside.len(), 3)); // may run when `inside` is gone
            /// });
            /// ```
            ///
            /// No handle, and no result that borrows from inside the scope, can leave it:
            ///
            /// ```compile_fail
            /// let pool = groundcrew::Pool::new(2).unwrap();
            /// let escaped = pool.scope(|s| s.submit(|| 7));
            /// escaped.join().unwrap();
            /// ```
            ///
            /// ```compile_fail,E0521
            /// let pool = groundcrew::Pool::new(2).unwrap();
            /// let mut escaped = None;
            /// pool.scope(|s| escaped = Some(s.submit(|| 7)));
            /// ```
            ///
            /// ```compile_fail,E0499
            /// let pool = groundcrew::Pool::new(2).unwrap();
            /// let mut numbers = vec![1, 2, 3];
            /// pool.scope(|s| {
            ///     s.execute(|| numbers.push(4));
            ///     s.execute(|| numbers.push(5)); // two at a time
            /// });
            /// ```
            ///
            /// ```compile_fail,E0277
            /// let pool = groundcrew::Pool::new(2).unwrap();
            /// let local = std::rc::Rc::new(1);
            /// pool.scope(|s| s.execute(|| assert_eq!(*local, 1))); // not for other threads
            /// ```
            pub fn scope<'env, F, R>(&self, body: F) -> R
            where
                F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
            {
                scope::scope(self.pool_ref(), body)
            }

            /// Calls `f` with every item, on the workers, and returns the results in the order of
            /// the items. Blocks until all items are done.
            ///
            /// Items may be owned (`vec`), borrowed (`&vec`, `&mut slice`) or counted (`0..n`,
            /// `vec.iter().enumerate()`): see [`ParallelItems`]. `f` may borrow. Workers take the
            /// items in chunks that last about 0.1 ms, so short items have little overhead and long
            /// ones are spread evenly. To the pool, the loop is one task for each worker, with the
            /// name of `f`. If one of the pool's own workers calls this, it takes part in the work.
            ///
            /// # Errors
            ///
            /// [`TaskError::Unstarted`] if a stop of the pool removes the backlog before every item
            /// has begun. A stop that drains does so when its grace period begins, the others at
            /// once. Also if the pool is already closed, except in one of its own workers, where
            /// the loop runs like the task that calls it. This always waits for the items that have
            /// begun, even beyond the deadline of the stop. The report of the stop may still be
            /// clean, since the tasks of the loop ended early as they should. The results are
            /// dropped; the second example keeps them.
            ///
            /// # Panics
            ///
            /// Panics with the first panic of `f`, when the chunks that have begun have ended. No
            /// others begin.
            ///
            /// # Examples
            ///
            /// ```
            /// let pool = groundcrew::Pool::new(2)?;
            /// let words = ["borrowed", "not", "moved"];
            /// let lengths = pool.map(&words, |word| word.len())?;
            /// assert_eq!(lengths, [8, 3, 5]);
            /// let lines = pool.map(words.iter().enumerate(), |(n, word)| format!("{n}: {word}"))?;
            /// assert_eq!(lines[2], "2: moved");
            /// # Ok::<(), groundcrew::BoxError>(())
            /// ```
            ///
            /// If each result has its own place, those that came before a stop are kept. A long
            /// item can use the pool's token to react to the stop:
            ///
            /// ```
            /// use groundcrew::{Pool, StopPlan, TaskError};
            /// use std::time::Duration;
            ///
            /// let pool = Pool::new(1)?;
            /// let (stop, token) = (pool.stop_handle(), pool.stop_handle().token());
            /// let mut results = vec![None; 1000];
            /// let cut = pool.for_each(results.iter_mut().enumerate(), |(n, place)| {
            ///     if n == 7 {
            ///         stop.request_stop(StopPlan::cancel(Duration::from_secs(5)));
            ///         token.wait();
            ///     }
            ///     *place = Some(n);
            /// });
            /// assert!(matches!(cut, Err(TaskError::Unstarted)));
            /// assert_eq!(results.iter().flatten().count(), 8);
            /// # Ok::<(), groundcrew::BoxError>(())
            /// ```
            #[track_caller]
            pub fn map<I, F, R>(&self, items: I, f: F) -> Result<Vec<R>, TaskError>
            where
                I: IntoIterator<IntoIter: ParallelItems>,
                F: Fn(I::Item) -> R + Sync,
                R: Send,
            {
                ParallelBuilder::new(self.pool_ref()).map(items, f)
            }

            /// Calls `f` with every item, on the workers, like [`map`](Self::map) without results.
            /// Blocks until all items are done.
            ///
            /// # Errors
            ///
            /// As [`map`](Self::map).
            ///
            /// # Panics
            ///
            /// As [`map`](Self::map).
            ///
            /// # Examples
            ///
            /// ```
            /// let pool = groundcrew::Pool::new(2)?;
            /// let mut picture = vec![7_u8; 1000];
            /// pool.for_each(&mut picture, |pixel| *pixel = 255 - *pixel)?;
            /// assert!(picture.iter().all(|pixel| *pixel == 248));
            /// # Ok::<(), groundcrew::BoxError>(())
            /// ```
            #[track_caller]
            pub fn for_each<I, F>(&self, items: I, f: F) -> Result<(), TaskError>
            where
                I: IntoIterator<IntoIter: ParallelItems>,
                F: Fn(I::Item) + Sync,
            {
                ParallelBuilder::new(self.pool_ref()).for_each(items, f)
            }

            /// Calls `f` with every item, on the workers, and combines the results with `reduce`,
            /// two at a time. Returns `None` if there are no items. Otherwise the same as
            /// [`map`](Self::map). Blocks until all items are done.
            ///
            /// The first argument of `reduce` is the result of earlier items, the second that of
            /// the items right after them. If `reduce` is associative, the outcome is that of a
            /// sequential run; it need not be commutative. (Floating-point addition is not quite
            /// associative.)
            ///
            /// # Errors
            ///
            /// As [`map`](Self::map).
            ///
            /// # Panics
            ///
            /// As [`map`](Self::map), and also with a panic of `reduce`.
            ///
            /// # Examples
            ///
            /// ```
            /// let pool = groundcrew::Pool::new(2)?;
            /// let squares = pool.map_reduce(1..=100_u64, |n| n * n, |a, b| a + b)?;
            /// assert_eq!(squares, Some(338_350));
            /// let text = pool.map_reduce(&["a", "b", "c"], |s| s.to_string(), |a, b| a + &b)?;
            /// assert_eq!(text.as_deref(), Some("abc"));
            /// assert_eq!(pool.map_reduce(0..0, |n| n, |a, b| a + b)?, None);
            /// # Ok::<(), groundcrew::BoxError>(())
            /// ```
            #[track_caller]
            pub fn map_reduce<I, F, G, R>(
                &self,
                items: I,
                f: F,
                reduce: G,
            ) -> Result<Option<R>, TaskError>
            where
                I: IntoIterator<IntoIter: ParallelItems>,
                F: Fn(I::Item) -> R + Sync,
                G: Fn(R, R) -> R + Sync,
                R: Send,
            {
                ParallelBuilder::new(self.pool_ref()).map_reduce(items, f, reduce)
            }

            /// Returns a loop with a name and options, which has the methods
            /// [`map`](ParallelBuilder::map), [`try_map`](ParallelBuilder::try_map),
            /// [`for_each`](ParallelBuilder::for_each),
            /// [`map_reduce`](ParallelBuilder::map_reduce),
            /// [`find_any`](ParallelBuilder::find_any),
            /// [`find_map_any`](ParallelBuilder::find_map_any) and
            /// [`stream`](ParallelBuilder::stream).
            /// Lists of running tasks and reports show its tasks with this name, instead of that
            /// of the closure.
            ///
            /// # Examples
            ///
            /// ```
            /// let pool = groundcrew::Pool::new(2)?;
            /// let view = &pool;
            /// let names = view.parallel("thumbnails").map(0..2, |_| {
            ///     let running = view.running();
            ///     running.iter().any(|task| task.info().name() == "thumbnails")
            /// })?;
            /// assert_eq!(names, [true, true]);
            /// # Ok::<(), groundcrew::BoxError>(())
            /// ```
            pub fn parallel(&self, name: impl Into<String>) -> ParallelBuilder<'_> {
                ParallelBuilder::new(self.pool_ref()).name(name.into())
            }

            /// Calls `f` with every item, on the workers, until it returns an error, and returns
            /// the results in the order of the items. Blocks until all items are done, or, after an
            /// error, those that have begun. Otherwise the same as [`map`](Self::map).
            ///
            /// # Errors
            ///
            /// [`TryMapError::Item`] with the error and the index of its item. If several items
            /// fail, it is the first of them by index, as in a sequential loop, whichever came
            /// first in time: the items before it have all been done, unless a stop cut the loop
            /// short. Of the items behind it, only those begin that others take at the same time.
            ///
            /// [`TryMapError::Loop`] as [`map`](Self::map), if no item failed.
            ///
            /// # Panics
            ///
            /// As [`map`](Self::map).
            ///
            /// # Examples
            ///
            /// ```
            /// use groundcrew::parallel::TryMapError;
            ///
            /// let pool = groundcrew::Pool::new(2)?;
            /// let numbers = pool.try_map(["4", "8", "15"], str::parse::<u32>)?;
            /// assert_eq!(numbers, [4, 8, 15]);
            /// match pool.try_map(["4", "x", "15", "y"], str::parse::<u32>) {
            ///     Err(TryMapError::Item { index, .. }) => assert_eq!(index, 1),
            ///     other => panic!("{other:?}"),
            /// }
            /// # Ok::<(), groundcrew::BoxError>(())
            /// ```
            #[track_caller]
            pub fn try_map<I, F, R, E>(&self, items: I, f: F) -> Result<Vec<R>, TryMapError<E>>
            where
                I: IntoIterator<IntoIter: ParallelItems>,
                F: Fn(I::Item) -> Result<R, E> + Sync,
                R: Send,
                E: Send,
            {
                ParallelBuilder::new(self.pool_ref()).try_map(items, f)
            }

            /// Calls `f` with the items, on the workers, until it returns `true`, and returns the
            /// item for which it did: any such item, not necessarily the first. Returns `None` if
            /// there is none. Blocks until all items are done, or, after a hit, those that have
            /// begun: [`own_token`](ParallelBuilder::own_token) lets these end early. Otherwise the
            /// same as [`map`](Self::map).
            ///
            /// # Errors
            ///
            /// As [`map`](Self::map), if there was no hit by then.
            ///
            /// # Panics
            ///
            /// As [`map`](Self::map).
            ///
            /// # Examples
            ///
            /// ```
            /// let pool = groundcrew::Pool::new(2)?;
            /// let divides = |n: &u64| 1_000_000_007 * 13 % n == 0;
            /// assert_eq!(pool.find_any(2..100_u64, divides)?, Some(13));
            /// assert_eq!(pool.find_any(14..100_u64, divides)?, None);
            /// # Ok::<(), groundcrew::BoxError>(())
            /// ```
            #[track_caller]
            pub fn find_any<I, F>(&self, items: I, f: F) -> Result<Option<I::Item>, TaskError>
            where
                I: IntoIterator<IntoIter: ParallelItems, Item: Send>,
                F: Fn(&I::Item) -> bool + Sync,
            {
                ParallelBuilder::new(self.pool_ref()).find_any(items, f)
            }

            /// Like [`find_any`](Self::find_any), and returns what `f` has made of the item: the
            /// first `Some`, in time, that it returns.
            ///
            /// # Errors
            ///
            /// As [`map`](Self::map), if there was no hit by then.
            ///
            /// # Panics
            ///
            /// As [`map`](Self::map).
            ///
            /// # Examples
            ///
            /// ```
            /// let pool = groundcrew::Pool::new(2)?;
            /// let texts = ["one", "two", "3"];
            /// let number = pool.find_map_any(&texts, |text| text.parse::<u32>().ok())?;
            /// assert_eq!(number, Some(3));
            /// # Ok::<(), groundcrew::BoxError>(())
            /// ```
            #[track_caller]
            pub fn find_map_any<I, F, R>(&self, items: I, f: F) -> Result<Option<R>, TaskError>
            where
                I: IntoIterator<IntoIter: ParallelItems>,
                F: Fn(I::Item) -> Option<R> + Sync,
                R: Send,
            {
                ParallelBuilder::new(self.pool_ref()).find_map_any(items, f)
            }

            /// Returns an iterator that calls `f` with the items of another one, on the workers,
            /// and yields the results in the order of the items. The iterator's `next` blocks.
            ///
            /// It takes any iterator, and pulls from it on the thread that calls `next`, as fast as
            /// results are taken. A million items take only the memory of those in flight
            /// ([`Stream::in_flight`]). The stream pulls ahead of what it yields, so neither the
            /// source nor `f` may wait for results of the same stream. What was pulled ahead is
            /// dropped with the stream, for example by `take`. Use [`Stream::unordered`] if the
            /// order does not matter. Items, results and `f` may not borrow, since the stream can
            /// be dropped at any time without waiting.
            ///
            /// Each item yields one result, or in its place a
            /// [`StreamError`](crate::parallel::StreamError) with its index and a [`TaskError`]:
            /// [`Panicked`](TaskError::Panicked), for that item only;
            /// [`Unstarted`](TaskError::Unstarted), if a stop removed it from the queue;
            /// [`Abandoned`](TaskError::Abandoned), if it was still running at the stop's deadline.
            /// Once the pool is closed, the stream pulls one more item, which is refused, yields
            /// `Unstarted` in its place, and ends. So a stream that ends without an error has
            /// processed the whole source.
            ///
            /// A long item can react to a stop by checking the pool's token, which `f` captures:
            /// `pool.stop_handle().token()`.
            ///
            /// Short items are submitted in batches that take about 0.1 ms to pull and to run. Each
            /// batch is one task, with the name of `f`. If it is abandoned, all of its items are
            /// `Abandoned`. A stop that removes the backlog ends it between two items.
            ///
            /// # Examples
            ///
            /// ```
            /// let pool = groundcrew::Pool::new(2)?;
            /// let lines = "4\n8\nfifteen\n16".lines().map(str::to_owned);
            /// let mut sum = 0;
            /// for parsed in pool.stream(lines, |line| line.parse::<u32>()) {
            ///     match parsed? {
            ///         Ok(number) => sum += number,
            ///         Err(error) => assert_eq!(error.to_string(), "invalid digit found in string"),
            ///     }
            /// }
            /// assert_eq!(sum, 28);
            /// # Ok::<(), groundcrew::BoxError>(())
            /// ```
            #[track_caller]
            pub fn stream<I, F, R>(&self, items: I, f: F) -> Stream<I::IntoIter, F, R>
            where
                I: IntoIterator<Item: Send + 'static>,
                F: Fn(I::Item) -> R + Send + Sync + 'static,
                R: Send + 'static,
            {
                ParallelBuilder::new(self.pool_ref()).stream(items, f)
            }
        }
    };
}

loops!(Pool);
loops!(Submitter);
