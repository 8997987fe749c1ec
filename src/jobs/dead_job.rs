//! A job that failed for good.

use crate::store::{Fence, JobId};

/// A job that has failed for good, as the closure given to
/// [`Workers::dead_letter`](super::Workers::dead_letter) gets it. It is in the store, where
/// [`Jobs::retry`](super::Jobs::retry) makes it available again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadJob {
    pub(super) id: JobId,
    pub(super) fence: Fence,
    pub(super) queue: String,
    pub(super) kind: String,
    pub(super) attempt: u32,
    pub(super) error: String,
}

impl DeadJob {
    /// Returns its id.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Returns the fence of the last attempt.
    pub fn fence(&self) -> Fence {
        self.fence
    }

    /// Returns its queue.
    pub fn queue(&self) -> &str {
        &self.queue
    }

    /// Returns its kind.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Returns the number of the last attempt, from 1; 0 if the store could not read the job before the
    /// first.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns the error of the last attempt, or why there is no other.
    pub fn error(&self) -> &str {
        &self.error
    }
}
