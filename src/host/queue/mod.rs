//! A bounded queue of items, as a service.

mod items;
mod service;
mod stats;
mod store;

pub use stats::QueueStats;

pub(super) use items::Items;
pub(crate) use items::{Hosted, Leftover, Taken};
pub(super) use service::QueueService;
pub(super) use store::Store;

use crate::cancel::CancelToken;
use crate::clock::{self, Deadline};
use crate::queue::{SubmitError, submit_until_cancelled};
use crate::sync::Arc;
use crate::unwind::{self, RateLimit};
use std::fmt;
use std::time::{Duration, Instant};

/// A bounded queue whose items are handled by a service of a [`Host`](super::Host),
/// which is registered with [`HostBuilder::queue`](super::HostBuilder::queue). A clone
/// is the same queue.
///
/// A queue whose service fails, since a handler that panicked could not be made anew or for
/// a heartbeat that was missed, goes on taking items while the service is started again. If
/// the host stops meanwhile, they are handed back.
///
/// It can be filled before the host starts. On a stop it is closed, and what is in it
/// is handled, until the last part of the service's time: a quarter of it, and 3 s at
/// most. Then the handlers' token is cancelled, nothing more is begun, and what is left
/// is handed back, as items, by
/// [`HostReport::unprocessed`](super::HostReport::unprocessed).
///
/// # The mistake that this cannot be
///
/// A service that reads a channel in a loop, as in `for item in receiver`, ends only
/// when every sender is gone, and somebody always keeps one: the stop hangs, or runs
/// into its deadline. A `Queue` is closed by its service's stop, whoever holds it:
/// submitters are refused, with their item, and workers that wait for one leave. What
/// the mistake looks like when it is made by hand, and why the host does not hang even
/// then, is told [with the host](super::Host#the-mistake-in-a-stop).
///
/// # Examples
///
/// ```
/// use groundcrew::{Host, Queue, ServiceContext};
/// use std::io::{self, Write};
///
/// let emails = Queue::new(100);
/// let mut host = Host::builder();
/// host.queue("emails", &emails, 2, || {
///     let mut connection = Vec::new(); // each worker makes its own
///     move |email: String, _: &ServiceContext| connection.write_all(email.as_bytes())
/// });
/// let host = host.build()?.start()?;
/// emails.submit("Dear reader".to_owned())?;
///
/// let report = host.stop(); // sends what is in the queue
/// assert!(emails.submit("late".to_owned()).unwrap_err().is_closed());
/// assert_eq!(report.unprocessed::<String>("emails"), [""; 0]);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub struct Queue<T> {
    store: Arc<Store<T>>,
}

