//! How attempts end, and what the store answers.

use super::due::Due;
use super::ids::AttemptId;
use super::state::JobState;
use std::time::Duration;

/// The end of one attempt, as its worker reports it to [`Store::finish`](super::Store::finish).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finish {
    /// The attempt.
    pub attempt: AttemptId,
    /// How it ended.
    pub outcome: Outcome,
}

/// How an attempt ended, and what becomes of its job.
///
/// The worker decides, by the handler's result and its policy; the store records. One exception:
/// if an operator requested the cancellation of the job, an outcome that would make it available or
/// scheduled again makes it cancelled instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The handler succeeded. The job is completed.
    Completed,
    /// The handler failed, and is to be tried again when `retry` is due. The attempt counts.
    Failed {
        /// What went wrong.
        error: String,
        /// When the next attempt is due.
        retry: Due,
    },
    /// The handler failed for good. The job is dead.
    Dead {
        /// What went wrong, or why there is no other attempt.
        error: String,
    },
    /// The handler ended because it was cancelled. The job is cancelled.
    Cancelled {
        /// Why.
        reason: String,
    },
    /// The handler asked to be called again when `due` is. The attempt does not count.
    Snoozed {
        /// When.
        due: Due,
    },
    /// The attempt never began. The job is available again, in its place, and the attempt does not
    /// count.
    GivenBack,
    /// A stop interrupted the attempt. The job is available again, in its place; the attempt does
    /// not count as one, but as an interruption.
    Interrupted {
        /// The error that the handler returned after the stop was requested.
        error: Option<String>,
    },
    /// The attempt still runs, but its process is about to end. The job stays running, in the same
    /// name and with the same fence, so that another outcome may follow. If none does,
    /// the attempt is [`Begun::Abandoned`](super::Begun::Abandoned) when the lease ends.
    Abandoned,
}

impl Outcome {
    /// Its error or reason.
    #[cfg_attr(not(all(feature = "sqlite", unix)), allow(dead_code))]
    pub(super) fn text(&self) -> &str {
        match self {
            Outcome::Failed { error, .. } | Outcome::Dead { error } => error,
            Outcome::Cancelled { reason } => reason,
            Outcome::Interrupted { error } => error.as_deref().unwrap_or_default(),
            Outcome::Completed
            | Outcome::Snoozed { .. }
            | Outcome::GivenBack
            | Outcome::Abandoned => "",
        }
    }
}

/// What the store answers to a [`Finish`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The outcome holds, and the job is now in this state.
    ///
    /// An outcome that the store had accepted before is accepted again, and changes nothing, unless
    /// the job was claimed again since. So a worker may repeat it after an error that leaves open
    /// whether it was stored.
    Accepted(JobState),
    /// The job is no longer this attempt's: it was taken over. Nothing has changed.
    Lost,
}

/// What became of a job that an operator cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelOutcome {
    /// It is cancelled.
    Cancelled,
    /// It is running. Its worker finds the request in [`Store::held`](super::Store::held).
    Requested,
}

/// What [`Store::promote_due`](super::Store::promote_due) has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promoted {
    /// The number of jobs that became available.
    pub count: usize,
    /// How long until the next scheduled job is due, by the store's clock: zero if more are due
    /// already, `None` if there is none.
    pub next: Option<Duration>,
}

/// What [`Store::prune`](super::Store::prune) or
/// [`Store::cancel_expired`](super::Store::cancel_expired) has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// The number of jobs that were removed or cancelled.
    pub count: usize,
    /// Whether there are more.
    pub has_more: bool,
}
