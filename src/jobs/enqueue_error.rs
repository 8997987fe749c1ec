//! Why a job was not enqueued.

use crate::causes::error_debug;
use crate::store::StoreError;
use std::error::Error;
use std::fmt;

/// The error returned when a job is not enqueued.
///
/// # Examples
///
/// ```
/// use groundcrew::jobs::{EnqueueError, Job, Jobs};
/// use groundcrew::store::{MemoryStore, StoreError};
///
/// #[derive(serde::Serialize)]
/// struct SendWelcome { user: u64 }
/// impl Job for SendWelcome { const KIND: &'static str = "send-welcome"; }
///
/// let jobs = Jobs::open(MemoryStore::new())?;
/// let first = jobs.job(&SendWelcome { user: 7 }).unique("welcome-7").enqueue()?;
/// match jobs.job(&SendWelcome { user: 7 }).unique("welcome-7").enqueue() {
///     Err(EnqueueError::Store(StoreError::UniqueKeyHeld { holder, .. })) => {
///         assert_eq!(holder, Some(first.id));
///     }
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub enum EnqueueError {
    /// The job could not be written as JSON.
    Unserializable {
        /// Its kind.
        kind: String,
        /// What `serde` said.
        problem: String,
    },
    /// The store refused the job, or could not take it. Except after
    /// [`StoreError::OutcomeUnknown`], it is not enqueued.
    Store(StoreError),
}

impl fmt::Display for EnqueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EnqueueError::Unserializable { kind, problem } => write!(
                f,
                "a job {kind:?} cannot be written as JSON: {problem}; keep to types that JSON has, \
                 and to keys of maps that are texts or numbers"
            ),
            EnqueueError::Store(error) => error.fmt(f),
        }
    }
}

error_debug!(enum EnqueueError {
    Unserializable { kind, problem },
    Store(error),
});

impl Error for EnqueueError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            EnqueueError::Unserializable { .. } => None,
            // Its text is this one's.
            EnqueueError::Store(error) => error.source(),
        }
    }
}

impl From<StoreError> for EnqueueError {
    fn from(error: StoreError) -> EnqueueError {
        EnqueueError::Store(error)
    }
}
