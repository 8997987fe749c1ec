//! The handle of a batcher.

use super::builder::BatcherBuilder;
use super::report::BatchReport;
use super::state::Phase;
use super::store::Store;
use crate::async_log::{log_in_time, log_or_stderr_in_time};
use crate::clock::{self, Deadline};
use crate::host::items::BatchStats;
use crate::queue::OnFull;
use crate::record;
use crate::retry::DeadLetter;
use crate::stop::StopPlan;
use crate::submit::{SubmitError, WhenFull};
use crate::sync::{Arc, Mutex};
use std::fmt;
use std::time::Duration;

/// Collects items of one type, and handles them in batches on a pool. A clone refers to the same
/// batcher.
///
/// A batch is *full*, and handled, when it reaches the maximum number of
/// [items](BatcherBuilder::max_items) or [bytes](BatcherBuilder::max_bytes), the maximum
/// [age](BatcherBuilder::max_age), or the maximum [idle time](BatcherBuilder::max_idle), whichever
/// comes first. The [capacity](BatcherBuilder::capacity) bounds the number of items. When it is
/// reached, [`submit`](Self::submit) waits, [`try_submit`](Self::try_submit) fails, and
/// [`submit_until`](Self::submit_until) waits up to a limit. `submit` on a worker of the pool never
/// waits: it exceeds the capacity.
///
/// # The handler
///
/// The handler gets its batch as a `&mut Vec<T>`, so that no item is lost when it fails, and the
/// [`TaskContext`](crate::TaskContext) of its task. Its result decides what follows:
///
/// - `Ok`: the whole batch is handled. Items left in the vector are dropped.
/// - an error that is, or is caused by, [`PermanentError`](crate::retry::PermanentError), or for
///   which the policy's [judge](crate::Retry::on_error) returns
///   [`Verdict::GiveUp`](crate::retry::Verdict::GiveUp): the batch is split into halves, which are
///   handled separately, until the bad items are isolated. Those are passed to the closure for
///   [dead letters](BatcherBuilder::dead_letter). An item of a batch of *n* is part of at most
///   ⌈log₂ *n*⌉ + 1 calls.
/// - a panic: the same, since a single item may have caused the panic.
/// - any other error: the batch is retried according to the [policy](BatcherBuilder::retry). It
///   waits in a timer and does not occupy a worker. When the policy gives up, all its items are
///   dead letters. (By default, this is after five attempts, about 1.5 s. Set a policy that
///   outlasts an outage of the services that the handler calls.)
///
/// Without a closure for dead letters, they are dropped, and their number is logged.
/// [`Pool::wait_idle`](crate::Pool::wait_idle) does not wait for items that are being collected, or
/// that wait for a retry. [`flush`](Self::flush) does.
///
/// Items that the handler takes out of the vector before it fails count as handled. The next
/// attempt gets the rest.
///
/// To handle items one by one, use a [`WorkQueue`](crate::WorkQueue), or tasks.
///
/// With one batch in flight at a time, the default, items are handled in the order in which
/// they were submitted.
///
/// # The end
///
/// [`stop`](Self::stop) closes the batcher, handles the remaining items, including the batch that
/// is not full, and hands back the items that could not be handled in time. Stop the batcher before
/// its pool: once the pool is stopped, the batcher keeps its items for its own stop. Dropping the
/// last clone stops the batcher within 5 s; the items that are left are logged and become dead
/// letters. (A handler or a closure for dead letters that holds a clone keeps the batcher alive.)
/// In a host, [`HostBuilder::add`] ensures the right order.
///
/// [`HostBuilder::add`]: crate::HostBuilder::add
///
/// # Examples
///
/// ```
/// use groundcrew::{Batcher, Pool, channel};
/// use std::time::Duration;
///
/// let pool = Pool::new(2)?;
/// let (sender, receiver) = channel::unbounded();
/// let events = Batcher::builder("events")
///     .max_items(3)
///     .max_age(Duration::from_secs(5))
///     .build(pool.submitter(), move |batch: &mut Vec<&str>, _| {
///         Ok(sender.send(batch.join(" "))?) // one insert instead of three
///     })?;
/// for event in ["seen", "clicked", "scrolled", "left"] {
///     events.submit(event)?;
/// }
/// assert!(events.stop(Duration::from_secs(5)).is_clean());
/// assert_eq!(events.submit("late").unwrap_err().into_inner(), "late");
/// assert_eq!(receiver.try_iter().collect::<Vec<_>>(), ["seen clicked scrolled", "left"]);
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
pub struct Batcher<T: Send + 'static> {
    owner: Arc<Owner<T>>,
}

