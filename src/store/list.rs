//! Lists of jobs, page by page.

use super::ids::JobId;
use super::info::JobInfo;
use super::state::JobState;
use std::time::SystemTime;

/// Which jobs to list: those in one state, of one queue, of one kind. The state also decides the
/// order:
///
/// | state | order |
/// | --- | --- |
/// | scheduled | the earliest due first |
/// | waiting, blocked, available | higher priority first, then the earliest due |
/// | running | the earliest claimed first |
/// | completed, dead, cancelled | the latest ended first |
///
/// What is equal is in the order of the ids: the highest first among ended ones, the lowest first
/// otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct JobFilter {
    /// In this state.
    pub state: JobState,
    /// Of this queue; `None` for all.
    pub queue: Option<String>,
    /// Of this kind; `None` for all.
    pub kind: Option<String>,
}

impl JobFilter {
    /// All jobs in this state.
    pub fn new(state: JobState) -> JobFilter {
        JobFilter {
            state,
            queue: None,
            kind: None,
        }
    }

    /// Only those of this queue.
    #[must_use]
    pub fn in_queue(mut self, queue: impl Into<String>) -> JobFilter {
        self.queue = Some(queue.into());
        self
    }

    /// Only those of this kind.
    #[must_use]
    pub fn of_kind(mut self, kind: impl Into<String>) -> JobFilter {
        self.kind = Some(kind.into());
        self
    }
}

/// The place of a job in the list of its state: the next page begins after it, also if the job
/// itself is no longer there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Its priority; 0 where it does not order.
    pub priority: i32,
    /// The moment by which it is ordered.
    pub at: SystemTime,
    /// The job.
    pub id: JobId,
}

impl Cursor {
    /// The place of `job` in the list of its state.
    pub fn of(job: &JobInfo) -> Cursor {
        let (priority, at) = match job.state {
            JobState::Scheduled => (0, job.due),
            JobState::Waiting | JobState::Blocked | JobState::Available => (job.priority, job.due),
            JobState::Running => (0, job.claimed_at.unwrap_or(job.due)),
            JobState::Completed | JobState::Dead | JobState::Cancelled => {
                (0, job.ended_at.unwrap_or(job.due))
            }
        };
        Cursor {
            priority,
            at,
            id: job.id,
        }
    }
}

/// A part of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<JobInfo>,
    /// Where the next page begins; `None` if this is the last one.
    pub next: Option<Cursor>,
}
