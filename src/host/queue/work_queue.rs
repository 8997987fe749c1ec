//! The queue that a program holds.

use super::failed::FailedItem;
use super::outcome::ItemOutcome;
use super::service::QueueWorkers;
use super::store::Store;
use super::worker::Handler;
use crate::causes::BoxError;
use crate::host::build::IntoService;
use crate::host::context::ServiceContext;
use crate::host::items::QueueStats;
use crate::queue::OnFull;
use crate::retry::{DeadLetter, DeadLetterHandler, RetryPolicy};
use crate::submit::{SubmitError, WhenFull};
use crate::sync::Arc;
use std::fmt;

/// A bounded queue whose items are handled by a service of a [`Host`](crate::Host).
/// [`workers`](Self::workers) returns the service, and
/// [`HostBuilder::add`](crate::HostBuilder::add) adds it to a host. A clone refers to the same
/// queue.
///
/// The queue can be filled before the host starts. A stop closes it, and its items are handled
/// until the last part of the service's time: a quarter of it, capped at 3 s. Then the handlers'
/// token is cancelled, no more items are started, and [`take_unstarted`](Self::take_unstarted)
/// returns the remaining ones.
///
/// If the service fails, because a handler that panicked could not be replaced or a heartbeat was
/// missed, the queue still accepts items while the service is restarted. If the host stops
/// meanwhile, they are handed back.
///
/// # Which items come back
///
/// Every accepted item is handled, or can be taken from a clone of the queue, before or after the
/// host makes its report. The report counts the items that were left when it was made:
///
/// | the item's outcome | returned by | report |
/// | --- | --- | --- |
/// | no handler got it before the stop was over, or one [handed it back](ItemOutcome::HandBack); or it was [dropped with its refusal](SubmitError#an-item-that-is-dropped-with-its-refusal) | [`take_unstarted`](Self::take_unstarted) | not clean |
/// | it waited for its [next attempt](Self::retry), which would have come too late for the stop | [`take_retrying`](Self::take_retrying), with its last error, or `take_unstarted` | not clean |
/// | its handler returned an error and the retry policy gave up, or panicked | the closure for [dead letters](Self::dead_letter), or [`take_failed`](Self::take_failed) if there is none | not clean, unless it was taken before |
/// | its handler had not returned when the report was made | [`take_maybe_handled`](Self::take_maybe_handled), with [`keep_copy`](Self::keep_copy) | not clean |
///
/// An error that is due to the stop of the host is not a failure of the handler: the item is
/// unstarted. Such an error is caused by [`Cancelled`](crate::cancel::Cancelled) or by the refusal
/// of a queue, a batcher or a pool that the stop has closed.
///
/// The queue keeps these items, without a limit, until its last clone and the last handle of the
/// host are dropped. A program that runs for months should therefore take failed items regularly.
///
/// # The shutdown bug this prevents
///
/// The stop of its service closes a `WorkQueue`, even if clones exist: further items are refused
/// and returned, and idle workers end. A loop over a channel ends only when every sender is
/// dropped: see [a common shutdown bug](crate::host::Host#a-common-shutdown-bug).
///
/// # Examples
///
/// ```
/// use groundcrew::{Host, WorkQueue, ServiceContext};
/// use std::io::{self, Write};
///
/// let emails = WorkQueue::new(100);
/// let mut host = Host::builder();
/// host.add("emails", emails.workers(2, || {
///     let mut connection = Vec::new(); // each worker makes its own
///     move |email: &mut String, _: &ServiceContext| Ok(connection.write_all(email.as_bytes())?)
/// }));
/// let host = host.build()?.start()?;
/// emails.submit("Dear reader".to_owned())?;
///
/// let report = host.stop(); // sends what is in the queue
/// assert!(report.is_clean());
/// let refused = emails.submit("late".to_owned()).unwrap_err();
/// assert!(refused.is_closed() && refused.into_inner() == "late");
/// assert_eq!(emails.take_unstarted(), [""; 0]);
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
pub struct WorkQueue<T> {
    store: Arc<Store<T>>,
}