/// The clones together: the tasks of the pool hold the store only.
struct Owner<T: Send + 'static> {
    store: Arc<Store<T>>,
}

/// How long a drop waits.
const DROP_PLAN: Duration = Duration::from_secs(5);

impl<T: Send + 'static> Batcher<T> {
    /// Returns a builder for a batcher with this name.
    pub fn builder(name: impl Into<String>) -> BatcherBuilder<T> {
        BatcherBuilder::new(name.into())
    }

    pub(super) fn new(store: Arc<Store<T>>) -> Batcher<T> {
        Batcher {
            owner: Arc::new(Owner { store }),
        }
    }

    pub(super) fn store(&self) -> &Arc<Store<T>> {
        &self.owner.store
    }

    /// Adds an item, and blocks without limit while there is no room. On a worker of the pool this
    /// never blocks: it exceeds the capacity.
    ///
    /// # Errors
    ///
    /// The error [`is_closed`](SubmitError::is_closed) if the batcher was stopped before or during
    /// the call, or if there never will be room since the pool was stopped. It holds the item.
    pub fn submit(&self, item: T) -> Result<(), SubmitError<T>> {
        self.store().submit(item, OnFull::WAIT)
    }

    /// Adds an item, if there is room.
    ///
    /// # Errors
    ///
    /// The error [`is_full`](SubmitError::is_full) if there is no room, and
    /// [`is_closed`](SubmitError::is_closed) as with [`submit`](Self::submit). It holds the item.
    pub fn try_submit(&self, item: T) -> Result<(), SubmitError<T>> {
        self.store().submit(item, OnFull::Refuse)
    }

    /// Adds an item. While there is no room, this waits for a duration, until a moment, or until a
    /// token is cancelled, as `when_full` specifies. A service that has to end when its stop is
    /// requested passes its token. For the behavior on a worker of the pool, see [`WhenFull`].
    ///
    /// # Errors
    ///
    /// The error [`is_timeout`](SubmitError::is_timeout) or [`is_full`](SubmitError::is_full) if
    /// there was no room. It [`is_cancelled`](SubmitError::is_cancelled) if the token was cancelled
    /// before the item was accepted, even if the batcher was stopped as well. Otherwise, it
    /// [`is_closed`](SubmitError::is_closed) as with [`submit`](Self::submit). It holds the item.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::{Batcher, CancelToken, Pool};
    /// # use std::time::Duration;
    /// # let pool = Pool::new(1)?;
    /// # let (open, gate) = groundcrew::channel::bounded::<()>(0);
    /// let words = Batcher::builder("words")
    ///     .capacity(1)
    ///     .build(pool.submitter(), move |_: &mut Vec<&str>, _| Ok(gate.recv().unwrap_or(())))?;
    /// let token = CancelToken::new(); // in a service `ctx.token()`
    /// token.cancel();
    /// words.submit_until(&token, "one")?; // there is room
    /// let refused = words.submit_until(&token, "two").unwrap_err();
    /// assert!(refused.is_cancelled() && refused.into_inner() == "two");
    /// let refused = words.submit_until(Duration::from_millis(1), "two").unwrap_err();
    /// assert!(refused.is_timeout());
    /// # drop(open);
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn submit_until(
        &self,
        when_full: impl Into<WhenFull>,
        item: T,
    ) -> Result<(), SubmitError<T>> {
        self.store().submit(item, when_full.into().begin())
    }

    /// Takes the items that a stop of its [host](crate::HostBuilder::add) took out, or that were
    /// [dropped with their refusal](SubmitError#an-item-that-is-dropped-with-its-refusal), in the
    /// order in which they came. The first call returns them. Later calls return those that were
    /// dropped since.
    ///
    /// A [`stop`](Self::stop) of the batcher itself returns them in its
    /// [report](BatchReport::take_unstarted) instead.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Batcher, Host, Pool, Retry};
    /// use std::time::Duration;
    ///
    /// let pool = Pool::new(1)?;
    /// let events = Batcher::builder("events")
    ///     .retry(Retry::fixed(Duration::from_secs(3600)))
    ///     .build(pool.submitter(), |_: &mut Vec<&str>, _| Err("no connection")?)?;
    /// let mut host = Host::builder();
    /// host.stop_timeout(Duration::from_millis(40));
    /// host.add("workers", pool);
    /// host.add("events", &events);
    /// let host = host.build()?.start()?;
    /// events.submit("a")?;
    ///
    /// assert_eq!(host.stop().exit_code(), 75);
    /// assert_eq!(events.take_unstarted(), ["a"]);
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn take_unstarted(&self) -> Vec<T> {
        self.store().state.lock().take_unstarted()
    }

    /// Makes a batch of the collected items, and blocks until every item that was submitted before
    /// is handled or given up. Then this returns `true`.
    ///
    /// Returns `false` as soon as waiting cannot get the rest of the items handled: the pool has
    /// stopped, so that [`stop`](Self::stop) hands them back; a stop handed them back, or made its
    /// report while a handler still had them; or this is called from the handler or from the closure
    /// for dead letters. A worker of the pool that waits here handles batches itself.
    pub fn flush(&self) -> bool {
        self.store().flush(Deadline::NEVER)
    }

    /// Like [`flush`](Self::flush), but blocks for `timeout` at most, and returns `false` when that
    /// has passed. On a worker of the pool, it may take longer, until the batch that it handles has
    /// ended.
    pub fn flush_timeout(&self, timeout: Duration) -> bool {
        self.store().flush(Deadline::after(timeout))
    }

    /// Returns its items, counted by outcome.
    pub fn stats(&self) -> BatchStats {
        self.store().stats()
    }

    /// Closes the batcher, handles the remaining items for as long as the plan allows, and returns
    /// those that could not be handled.
    ///
    /// When the plan takes the backlog out, no more items are passed to a handler, and none are
    /// retried. When it cancels, the tokens of the handlers are cancelled. At its deadline, the
    /// report is made.
    ///
    /// A worker of the pool that waits here handles batches itself, and returns late if their
    /// handler does not react to its token. A handler that calls this does not wait for itself, and
    /// takes the backlog out at once if no other call could handle it, that is, with one batch in
    /// flight. Handlers that are inside this call do not wait for each other.
    ///
    /// A batch that fails after its token was cancelled, with an error that is not permanent, is
    /// handed back, regardless of the policy. A second stop waits again for abandoned handlers, and
    /// returns no items, but the current counters.
    ///
    /// The first report is logged as a warning if it is not clean. A stuck logger delays the return by
    /// 100 ms.
    pub fn stop(&self, plan: impl Into<StopPlan>) -> BatchReport<T> {
        let (report, is_first) = self.store().stop(plan.into());
        // Of a later one the numbers are the same, or better.
        if is_first && !report.is_clean() {
            log_in_time(record::BATCH, log::Level::Warn, report.to_string());
        }
        report
    }
}

