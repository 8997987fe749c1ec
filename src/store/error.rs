//! Why a store did not do what it was asked to.

use super::ids::{JobId, WorkerId};
use super::state::JobState;
use crate::causes::error_debug;
use crate::table::trimmed;
use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The error returned when a store does not do what it was asked to. Nothing has changed then,
/// except after [`OutcomeUnknown`](StoreError::OutcomeUnknown).
///
/// The `detail` of a variant is what the database said.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub enum StoreError {
    /// Another connection has locked the store for longer than the store waits.
    Busy {
        /// How long the store waited.
        waited: Duration,
    },
    /// There is no space left for the store.
    Full {
        /// What the database said.
        detail: String,
    },
    /// The store cannot be written to.
    ReadOnly {
        /// What the database said.
        detail: String,
    },
    /// The data of the store is damaged.
    Corrupt {
        /// What the database said.
        detail: String,
    },
    /// The file is not a database.
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// A newer version of this crate has written the store.
    NewerSchema {
        /// The version of its tables.
        found: u32,
        /// The newest version that this crate knows.
        known: u32,
    },
    /// The file lies on a file system that is shared over a network, whose locks cannot be relied
    /// on.
    NetworkFileSystem {
        /// The file.
        path: PathBuf,
        /// The type of the file system.
        file_system: String,
    },
    /// The store cannot be reached, or an operation on it failed that may succeed later.
    Unavailable {
        /// What the database said.
        detail: String,
    },
    /// The answer to a commit was lost: what was asked for is done as a whole, or not at all.
    OutcomeUnknown {
        /// What the database said.
        detail: String,
    },
    /// The payload of a job is too large.
    PayloadTooLarge {
        /// The job's kind.
        kind: String,
        /// The size of its payload and meta data, in bytes.
        size: usize,
        /// The store's limit, in bytes.
        limit: usize,
    },
    /// A job cannot be enqueued as it is.
    InvalidJob {
        /// The job's kind.
        kind: String,
        /// What is wrong, and what to write instead.
        problem: String,
    },
    /// A job cannot wait for this one.
    CannotFollow {
        /// The job that was to be waited for.
        parent: JobId,
        /// Its state; `None` if there is no such job.
        state: Option<JobState>,
    },
    /// No queue can have this name.
    InvalidQueue {
        /// The name.
        queue: String,
        /// What is wrong, and what to write instead.
        problem: String,
    },
    /// Another job that has not ended has the unique key.
    UniqueKeyHeld {
        /// The key.
        key: String,
        /// The job that has it; `None` if that is another one of the same call.
        holder: Option<JobId>,
    },
    /// There is no such job.
    NotFound {
        /// The job.
        id: JobId,
    },
    /// There is no such recurring job.
    NoRecurringJob {
        /// The name of the workers that would declare it.
        owner: String,
        /// Its key.
        key: String,
    },
    /// The job's state does not allow what was asked for.
    WrongState {
        /// The job.
        id: JobId,
        /// Its state.
        state: JobState,
        /// What was asked for: "cancel", "retry" or "delete".
        verb: &'static str,
    },
    /// The process has no lease: it was taken over, or withdrawn.
    LeaseLost {
        /// The process.
        worker: WorkerId,
    },
    /// The store cannot do this at all.
    Unsupported {
        /// What, and what to do instead.
        detail: String,
    },
}

impl StoreError {
    /// Whether the same call may succeed later, without a change of the program: the store is busy,
    /// full, read-only, unavailable, or its answer was lost.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            StoreError::Busy { .. }
                | StoreError::Full { .. }
                | StoreError::ReadOnly { .. }
                | StoreError::Unavailable { .. }
                | StoreError::OutcomeUnknown { .. }
        )
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Busy { waited } => write!(
                f,
                "the store has been locked for {} by a write transaction of another connection; \
                 end that one sooner, and do no slow work inside it",
                trimmed(*waited)
            ),
            StoreError::Full { detail } => {
                write!(
                    f,
                    "there is no space left for the store: {detail}; make room for it"
                )
            }
            StoreError::ReadOnly { detail } => write!(
                f,
                "the store is read-only: {detail}; give the program the right to write the file \
                 and its folder, or connect to a server that takes writes"
            ),
            StoreError::Corrupt { detail } => write!(
                f,
                "the store is damaged: {detail}; stop its programs, and restore it from a backup"
            ),
            StoreError::NotADatabase { path } => write!(
                f,
                "{path:?} is not a database; choose another path, or move that file away"
            ),
            StoreError::NewerSchema { found, known } => write!(
                f,
                "the store has tables of version {found}, and this program knows those up to \
                 {known}; use a program built with the newer version of groundcrew"
            ),
            StoreError::NetworkFileSystem { path, file_system } => write!(
                f,
                "{path:?} lies on {file_system}, whose locks cannot be relied on; choose a path on \
                 a local disk, or a store on a server"
            ),
            StoreError::Unavailable { detail } => {
                write!(f, "the store is unavailable: {detail}; try again later")
            }
            StoreError::OutcomeUnknown { detail } => write!(
                f,
                "the store's answer was lost: {detail}; what was asked for may have been done. \
                 Enqueue again with the same `client_id`, or look at the job"
            ),
            StoreError::PayloadTooLarge { kind, size, limit } => write!(
                f,
                "a job {kind:?} has a payload of {size} bytes, and the store takes {limit}; keep \
                 the data elsewhere, and its place in the job, or raise the limit of the store"
            ),
            StoreError::InvalidJob { kind, problem } => {
                write!(f, "a job {kind:?} cannot be enqueued: {problem}")
            }
            StoreError::CannotFollow {
                parent,
                state: None,
            } => write!(
                f,
                "a job cannot wait for job {parent}: it was pruned or deleted, or never was; leave \
                 it out"
            ),
            StoreError::CannotFollow {
                parent,
                state: Some(state),
            } => write!(
                f,
                "a job cannot wait for job {parent}, which is {state}; retry that one first, or \
                 leave it out"
            ),
            StoreError::InvalidQueue { queue, problem } => {
                write!(f, "there can be no queue {queue:?}: {problem}")
            }
            StoreError::UniqueKeyHeld {
                key,
                holder: Some(holder),
            } => write!(
                f,
                "job {holder} has the unique key {key:?} until it has ended; wait for it, or \
                 choose another key"
            ),
            StoreError::UniqueKeyHeld { key, holder: None } => write!(
                f,
                "two jobs that are enqueued together have the unique key {key:?}; leave one out"
            ),
            StoreError::NotFound { id } => {
                write!(
                    f,
                    "there is no job {id}; it was pruned or deleted, or never was"
                )
            }
            StoreError::NoRecurringJob { owner, key } => write!(
                f,
                "there is no recurring job {key:?} of {owner:?}; start the workers that declare it"
            ),
            StoreError::WrongState { id, state, verb } => write!(
                f,
                "job {id} is {state}, and so there is no {verb}; {}",
                match *verb {
                    "delete" => "cancel it first, and wait until it has ended",
                    "retry" => "only dead and cancelled jobs can be retried",
                    _ => "only jobs that have not ended can be cancelled",
                }
            ),
            StoreError::LeaseLost { worker } => write!(
                f,
                "process {worker} has lost its lease: it did not renew it in time, and another \
                 one took its jobs over; register again"
            ),
            StoreError::Unsupported { detail } => f.write_str(detail),
        }
    }
}

