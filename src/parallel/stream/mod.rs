//! Streams: an iterator's items, worked on by the pool, as an iterator.

mod batch;
mod endings;

use super::pace::next_size;
use crate::clock::{self, Deadline};
use crate::queue::{OnFull, PoolRef};
use crate::sync::{Arc, AtomicBool, Relaxed};
use crate::task::{Origin, Shared, TaskCell, TaskError, TaskHandle, next_id};
use crate::unwind::{self, Guarded, GuardedItems, GuardedVec};
use batch::{AN_ITEM, Batch, Common, Done, LOOKS, Place, Pulled};
use endings::{Ending, Endings};
use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::mem;
use std::panic::Location;
use std::time::Duration;
use std::vec;

/// An iterator over the results of a pool's work on the items of another one: see
/// [`Pool::stream`](crate::Pool::stream).
///
/// `next` blocks until there is a result. It pulls from the source, on the thread
/// that calls it, only as results are taken, and while the results of what was
/// pulled are not there yet. So a source that blocks makes `next` block: a result
/// may wait for one more item, though not if the source is known to be ten times
/// slower than `f`; no stop can end that wait; and a source that waits for
/// results itself needs [`in_flight(1)`](Self::in_flight).
///
/// Dropping it cancels what has not started, and does not wait for what has. A
/// panic in the drop of a result, an item or the source is logged and goes no
/// further.
///
/// # Examples
///
/// ```
/// let pool = groundcrew::Pool::new(2)?;
/// let mut lengths = pool.stream(["to", "be", "or"], |word| word.len());
/// assert_eq!(lengths.next().unwrap()?, 2);
/// drop(lengths); // the rest is of no interest
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[must_use = "a stream does nothing until its results are taken"]
pub struct Stream<I: Iterator, F, R> {
    pool_ref: Arc<PoolRef>,
    submitted_at: &'static Location<'static>,
    common: Arc<Common<F>>,
    /// `None` once it has no more, or the pool takes no more.
    source: Option<I>,
    is_unordered: bool,
    /// Never more items than this are pulled and not yielded.
    limit: usize,
    /// Whether the program set that.
    is_set: bool,
    /// How many items the next batch may have at most, to run in time,
    run_size: usize,
    /// and to come from the source in time.
    pull_size: usize,
    /// How long the last batch took.
    took: Duration,
    /// How long the last batch took to come from the source.
    pull_took: Duration,
    /// Pulled and not submitted yet: stays behind if the source panics.
    pulled: GuardedVec<I::Item>,
    flights: VecDeque<Flight<I::Item, R>>,
    endings: Arc<Endings>,
    /// What to yield next: results of one batch, and then the errors in place of those that
    /// it has not.
    ready: GuardedItems<vec::IntoIter<R>>,
    errors: vec::IntoIter<TaskError>,
    /// How many items were pulled and are not yielded.
    outstanding: usize,
    /// The number of the next batch.
    number: u64,
}

/// A batch that was submitted.
struct Flight<T, R> {
    number: u64,
    count: usize,
    handle: TaskHandle<()>,
    place: Place<T, R>,
}

