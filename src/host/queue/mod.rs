//! A bounded queue of items, as a service.

mod failed;
mod items;
mod outcome;
mod service;
mod stats;
mod store;

pub use failed::FailedItem;
pub use outcome::ItemOutcome;
pub use stats::QueueStats;

pub(crate) use items::Hosted;
pub(super) use service::QueueService;
pub(super) use store::Store;

use crate::clock;
use crate::queue::OnFull;
use crate::submit::{SubmitError, WhenFull};
use crate::sync::Arc;
use crate::unwind::{self, RateLimit};
use std::fmt;

/// A bounded queue whose items are handled by a service of a [`Host`](super::Host),
/// which is registered with [`HostBuilder::queue`](super::HostBuilder::queue). A clone
/// is the same queue.
///
/// A queue whose service fails, since a handler that panicked could not be made again, or
/// for a missed heartbeat, goes on taking items while the service is started again. If the
/// host stops meanwhile, they are handed back.
///
/// It can be filled before the host starts. On a stop it is closed, and what is in it is
/// handled, until the last part of the service's time: a quarter of it, capped at 3 s. Then
/// the handlers' token is cancelled, nothing more is begun, and what is left is returned by
/// [`take_unstarted`](Self::take_unstarted).
///
/// # Which items come back
///
/// No item that was accepted is lost without a sign. Any clone of the queue returns them,
/// before or after the report of the host, which counts what was left when it was made:
///
/// | the item's outcome | returned by | report |
/// | --- | --- | --- |
/// | no handler got it before the stop was over, or one [handed it back](ItemOutcome::HandBack); or it was [dropped with its refusal](SubmitError#an-item-that-is-dropped-with-its-refusal) | [`take_unstarted`](Self::take_unstarted) | not clean |
/// | its handler returned an error, or panicked | [`take_failed`](Self::take_failed) | not clean, unless it was taken before |
/// | its handler had not returned when the report was made | [`take_maybe_handled`](Self::take_maybe_handled), with [`keep_copy`](Self::keep_copy) | not clean |
///
/// A handler whose error is due to the stop of the host has not failed: one that is caused by
/// [`Cancelled`](crate::cancel::Cancelled) or by the refusal of a queue, a batcher or a pool that the
/// stop has closed. Its item is unprocessed.
///
/// Items are kept as long as a clone of the queue or a handle of the host, however many they
/// are: a program that runs for months and has items that fail takes them now and then.
///
/// # The shutdown bug this prevents
///
/// A service that reads a channel in a loop, as in `for item in receiver`, ends only when
/// every sender is gone, and some part of the program usually keeps one: the stop hangs, or
/// runs into its deadline. A `WorkQueue` is closed by its service's stop, however many handles
/// exist: submitters are refused, with their item, and workers that wait for one leave.
/// What the bug looks like in hand-written code, and why the host does not hang even then,
/// is described [at the host](super::Host#a-common-shutdown-bug).
///
/// # Examples
///
/// ```
/// use groundcrew::{Host, WorkQueue, ServiceContext};
/// use std::io::{self, Write};
///
/// let emails = WorkQueue::new(100);
/// let mut host = Host::builder();
/// host.queue("emails", &emails, 2, || {
///     let mut connection = Vec::new(); // each worker makes its own
///     move |email: &mut String, _: &ServiceContext| connection.write_all(email.as_bytes())
/// });
/// let host = host.build()?.start()?;
/// emails.submit("Dear reader".to_owned())?;
///
/// let report = host.stop(); // sends what is in the queue
/// assert!(report.is_clean());
/// let refused = emails.submit("late".to_owned()).unwrap_err();
/// assert!(refused.is_closed() && refused.into_inner() == "late");
/// assert_eq!(emails.take_unstarted(), [""; 0]);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub struct WorkQueue<T> {
    store: Arc<Store<T>>,
}

