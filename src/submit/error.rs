//! Why a task or an item was not accepted, with the task or the item.

use crate::cancel::Cancelled;
use crate::causes;
use crate::queue::{Member, Refusal};
use crate::sync::{Arc, Mutex};
use crate::task::{TaskError, TaskRefusal};
use std::error::Error;
use std::fmt;

/// The error of a submit: a task or a queue item was not accepted. [`into_inner`](Self::into_inner)
/// returns it unchanged.
///
/// All submit methods return this type. It is `Send`, `Sync` and `'static` whatever the closure is,
/// so `?` converts it into any boxed error.
///
/// # Examples
///
/// ```
/// use groundcrew::{BoxError, Pool};
/// use std::time::Duration;
///
/// fn run() -> Result<(), BoxError> {
///     let pool = Pool::new(1)?;
///     pool.stop(Duration::from_secs(5));
///
///     let refused = pool.submit(|| 7).unwrap_err();
///     assert!(refused.is_closed());
///     let closure = refused.into_inner();
///     assert_eq!(closure(), 7);
///
///     pool.execute(|| ())?; // and so this returns an error
///     Ok(())
/// }
/// assert_eq!(run().unwrap_err().to_string(), "the pool is closed");
/// ```
///
/// # An item that is dropped with its refusal
///
/// A [`WorkQueue`](crate::WorkQueue) or a [`Batcher`](crate::Batcher) refuses an item when it is
/// closed or the submitter's token is cancelled. If this error is then dropped, for example by `?`,
/// the item is not lost. It counts as accepted and unstarted, and is returned by
/// [`WorkQueue::take_unstarted`](crate::WorkQueue::take_unstarted) or
/// [`Batcher::take_unstarted`](crate::Batcher::take_unstarted), unless
/// [`into_inner`](Self::into_inner) took it out of the error. An item that was refused because the
/// queue was full is dropped with the error, and so is a closure that a pool refused.
///
/// ```
/// use groundcrew::{CancelToken, WorkQueue};
///
/// let (queue, token) = (WorkQueue::new(1), CancelToken::new());
/// queue.submit("first")?;
/// token.cancel();
/// drop(queue.submit_until(&token, "second"));
/// assert_eq!(queue.take_unstarted(), ["second"]);
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
pub struct SubmitError<F> {
    reason: Reason,
    /// Behind a lock only so that the error is `Sync` where the task is not. `None` once it
    /// was taken.
    task: Mutex<Option<F>>,
    /// Where the item goes that is dropped with the error.
    keeper: Option<Arc<dyn Keeper<F>>>,
}

/// Why it was not accepted, whatever it was: its texts are compiled once.
struct Reason {
    target: Target,
    refusal: Refusal,
    /// The host whose stop caused the refusal.
    stopping: Option<Arc<Member>>,
}

/// What refused it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    Pool,
    /// The pool's permits for tasks with a retry policy.
    Retries,
    #[cfg(not(loom))]
    WorkQueue,
    #[cfg(not(loom))]
    Batcher,
}

/// Keeps items that were dropped with their refusal.
pub(crate) trait Keeper<T>: Send + Sync {
    fn keep(&self, item: T);
}

impl<F> SubmitError<F> {
    pub(crate) fn new(task: F, target: Target, refusal: Refusal) -> SubmitError<F> {
        SubmitError {
            reason: Reason {
                target,
                refusal,
                stopping: None,
            },
            task: Mutex::new(Some(task)),
            keeper: None,
        }
    }

    /// The refusal is due to the stop of this host, if it is `Some`.
    pub(crate) fn due_to(mut self, stopping: Option<Arc<Member>>) -> SubmitError<F> {
        self.reason.stopping = stopping;
        self
    }

    /// The item that is dropped with the error goes to `keeper`.
    pub(crate) fn kept_by(mut self, keeper: Arc<dyn Keeper<F>>) -> SubmitError<F> {
        self.keeper = Some(keeper);
        self
    }

    fn take(&mut self) -> F {
        match self.task.get_mut().take() {
            Some(task) => task,
            None => unreachable!("only methods that consume the error take the task"),
        }
    }

    /// Returns what was not accepted, unchanged: the closure, the queue item, or the
    /// [`UnstartedTask`](crate::task::UnstartedTask) of a resubmit.
    pub fn into_inner(mut self) -> F {
        self.take()
    }

    /// Returns whether the queue was full, for a method that does not wait. A closed pool is never
    /// full.
    pub fn is_full(&self) -> bool {
        self.reason.refusal == Refusal::Full
    }

    /// Returns whether the pool, the queue or the batcher is closed, and so will never accept
    /// anything again.
    pub fn is_closed(&self) -> bool {
        self.reason.refusal == Refusal::Closed
    }

    /// Returns whether the queue stayed full until the time limit of the wait.
    pub fn is_timeout(&self) -> bool {
        self.reason.refusal == Refusal::TimedOut
    }

    /// Returns whether the submitter's token was cancelled before the task or item was accepted.
    /// The source of the error is then [`Cancelled`], so a service that returns it by `?` has not
    /// failed.
    pub fn is_cancelled(&self) -> bool {
        self.reason.refusal == Refusal::Cancelled
    }
}

impl<F> From<SubmitError<F>> for TaskError {
    /// Drops the task. If it is an item, its queue or batcher keeps it.
    fn from(mut error: SubmitError<F>) -> TaskError {
        TaskError::Refused(TaskRefusal::new(Reason {
            target: error.reason.target,
            refusal: error.reason.refusal,
            stopping: error.reason.stopping.take(),
        }))
    }
}

impl<F> Drop for SubmitError<F> {
    fn drop(&mut self) {
        if let (Some(keeper), Some(item)) = (&self.keeper, self.task.get_mut().take()) {
            keeper.keep(item);
        }
    }
}

impl<F> fmt::Display for SubmitError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.reason, f)
    }
}

impl<F> fmt::Debug for SubmitError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.reason, f)
    }
}

impl<F> Error for SubmitError<F> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.reason.source()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (target, room) = match self.target {
            Target::Pool => ("the pool", "the pool's queue"),
            Target::Retries => ("the pool", "the pool's quota of retried tasks"),
            #[cfg(not(loom))]
            Target::WorkQueue => ("the work queue", "the work queue"),
            #[cfg(not(loom))]
            Target::Batcher => ("the batcher", "the batcher"),
        };
        match self.refusal {
            Refusal::Full => write!(f, "{room} is full"),
            Refusal::Closed => write!(f, "{target} is closed"),
            Refusal::TimedOut => write!(f, "{room} was full until the submit timed out"),
            Refusal::Cancelled => write!(f, "the submit to {target} was cancelled"),
        }
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        causes::debug(self, f, |f| {
            f.debug_struct("SubmitError")
                .field("target", &self.target)
                .field("refusal", &self.refusal)
                .finish_non_exhaustive()
        })
    }
}

impl Error for Reason {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match (&self.stopping, self.refusal) {
            (_, Refusal::Cancelled) => Some(&Cancelled),
            (Some(stopping), _) => Some(stopping.as_ref()),
            (None, _) => None,
        }
    }
}