impl<T: Send + 'static> Store<T> {
    /// Whether this is the first stop to end, too.
    pub(super) fn stop(&self, plan: StopPlan) -> (BatchReport<T>, bool) {
        let began = clock::now();
        let is_first = self.finish(plan.moments(began));
        let mut state = self.state.lock();
        let unstarted = state.take_unstarted();
        let report = BatchReport {
            name: self.name().clone(),
            elapsed: clock::now().saturating_duration_since(began),
            stats: state.stats(),
            abandoned: state.held,
            unstarted: Mutex::new(unstarted),
        };
        (report, is_first)
    }

    pub(super) fn stats(&self) -> BatchStats {
        self.state.lock().stats()
    }

    /// No caller can take these any more.
    fn give_up_unstarted(&self, items: Vec<T>) {
        let mut state = self.state.lock();
        state.count_dead(items.len());
        drop(state);
        self.handler
            .dead_letters
            .give_up_in_time(items, &DeadLetter::stopped(0));
    }
}

impl<T: Send + 'static> Drop for Owner<T> {
    fn drop(&mut self) {
        let mut state = self.store.state.lock();
        if state.has_reached(Phase::Reported) {
            // They can be taken no more.
            let items = state.take_unstarted();
            drop(state);
            self.store.handler.dead_letters.drop_all(items.into_iter());
            return;
        }
        drop(state);
        let (report, _) = self.store.stop(StopPlan::drain(DROP_PLAN));
        if !report.is_clean() {
            log_or_stderr_in_time(record::BATCH, log::Level::Error, report.to_string());
        }
        let unstarted = report.take_unstarted();
        if !unstarted.is_empty() {
            self.store.give_up_unstarted(unstarted);
        }
    }
}

impl<T: Send + 'static> Clone for Batcher<T> {
    fn clone(&self) -> Batcher<T> {
        Batcher {
            owner: self.owner.clone(),
        }
    }
}

impl<T: Send + 'static> fmt::Debug for Batcher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batcher")
            .field("name", self.store().name())
            .field("capacity", &self.store().capacity)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