impl<T: Send + 'static> WorkQueue<T> {
    /// A queue with this capacity. A capacity of 0 is an error when the host is
    /// [built](super::HostBuilder::build).
    pub fn new(capacity: usize) -> WorkQueue<T> {
        WorkQueue {
            store: Arc::new(Store::new(capacity)),
        }
    }

    /// Lets the queue copy each item before a handler gets it, so that items being handled
    /// when the report was made are returned by
    /// [`take_maybe_handled`](Self::take_maybe_handled). Holds for all clones of the queue,
    /// and for items that a handler gets from now on. Nothing else needs it.
    pub fn keep_copy(self) -> WorkQueue<T>
    where
        T: Clone,
    {
        self.store.copy_with(T::clone);
        self
    }

    pub(super) fn store(&self) -> &Arc<Store<T>> {
        &self.store
    }

    /// Puts an item into the queue; blocks while the queue is full.
    ///
    /// A worker of the queue, in its handler, never waits: its item goes beyond the capacity,
    /// which the [stats](QueueStats::overflow) show. One that is to respect the capacity uses
    /// [`try_submit`](Self::try_submit), which refuses, or
    /// [`submit_until`](Self::submit_until) with a duration, which waits. Two queues whose handlers
    /// submit to each other's full queue can wait for each other.
    ///
    /// # Errors
    ///
    /// [`is_closed`](SubmitError::is_closed) when the stop of the queue's service was
    /// requested, also while this waits. The item comes back: out of the error, or, if that
    /// is dropped, from [`take_unstarted`](Self::take_unstarted).
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = groundcrew::WorkQueue::new(100);
    /// queue.submit("a")?;
    /// queue.close();
    /// assert_eq!(queue.submit("b").unwrap_err().into_inner(), "b");
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn submit(&self, item: T) -> Result<(), SubmitError<T>> {
        self.store.submit(item, OnFull::WAIT)
    }

    /// Puts an item into the queue, if there is room.
    ///
    /// # Errors
    ///
    /// [`is_full`](SubmitError::is_full) when there is none,
    /// [`is_closed`](SubmitError::is_closed) when there never will be. The item comes
    /// back.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = groundcrew::WorkQueue::new(1);
    /// queue.try_submit("a")?;
    /// assert!(queue.try_submit("b").unwrap_err().is_full());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn try_submit(&self, item: T) -> Result<(), SubmitError<T>> {
        self.store.submit(item, OnFull::Refuse)
    }

    /// Puts an item into the queue; while the queue is full it does as `when_full` says: it
    /// waits for a duration, until a moment, or until a token is cancelled, which is for a
    /// service that has to end when its stop is requested. For what it does in a handler of
    /// the queue see [`WhenFull`].
    ///
    /// # Errors
    ///
    /// [`is_timeout`](SubmitError::is_timeout) or [`is_full`](SubmitError::is_full) when there
    /// was no room.
    ///
    /// [`is_cancelled`](SubmitError::is_cancelled) when the token was cancelled before the
    /// item was accepted, also if the queue was closed as well; otherwise
    /// [`is_closed`](SubmitError::is_closed) when there never will be room. After these two the
    /// item comes back out of the error, or, if that is dropped, as by `?` below, from
    /// [`take_unstarted`](Self::take_unstarted).
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Host, WorkQueue, ServiceContext};
    ///
    /// let emails = WorkQueue::new(16);
    /// let mut host = Host::builder();
    /// host.queue("emails", &emails, 1, || {
    ///     |_: &mut u64, ctx: &ServiceContext| Ok::<(), String>(ctx.token().wait()) // a slow sink
    /// });
    /// let queue = emails.clone();
    /// host.background("writer", move |ctx| {
    ///     for number in 0.. {
    ///         queue.submit_until(ctx.token(), number)?;
    ///     }
    ///     Ok(())
    /// })
    /// .after(["emails"]);
    /// # host.stop_timeout(std::time::Duration::from_millis(50));
    /// let host = host.build()?.start()?;
    /// while emails.stats().queued() < 16 {}
    /// let report = host.stop();
    /// assert!(report.failures().is_empty()); // a stop is none
    /// // One is handled; no number is missing, that of the refused submit included.
    /// assert_eq!(emails.take_unstarted(), (1..18).collect::<Vec<u64>>());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn submit_until(
        &self,
        when_full: impl Into<WhenFull>,
        item: T,
    ) -> Result<(), SubmitError<T>> {
        self.store.submit(item, when_full.into().begin())
    }

    /// Takes the items that no handler will get: those that handlers
    /// [handed back](ItemOutcome::HandBack), then those that the stop took out of the queue,
    /// each in the order in which they came; then those that were [dropped with their
    /// refusal](SubmitError#an-item-that-is-dropped-with-its-refusal). The first call, on any
    /// clone of the queue, gets them; afterwards there are none, until more come.
    ///
    /// Called after the report of the host was made, it returns all of them; what a handler
    /// that was abandoned gives back later, or was refused later, comes later. Before that it
    /// returns what is there already, without what waits in the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Host, WorkQueue, ServiceContext};
    /// use std::time::Duration;
    ///
    /// let emails = WorkQueue::new(16);
    /// let mut host = Host::builder();
    /// host.stop_timeout(Duration::from_millis(20));
    /// host.queue("emails", &emails, 1, || {
    ///     |_: &mut &str, ctx: &ServiceContext| Ok::<(), String>(ctx.token().wait()) // a slow sink
    /// });
    /// let host = host.build()?.start()?;
    /// emails.submit("a")?;
    /// emails.submit("b")?;
    /// while emails.stats().queued() > 1 {}
    /// assert_eq!(host.stop().exit_code(), 75);
    /// assert_eq!(emails.take_unstarted(), ["b"]);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn take_unstarted(&self) -> Vec<T> {
        self.store.take_unstarted()
    }

    /// Takes the items whose handler returned an error, or panicked, with the reason, in the
    /// order in which they failed. The first call, on any clone of the queue, gets them;
    /// afterwards there are none, until more fail. Those that were taken before the report of
    /// the host is made leave it clean.
    ///
    /// # Examples
    ///
    /// Items that failed are submitted once more, a minute later:
    ///
    /// ```
    /// # use groundcrew::{Host, WorkQueue, ServiceContext};
    /// # use std::time::Duration;
    /// # let emails = WorkQueue::new(16);
    /// # let mut host = Host::builder();
    /// host.queue("emails", &emails, 2, || {
    ///     |_: &mut String, _: &ServiceContext| Err::<(), _>("no connection")
    /// });
    /// let queue = emails.clone();
    /// host.background("again", move |ctx| {
    ///     loop {
    ///         ctx.sleep(Duration::from_secs(60))?;
    ///         for failed in queue.take_failed() {
    ///             // What is refused at the stop is unprocessed.
    ///             let _ = queue.submit_until(ctx.token(), failed.into_inner());
    ///         }
    ///     }
    /// })
    /// .after(["emails"]);
    /// # let host = host.build()?.start()?;
    /// # emails.submit("Dear reader".to_owned())?;
    /// # let report = host.stop();
    /// assert_eq!(report.services()[0].queue().unwrap().failed_left(), 1);
    /// assert_eq!(emails.take_failed()[0].item(), "Dear reader");
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn take_failed(&self) -> Vec<FailedItem<T>> {
        self.store.take_failed()
    }

    /// Takes copies of the items that were being handled when the report of the host was
    /// made: their handlers were abandoned, and whether the items were handled is not
    /// known. The first call gets them. None before the report, and without
    /// [`keep_copy`](Self::keep_copy).
    ///
    /// An item whose handler returns later is none of them, if it was not taken before: it is
    /// handled or [failed](Self::take_failed). One that was taken comes back in no other way.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Host, WorkQueue, ServiceContext};
    /// use std::time::Duration;
    ///
    /// let emails = WorkQueue::new(16).keep_copy();
    /// let (open, gate) = groundcrew::channel::bounded::<()>(0);
    /// let mut host = Host::builder();
    /// host.stop_timeout(Duration::from_millis(20));
    /// host.queue("emails", &emails, 1, move || {
    ///     let gate = gate.clone();
    ///     move |_: &mut &str, _: &ServiceContext| Ok::<(), String>(gate.recv().unwrap_or_default())
    /// });
    /// let host = host.build()?.start()?;
    /// emails.submit("a")?;
    /// while emails.stats().in_progress() == 0 {}
    /// assert_eq!(host.stop().exit_code(), 75);
    /// assert_eq!(emails.take_maybe_handled(), ["a"]);
    /// # drop(open);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn take_maybe_handled(&self) -> Vec<T> {
        self.store.take_copies()
    }

    /// Closes the queue: further items are refused, what is in it is handled, and then the
    /// service ends. The stop of its service does the same.
    pub fn close(&self) {
        self.store.close();
    }

    /// Whether the queue is closed.
    pub fn is_closed(&self) -> bool {
        self.store.is_closed()
    }

    /// How many items have room in it.
    pub fn capacity(&self) -> usize {
        self.store.capacity()
    }

    /// Counts of its items so far, by outcome.
    pub fn stats(&self) -> QueueStats {
        self.store.stats()
    }
}

impl<T> Clone for WorkQueue<T> {
    fn clone(&self) -> WorkQueue<T> {
        WorkQueue {
            store: self.store.clone(),
        }
    }
}

impl<T> fmt::Debug for WorkQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkQueue")
            .field("capacity", &self.store.capacity())
            .field("stats", &self.store.stats())
            .finish_non_exhaustive()
    }
}

/// One error record, unless there were too many; `text` is given what to add of those
/// that were not logged.
fn log_limited(text: impl FnOnce(String) -> String) {
    static LIMIT: RateLimit = RateLimit::new();
    if let Some(unlogged) = LIMIT.admit(clock::now()) {
        let more = unwind::and_more(unlogged, "failed");
        unwind::log_guarded(|| log::error!("queue {}", text(more)));
    }
}
