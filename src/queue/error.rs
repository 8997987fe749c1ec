//! Why a task was not accepted, with the task.

use crate::cancel::{CancelToken, Cancelled};
use crate::sync::Mutex;
use std::error::Error;
use std::fmt;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Full,
    Closed,
    /// Of a queue of items.
    QueueClosed,
    BatcherClosed,
    TimedOut,
    Cancelled,
}

/// A task was not accepted; [`into_task`](Self::into_task) gives it back,
/// unchanged and callable.
///
/// One type for all verbs. It is `Send`, `Sync` and `'static` whatever the
/// closure is, so that `?` turns it into any boxed error.
///
/// # Examples
///
/// ```
/// use std::error::Error;
/// use std::time::Duration;
///
/// fn run() -> Result<(), Box<dyn Error + Send + Sync>> {
///     let pool = groundcrew::Pool::new(1)?;
///     pool.stop(Duration::from_secs(5));
///
///     let refused = pool.submit(|| 7).unwrap_err();
///     assert!(refused.is_closed());
///     let closure = refused.into_task();
///     assert_eq!(closure(), 7);
///
///     pool.execute(|| ())?; // and so this returns an error
///     Ok(())
/// }
/// assert_eq!(run().unwrap_err().to_string(), "the pool is closed");
/// ```
pub struct SubmitError<F> {
    refusal: Refusal,
    /// Behind a lock only so that the error is `Sync` where the task is not.
    task: Mutex<F>,
}

impl<F> SubmitError<F> {
    pub(crate) fn new(task: F, refusal: Refusal) -> SubmitError<F> {
        SubmitError {
            refusal,
            task: Mutex::new(task),
        }
    }

    pub(super) fn map<G>(self, unwrap: impl FnOnce(F) -> G) -> SubmitError<G> {
        SubmitError::new(unwrap(self.task.into_inner()), self.refusal)
    }

    /// The task that was not accepted: the closure, or the
    /// [`UnstartedTask`](crate::UnstartedTask) of a resubmit. Does not block.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = groundcrew::Pool::new(1)?;
    /// pool.stop_handle().close();
    /// let closure = pool.submit(|| 7).unwrap_err().into_task();
    /// assert_eq!(closure(), 7);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_task(self) -> F {
        self.task.into_inner()
    }

    /// The item that a [`Queue`](crate::Queue) or a [`Batcher`](crate::Batcher) did not
    /// accept. Does not block.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = groundcrew::Queue::new(1);
    /// queue.submit("first")?;
    /// assert_eq!(queue.try_submit("second").unwrap_err().into_item(), "second");
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn into_item(self) -> F {
        self.task.into_inner()
    }

    /// Whether the queue was full, and the verb one that does not wait. Does not
    /// block. A pool that is closed is never full.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = groundcrew::Pool::builder().threads(1).queue_capacity(1).build()?;
    /// # let (open, gate) = groundcrew::channel::bounded::<()>(0);
    /// # pool.execute(move || gate.recv().unwrap_or_default())?;
    /// # while pool.running().is_empty() {}
    /// pool.try_execute(|| ())?; // waits behind a task that runs
    /// assert!(pool.try_execute(|| ()).unwrap_err().is_full());
    /// # drop(open);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn is_full(&self) -> bool {
        self.refusal == Refusal::Full
    }

    /// Whether the pool is closed: it will never accept a task again. Does not
    /// block.
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = groundcrew::Pool::new(1)?;
    /// pool.stop_handle().close();
    /// assert!(pool.execute(|| ()).unwrap_err().is_closed());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_closed(&self) -> bool {
        matches!(
            self.refusal,
            Refusal::Closed | Refusal::QueueClosed | Refusal::BatcherClosed
        )
    }

    /// Whether the queue was full for as long as the verb was to wait. Does not
    /// block.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// let pool = groundcrew::Pool::builder().threads(1).queue_capacity(1).build()?;
    /// # let (open, gate) = groundcrew::channel::bounded::<()>(0);
    /// # pool.execute(move || gate.recv().unwrap_or_default())?;
    /// # while pool.running().is_empty() {}
    /// pool.try_execute(|| ())?; // waits behind a task that runs
    /// let refused = pool.submit_timeout(Duration::from_millis(1), || ()).unwrap_err();
    /// assert!(refused.is_timeout());
    /// # drop(open);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn is_timeout(&self) -> bool {
        self.refusal == Refusal::TimedOut
    }

    /// Whether it was not accepted before the submitter's token was cancelled. Does not block.
    /// The error is then caused by [`Cancelled`], and so no failure of a service that returns
    /// it by `?`.
    ///
    /// # Examples
    ///
    /// ```
    /// let (queue, token) = (groundcrew::Queue::new(1), groundcrew::CancelToken::new());
    /// queue.submit("first")?;
    /// token.cancel();
    /// assert!(queue.submit_until_cancelled(&token, "second").unwrap_err().is_cancelled());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.refusal == Refusal::Cancelled
    }
}

/// So often a submitter that waits looks at its token.
const LOOK_AT_TOKEN: Duration = Duration::from_millis(10);

/// Submits, and waits for room, but not once `token` is cancelled; by `submit_timeout` of
/// what it is to be submitted to.
pub(crate) fn submit_until_cancelled<T>(
    token: &CancelToken,
    mut item: T,
    submit_timeout: impl Fn(Duration, T) -> Result<(), SubmitError<T>>,
) -> Result<(), SubmitError<T>> {
    loop {
        // Whether there is room is asked in any case.
        let wait = match token.is_cancelled() {
            true => Duration::ZERO,
            false => LOOK_AT_TOKEN,
        };
        match submit_timeout(wait, item) {
            Err(refused) if token.is_cancelled() => {
                return Err(SubmitError::new(refused.into_item(), Refusal::Cancelled));
            }
            Err(refused) if refused.is_timeout() => item = refused.into_item(),
            done => return done,
        }
    }
}

impl<F> fmt::Display for SubmitError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.refusal {
            Refusal::Full => "the queue is full",
            Refusal::Closed => "the pool is closed",
            Refusal::QueueClosed => "the queue is closed",
            Refusal::BatcherClosed => "the batcher is closed",
            Refusal::TimedOut => "the queue was full until the submit timed out",
            Refusal::Cancelled => "the submit was cancelled",
        })
    }
}

impl<F> fmt::Debug for SubmitError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmitError")
            .field("refusal", &self.refusal)
            .finish_non_exhaustive()
    }
}

impl<F> Error for SubmitError<F> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self.is_cancelled() {
            true => Some(&Cancelled),
            false => None,
        }
    }
}
