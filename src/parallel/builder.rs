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

/// A parallel loop with a name and maybe a token, before it runs. Returned by
/// [`Pool::parallel`](crate::Pool::parallel).
///
/// # Examples
///
/// The first thread that fails ends the others, and so does a token:
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
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
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
        let work = TryMap::new(&*f);
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
        let work = FindAny::new(&*f);
        let searched = self.run(items.into_iter(), &work, Location::caller());
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
            .finish()
    }
}