/// How long a batch should take: long compared to the cost of a task.
const BATCH: Duration = Duration::from_micros(100);
/// The queue's places are how many items may be in flight; where there are many places,
/// every `ROOMY` of them add the same number again, up to four times: a thousand items of a
/// microsecond each are too few to keep the workers busy.
const ROOMY: usize = 256;
/// A source is slow if a batch takes this many times longer to come from it than to run,
const SLOW: u32 = 10;
/// and longer than this, which a result may well wait.
const LAG: Duration = Duration::from_millis(1);
/// By default, how much work per worker is in progress: long compared to the time for which
/// the consumer may not get a core.
const WINDOW: Duration = Duration::from_millis(10);
/// But at least this number of batches per worker.
const BATCHES: usize = 4;

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
        submitted_at: &'static Location<'static>,
    ) -> Self {
        let capacity = pool_ref.queue.capacity;
        let limit = capacity.saturating_mul((capacity / ROOMY).clamp(1, 4));
        let common = Arc::new(Common {
            f: Guarded::new(f, "the closure of a stream"),
            pool_ref: pool_ref.clone(),
            is_dropped: AtomicBool::new(false),
        });
        Stream {
            pool_ref,
            submitted_at,
            common,
            source: Some(source),
            is_unordered: false,
            limit,
            is_set: false,
            run_size: 1,
            pull_size: 1,
            took: WINDOW,
            pull_took: Duration::ZERO,
            pulled: GuardedVec::with_capacity(0, AN_ITEM),
            flights: VecDeque::new(),
            endings: Arc::default(),
            ready: GuardedVec::with_capacity(0, "").into_items(),
            errors: Vec::new().into_iter(),
            outstanding: 0,
            number: 0,
        }
    }

    /// Yields results as they come, instead of in the order of the items.
    ///
    /// An item that takes long then holds up none behind it. It does not make the
    /// consumer faster: where that is what takes long, do more in `f`.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = groundcrew::Pool::new(2)?;
    /// let squares = pool.stream(1..=10_u64, |n| n * n).unordered();
    /// let mut sum = 0;
    /// for square in squares {
    ///     sum += square?;
    /// }
    /// assert_eq!(sum, 385);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn unordered(mut self) -> Self {
        self.is_unordered = true;
        let flights = self.flights.iter();
        let ended = flights.filter(|flight| flight.handle.is_finished());
        self.endings.want(ended.map(|flight| flight.number));
        self
    }

    /// How many items may be in flight at a time: pulled from the source, and their results
    /// not yet yielded. 0 counts as 1.
    ///
    /// By default as many as the pool's queue has places
    /// ([`queue_capacity`](crate::PoolBuilder::queue_capacity)), up to four times
    /// as many if those are 512 or more; and no more batches than take each worker
    /// 10 ms, or four a worker if they are longer: so of items that take long to
    /// run, only four a worker are in flight. Say more where some items take much
    /// longer than others, which those behind them would wait for; say less where
    /// items are large. With fewer than eight a worker each item is a batch of its
    /// own.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = groundcrew::Pool::new(2)?;
    /// let pages = (0..100).map(|n| vec![n as u8; 1 << 20]); // large ones
    /// let sums = pool.stream(pages, |page| page.iter().map(|b| u64::from(*b)).sum::<u64>());
    /// let sums: Result<Vec<u64>, _> = sums.in_flight(4).collect();
    /// assert_eq!(sums?[99], 99 << 20);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn in_flight(mut self, items: usize) -> Self {
        self.limit = items.max(1);
        self.is_set = true;
        self
    }

    /// How many batches may be submitted and not taken.
    fn batches(&self) -> usize {
        if self.is_set {
            return self.limit;
        }
        let in_window = WINDOW.as_nanos() / self.took.as_nanos().max(1);
        let in_window = usize::try_from(in_window).unwrap_or(usize::MAX);
        in_window
            .max(BATCHES)
            .saturating_mul(self.pool_ref.queue.workers)
    }

    /// Pulls one more batch and submits it, if there may be one. Returns whether
    /// it did.
    fn pull(&mut self) -> bool {
        let room = self.limit.saturating_sub(self.outstanding);
        if room == 0 || self.flights.len() >= self.batches() {
            return false;
        }
        // Each worker runs one and has one waiting, while one is taken and one is
        // pulled.
        let part = self.limit / (4 * self.pool_ref.queue.workers);
        // Of a closed pool no more than is needed to say so.
        let is_closed = self.pool_ref.queue.is_closed();
        let room = if is_closed { 1 } else { room };
        let count = self.run_size.min(self.pull_size).min(part.max(1)).min(room);
        let began = clock::now();
        let looks = count.div_ceil(LOOKS);
        while self.pulled.len() < count {
            let Some(item) = self.source.as_mut().and_then(Iterator::next) else {
                self.end_source();
                break;
            };
            self.pulled.push(item);
            // What has come is not to wait for a source that has become slow.
            let looks_now = self.pulled.len() % looks == 0;
            if looks_now && clock::now().duration_since(began) > BATCH {
                break;
            }
        }
        self.pull_took = clock::now().duration_since(began);
        if self.pulled.is_empty() {
            return false;
        }
        let next = GuardedVec::with_capacity(count, AN_ITEM);
        let items = mem::replace(&mut self.pulled, next);
        self.pull_size = next_size(BATCH, self.pull_size, items.len(), self.pull_took);
        self.outstanding += items.len();
        let flight = self.submit(items.into_items());
        self.flights.push_back(flight);
        true
    }

    /// A pool that is closed refuses the batch: then its items are unstarted, and
    /// no more are pulled.
    fn submit(&mut self, items: Pulled<I::Item>) -> Flight<I::Item, R> {
        let number = self.number;
        self.number += 1;
        let origin = Origin {
            id: next_id(),
            submitted_at: self.submitted_at,
        };
        let count = items.len();
        let place = Place::default();
        let batch = Batch {
            items,
            common: self.common.clone(),
            place: place.clone(),
        };
        let link = Ending {
            number,
            endings: self.endings.clone(),
        };
        let pool_ref = self.pool_ref.nearest();
        let cell = TaskCell::new(origin, None, Deadline::NEVER, batch, pool_ref, link);
        if !self.pool_ref.queue.push_shared(cell.clone(), OnFull::WAIT) {
            self.end_source();
            cell.take_out();
            cell.discard();
        }
        Flight {
            number,
            count,
            handle: TaskHandle::new(cell),
            place,
        }
    }

    /// The next batch to yield results from, pulling others meanwhile.
    fn next_flight(&mut self) -> Option<Flight<I::Item, R>> {
        if !self.waits_for_source() {
            self.pull();
        }
        loop {
            if let Some(ended) = self.ended_flight() {
                return Some(ended);
            }
            if !self.waits_for_source() && self.pull() {
                continue;
            }
            if self.flights.is_empty() {
                return None;
            }
            if !self.is_unordered {
                return self.flights.pop_front();
            }
            // A worker may not wait for what only it can run.
            if !self.flights.iter().any(|flight| flight.handle.claim()) {
                self.endings.wait();
            }
        }
    }

    /// The source is so slow that next to nothing is gained by pulling while a
    /// batch runs; but its results would wait for the source.
    fn waits_for_source(&self) -> bool {
        !self.flights.is_empty() && self.pull_took > LAG.max(self.took.saturating_mul(SLOW))
    }

    /// The next batch to yield results from, if it has ended.
    fn ended_flight(&mut self) -> Option<Flight<I::Item, R>> {
        if !self.is_unordered {
            let first = self.flights.front()?;
            return first
                .handle
                .is_finished()
                .then(|| self.flights.pop_front())?;
        }
        // A batch that a stop took out may end again, if it is run after all.
        while let Some(number) = self.endings.try_next() {
            let mut flights = self.flights.iter();
            if let Some(index) = flights.position(|flight| flight.number == number) {
                return self.flights.remove(index);
            }
        }
        None
    }

    /// Waits for a batch and makes its results those to be yielded next.
    fn take(&mut self, flight: Flight<I::Item, R>) {
        let joined = flight.handle.join();
        if let Err(error @ (TaskError::Unstarted | TaskError::Abandoned)) = joined {
            let again = || match error {
                TaskError::Abandoned => TaskError::Abandoned,
                _ => TaskError::Unstarted,
            };
            self.errors = (0..flight.count)
                .map(|_| again())
                .collect::<Vec<_>>()
                .into_iter();
            return;
        }
        let Some(Done {
            results,
            rest,
            took,
        }) = flight.place.lock().take()
        else {
            unreachable!("a batch that ran has left something there");
        };
        match joined {
            Ok(()) => {
                self.run_size = next_size(BATCH, self.run_size, results.len(), took);
                self.took = took;
            }
            Err(panicked) => self.errors = vec![panicked].into_iter(),
        }
        self.ready = results.into_items();
        // In front of all others, in their order.
        let mut rest = rest;
        let mut pieces = Vec::new();
        while rest.len() > 0 {
            let mut piece = GuardedVec::with_capacity(self.run_size.min(rest.len()), AN_ITEM);
            piece.extend(rest.by_ref().take(self.run_size));
            pieces.push(self.submit(piece.into_items()));
        }
        for flight in pieces.into_iter().rev() {
            self.flights.push_front(flight);
        }
    }
}

impl<I, F, R> Iterator for Stream<I, F, R>
where
    I: Iterator<Item: Send + 'static>,
    F: Fn(I::Item) -> R + Send + Sync + 'static,
    R: Send + 'static,
{
    type Item = Result<R, TaskError>;

    fn next(&mut self) -> Option<Result<R, TaskError>> {
        loop {
            let ready = self.ready.next().map(Ok);
            if let Some(next) = ready.or_else(|| self.errors.next().map(Err)) {
                self.outstanding -= 1;
                return Some(next);
            }
            let flight = self.next_flight()?;
            self.take(flight);
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
        for flight in &self.flights {
            flight.handle.cancel();
        }
        self.end_source();
    }
}

impl<I: Iterator, F, R> fmt::Debug for Stream<I, F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("pool", &self.pool_ref.queue.name)
            .field("in_flight", &self.outstanding)
            .field("at_most", &self.limit)
            .field("is_unordered", &self.is_unordered)
            .finish_non_exhaustive()
    }
}
