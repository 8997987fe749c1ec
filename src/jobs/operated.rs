//! What became of several jobs.

use crate::store::{JobId, StoreError};

/// What [`Jobs::cancel_all`](super::Jobs::cancel_all), [`retry_all`](super::Jobs::retry_all) or
/// [`delete_all`](super::Jobs::delete_all) has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Operated {
    /// The number of jobs for which it is done.
    pub done: u64,
    /// The number of those for which it was refused.
    pub refused: u64,
    /// Which jobs those are, and why: the first 1000.
    pub refusals: Vec<Refusal>,
}

/// A job to which something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The job.
    pub job: JobId,
    /// Why.
    pub error: StoreError,
}

/// A list of all would be as long as that of the jobs.
const MOST_NAMED: usize = 1000;

impl Operated {
    pub(super) fn add(&mut self, job: JobId, answer: Result<(), StoreError>) {
        let Err(error) = answer else {
            self.done += 1;
            return;
        };
        self.refused += 1;
        if self.refusals.len() < MOST_NAMED {
            self.refusals.push(Refusal { job, error });
        }
    }
}
