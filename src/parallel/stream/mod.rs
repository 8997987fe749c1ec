//! Streams: an iterator's items, worked on by the pool, as an iterator.

mod batch;
mod endings;
mod pacing;

use crate::clock;
use crate::parallel::error::StreamError;
use crate::parallel::options::LoopOptions;
use crate::parallel::pace::CHUNK_TIME;
use crate::queue::{PoolRef, Shared};
use crate::sync::{Arc, AtomicBool, Relaxed};
use crate::task::{TaskCell, TaskError, TaskHandle, TaskLimits};
use crate::trace::Parent;
use crate::unwind::{self, Guarded, GuardedItems, GuardedVec};
use crate::worker::{Origin, next_id};
use batch::{AN_ITEM, Batch, Common, Done, LOOKS, Pulled, ResultsCell};
use endings::{Ending, Endings};
use pacing::Pacing;
use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::mem;
use std::ops::Range;
use std::panic::Location;
use std::time::Instant;
use std::vec;

/// An iterator that processes the items of another one on a pool and yields the results. Returned
/// by [`Pool::stream`](crate::Pool::stream).
///
/// `next` blocks until there is a result. On the calling thread it pulls from the source, but only
/// as results are taken and while it waits for results. So a source that blocks makes `next` block,
/// and no stop can end that wait. A result may have to wait for one more item, unless the source is
/// known to be ten times slower than `f`. A source that itself waits for results needs
/// [`in_flight(1)`](Self::in_flight).
///
/// Dropping a stream cancels the items that have not started, and does not wait for the others. A
/// panic in the drop of a result, an item or the source is logged and not passed on.
///
/// # Examples
///
/// ```
/// let pool = groundcrew::Pool::new(2)?;
/// let mut lengths = pool.stream(["to", "be", "or"], |word| word.len());
/// assert_eq!(lengths.next().unwrap()?, 2);
/// drop(lengths); // the rest is of no interest
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[must_use = "a stream does nothing until its results are taken"]
pub struct Stream<I: Iterator, F, R> {
    pool_ref: Arc<PoolRef>,
    submitted_at: &'static Location<'static>,
    common: Arc<Common<F>>,
    /// `None` once it has no more, or the pool takes no more.
    source: Option<I>,
    is_unordered: bool,
    pacing: Pacing,
    /// Pulled and not submitted yet: stays behind if the source panics.
    pulled: GuardedVec<I::Item>,
    batches: VecDeque<SubmittedBatch<I::Item, R>>,
    endings: Arc<Endings>,
    /// What to yield next: results of one batch, and then the errors in place of those that
    /// it has not.
    ready: GuardedItems<vec::IntoIter<R>>,
    errors: vec::IntoIter<StreamError>,
    /// How many items were pulled and are not yielded.
    outstanding: usize,
    /// The number of the next batch, and the index of the next item.
    number: u64,
    index: usize,
}

/// A batch that was submitted.
struct SubmittedBatch<T, R> {
    number: u64,
    /// The index of its first item.
    first: usize,
    count: usize,
    handle: TaskHandle<()>,
    results: ResultsCell<T, R>,
}

