//! A loop with options. The loops of a pool are those without.

use super::error::TryMapError;
use super::map::{self, FindAny, ForEach, Map, MapReduce, ParallelItems, TryMap, Work};
use super::options::LoopOptions;
use super::stream::Stream;
use crate::cancel::CancelToken;
use crate::queue::PoolRef;
use crate::sync::Arc;
use crate::task::TaskError;
use crate::unwind::{Guarded, GuardedVec};
use std::fmt;
use std::panic::Location;

/// A parallel loop with a name and options, before it runs. Returned by
/// [`Pool::parallel`](crate::Pool::parallel).
///
/// # Examples
///
/// A hit ends the loop, and so does a token:
///
/// ```
/// use groundcrew::{CancelToken, Pool, TaskError};
///
/// let pool = Pool::new(2)?;
/// let token = CancelToken::new();
/// let loops = pool.parallel("count").cancel_token(&token);
/// assert_eq!(loops.find_any(0..1_000_000, |n| n % 7919 == 7)?.map(|n| n % 7919), Some(7));
///
/// token.cancel();
/// assert!(matches!(loops.map(0..100, |n| n + 1), Err(TaskError::Cancelled)));
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[must_use = "a loop does not run before one of its methods is called"]
pub struct ParallelBuilder<'a> {
    pool_ref: &'a Arc<PoolRef>,
    options: LoopOptions,
}

const A_CLOSURE: &str = "the closure of a parallel loop";

