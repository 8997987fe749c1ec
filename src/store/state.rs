//! The states of a job.

use std::fmt;

/// The state of a job. See [the module](super#a-jobs-way).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum JobState {
    /// Not due yet: enqueued for later, or waiting for its next attempt.
    Scheduled,
    /// For other jobs, which are to be completed first.
    Waiting,
    /// Due, and kept back by a [limit](super::Limit): as many jobs with its key as may are
    /// available or running, or its queue is paused.
    Blocked,
    /// Due, and to be claimed.
    Available,
    /// Claimed by a process whose lease has not ended.
    Running,
    /// Its handler succeeded.
    Completed,
    /// Failed for good. It is kept, and can be retried by hand.
    Dead,
    /// Cancelled by an operator or by its handler, or expired before it was claimed.
    Cancelled,
}

impl JobState {
    /// All states, in the order of a job's way.
    pub const ALL: [JobState; 8] = [
        JobState::Scheduled,
        JobState::Waiting,
        JobState::Blocked,
        JobState::Available,
        JobState::Running,
        JobState::Completed,
        JobState::Dead,
        JobState::Cancelled,
    ];

    /// Whether a job in this state has ended.
    pub fn is_ended(self) -> bool {
        matches!(
            self,
            JobState::Completed | JobState::Dead | JobState::Cancelled
        )
    }

    /// The state in lower case, as it is displayed.
    pub fn name(self) -> &'static str {
        match self {
            JobState::Scheduled => "scheduled",
            JobState::Waiting => "waiting",
            JobState::Blocked => "blocked",
            JobState::Available => "available",
            JobState::Running => "running",
            JobState::Completed => "completed",
            JobState::Dead => "dead",
            JobState::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
