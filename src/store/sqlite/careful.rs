//! What claims have met that one job alone may be the cause of.

use super::errors::may_be_of_a_row;
use crate::store::JobId;
use crate::sync::{AtomicBool, Mutex, Relaxed};
use std::collections::HashMap;

/// After a claim that may have failed at one job, the next ones take theirs one by one, until all that
/// they find can be read or buried.
#[derive(Default)]
pub(super) struct Care {
    is_careful: AtomicBool,
    /// How often a job has ended the transaction of a careful claim.
    failures: Mutex<HashMap<JobId, u32>>,
}

/// What a careful claim does with a job.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Advice {
    Claim,
    /// It cannot be read.
    Bury,
    /// Nor buried.
    LeaveOut,
}

/// An error of the disk may be over at once. After this number of them the job is not read again.
const TRIES: u32 = 3;

impl Care {
    pub(super) fn is_careful(&self) -> bool {
        self.is_careful.load(Relaxed)
    }

    /// A claim has failed.
    pub(super) fn failed(&self, error: &rusqlite::Error) {
        if may_be_of_a_row(error) {
            self.is_careful.store(true, Relaxed);
        }
    }

    /// A careful claim has failed at this job.
    pub(super) fn failed_at(&self, id: JobId, error: &rusqlite::Error) {
        if may_be_of_a_row(error) {
            *self.failures.lock().entry(id).or_default() += 1;
        }
    }

    /// Before a claim: whether these jobs can be read now, outside of a transaction that would end.
    pub(super) fn look_again(&self, can_be_read: impl Fn(JobId) -> bool) {
        let ids: Vec<JobId> = self.failures.lock().keys().copied().collect();
        let readable: Vec<JobId> = ids.into_iter().filter(|id| can_be_read(*id)).collect();
        let mut failures = self.failures.lock();
        failures.retain(|id, _| !readable.contains(id));
    }

    pub(super) fn advice(&self, id: JobId) -> Advice {
        match self.failures.lock().get(&id).copied() {
            None | Some(0..TRIES) => Advice::Claim,
            Some(TRIES) => Advice::Bury,
            Some(_) => Advice::LeaveOut,
        }
    }

    /// A careful claim has met nothing that it had to leave out.
    pub(super) fn succeeded(&self) {
        self.is_careful.store(false, Relaxed);
        self.failures.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::{Error, ffi};

    fn error(code: i32) -> Error {
        Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn claims_are_careful_after_an_error_that_one_job_may_be_the_cause_of() {
        let care = Care::default();
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_BUSY, ffi::SQLITE_READONLY] {
            care.failed(&error(code));
            assert!(!care.is_careful());
        }
        care.failed(&error(ffi::SQLITE_CORRUPT));
        assert!(care.is_careful());
        care.succeeded();
        assert!(!care.is_careful());
    }

    #[test]
    fn a_job_is_not_read_again_after_three_failures_unless_it_can_be_read_now() {
        let (care, bad, good) = (Care::default(), JobId::new(1), JobId::new(2));
        for _ in 0..3 {
            assert_eq!(care.advice(bad), Advice::Claim);
            care.failed_at(good, &error(ffi::SQLITE_IOERR));
            care.failed_at(bad, &error(ffi::SQLITE_IOERR));
            care.failed_at(good, &error(ffi::SQLITE_FULL));
        }
        care.look_again(|id| id == good);
        assert_eq!(
            (care.advice(bad), care.advice(good)),
            (Advice::Bury, Advice::Claim)
        );
        care.failed_at(bad, &error(ffi::SQLITE_CORRUPT));
        assert_eq!(care.advice(bad), Advice::LeaveOut);
    }
}