impl<I, F, R> Stream<I, F, R>
where
    I: Iterator<Item: Send + 'static>,
    F: Fn(I::Item) -> R + Send + Sync + 'static,
    R: Send + 'static,
{
    pub(super) fn new(
        pool_ref: Arc<PoolRef>,
        source: I,
        f: F,
        options: LoopOptions,
        submitted_at: &'static Location<'static>,
    ) -> Self {
        let pacing = Pacing::new(pool_ref.core.capacity(), pool_ref.core.workers);
        let common = Arc::new(Common {
            f: Guarded::new(f, "the closure of a stream"),
            pool_ref: pool_ref.clone(),
            options,
            parent: Parent::current(),
            is_dropped: AtomicBool::new(false),
        });
        Stream {
            pool_ref,
            submitted_at,
            common,
            source: Some(source),
            is_unordered: false,
            pacing,
            pulled: GuardedVec::with_capacity(0, AN_ITEM),
            batches: VecDeque::new(),
            endings: Arc::default(),
            ready: GuardedVec::with_capacity(0, "").into_items(),
            errors: Vec::new().into_iter(),
            outstanding: 0,
            number: 0,
            index: 0,
        }
    }

    /// Yields results as they become available, instead of in the order of the items.
    ///
    /// A slow item then delays no other. This does not make the consumer faster: if the consumer is
    /// slow, do more in `f`.
    pub fn unordered(mut self) -> Self {
        self.is_unordered = true;
        let batches = self.batches.iter();
        let ended = batches.filter(|batch| batch.handle.is_finished());
        self.endings.want(ended.map(|batch| batch.number));
        self
    }

    /// Sets how many items may be in flight at a time, which means that they were pulled from the
    /// source and their results have not been yielded. 0 counts as 1.
    ///
    /// The default is the capacity of the pool's queue
    /// ([`queue_capacity`](crate::PoolBuilder::queue_capacity)), or up to four times that if it is
    /// 512 or more. By default there are also no more batches in flight than take each worker 10
    /// ms, or four per worker if that is more. So of long items only four per worker are in flight.
    /// Set a higher number if some items take much longer than others, which would otherwise wait
    /// behind them. Set a lower number if items are large. With fewer than eight per worker, each
    /// item is its own batch.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = groundcrew::Pool::new(2)?;
    /// let pages = (0..100).map(|n| vec![n as u8; 1 << 20]); // large ones
    /// let sums = pool.stream(pages, |page| page.iter().map(|b| u64::from(*b)).sum::<u64>());
    /// let sums: Result<Vec<u64>, _> = sums.in_flight(4).collect();
    /// assert_eq!(sums?[99], 99 << 20);
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn in_flight(mut self, items: usize) -> Self {
        self.pacing.set_limit(items);
        self
    }

    /// Pulls one more batch and submits it, if there may be one. Returns whether
    /// it did.
    fn pull(&mut self) -> bool {
        let is_closed = self.pool_ref.core.is_closed() || self.is_cancelled();
        let next = self
            .pacing
            .next(self.outstanding, self.batches.len(), is_closed);
        let Some(count) = next else {
            return false;
        };
        let began = clock::now();
        self.pull_items(count, began);
        let took = clock::now().duration_since(began);
        self.pacing.pulled(self.pulled.len(), took);
        if self.pulled.is_empty() {
            return false;
        }
        let next = GuardedVec::with_capacity(count, AN_ITEM);
        let items = mem::replace(&mut self.pulled, next);
        self.outstanding += items.len();
        let first = self.index;
        self.index += items.len();
        let batch = self.submit(first, items.into_items());
        self.batches.push_back(batch);
        true
    }

    /// Pulls `count` items from the source, or as many as come in time: what has come is not
    /// to wait for a source that has become slow.
    fn pull_items(&mut self, count: usize, began: Instant) {
        let looks = count.div_ceil(LOOKS);
        while self.pulled.len() < count {
            let Some(item) = self.source.as_mut().and_then(Iterator::next) else {
                self.end_source();
                break;
            };
            self.pulled.push(item);
            let looks_now = self.pulled.len() % looks == 0;
            if looks_now && clock::now().duration_since(began) > CHUNK_TIME {
                break;
            }
        }
    }

    fn is_cancelled(&self) -> bool {
        self.common.options.is_cancelled()
    }

    /// A pool that is closed refuses the batch, and so does a token that is cancelled: then its
    /// items are unstarted, and no more are pulled.
    fn submit(&mut self, first: usize, items: Pulled<I::Item>) -> SubmittedBatch<I::Item, R> {
        let number = self.number;
        self.number += 1;
        let origin = Origin {
            id: next_id(),
            submitted_at: self.submitted_at,
        };
        let count = items.len();
        let results = ResultsCell::default();
        let batch = Batch {
            items,
            common: self.common.clone(),
            results: results.clone(),
        };
        let link = Ending {
            number,
            endings: self.endings.clone(),
        };
        let pool_ref = self.pool_ref.nearest();
        let options = &self.common.options;
        let name = options.name.clone();
        let cell = TaskCell::new(origin, name, TaskLimits::NONE, batch, pool_ref, link);
        let core = &self.pool_ref.core;
        if self.is_cancelled() || !core.push_shared(cell.clone(), options.on_full()) {
            self.end_source();
            cell.take_out();
            cell.discard();
        }
        SubmittedBatch {
            number,
            first,
            count,
            handle: TaskHandle::new(cell),
            results,
        }
    }

    /// The next batch to yield results from, pulling others meanwhile.
    fn next_batch(&mut self) -> Option<SubmittedBatch<I::Item, R>> {
        if !self.waits_for_source() {
            self.pull();
        }
        loop {
            if let Some(ended) = self.ended_batch() {
                return Some(ended);
            }
            if !self.waits_for_source() && self.pull() {
                continue;
            }
            if self.batches.is_empty() {
                return None;
            }
            if !self.is_unordered {
                return self.batches.pop_front();
            }
            // A worker may not wait for what only it can run.
            if !self.batches.iter().any(|batch| batch.handle.claim()) {
                self.wait_until(|numbers| !numbers.is_empty());
                if self.is_cancelled() {
                    for batch in &self.batches {
                        batch.handle.cancel();
                    }
                }
            }
        }
    }

    /// Whether to take results first, though there is room for another batch.
    fn waits_for_source(&self) -> bool {
        !self.batches.is_empty() && self.pacing.is_source_slow()
    }

    /// The next batch to yield results from, if it has ended.
    fn ended_batch(&mut self) -> Option<SubmittedBatch<I::Item, R>> {
        if !self.is_unordered {
            let first = self.batches.front()?;
            return first
                .handle
                .is_finished()
                .then(|| self.batches.pop_front())?;
        }
        // A batch that a stop took out may end again, if it is run after all.
        while let Some(number) = self.endings.try_next() {
            let mut batches = self.batches.iter();
            if let Some(index) = batches.position(|batch| batch.number == number) {
                return self.batches.remove(index);
            }
        }
        None
    }

    /// Waits until the batches that have ended are `enough`, or the token is cancelled.
    fn wait_until(&self, enough: impl Fn(&VecDeque<u64>) -> bool) {
        let token = self.common.options.token.as_ref();
        let _listening = token.map(|token| token.listen(self.endings.clone()));
        let endings = &self.endings;
        endings.wait_until(|numbers| enough(numbers) || self.is_cancelled());
    }

    /// Waits for a batch, and cancels it with the token. A join does not look at that.
    fn join(&self, handle: TaskHandle<()>) -> Result<(), TaskError> {
        if self.common.options.token.is_some() && !handle.is_finished() && !handle.claim() {
            self.wait_until(|_| handle.is_finished());
            if self.is_cancelled() {
                handle.cancel();
            }
        }
        handle.join()
    }

    /// Waits for a batch and makes its results those to be yielded next.
    fn take(&mut self, batch: SubmittedBatch<I::Item, R>) {
        let joined = self.join(batch.handle);
        let end = batch.first + batch.count;
        let no_results = match joined {
            Err(TaskError::Abandoned) => Some(Refused::Abandoned),
            Err(TaskError::Unstarted) if !self.is_cancelled() => Some(Refused::Unstarted),
            Err(TaskError::Unstarted | TaskError::Cancelled) => Some(Refused::Cancelled),
            Ok(()) | Err(_) => None,
        };
        if let Some(refused) = no_results {
            self.errors = refused.errors(batch.first..end).into_iter();
            return;
        }
        let Some(Done {
            results,
            rest,
            took,
        }) = batch.results.lock().take()
        else {
            unreachable!("a batch that ran has left something there");
        };
        let mut errors = Vec::new();
        match joined {
            Ok(()) => self.pacing.ran(results.len(), took),
            Err(error) => errors.push(StreamError {
                index: batch.first + results.len(),
                error,
            }),
        }
        self.ready = results.into_items();
        let left = end - rest.len()..end;
        if self.is_cancelled() {
            errors.extend(Refused::Cancelled.errors(left));
        } else {
            self.submit_again(left.start, rest);
        }
        self.errors = errors.into_iter();
    }

    /// What a batch left of its items, from the index `first` on, as batches in front of all
    /// others, in their order.
    fn submit_again(&mut self, mut first: usize, mut rest: Pulled<I::Item>) {
        let size = self.pacing.run_size();
        let mut pieces = Vec::new();
        while rest.len() > 0 {
            let mut piece = GuardedVec::with_capacity(size.min(rest.len()), AN_ITEM);
            piece.extend(rest.by_ref().take(size));
            let length = piece.len();
            pieces.push(self.submit(first, piece.into_items()));
            first += length;
        }
        for batch in pieces.into_iter().rev() {
            self.batches.push_front(batch);
        }
    }
}