impl<'a> ParallelBuilder<'a> {
    /// Without a name: that of the closure.
    pub(super) fn new(pool_ref: &'a Arc<PoolRef>) -> ParallelBuilder<'a> {
        ParallelBuilder {
            pool_ref,
            options: LoopOptions::default(),
        }
    }

    pub(super) fn name(mut self, name: String) -> Self {
        self.options.name = Some(name.into());
        self
    }

    /// Lets `token` cut the loop short: once it is cancelled, no further item begins. A loop then
    /// returns [`TaskError::Cancelled`] when the items that have begun have ended, unless all had
    /// begun. A stream yields `Cancelled` in place of each item that it has pulled and that has not
    /// begun, and of one more if the source has not ended; then it ends.
    ///
    /// The closure can check the same token to end a long item.
    pub fn cancel_token(mut self, token: &CancelToken) -> Self {
        self.options.token = Some(token.clone());
        self.options.owns_token = false;
        self
    }

    /// Like [`cancel_token`](Self::cancel_token), with a token that belongs to this loop: the loop
    /// cancels it as soon as its outcome is decided, so that items that still run can end early.
    /// The outcome is decided by a hit of [`find_any`](Self::find_any) or
    /// [`find_map_any`](Self::find_map_any), by an error of [`try_map`](Self::try_map), by a panic,
    /// and for a [`stream`](Self::stream) when it is dropped.
    ///
    /// With it, `try_map` returns the first error in time, not the first by index: errors that come
    /// later may be those of items that were ended early.
    ///
    /// The token is for one loop: after that, it is cancelled for the next one as well. Use a
    /// [child](CancelToken::child) of another token if that is to end the loop, too: of
    /// `cancel_token` and this, the later call counts.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{CancelToken, Pool};
    ///
    /// /// Looks for a divisor, for as long as no other item has one.
    /// fn divisor(number: u64, found: &CancelToken) -> Option<u64> {
    ///     (2..number).take_while(|_| !found.is_cancelled()).find(|n| number % n == 0)
    /// }
    ///
    /// let pool = Pool::new(2)?;
    /// let found = CancelToken::new();
    /// let numbers = [7 * 11, 1_000_000_007, 1_000_000_009]; // and two primes
    /// let search = pool.parallel("search").own_token(&found);
    /// assert_eq!(search.find_map_any(numbers, |number| divisor(number, &found))?, Some(7));
    /// assert!(found.is_cancelled());
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn own_token(mut self, token: &CancelToken) -> Self {
        self.options.token = Some(token.clone());
        self.options.owns_token = true;
        self
    }

    fn run<W: Work>(
        &self,
        items: W::Items,
        work: &W,
        submitted_at: &'static Location<'static>,
    ) -> Result<Option<W::Part>, TaskError> {
        map::run(self.pool_ref, items, work, &self.options, submitted_at)
    }

    /// Runs [`Pool::map`](crate::Pool::map) with these options. Blocks until all items are done.
    ///
    /// # Errors
    ///
    /// As `Pool::map`, and as [`cancel_token`](Self::cancel_token) says.
    ///
    /// # Panics
    ///
    /// As `Pool::map`.
    #[track_caller]
    pub fn map<I, F, R>(&self, items: I, f: F) -> Result<Vec<R>, TaskError>
    where
        I: IntoIterator<IntoIter: ParallelItems>,
        F: Fn(I::Item) -> R + Sync,
        R: Send,
    {
        let f = Guarded::new(f, A_CLOSURE);
        let results = self.run(items.into_iter(), &Map::new(&*f), Location::caller())?;
        Ok(results.map_or_else(Vec::new, GuardedVec::into_vec))
    }

    /// Runs [`Pool::try_map`](crate::Pool::try_map) with these options. Blocks until all items are
    /// done, or those that have begun when one fails.
    ///
    /// # Errors
    ///
    /// As `Pool::try_map`, and as [`cancel_token`](Self::cancel_token) says.
    ///
    /// # Panics
    ///
    /// As [`Pool::map`](crate::Pool::map).
    #[track_caller]
    pub fn try_map<I, F, R, E>(&self, items: I, f: F) -> Result<Vec<R>, TryMapError<E>>
    where
        I: IntoIterator<IntoIter: ParallelItems>,
        F: Fn(I::Item) -> Result<R, E> + Sync,
        R: Send,
        E: Send,
    {
        let f = Guarded::new(f, A_CLOSURE);
        let work = TryMap::new(&*f, self.options.owns_token);
        let results = self.run(items.into_iter(), &work, Location::caller());
        match work.into_error() {
            Some((index, error)) => Err(TryMapError::Item { index, error }),
            None => match results {
                Ok(results) => Ok(results.map_or_else(Vec::new, GuardedVec::into_vec)),
                Err(error) => Err(TryMapError::Loop(error)),
            },
        }
    }

    /// Runs [`Pool::for_each`](crate::Pool::for_each) with these options. Blocks until all items
    /// are done.
    ///
    /// # Errors
    ///
    /// As [`map`](Self::map).
    ///
    /// # Panics
    ///
    /// As [`Pool::map`](crate::Pool::map).
    #[track_caller]
    pub fn for_each<I, F>(&self, items: I, f: F) -> Result<(), TaskError>
    where
        I: IntoIterator<IntoIter: ParallelItems>,
        F: Fn(I::Item) + Sync,
    {
        let f = Guarded::new(f, A_CLOSURE);
        self.run(items.into_iter(), &ForEach::new(&*f), Location::caller())?;
        Ok(())
    }

    /// Runs [`Pool::map_reduce`](crate::Pool::map_reduce) with these options. Blocks until all
    /// items are done.
    ///
    /// # Errors
    ///
    /// As [`map`](Self::map).
    ///
    /// # Panics
    ///
    /// As `Pool::map_reduce`.
    #[track_caller]
    pub fn map_reduce<I, F, G, R>(&self, items: I, f: F, reduce: G) -> Result<Option<R>, TaskError>
    where
        I: IntoIterator<IntoIter: ParallelItems>,
        F: Fn(I::Item) -> R + Sync,
        G: Fn(R, R) -> R + Sync,
        R: Send,
    {
        let f = Guarded::new(f, A_CLOSURE);
        let reduce = Guarded::new(reduce, A_CLOSURE);
        let work = MapReduce::new(&*f, &*reduce);
        let whole = self.run(items.into_iter(), &work, Location::caller())?;
        Ok(whole.map(Guarded::into_inner))
    }

    /// Runs [`Pool::find_any`](crate::Pool::find_any) with these options. Blocks until all items
    /// are done, or those that have begun when there is a hit.
    ///
    /// # Errors
    ///
    /// As [`map`](Self::map), if there was no hit by then.
    ///
    /// # Panics
    ///
    /// As [`Pool::map`](crate::Pool::map).
    #[track_caller]
    pub fn find_any<I, F>(&self, items: I, f: F) -> Result<Option<I::Item>, TaskError>
    where
        I: IntoIterator<IntoIter: ParallelItems, Item: Send>,
        F: Fn(&I::Item) -> bool + Sync,
    {
        let f = Guarded::new(f, A_CLOSURE);
        let find = |item| {
            let item = Guarded::new(item, "an item of a parallel loop");
            f(&item).then(|| item.into_inner())
        };
        let work = FindAny::<_, F, _, _>::new(find);
        self.search(items.into_iter(), work, Location::caller())
    }

    /// Runs [`Pool::find_map_any`](crate::Pool::find_map_any) with these options. Blocks until all
    /// items are done, or those that have begun when there is a hit.
    ///
    /// # Errors
    ///
    /// As [`map`](Self::map), if there was no hit by then.
    ///
    /// # Panics
    ///
    /// As [`Pool::map`](crate::Pool::map).
    #[track_caller]
    pub fn find_map_any<I, F, R>(&self, items: I, f: F) -> Result<Option<R>, TaskError>
    where
        I: IntoIterator<IntoIter: ParallelItems>,
        F: Fn(I::Item) -> Option<R> + Sync,
        R: Send,
    {
        let f = Guarded::new(f, A_CLOSURE);
        let work = FindAny::<_, F, _, _>::new(&*f);
        self.search(items.into_iter(), work, Location::caller())
    }

    fn search<S, F, G, R>(
        &self,
        items: S,
        work: FindAny<S, F, G, R>,
        submitted_at: &'static Location<'static>,
    ) -> Result<Option<R>, TaskError>
    where
        S: ParallelItems,
        G: Fn(S::Item) -> Option<R> + Sync,
        R: Send,
    {
        let searched = self.run(items, &work, submitted_at);
        match work.into_hit() {
            Some(hit) => Ok(Some(hit)),
            None => searched.map(|_| None),
        }
    }

    /// Returns the iterator of [`Pool::stream`](crate::Pool::stream) with these options. Its `next`
    /// blocks.
    #[track_caller]
    pub fn stream<I, F, R>(self, items: I, f: F) -> Stream<I::IntoIter, F, R>
    where
        I: IntoIterator<Item: Send + 'static>,
        F: Fn(I::Item) -> R + Send + Sync + 'static,
        R: Send + 'static,
    {
        let pool_ref = self.pool_ref.clone();
        let submitted_at = Location::caller();
        Stream::new(pool_ref, items.into_iter(), f, self.options, submitted_at)
    }
}

impl fmt::Debug for ParallelBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParallelBuilder")
            .field("pool", &self.pool_ref.core.name)
            .field("name", &self.options.name)
            .field("cancel_token", &self.options.token)
            .field("owns_token", &self.options.owns_token)
            .finish()
    }
}