impl<T: Send + 'static> Queue<T> {
    /// A queue with so many places. Does not block. A capacity of 0 is an error when
    /// the host is [built](super::HostBuilder::build).
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = groundcrew::Queue::<u32>::new(100);
    /// assert_eq!(queue.capacity(), 100);
    /// ```
    pub fn new(capacity: usize) -> Queue<T> {
        Queue {
            store: Arc::new(Store::new(capacity)),
        }
    }

    pub(super) fn store(&self) -> &Arc<Store<T>> {
        &self.store
    }

    /// Puts an item into the queue; blocks while the queue is full.
    ///
    /// A worker that submits to its own full queue waits for the other workers; alone
    /// it would wait for itself, and so it uses
    /// [`try_submit`](Self::try_submit), or [`put_back`](Self::put_back).
    ///
    /// # Errors
    ///
    /// [`is_closed`](SubmitError::is_closed) when the queue's service was told to
    /// stop, also while this waits. The item comes back.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = groundcrew::Queue::new(100);
    /// queue.submit("a")?;
    /// queue.close();
    /// assert_eq!(queue.submit("b").unwrap_err().into_item(), "b");
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn submit(&self, item: T) -> Result<(), SubmitError<T>> {
        self.store.submit(item, Some(Deadline::NEVER))
    }

    /// Puts an item into the queue, if there is room. Does not block.
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
    /// let queue = groundcrew::Queue::new(1);
    /// queue.try_submit("a")?;
    /// assert!(queue.try_submit("b").unwrap_err().is_full());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn try_submit(&self, item: T) -> Result<(), SubmitError<T>> {
        self.store.submit(item, None)
    }

    /// Puts an item into the queue; blocks while the queue is full, but not longer than
    /// `timeout`. [`Duration::MAX`] waits like [`submit`](Self::submit).
    ///
    /// # Errors
    ///
    /// [`is_timeout`](SubmitError::is_timeout) when there was no room for so long,
    /// [`is_closed`](SubmitError::is_closed) when there never will be. The item comes
    /// back.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let queue = groundcrew::Queue::new(1);
    /// queue.submit("a")?;
    /// let refused = queue.submit_timeout(Duration::from_millis(1), "b").unwrap_err();
    /// assert!(refused.is_timeout());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn submit_timeout(&self, timeout: Duration, item: T) -> Result<(), SubmitError<T>> {
        self.store.submit(item, Some(Deadline::after(timeout)))
    }

    /// Puts an item into the queue; blocks while the queue is full, but not beyond
    /// `deadline`.
    ///
    /// # Errors
    ///
    /// As [`submit_timeout`](Self::submit_timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// let queue = groundcrew::Queue::new(1);
    /// queue.submit_deadline(Instant::now(), "a")?; // there is room
    /// let refused = queue.submit_deadline(Instant::now(), "b").unwrap_err();
    /// assert!(refused.is_timeout());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn submit_deadline(&self, deadline: Instant, item: T) -> Result<(), SubmitError<T>> {
        self.store.submit(item, Some(Deadline::at(deadline)))
    }

    /// Puts an item into the queue; blocks while the queue is full, but no longer than until
    /// `token` is cancelled: for a service that is to end when it is told to. If there is
    /// room, the item is accepted, cancelled or not. The token is looked at every 10 ms.
    ///
    /// # Errors
    ///
    /// [`is_cancelled`](SubmitError::is_cancelled) when the token was cancelled before it was
    /// accepted, also if the queue was closed as well;
    /// [`is_closed`](SubmitError::is_closed) when there never will be room. The item comes
    /// back.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Host, Queue, ServiceContext};
    ///
    /// let emails = Queue::new(16);
    /// let mut host = Host::builder();
    /// host.queue("emails", &emails, 1, || {
    ///     |_: u64, ctx: &ServiceContext| Ok::<(), String>(ctx.token().wait()) // a slow sink
    /// });
    /// host.background("writer", move |ctx| {
    ///     for number in 0.. {
    ///         emails.submit_until_cancelled(ctx.token(), number)?;
    ///     }
    ///     Ok(())
    /// })
    /// .after(["emails"]);
    /// # host.stop_timeout(std::time::Duration::from_millis(50));
    /// let report = host.build()?.start()?.stop();
    /// assert!(report.failures().is_empty()); // to be told to stop is none
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn submit_until_cancelled(
        &self,
        token: &CancelToken,
        item: T,
    ) -> Result<(), SubmitError<T>> {
        submit_until_cancelled(token, item, |wait, item| self.submit_timeout(wait, item))
    }

    /// Puts an item back that a handler was given and could not handle: at the front,
    /// also beyond the capacity, and also when the queue is closed. Does not block. It then
    /// does not matter what the handler returns: the item is not counted as handled.
    /// What is put back after the handlers' token was cancelled is handed back by the
    /// report.
    ///
    /// The handler that puts an item back at once gets it again at once: it pauses
    /// first, with [`ServiceContext::sleep`](super::ServiceContext::sleep).
    ///
    /// # Errors
    ///
    /// [`is_closed`](SubmitError::is_closed) when the report has been made. The item
    /// comes back.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Host, Queue, ServiceContext};
    /// use std::time::Duration;
    ///
    /// let emails = Queue::new(16);
    /// let mut host = Host::builder();
    /// host.stop_timeout(Duration::from_millis(20));
    /// let queue = emails.clone();
    /// host.queue("emails", &emails, 1, move || {
    ///     let queue = queue.clone();
    ///     move |email: &str, ctx: &ServiceContext| {
    ///         ctx.token().wait(); // the server is down, and then comes the stop
    ///         queue.put_back(email)
    ///     }
    /// });
    /// let host = host.build()?.start()?;
    /// emails.submit("a")?;
    /// assert_eq!(host.stop().unprocessed::<&str>("emails"), ["a"]);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn put_back(&self, item: T) -> Result<(), SubmitError<T>> {
        self.store.put_back(item)
    }

    /// Takes an item that a handler was given out of the queue's work for good: it is in
    /// [`HostReport::unprocessed`](super::HostReport::unprocessed), before those that no
    /// handler got. It counts as unprocessed at once, and as nothing else, whatever the handler
    /// returns or panics with. Does not block. For a handler that cannot do its work any more
    /// when the host stops: what is [put back](Self::put_back) instead, a worker gets again.
    ///
    /// Such items are kept until the report, however many they are. On the thread of its
    /// handler the item is the one in hand; anywhere else it counts as one more accepted.
    ///
    /// # Errors
    ///
    /// [`is_closed`](SubmitError::is_closed) when the report has been made. The item
    /// comes back.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Host, Queue, Retry, ServiceContext};
    /// use std::time::Duration;
    ///
    /// let emails = Queue::new(16);
    /// let mut host = Host::builder();
    /// let queue = emails.clone();
    /// host.queue("emails", &emails, 1, move || {
    ///     let queue = queue.clone();
    ///     move |email: &str, ctx: &ServiceContext| {
    ///         let retry = Retry::exponential(Duration::from_millis(10));
    ///         let stop = ctx.host().token(); // not to try again once the stop has begun
    ///         match retry.call(&stop, |_| Err::<(), _>("the server is down")) {
    ///             Ok(()) => Ok(()),
    ///             Err(_) => queue.hand_back(email),
    ///         }
    ///     }
    /// });
    /// let host = host.build()?.start()?;
    /// emails.submit("a")?;
    /// emails.submit("b")?;
    /// assert_eq!(host.stop().unprocessed::<&str>("emails"), ["a", "b"]);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn hand_back(&self, item: T) -> Result<(), SubmitError<T>> {
        self.store.hand_back(item)
    }

    /// Lets nothing more in; what is in it is handled, and then the service has done its
    /// work and ends. Does not block. The stop of its service does it, too.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = groundcrew::Queue::new(100);
    /// queue.close();
    /// assert!(queue.submit("late").unwrap_err().is_closed());
    /// ```
    pub fn close(&self) {
        self.store.close();
    }

    /// Whether nothing more gets in. Does not block.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!groundcrew::Queue::<u32>::new(1).is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.store.is_closed()
    }

    /// How many items have room in it. Does not block.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(groundcrew::Queue::<u32>::new(7).capacity(), 7);
    /// ```
    pub fn capacity(&self) -> usize {
        self.store.capacity()
    }

    /// What has become of its items so far. Does not block. For an example see
    /// [`QueueStats`].
    pub fn stats(&self) -> QueueStats {
        self.store.stats()
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Queue<T> {
        Queue {
            store: self.store.clone(),
        }
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
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