/// Why the items of a batch have no results.
#[derive(Clone, Copy)]
enum Refused {
    Unstarted,
    Cancelled,
    Abandoned,
}

impl Refused {
    fn errors(self, indexes: Range<usize>) -> Vec<StreamError> {
        let error = || match self {
            Refused::Unstarted => TaskError::Unstarted,
            Refused::Cancelled => TaskError::Cancelled,
            Refused::Abandoned => TaskError::Abandoned,
        };
        let of = |index| StreamError {
            index,
            error: error(),
        };
        indexes.map(of).collect()
    }
}

impl<I, F, R> Iterator for Stream<I, F, R>
where
    I: Iterator<Item: Send + 'static>,
    F: Fn(I::Item) -> R + Send + Sync + 'static,
    R: Send + 'static,
{
    type Item = Result<R, StreamError>;

    fn next(&mut self) -> Option<Result<R, StreamError>> {
        loop {
            let ready = self.ready.next().map(Ok);
            if let Some(next) = ready.or_else(|| self.errors.next().map(Err)) {
                self.outstanding -= 1;
                return Some(next);
            }
            let batch = self.next_batch()?;
            self.take(batch);
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let in_source = self
            .source
            .as_ref()
            .map_or(Some(0), |source| source.size_hint().1);
        let most = in_source.and_then(|more| more.checked_add(self.outstanding));
        (self.outstanding, most)
    }
}

impl<I, F, R> FusedIterator for Stream<I, F, R>
where
    I: Iterator<Item: Send + 'static>,
    F: Fn(I::Item) -> R + Send + Sync + 'static,
    R: Send + 'static,
{
}

impl<I: Iterator, F, R> Stream<I, F, R> {
    /// It has no more, or no more are wanted.
    fn end_source(&mut self) {
        unwind::drop_guarded(self.source.take(), || "the source of a stream".to_owned());
    }
}

impl<I: Iterator, F, R> Drop for Stream<I, F, R> {
    /// What is dropped here of the program's, all of it may panic: hence the
    /// guards around source, closure, items and results.
    fn drop(&mut self) {
        self.common.is_dropped.store(true, Relaxed);
        for batch in &self.batches {
            batch.handle.cancel();
        }
        self.common.options.decided();
        self.end_source();
    }
}

impl<I: Iterator, F, R> fmt::Debug for Stream<I, F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("pool", &self.pool_ref.core.name)
            .field("in_flight", &self.outstanding)
            .field("at_most", &self.pacing.limit())
            .field("is_unordered", &self.is_unordered)
            .finish_non_exhaustive()
    }
}
