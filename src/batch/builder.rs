//! The options of a batcher.

use super::alarms::BatchAlarms;
use super::batcher::Batcher;
use super::dead_letters::DeadLetters;
use super::fill::Fill;
use super::filling::Filling;
use super::handler::BatchHandler;
use super::state::State;
use super::store::{Measure, Store};
use crate::causes::{self, BoxError};
use crate::clock::Deadline;
use crate::queue::{CloseWatcher, Membership, Room};
use crate::retry::{Backoff, DeadLetter, DeadLetterHandler, IntoRetry, Retry, RetryPolicy};
use crate::submit::Submitter;
use crate::sync::{Arc, CachePadded, Condvar, Mutex, Weak};
use crate::task::TaskContext;
use crate::threads::SPAWN_TIMEOUT;
use crate::unwind::Guarded;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

/// Builds a [`Batcher`].
///
/// # Examples
///
/// ```
/// use groundcrew::{Batcher, Pool, Retry};
/// use std::time::Duration;
///
/// let pool = Pool::new(2)?;
/// let events = Batcher::builder("events")
///     .max_items(500)
///     .max_bytes(1 << 20, |event: &String| event.len())
///     .max_age(Duration::from_secs(5))
///     .max_idle(Duration::from_millis(200))
///     .in_flight(2)
///     .capacity(10_000)
///     .retry(Retry::exponential(Duration::from_millis(100)).attempts(5))
///     .dead_letter(|event, why| eprintln!("{event}: {why:?}"))
///     .build(pool.submitter(), |batch: &mut Vec<String>, _| Ok(drop(batch.concat())))?;
/// events.submit("a page was seen".to_owned())?;
/// assert!(events.stop(Duration::from_secs(5)).is_clean());
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[must_use = "a batcher is not made before `build` is called"]
pub struct BatcherBuilder<T> {
    name: String,
    fill: Fill,
    measure: Option<Box<Measure<T>>>,
    in_flight: usize,
    capacity: Option<usize>,
    retry: Retry<BoxError>,
    dead_letter: Option<DeadLetterHandler<T>>,
}

/// The default maximum number of items in a batch; the default capacity is ten times that.
const ITEMS: usize = 100;
const BATCHES: usize = 10;
/// The upper limit for the items of a batch: they are kept in one piece of memory.
const MOST_ITEMS: usize = 1 << 24;

