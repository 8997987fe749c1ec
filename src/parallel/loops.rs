//! The parallel loops and the scope, as methods: written once, for `Pool` and
//! for `Submitter`.

use super::map::{self, ForEach, Map, MapReduce, ParallelItems};
use super::scope::{self, Scope};
use super::stream::Stream;
use crate::pool::Pool;
use crate::submit::Submitter;
use crate::task::TaskError;
use crate::unwind::{Guarded, GuardedVec};
use std::panic::Location;

const A_CLOSURE: &str = "the closure of a parallel loop";

macro_rules! loops {
    ($type:ty) => {
        impl $type {
            /// Calls `body` with a [`Scope`], whose tasks may borrow whatever
            /// lives longer than the scope; returns what `body` returns, once all
            /// those tasks have ended. Blocks until then.
            ///
            /// Nothing cuts that short, since tasks borrow: no stop and no deadline. But
            /// nothing holds it up either: the tasks that a stop finds unstarted are
            /// removed from the pool's accounting, and this thread runs them; so it does
            /// with those submitted to a pool that is closed. A task of a scope that still
            /// runs at the deadline of a stop is reported as abandoned, though its scope
            /// goes on waiting for it. None is ever in [`StopReport::unstarted`].
            ///
            /// The body runs on this thread, beside the workers; where it has a
            /// part of the work itself, open the scope in a task.
            ///
            /// Called by one of the pool's own workers, this runs the scope's tasks that
            /// have not started, newest first: nested scopes do not deadlock, whatever the
            /// size of the pool. While its last tasks run elsewhere the worker waits, and
            /// runs nothing else: where nothing has to be put together at each level, let
            /// the tasks submit to one scope instead, as the example of [`Scope`] does.
            ///
            /// # Depth
            ///
            /// Scopes that nest in the tasks of one another run on top of each
            /// other where one worker claims them: each level takes 800 bytes of
            /// its stack in an optimized build, 4 KB in a debug build, and what
            /// the closures themselves take. The stack of 2 MiB that a worker
            /// has by default holds some 2,500 levels. Beyond that it overflows,
            /// which ends the process (`SIGABRT`); a scope cannot refuse, since it has no
            /// error to return. For a recursion whose depth is not limited by
            /// its kind, as halving limits it to 64: let the tasks submit to one
            /// scope, which takes no stack; below some depth call the function itself
            /// instead of opening a scope; or set a larger
            /// [`stack_size`](crate::PoolBuilder::stack_size), of which only what is
            /// used takes memory.
            ///
            /// [`StopReport::unstarted`]: crate::StopReport::unstarted
            ///
            /// # Panics
            ///
            /// A panic in the drop of what `body` or a task returned is logged and goes no
            /// further. Otherwise this panics with the panic of `body`, or else with the
            /// first panic of a task without a handle, or whose handle was dropped; after
            /// all tasks have ended. (All are logged and counted; the payloads of the
            /// others are dropped.)
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
            /// A task may submit more to its own scope, and open scopes of its
            /// own:
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
            /// What a task borrows has to live longer than the scope:
            ///
            /// ```compile_fail,E0373
            /// let pool = groundcrew::Pool::new(2).unwrap();
            /// pool.scope(|s| {
            ///     let inside = vec![1, 2, 3];
            ///     s.execute(|| assert_eq!(inside.len(), 3)); // may run when `inside` is gone
            /// });
            /// ```
            ///
            /// and nothing of the scope, no handle and no result that borrows
            /// from inside, gets out of it:
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

            /// Calls `f` with every item, on the workers, and returns what it
            /// returned, in the order of the items. Blocks until all is done.
            ///
            /// Items may be owned (`vec`), borrowed (`&vec`, `&mut slice`) or
            /// counted (`0..n`, `vec.iter().enumerate()`): see [`ParallelItems`]. `f` may
            /// borrow. Workers take the items in chunks, as large as it takes for
            /// them to last about 0.1 ms, so that short items cost next to nothing
            /// on top and long ones are spread evenly. To the pool it is one task
            /// for each worker, with the name of `f`. Called by one of the pool's
            /// own workers, that one works along.
            ///
            /// # Errors
            ///
            /// [`TaskError::Unstarted`] when a stop of the pool takes the backlog out
            /// before every item was begun: at once if it is that kind of stop, not while
            /// it drains. Also when the pool is closed already (except to one of its own
            /// workers, which runs on like the task that it is in). It always waits for the
            /// items that were begun, also beyond the deadline of the stop. The stop's own
            /// report may still be clean: to it the loop is a few tasks, which ended early
            /// as they should. What was done is dropped; the second example keeps it.
            ///
            /// # Panics
            ///
            /// With the first panic of `f`, when the chunks that were begun have
            /// ended; no more are begun after it.
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
            /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
            /// ```
            ///
            /// With a place for each result, those that came before a stop are kept; a long
            /// item can react to the stop by the pool's token:
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
            /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
            /// ```
            #[track_caller]
            pub fn map<I, F, R>(&self, items: I, f: F) -> Result<Vec<R>, TaskError>
            where
                I: IntoIterator<IntoIter: ParallelItems>,
                F: Fn(I::Item) -> R + Sync,
                R: Send,
            {
                let f = Guarded::new(f, A_CLOSURE);
                let results = map::run(
                    self.pool_ref(),
                    items.into_iter(),
                    &Map::new(&*f),
                    Location::caller(),
                )?;
                Ok(results.map_or_else(Vec::new, GuardedVec::into_vec))
            }

            /// Calls `f` with every item, on the workers: like [`map`](Self::map),
            /// without results. Blocks until all is done.
            ///
            /// # Errors
            ///
            /// As for [`map`](Self::map).
            ///
            /// # Panics
            ///
            /// As for [`map`](Self::map).
            ///
            /// # Examples
            ///
            /// ```
            /// let pool = groundcrew::Pool::new(2)?;
            /// let mut picture = vec![7_u8; 1000];
            /// pool.for_each(&mut picture, |pixel| *pixel = 255 - *pixel)?;
            /// assert!(picture.iter().all(|pixel| *pixel == 248));
            /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
            /// ```
            #[track_caller]
            pub fn for_each<I, F>(&self, items: I, f: F) -> Result<(), TaskError>
            where
                I: IntoIterator<IntoIter: ParallelItems>,
                F: Fn(I::Item) + Sync,
            {
                let f = Guarded::new(f, A_CLOSURE);
                let work = ForEach::new(&*f);
                map::run(
                    self.pool_ref(),
                    items.into_iter(),
                    &work,
                    Location::caller(),
                )?;
                Ok(())
            }

            /// Calls `f` with every item, on the workers, and puts what it returned
            /// together with `reduce`, two at a time; `None` if there are no
            /// items. Otherwise like [`map`](Self::map). Blocks until all is done.
            ///
            /// `reduce` is given the result of earlier items first, and that of
            /// the ones right behind them second. It has to be associative, not
            /// commutative: then the outcome is that of a sequential run.
            /// (Floating point addition is not quite.)
            ///
            /// # Errors
            ///
            /// As for [`map`](Self::map).
            ///
            /// # Panics
            ///
            /// As for [`map`](Self::map), also with a panic of `reduce`.
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
            /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
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
                let f = Guarded::new(f, A_CLOSURE);
                let reduce = Guarded::new(reduce, A_CLOSURE);
                let work = MapReduce::new(&*f, &*reduce);
                let whole = map::run(
                    self.pool_ref(),
                    items.into_iter(),
                    &work,
                    Location::caller(),
                )?;
                Ok(whole.map(Guarded::into_inner))
            }

            /// An iterator that calls `f` with the items of another one, on the workers,
            /// and yields what it returned, in the order of the items. The iterator's
            /// `next` blocks.
            ///
            /// It takes any iterator, and pulls from it on the thread that calls
            /// `next`, as fast as results are taken: a million items take the
            /// memory of those in flight ([`Stream::in_flight`]). It pulls ahead of
            /// what it yields, so neither the source nor `f` may wait for results
            /// of this very stream, and what was pulled ahead is gone when the
            /// stream is dropped, also by `take`. Use
            /// [`Stream::unordered`] where the order is of no interest. Since it
            /// can be dropped at any time without a wait, items, results and `f`
            /// may not borrow.
            ///
            /// Each item gives one result. Where there is none, there is a
            /// [`TaskError`] in its place: [`Panicked`](TaskError::Panicked), for
            /// that item only; [`Unstarted`](TaskError::Unstarted), if a stop took
            /// it out of the queue; [`Abandoned`](TaskError::Abandoned), if it
            /// still ran at the stop's deadline. Once the pool is closed the
            /// stream pulls one more item, which is refused, yields `Unstarted` in
            /// its place, and ends. Nothing is lost in silence: a stream
            /// that ends without an error has worked on the whole source.
            ///
            /// An item that takes long can react to a stop by the pool's token, which `f`
            /// captures: `pool.stop_handle().token()`.
            ///
            /// Short items are submitted several at a time, as many as take about
            /// 0.1 ms to run, and to come from the source; each such batch is one
            /// task, with the name of `f`. All of its items are `Abandoned` if it
            /// is. A stop that takes the backlog out ends it between two items.
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
            /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
            /// ```
            #[track_caller]
            pub fn stream<I, F, R>(&self, items: I, f: F) -> Stream<I::IntoIter, F, R>
            where
                I: IntoIterator<Item: Send + 'static>,
                F: Fn(I::Item) -> R + Send + Sync + 'static,
                R: Send + 'static,
            {
                let pool_ref = self.pool_ref().clone();
                Stream::new(pool_ref, items.into_iter(), f, Location::caller())
            }
        }
    };
}

loops!(Pool);
loops!(Submitter);