impl<T: Send + 'static> WorkQueue<T> {
    /// Creates a queue with this capacity. A capacity of 0 is an error when the host is
    /// [built](crate::host::HostBuilder::build).
    pub fn new(capacity: usize) -> WorkQueue<T> {
        WorkQueue {
            store: Arc::new(Store::new(capacity)),
        }
    }

    /// Makes the queue copy each item before a handler gets it, so that
    /// [`take_maybe_handled`](Self::take_maybe_handled) can return the items that are being handled
    /// when the report is made. This applies to all clones of the queue, and to items that a
    /// handler gets from now on.
    pub fn keep_copy(self) -> WorkQueue<T>
    where
        T: Clone,
    {
        self.store.copy_with(T::clone);
        self
    }

    /// Sets the retry policy for items whose handler returned an error. By default, there is one
    /// attempt. The policy, like the other two options below, applies to all clones of the queue,
    /// from the next start of its service.
    ///
    /// An item waits for its next attempt in a timer, and does not occupy a worker. When the next
    /// attempt is due, the item comes before all others, even if the queue is full. When the policy
    /// gives up, the item is a [dead letter](Self::dead_letter). This is at once for a
    /// [`PermanentError`](crate::retry::PermanentError) and for a panic. A
    /// [judge](crate::Retry::on_error) takes the error that the handler returned, a
    /// [`&BoxError`](crate::BoxError).
    ///
    /// A stop waits for those attempts that are due before the last part of the service's time.
    /// Items whose next attempt would come later are handed back at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{BoxError, Host, Retry, ServiceContext, WorkQueue};
    /// use groundcrew::retry::Verdict;
    /// use std::io::{self, ErrorKind};
    /// use std::time::Duration;
    ///
    /// let (sender, dead) = groundcrew::channel::unbounded();
    /// let retry = Retry::exponential(Duration::from_millis(1)).attempts(3).on_error(
    ///     |error: &BoxError| match error.downcast_ref::<io::Error>() {
    ///         Some(error) if error.kind() == ErrorKind::InvalidInput => Verdict::GiveUp,
    ///         _ => Verdict::Retry,
    ///     },
    /// );
    /// let emails = WorkQueue::new(100).retry(retry).dead_letter(move |email, why| {
    ///     sender.send((email, why.attempts(), why.message().to_owned())).unwrap();
    /// });
    /// let mut host = Host::builder();
    /// host.add("emails", emails.workers(1, || {
    ///     |email: &mut &str, _: &ServiceContext| match *email {
    ///         "" => Err(io::Error::new(ErrorKind::InvalidInput, "no text"))?,
    ///         _ => Err::<(), _>(io::Error::other("no connection").into()),
    ///     }
    /// }));
    /// let host = host.build()?.start()?;
    /// emails.submit("")?;
    /// emails.submit("Dear reader")?;
    /// assert_eq!(dead.recv()?, ("", 1, "no text".to_owned()));
    /// assert_eq!(dead.recv()?, ("Dear reader", 3, "no connection".to_owned()));
    /// assert!(host.stop().is_clean());
    /// assert_eq!((emails.stats().failed(), emails.stats().retries()), (2, 2));
    /// # Ok::<(), BoxError>(())
    /// ```
    pub fn retry(self, policy: impl RetryPolicy<BoxError>) -> WorkQueue<T> {
        let retry = policy.into_retry();
        self.store.set_options(|options| options.retry = retry);
        self
    }

    /// Sets the maximum number of items that wait for a retry. Defaults to the capacity of the
    /// queue. Once the maximum is reached, the workers begin only items whose next attempt is
    /// due, so that the queue fills up and [`submit`](Self::submit) waits. Each worker but one may
    /// exceed the maximum by the item that it is handling.
    ///
    /// A maximum of 0 is an error when the host is [built](crate::host::HostBuilder::build).
    pub fn max_retrying(self, items: usize) -> WorkQueue<T> {
        self.store
            .set_options(|options| options.max_retrying = Some(items));
        self
    }

    /// Sets the closure for dead letters (items that were given up). The worker whose handler
    /// failed calls it, after the error was logged. A panic in it is logged. Without it, dead
    /// letters are kept for [`take_failed`](Self::take_failed).
    pub fn dead_letter(
        self,
        closure: impl Fn(T, &DeadLetter) + Send + Sync + 'static,
    ) -> WorkQueue<T> {
        let closure = Arc::new(DeadLetterHandler::new(closure));
        self.store
            .set_options(|options| options.dead_letter = Some(closure));
        self
    }

    /// Returns a service with `workers` threads that handle the items of the queue. Pass it to
    /// [`HostBuilder::add`](crate::HostBuilder::add).
    ///
    /// Each worker calls `factory` on its own thread, and keeps the handler that it returns, for
    /// example with a connection. The service is up when every worker has its handler. After a
    /// panic of its handler, the worker calls `factory` again. A panic in the drop of a handler is
    /// a [failure](crate::host::ServiceFailure) of the service, but does not end it.
    ///
    /// The handler returns `Ok(())` for an item that it has handled, or an [`ItemOutcome`] to put
    /// it back or to hand it back. After an error, the item is [tried again](Self::retry) if there
    /// is a policy for that. Otherwise the error is logged and counted, and the item is a [dead
    /// letter](Self::dead_letter). In each case, the worker continues with the next item. The
    /// handler's [token](ServiceContext::token) is cancelled only in the last part of the service's
    /// time to stop. Until then, the queue is drained; a handler that waits for something can notice
    /// the stop by the token [`stopping`](ServiceContext::stopping). See [which items come
    /// back](Self#which-items-come-back).
    pub fn workers<F, H, R>(&self, workers: usize, factory: F) -> impl IntoService + use<T, F, H, R>
    where
        F: Fn() -> H + Send + Sync + 'static,
        H: FnMut(&mut T, &ServiceContext) -> Result<R, BoxError> + 'static,
        R: Into<ItemOutcome> + 'static,
    {
        self.fallible_workers(workers, move || Ok(factory()))
    }

    /// Like [`workers`](Self::workers), with a factory that may fail, for example to open a
    /// connection.
    ///
    /// Its error is a failure of the service: of its start, or of its run if a worker needs a new
    /// handler after a panic. The service's [policy](crate::host::ServiceBuilder::on_failure)
    /// decides what follows. Items stay in the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Host, ServiceContext, WorkQueue};
    /// use std::fs::File;
    /// use std::io::Write;
    ///
    /// let lines = WorkQueue::new(100);
    /// let mut host = Host::builder();
    /// host.add("lines", lines.fallible_workers(2, || {
    ///     let mut file = File::options().append(true).open("no/such/file")?;
    ///     Ok(move |line: &mut String, _: &ServiceContext| Ok(file.write_all(line.as_bytes())?))
    /// }));
    /// let report = host.build()?.run();
    /// assert!(report.reason().to_string().starts_with("service \"lines\" failed in start: "));
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn fallible_workers<F, H, R>(
        &self,
        workers: usize,
        factory: F,
    ) -> impl IntoService + use<T, F, H, R>
    where
        F: Fn() -> Result<H, BoxError> + Send + Sync + 'static,
        H: FnMut(&mut T, &ServiceContext) -> Result<R, BoxError> + 'static,
        R: Into<ItemOutcome> + 'static,
    {
        let factory = move || {
            let mut handler = factory()?;
            let handler = move |item: &mut T, ctx: &ServiceContext| handler(item, ctx).map(R::into);
            Ok(Box::new(handler) as Box<Handler<T>>)
        };
        QueueWorkers {
            store: self.store.clone(),
            count: workers,
            factory: Box::new(factory),
        }
    }

    /// Puts an item into the queue, and blocks while the queue is full.
    ///
    /// In a handler of the queue this never blocks: the item exceeds the capacity, as the
    /// [stats](QueueStats::overflow) show. To respect the capacity there, use
    /// [`try_submit`](Self::try_submit), which refuses the item, or
    /// [`submit_until`](Self::submit_until) with a duration, which waits. Handlers of two queues
    /// that submit to each other's full queue can deadlock.
    ///
    /// # Errors
    ///
    /// The error [`is_closed`](SubmitError::is_closed) if the stop of the queue's service was
    /// requested before or during the call. The error holds the item. If it is dropped,
    /// [`take_unstarted`](Self::take_unstarted) returns the item.
    pub fn submit(&self, item: T) -> Result<(), SubmitError<T>> {
        self.store.submit(item, OnFull::WAIT)
    }

    /// Puts an item into the queue, if there is room.
    ///
    /// # Errors
    ///
    /// The error [`is_full`](SubmitError::is_full) if there is no room, and
    /// [`is_closed`](SubmitError::is_closed) if the queue is closed. It holds the item.
    pub fn try_submit(&self, item: T) -> Result<(), SubmitError<T>> {
        self.store.submit(item, OnFull::Refuse)
    }

    /// Puts an item into the queue. While the queue is full, this waits for a duration, until a
    /// moment, or until a token is cancelled, as `when_full` specifies. A service that has to end
    /// when its stop is requested passes its token. For the behavior in a handler of the queue, see
    /// [`WhenFull`].
    ///
    /// # Errors
    ///
    /// The error [`is_timeout`](SubmitError::is_timeout) or [`is_full`](SubmitError::is_full) if
    /// there was no room.
    ///
    /// It [`is_cancelled`](SubmitError::is_cancelled) if the token was cancelled before the item
    /// was accepted, even if the queue was closed as well. Otherwise, it
    /// [`is_closed`](SubmitError::is_closed) if there never will be room. In these two cases, if
    /// the error is dropped, as by `?` below, [`take_unstarted`](Self::take_unstarted) returns the
    /// item.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Host, WorkQueue, ServiceContext};
    ///
    /// let emails = WorkQueue::new(16);
    /// let mut host = Host::builder();
    /// host.add("emails", emails.workers(1, || {
    ///     |_: &mut u64, ctx: &ServiceContext| Ok(ctx.token().wait()) // a slow sink
    /// }));
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
    /// while emails.stats().accepted() < 17 {} // one in the handler, 16 in the queue
    /// let report = host.stop();
    /// assert!(report.failures().is_empty()); // a stop is none
    /// // One was handled; no other number is missing, the refused one included.
    /// assert_eq!(emails.take_unstarted(), (1..18).collect::<Vec<u64>>());
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn submit_until(
        &self,
        when_full: impl Into<WhenFull>,
        item: T,
    ) -> Result<(), SubmitError<T>> {
        self.store.submit(item, when_full.into().begin())
    }

    /// Takes the items that no handler will get: first those that handlers [handed
    /// back](ItemOutcome::HandBack), then those that waited for a [retry](Self::retry), then those
    /// that the stop took out of the queue, each in the order in which they came, and then those
    /// that were [dropped with their
    /// refusal](SubmitError#an-item-that-is-dropped-with-its-refusal). The first call, on any clone
    /// of the queue, returns them. Later calls return those that came since.
    ///
    /// After the report of the host is made, this returns all of them. Another call returns those
    /// that an abandoned handler puts back later, or that are refused later. Before the report is
    /// made, this does not return the items that wait in the queue.
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
    /// host.add("emails", emails.workers(1, || {
    ///     |_: &mut &str, ctx: &ServiceContext| Ok(ctx.token().wait()) // a slow sink
    /// }));
    /// let host = host.build()?.start()?;
    /// emails.submit("a")?;
    /// emails.submit("b")?;
    /// while emails.stats().queued() > 1 {}
    /// assert_eq!(host.stop().exit_code(), 75);
    /// assert_eq!(emails.take_unstarted(), ["b"]);
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn take_unstarted(&self) -> Vec<T> {
        self.store.take_unstarted()
    }

    /// Takes those of the unstarted items that have failed and were to be [tried
    /// again](Self::retry), with the error of the last attempt. Items that this takes are not
    /// returned by [`take_unstarted`](Self::take_unstarted), and the other way round.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Host, Retry, ServiceContext, WorkQueue};
    /// use std::time::Duration;
    ///
    /// let emails = WorkQueue::new(16).retry(Retry::fixed(Duration::from_secs(3600)));
    /// let mut host = Host::builder();
    /// host.add("emails", emails.workers(1, || {
    ///     |_: &mut &str, _: &ServiceContext| Err::<(), _>("no connection".into())
    /// }));
    /// let host = host.build()?.start()?;
    /// emails.submit("a")?;
    /// while emails.stats().retrying() == 0 {}
    /// assert_eq!(host.stop().exit_code(), 75); // an hour would be too late
    /// let waited = emails.take_retrying().remove(0);
    /// assert_eq!((*waited.item(), waited.message()), ("a", "no connection"));
    /// assert_eq!(emails.take_unstarted(), [""; 0]);
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn take_retrying(&self) -> Vec<FailedItem<T>> {
        self.store.take_retrying()
    }

    /// Takes the items that were given up, because their handler returned an error or panicked,
    /// with the reason, in the order in which they failed. With a closure for [dead
    /// letters](Self::dead_letter), there are none. The first call, on any clone of the queue, returns them. Later calls
    /// return those that failed since. Items that are taken before the host makes its report do not
    /// prevent a clean report.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Host, ServiceContext, WorkQueue};
    ///
    /// let emails = WorkQueue::new(16);
    /// let mut host = Host::builder();
    /// host.add("emails", emails.workers(2, || {
    ///     |_: &mut &str, _: &ServiceContext| Err::<(), _>("no connection".into())
    /// }));
    /// let host = host.build()?.start()?;
    /// emails.submit("Dear reader")?;
    /// let report = host.stop();
    /// assert_eq!(report.services()[0].queue().unwrap().failed_left(), 1);
    /// assert_eq!(emails.take_failed()[0].item(), &"Dear reader");
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn take_failed(&self) -> Vec<FailedItem<T>> {
        self.store.take_failed()
    }

    /// Takes copies of the items that were being handled when the report of the host was made.
    /// Their handlers were abandoned, and it is not known whether the items were handled. The first
    /// call returns them. There are none before the report is made, or without
    /// [`keep_copy`](Self::keep_copy).
    ///
    /// An item whose handler returns before the copy is taken is not among them: it is then handled
    /// or [failed](Self::take_failed). An item whose copy was taken is not returned by any other
    /// method.
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
    /// host.add("emails", emails.workers(1, move || {
    ///     let gate = gate.clone();
    ///     move |_: &mut &str, _: &ServiceContext| Ok(gate.recv().unwrap_or_default())
    /// }));
    /// let host = host.build()?.start()?;
    /// emails.submit("a")?;
    /// while emails.stats().in_progress() == 0 {}
    /// assert_eq!(host.stop().exit_code(), 75);
    /// assert_eq!(emails.take_maybe_handled(), ["a"]);
    /// # drop(open);
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn take_maybe_handled(&self) -> Vec<T> {
        self.store.take_copies()
    }

    /// Closes the queue. Further items are refused, the remaining items are handled, and then the
    /// service ends. The stop of the service does the same.
    pub fn close(&self) {
        self.store.close();
    }

    /// Returns `true` if the queue is closed.
    pub fn is_closed(&self) -> bool {
        self.store.is_closed()
    }

    /// Returns the capacity of the queue.
    pub fn capacity(&self) -> usize {
        self.store.capacity()
    }

    /// Returns the counts of its items so far, by outcome.
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
