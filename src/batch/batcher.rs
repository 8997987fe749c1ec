//! The handle of a batcher.

use super::builder::BatcherBuilder;
use super::dead::{DeadLetter, DeadLetterReason};
use super::report::BatchReport;
use super::state::Phase;
use super::store::Store;
use crate::async_log::log_or_stderr_in_time;
use crate::clock::{self, Deadline};
use crate::host::items::BatchStats;
use crate::queue::OnFull;
use crate::stop::StopPlan;
use crate::submit::{SubmitError, WhenFull};
use crate::sync::Arc;
use std::fmt;
use std::time::Duration;

/// Collects items of one type, and handles them in batches on a pool. A clone is the same
/// batcher.
///
/// A batch is *full*, and handled, when it reaches the maximum number of
/// [items](BatcherBuilder::max_items) or [bytes](BatcherBuilder::max_bytes), the maximum
/// [age](BatcherBuilder::max_age), or the maximum [idle time](BatcherBuilder::max_idle),
/// whichever comes first. The number of items is bounded by the
/// [capacity](BatcherBuilder::capacity): when that is reached, a submit waits, fails, or
/// times out, as its verb says. `submit` by a worker of the pool never waits: it exceeds the
/// capacity.
///
/// # The handler
///
/// The handler gets its batch as a `&mut Vec<T>`, so that nothing is lost when it fails, and
/// the [`TaskContext`](crate::TaskContext) of its task. Its result decides what follows:
///
/// - `Ok`: the whole batch is handled. Items left in the vector are dropped.
/// - an error that is, or is caused by, [`PermanentError`](crate::retry::PermanentError): no other attempt
///   would help. The batch is split in halves, and each is handled by itself, until the bad
///   items stand alone: those go to the closure for
///   [dead letters](BatcherBuilder::dead_letter). So an item of a batch of *n* is in
///   ⌈log₂ *n*⌉ + 1 calls at most.
/// - a panic: the same, since one item may be what it panicked at.
/// - any other error: the batch is tried again as the [policy](BatcherBuilder::retry) says.
///   It waits for that in a timer, not on a worker. When the policy gives up, all its items
///   are dead letters. (By default that is after five attempts, some 1.5 s: set a policy that
///   outlasts what may be down.)
///
/// Without a closure for dead letters they are dropped, and their number is logged.
/// [`Pool::wait_idle`](crate::Pool::wait_idle) knows nothing of items that are collected, or
/// wait to be tried again: for those there is [`flush`](Self::flush).
///
/// Items that it takes out of the vector before it fails are handled: the next attempt goes
/// on with the rest.
///
/// For items that are handled one by one use a [`WorkQueue`](crate::WorkQueue), or tasks.
///
/// With one batch in flight at a time, the default, items are handled in the order in which
/// they were submitted.
///
/// # The end
///
/// [`stop`](Self::stop) closes the batcher, handles what there is, including the batch that
/// is not full, and hands back the items that could not be handled in time. Stop the pool
/// after it: once its pool is stopped, a batcher keeps its items for its own stop. Dropping
/// the last clone is a stop with 5 s; the items that are left are logged and become dead
/// letters. (A handler, or a closure for dead letters, that holds a clone keeps the batcher
/// alive.) In a host, [`HostBuilder::add`] does all that, in the right order.
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
/// assert_eq!(receiver.try_iter().collect::<Vec<_>>(), ["seen clicked scrolled", "left"]);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
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
    /// Returns a builder for a batcher; [`BatcherBuilder::build`] makes it.
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

    /// Adds an item; blocks while there is no room, without limit. A worker of the pool
    /// never blocks: it goes beyond the capacity.
    ///
    /// # Errors
    ///
    /// [`is_closed`](SubmitError::is_closed) when the batcher was stopped, also while this
    /// waits; or when there is no room and never will be, since the pool was stopped. The
    /// item comes back.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::{Batcher, Pool};
    /// # use std::time::Duration;
    /// # let pool = Pool::new(1)?;
    /// let lines = Batcher::builder("lines").build(pool.submitter(), |_: &mut Vec<&str>, _| Ok(()))?;
    /// lines.submit("a")?;
    /// assert!(lines.stop(Duration::from_secs(5)).is_clean());
    /// assert_eq!(lines.submit("b").unwrap_err().into_inner(), "b");
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn submit(&self, item: T) -> Result<(), SubmitError<T>> {
        self.store().submit(item, OnFull::WAIT)
    }

    /// Adds an item, if there is room.
    ///
    /// # Errors
    ///
    /// [`is_full`](SubmitError::is_full) when there is none,
    /// [`is_closed`](SubmitError::is_closed) as with [`submit`](Self::submit). The item
    /// comes back.
    pub fn try_submit(&self, item: T) -> Result<(), SubmitError<T>> {
        self.store().submit(item, OnFull::Refuse)
    }

    /// Adds an item; while there is no room it does as `when_full` says: it waits for a
    /// duration, until a moment, or until a token is cancelled, which is for a service that
    /// has to end when its stop is requested. For what it does in a worker of the pool see
    /// [`WhenFull`].
    ///
    /// # Errors
    ///
    /// [`is_timeout`](SubmitError::is_timeout) or [`is_full`](SubmitError::is_full) when there
    /// was no room; [`is_cancelled`](SubmitError::is_cancelled) when the token was cancelled
    /// before the item was accepted, also if the batcher was stopped as well; otherwise
    /// [`is_closed`](SubmitError::is_closed) as with [`submit`](Self::submit). The item comes
    /// back.
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
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn submit_until(
        &self,
        when_full: impl Into<WhenFull>,
        item: T,
    ) -> Result<(), SubmitError<T>> {
        self.store().submit(item, when_full.into().begin())
    }

    /// Takes the items that a stop took out, or that were [dropped with their
    /// refusal](SubmitError#an-item-that-is-dropped-with-its-refusal), in the order in which
    /// they came: for a batcher that is a [service](crate::HostBuilder::add) of a host. The
    /// first call gets them; afterwards there are none, until more are dropped.
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
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn take_unstarted(&self) -> Vec<T> {
        self.store().state.lock().take_unstarted()
    }

    /// Makes a batch of what has been collected, and blocks until everything that was
    /// submitted before is handled or given up: `true`.
    ///
    /// `false`: some of it is not, and there is nothing to wait for. The pool is stopped, or
    /// closed and at its end, so that [`stop`](Self::stop) hands back what is left; a stop did;
    /// or this is called from the handler, or from the closure for dead letters. A worker of
    /// the pool that waits here handles batches itself.
    pub fn flush(&self) -> bool {
        self.store().flush(Deadline::NEVER)
    }

    /// Like [`flush`](Self::flush), but blocks for `timeout` at most; returns `false` also
    /// if that has passed. In a worker of the pool it takes as long as the batch that it is
    /// handling.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::{Batcher, Pool};
    /// # use std::time::Duration;
    /// # let pool = Pool::new(1)?;
    /// # let (open, gate) = groundcrew::channel::bounded::<()>(0);
    /// let words = Batcher::builder("words")
    ///     .build(pool.submitter(), move |_: &mut Vec<&str>, _| Ok(gate.recv().unwrap_or(())))?;
    /// words.submit("alone")?;
    /// assert!(!words.flush_timeout(Duration::from_millis(1)));
    /// drop(open);
    /// assert!(words.flush_timeout(Duration::MAX));
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn flush_timeout(&self, timeout: Duration) -> bool {
        self.store().flush(Deadline::after(timeout))
    }

    /// Its items, counted by outcome.
    pub fn stats(&self) -> BatchStats {
        self.store().stats()
    }

    /// Closes the batcher, handles the remaining items as long as the plan allows, and
    /// returns those that could not be handled. Blocks until then.
    ///
    /// When the plan takes the backlog out, nothing more is given to a handler, and nothing
    /// tried again; when it cancels, the tokens of the handlers are cancelled; at its
    /// deadline the report is made. A worker of the pool that waits here handles batches
    /// itself, and returns late if their handler does not react to its token. Called from
    /// the handler, it does not wait for that, and takes the backlog out at once if no
    /// other call could handle it, that is with one batch in flight. Handlers that are
    /// inside this call do not wait for each other.
    ///
    /// A batch that fails after its token was cancelled, with an error that is not permanent,
    /// is handed back, whatever the policy says. A second stop returns no items, and the
    /// numbers as they are then: it waits again for what was abandoned.
    pub fn stop(&self, plan: impl Into<StopPlan>) -> BatchReport<T> {
        self.store().stop(plan.into())
    }
}

impl<T: Send + 'static> Store<T> {
    pub(super) fn stop(&self, plan: StopPlan) -> BatchReport<T> {
        let began = clock::now();
        self.finish(plan.moments(began));
        let mut state = self.state.lock();
        let unstarted = state.take_unstarted();
        BatchReport {
            name: self.name().clone(),
            elapsed: clock::now().saturating_duration_since(began),
            stats: state.stats(),
            abandoned: state.held,
            unstarted,
        }
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
            .give_up_in_time(items, &DeadLetter::new(DeadLetterReason::Stopped, None, 0));
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
        let mut report = self.store.stop(StopPlan::drain(DROP_PLAN));
        if !report.is_clean() {
            log_or_stderr_in_time(log::Level::Error, report.to_string());
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