error_debug!(enum StoreError {
    Busy { waited },
    Full { detail },
    ReadOnly { detail },
    Corrupt { detail },
    NotADatabase { path },
    NewerSchema { found, known },
    NetworkFileSystem { path, file_system },
    Unavailable { detail },
    OutcomeUnknown { detail },
    PayloadTooLarge { kind, size, limit },
    InvalidJob { kind, problem },
    CannotFollow { parent, state },
    InvalidQueue { queue, problem },
    UniqueKeyHeld { key, holder },
    NotFound { id },
    NoRecurringJob { owner, key },
    WrongState { id, state, verb },
    LeaseLost { worker },
    Unsupported { detail },
});

impl Error for StoreError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_what_is_in_the_way_and_says_what_to_do() {
        let id = JobId::new(7);
        let key = || "welcome-7".to_owned();
        let wrong = |state, verb| StoreError::WrongState { id, state, verb };
        let waited = Duration::from_secs(5);
        let texts = [
            (
                StoreError::Busy { waited },
                "the store has been locked for 5 s by a write transaction of another connection; \
                 end that one sooner, and do no slow work inside it",
            ),
            (
                StoreError::NewerSchema { found: 3, known: 2 },
                "the store has tables of version 3, and this program knows those up to 2; use a \
                 program built with the newer version of groundcrew",
            ),
            (
                StoreError::PayloadTooLarge {
                    kind: "send".to_owned(),
                    size: 17,
                    limit: 16,
                },
                "a job \"send\" has a payload of 17 bytes, and the store takes 16; keep the data \
                 elsewhere, and its place in the job, or raise the limit of the store",
            ),
            (
                StoreError::UniqueKeyHeld {
                    key: key(),
                    holder: Some(id),
                },
                "job 7 has the unique key \"welcome-7\" until it has ended; wait for it, or \
                 choose another key",
            ),
            (
                StoreError::UniqueKeyHeld {
                    key: key(),
                    holder: None,
                },
                "two jobs that are enqueued together have the unique key \"welcome-7\"; leave one \
                 out",
            ),
            (
                wrong(JobState::Running, "delete"),
                "job 7 is running, and so there is no delete; cancel it first, and wait until it \
                 has ended",
            ),
            (
                wrong(JobState::Available, "retry"),
                "job 7 is available, and so there is no retry; only dead and cancelled jobs can \
                 be retried",
            ),
            (
                wrong(JobState::Dead, "cancel"),
                "job 7 is dead, and so there is no cancel; only jobs that have not ended can be \
                 cancelled",
            ),
        ];
        for (error, text) in texts {
            assert_eq!(error.to_string(), text);
            assert_eq!(format!("{error:?}"), text);
        }
    }

    #[test]
    fn an_error_is_temporary_if_the_same_call_may_succeed_later() {
        let detail = || "disk I/O error".to_owned();
        let waited = Duration::from_secs(5);
        let temporary = [
            StoreError::Busy { waited },
            StoreError::Full { detail: detail() },
            StoreError::ReadOnly { detail: detail() },
            StoreError::Unavailable { detail: detail() },
            StoreError::OutcomeUnknown { detail: detail() },
        ];
        assert!(temporary.iter().all(StoreError::is_temporary));
        let worker = WorkerId::new(1);
        let lasting = [
            StoreError::Corrupt { detail: detail() },
            StoreError::NotFound { id: JobId::new(1) },
            StoreError::LeaseLost { worker },
            StoreError::Unsupported { detail: detail() },
        ];
        assert!(!lasting.iter().any(StoreError::is_temporary));
    }
}
