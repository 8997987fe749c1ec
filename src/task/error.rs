//! Why a task gave no result.

use crate::causes::{self, BoxError, error_debug};
use crate::sync::Mutex;
use crate::unwind::{self, Payload};
use std::error::Error;
use std::fmt;

/// Why [`TaskHandle::join`](crate::TaskHandle::join) returned no result.
///
/// # Examples
///
/// ```
/// use groundcrew::{Pool, TaskError};
///
/// let pool = Pool::new(1)?;
/// let handle = pool.submit(|| panic!("no such row"))?;
/// match handle.join() {
///     Err(TaskError::Panicked(panic)) => assert_eq!(panic.message(), "no such row"),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[non_exhaustive]
pub enum TaskError {
    /// The task panicked, or a captured value panicked in its drop.
    Panicked(TaskPanic),
    /// The task was cancelled before it started, and never runs.
    Cancelled,
    /// The task was not started in time
    /// ([`TaskBuilder::start_within`](crate::TaskBuilder::start_within)), and never runs.
    Expired,
    /// A stop removed the task from the queue before it started. The task is in the
    /// [`StopReport`](crate::StopReport), or was taken from it and has not run, or was dropped.
    Unstarted,
    /// The task was still running when a stop made its report. It keeps its thread; if it ends, its
    /// result is dropped.
    Abandoned,
    /// The task was not accepted. `join` never returns this: it is what a
    /// [`SubmitError`](crate::SubmitError) becomes, so that a function which submits and joins
    /// returns one error by `?`. The closure is dropped.
    Refused(TaskRefusal),
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskError::Panicked(panic) => write!(f, "the task panicked: {panic}"),
            TaskError::Cancelled => f.write_str("the task was cancelled before it started"),
            TaskError::Expired => f.write_str("the task was not started in time"),
            TaskError::Unstarted => UNSTARTED.fmt(f),
            TaskError::Abandoned => ABANDONED.fmt(f),
            TaskError::Refused(refusal) => write!(f, "refused: {refusal}"),
        }
    }
}

error_debug!(
    enum TaskError {
        Panicked(panic),
        Cancelled,
        Expired,
        Unstarted,
        Abandoned,
        Refused(refusal),
    }
);

impl Error for TaskError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            TaskError::Unstarted => Some(&UNSTARTED),
            TaskError::Abandoned => Some(&ABANDONED),
            // Its own text is in this one's.
            TaskError::Refused(refusal) => refusal.source(),
            TaskError::Panicked(_) | TaskError::Cancelled | TaskError::Expired => None,
        }
    }
}

/// The cause of the errors for tasks that a stop left behind, with the same text, and what this
/// crate looks for: see [`CancelledCause`](crate::cancel::CancelledCause).
#[derive(Debug)]
pub(crate) struct LeftByStop(&'static str);

static UNSTARTED: LeftByStop = LeftByStop("the pool was stopped before the task started");
static ABANDONED: LeftByStop = LeftByStop("the task was still running when the pool's stop ended");

impl fmt::Display for LeftByStop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for LeftByStop {}

/// Why a task was not accepted: a [`SubmitError`](crate::SubmitError) without the task.
pub struct TaskRefusal {
    /// In two boxes, which keeps `TaskError` as small as a pointer and its tag: it is part of the
    /// result of every task with a handle.
    error: Box<BoxError>,
}

impl TaskRefusal {
    pub(crate) fn new(error: impl Error + Send + Sync + 'static) -> TaskRefusal {
        TaskRefusal {
            error: Box::new(error.into()),
        }
    }
}

impl fmt::Display for TaskRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

causes::error_debug!(struct TaskRefusal { error });

impl Error for TaskRefusal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

/// The payload of a task's panic. It is `Send` and `Sync`, whatever the payload is.
///
/// If a payload panics in its own drop, that panic is caught.
pub struct TaskPanic {
    /// In a box, since results that have no panic in them are passed around.
    panicked: Box<Panicked>,
}

struct Panicked {
    message: Box<str>,
    /// Behind a lock only to be `Sync`. Taken by `into_payload`.
    payload: Mutex<Option<Payload>>,
}

impl TaskPanic {
    pub(crate) fn new(payload: Payload) -> TaskPanic {
        TaskPanic {
            panicked: Box::new(Panicked {
                message: unwind::text(payload.as_ref()).into(),
                payload: Mutex::new(Some(payload)),
            }),
        }
    }

    /// Returns the text given to `panic!`, or a note that the payload is not text.
    pub fn message(&self) -> &str {
        &self.panicked.message
    }

    /// Returns the payload itself, like [`std::thread::JoinHandle::join`], for example for
    /// [`std::panic::resume_unwind`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::{Pool, TaskError};
    /// # let pool = Pool::new(1)?;
    /// let handle = pool.submit(|| panic!("no such row"))?;
    /// let Err(TaskError::Panicked(panic)) = handle.join() else { unreachable!() };
    /// let payload = panic.into_payload();
    /// assert_eq!(payload.downcast_ref(), Some(&"no such row"));
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn into_payload(mut self) -> Box<dyn std::any::Any + Send> {
        self.panicked
            .payload
            .get_mut()
            .take()
            .unwrap_or_else(|| unreachable!("only into_payload takes it, and it owns the panic"))
    }
}

impl Drop for TaskPanic {
    fn drop(&mut self) {
        if let Some(payload) = self.panicked.payload.get_mut().take() {
            unwind::drop_payload(payload);
        }
    }
}

impl fmt::Display for TaskPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl fmt::Debug for TaskPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        causes::debug(self, f, |f| {
            f.debug_struct("TaskPanic")
                .field("message", &self.message())
                .finish_non_exhaustive()
        })
    }
}

impl Error for TaskPanic {}