impl<T: Send + 'static> BatcherBuilder<T> {
    pub(super) fn new(name: String) -> BatcherBuilder<T> {
        let backoff = Backoff::exponential(Duration::from_millis(100)).cap(Duration::from_secs(30));
        BatcherBuilder {
            name,
            fill: Fill {
                max_items: ITEMS,
                max_bytes: usize::MAX,
                max_age: Duration::from_secs(1),
                max_idle: Duration::MAX,
            },
            measure: None,
            in_flight: 1,
            capacity: None,
            retry: Retry::new(backoff).attempts(5).into_retry(),
            dead_letter: None,
        }
    }

    /// Sets the maximum number of items in a batch. Defaults to 100.
    pub fn max_items(mut self, items: usize) -> Self {
        self.fill.max_items = items;
        self
    }

    /// Sets the maximum size of a batch in bytes, the sum of what `measure` returns for its items.
    /// An item that would exceed it begins the next batch. A single item that is larger is a batch
    /// by itself. There is no limit by default.
    ///
    /// The thread that submits an item calls `measure`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::{Batcher, Pool};
    /// # let pool = Pool::new(1)?;
    /// let (sender, receiver) = groundcrew::channel::unbounded();
    /// let words = Batcher::builder("words")
    ///     .max_bytes(8, |word: &&str| word.len())
    ///     .build(pool.submitter(), move |words: &mut Vec<&str>, _| {
    ///         Ok(sender.send(words.concat())?)
    ///     })?;
    /// for word in ["one", "two", "three", "four"] {
    ///     words.submit(word)?;
    /// }
    /// words.flush();
    /// assert_eq!(receiver.try_iter().collect::<Vec<_>>(), ["onetwo", "three", "four"]);
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn max_bytes(
        mut self,
        bytes: usize,
        measure: impl Fn(&T) -> usize + Send + Sync + 'static,
    ) -> Self {
        self.fill.max_bytes = bytes;
        self.measure = Some(Box::new(measure));
        self
    }

    /// Sets the maximum age of a batch, counted from its first item, after which it is handled.
    /// Defaults to 1 s. [`Duration::MAX`] means no limit.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.fill.max_age = age;
        self
    }

    /// Sets the maximum time without a new item, after which a batch is handled. There is no limit
    /// by default. A limit that is not shorter than [`max_age`](Self::max_age) has no effect.
    pub fn max_idle(mut self, idle: Duration) -> Self {
        self.fill.max_idle = idle;
        self
    }

    /// Sets the maximum number of batches in progress: being handled, or waiting for another
    /// attempt. Defaults to 1, which handles batches in order.
    pub fn in_flight(mut self, batches: usize) -> Self {
        self.in_flight = batches;
        self
    }

    /// Sets the maximum number of items that are waiting or being handled. Defaults to ten full
    /// batches. When it is reached, the collected items are handled as a batch.
    pub fn capacity(mut self, items: usize) -> Self {
        self.capacity = Some(items);
        self
    }

    /// Sets the retry policy for a batch whose handler failed with an error that is not
    /// [`PermanentError`](crate::retry::PermanentError). Defaults to five attempts, after pauses of
    /// 0.1 s, 0.2 s, 0.4 s and 0.8 s, each shortened at random by up to a half.
    ///
    /// A [judge](Retry::on_error) takes the error that the handler returned, a
    /// [`&BoxError`](crate::BoxError). [`Verdict::GiveUp`](crate::retry::Verdict::GiveUp) means
    /// that the batch is split, as for a permanent error, since a few of its items may be the
    /// cause.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Batcher, BoxError, Pool, Retry};
    /// use groundcrew::retry::Verdict;
    /// use std::io::{self, ErrorKind};
    /// use std::time::Duration;
    ///
    /// # let pool = Pool::new(1)?;
    /// let retry = Retry::exponential(Duration::from_millis(100)).on_error(
    ///     |error: &BoxError| match error.downcast_ref::<io::Error>() {
    ///         Some(error) if error.kind() == ErrorKind::InvalidData => Verdict::GiveUp,
    ///         _ => Verdict::Retry,
    ///     },
    /// );
    /// let lines = Batcher::builder("lines")
    ///     .retry(retry)
    ///     .build(pool.submitter(), |lines: &mut Vec<&str>, _| match lines.contains(&"") {
    ///         true => Err(io::Error::from(ErrorKind::InvalidData))?,
    ///         false => Ok(()),
    ///     })?;
    /// for line in ["a", "", "b"] {
    ///     lines.submit(line)?;
    /// }
    /// assert!(lines.stop(Duration::from_secs(5)).is_clean());
    /// assert_eq!((lines.stats().handled(), lines.stats().dead()), (2, 1));
    /// # Ok::<(), BoxError>(())
    /// ```
    pub fn retry(mut self, policy: impl RetryPolicy<BoxError>) -> Self {
        self.retry = policy.into_retry();
        self
    }

    /// Sets the closure for dead letters (items that were given up). It is called on the pool, for
    /// one item at a time. A panic in it is logged. Without it, dead letters are dropped, their
    /// number is logged, and the report of a [host](crate::HostBuilder::add) is not clean.
    pub fn dead_letter(mut self, closure: impl Fn(T, &DeadLetter) + Send + Sync + 'static) -> Self {
        self.dead_letter = Some(DeadLetterHandler::new(closure));
        self
    }

    /// Builds the batcher, whose batches are handled on the pool of this submitter.
    ///
    /// [`Batcher`](Batcher#the-handler) describes what the handler gets, and what its result
    /// means.
    ///
    /// # Errors
    ///
    /// Fails if a limit is zero, so that nothing could ever be handled, or too large; if the
    /// name is empty or contains control characters; or if the timer's thread cannot be
    /// started.
    #[track_caller]
    pub fn build(
        self,
        pool: Submitter,
        handler: impl Fn(&mut Vec<T>, &TaskContext) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Result<Batcher<T>, BatcherError> {
        self.check()?;
        let built_at = Location::caller();
        let pool_ref = pool.pool_ref().clone();
        let patience = Deadline::after(SPAWN_TIMEOUT);
        if let Err(error) = pool_ref.core.start_timer(patience) {
            return Err(BatcherError(format!(
                "batcher {:?} cannot tell when its batches are due: the timer's thread could not \
                 be started: {error}; use fewer threads, or raise the system's limits",
                self.name
            )));
        }
        let (now, timer) = (pool_ref.core.clock().now(), pool_ref.core.timer());
        let capacity = self.capacity.unwrap_or(self.fill.max_items * BATCHES);
        let name: Arc<str> = self.name.into();
        let handler = BatchHandler {
            name: name.clone(),
            closure: guarded(Box::new(handler)),
            retry: self.retry,
            dead_letters: DeadLetters::new(name, self.dead_letter),
            pool_ref: pool_ref.clone(),
            membership: Membership::default(),
        };
        let filling = Filling::new(self.fill, now);
        let store = Arc::new_cyclic(|me: &Weak<Store<T>>| {
            let alarms = BatchAlarms::new(me.clone(), timer);
            let state = State::new(filling, self.in_flight, alarms);
            Store {
                me: me.clone(),
                measure: self.measure.map(guarded),
                capacity,
                handler,
                pool_ref,
                built_at,
                state: CachePadded::new(Mutex::new(state)),
                room: Room::default(),
                changed: Condvar::new(),
            }
        });
        let watcher: Weak<dyn CloseWatcher> = store.me.clone();
        store.core().watch(watcher);
        Ok(Batcher::new(store))
    }

    fn check(&self) -> Result<(), BatcherError> {
        let name = &self.name;
        let zeros = [
            (self.fill.max_items == 0, "max_items"),
            (self.fill.max_bytes == 0, "max_bytes"),
            (self.in_flight == 0, "in_flight"),
            (self.capacity == Some(0), "capacity"),
        ];
        let wrong = if name.is_empty() || name.contains(char::is_control) {
            format!(
                "{name:?} cannot be the name of a batcher, which the log shows; give it some \
                 letters, and no control characters"
            )
        } else if let Some((_, method)) = zeros.iter().find(|(is_zero, _)| *is_zero) {
            format!(
                "batcher {name:?} would never handle an item with a `{method}` of 0; give it 1 or \
                 more"
            )
        } else if self.fill.max_items > MOST_ITEMS {
            format!(
                "batcher {name:?}: a batch of {} items is too large; give `max_items` {MOST_ITEMS} \
                 at most",
                self.fill.max_items
            )
        } else {
            return Ok(());
        };
        Err(BatcherError(wrong))
    }
}

fn guarded<C>(closure: C) -> Guarded<C> {
    Guarded::new(closure, "a closure of a batcher")
}

impl<T> fmt::Debug for BatcherBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatcherBuilder")
            .field("name", &self.name)
            .field("fill", &self.fill)
            .field("in_flight", &self.in_flight)
            .field("capacity", &self.capacity)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

/// Why a batcher cannot be built, and what to write instead.
#[derive(Clone, PartialEq, Eq)]
pub struct BatcherError(String);

impl fmt::Display for BatcherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BatcherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        causes::debug(self, f, |f| {
            f.debug_tuple("BatcherError").field(&self.0).finish()
        })
    }
}

impl Error for BatcherError {}
