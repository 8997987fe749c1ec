//! What becomes of the jobs of a process whose lease was taken over. Pure.

use super::due::Due;
use super::ids::{AttemptId, WorkerId};
use super::outcome::Outcome;
use super::state::JobState;
use std::time::{Duration, SystemTime};

/// A running job of a process whose lease is taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostJob {
    /// The attempt that is lost.
    pub attempt_id: AttemptId,
    /// The process that ran it.
    pub worker: WorkerId,
    /// Its queue.
    pub queue: String,
    /// The name of its type.
    pub kind: String,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The maximum number of attempts.
    pub max_attempts: u32,
    /// How often a stop interrupted it before.
    pub interrupted: u32,
    /// When the job was due at first.
    pub first_due: SystemTime,
    /// Whether the attempt had begun.
    pub begun: Begun,
}

/// Whether an attempt had begun when its process was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Its worker had begun it ([`Store::mark_begun`](super::Store::mark_begun)).
    Yes,
    /// It was claimed, and had not begun.
    No,
    /// The store has no record of it. It may have begun.
    Unknown,
    /// A stop had left it behind ([`Outcome::Abandoned`]).
    Abandoned,
}

/// How often a takeover judges again, since the process has claimed or ended jobs since.
pub(super) const TRIES: usize = 3;

/// The jobs with what becomes of them.
pub(super) fn judged(
    lost: Vec<LostJob>,
    judge: &dyn Fn(&LostJob) -> Outcome,
) -> Vec<(LostJob, Outcome)> {
    let judged = lost.into_iter().map(|lost| {
        let outcome = judge(&lost);
        (lost, outcome)
    });
    judged.collect()
}

/// A job that was taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenOver {
    /// The job as it was found.
    pub lost: LostJob,
    /// The state in which it is now.
    pub state: JobState,
}

impl LostJob {
    /// The outcome of the lost attempt. One that had begun counts, and the next is due after
    /// `backoff`; the job is dead if it was the last. One that had not begun does not count. An
    /// abandoned one is an interruption, and the job is dead at `max_interruptions`.
    pub fn outcome(&self, backoff: Duration, max_interruptions: u32) -> Outcome {
        match self.begun {
            Begun::No => Outcome::GivenBack,
            Begun::Abandoned if self.interrupted + 1 >= max_interruptions => Outcome::Dead {
                error: format!("interrupted by {} stops", self.interrupted + 1),
            },
            Begun::Abandoned => Outcome::Interrupted { error: None },
            Begun::Yes | Begun::Unknown if self.attempt >= self.max_attempts => Outcome::Dead {
                error: self.error(),
            },
            Begun::Yes | Begun::Unknown => Outcome::Failed {
                error: self.error(),
                retry: Due::After(backoff),
            },
        }
    }

    /// Whether the attempt counts as lost: the next one is then claimed alone.
    pub fn is_suspect(&self) -> bool {
        matches!(self.begun, Begun::Yes | Begun::Unknown)
    }

    fn error(&self) -> String {
        format!(
            "its process ended, or did not renew its lease, during attempt {} of {}",
            self.attempt, self.max_attempts
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::ids::{Fence, JobId};
    use super::*;

    fn lost(begun: Begun, attempt: u32) -> LostJob {
        LostJob {
            attempt_id: AttemptId {
                job: JobId::new(1),
                fence: Fence::new(1),
            },
            worker: WorkerId::new(1),
            queue: "mail".to_owned(),
            kind: "send".to_owned(),
            attempt,
            max_attempts: 3,
            interrupted: 98,
            first_due: SystemTime::UNIX_EPOCH,
            begun,
        }
    }

    #[test]
    fn an_attempt_that_had_or_may_have_begun_counts_and_the_last_one_kills_the_job() {
        let backoff = Duration::from_secs(9);
        for begun in [Begun::Yes, Begun::Unknown] {
            let Outcome::Failed { retry, .. } = lost(begun, 2).outcome(backoff, 100) else {
                panic!("not failed");
            };
            assert_eq!(retry, Due::After(backoff));
            let Outcome::Dead { error } = lost(begun, 3).outcome(backoff, 100) else {
                panic!("not dead");
            };
            assert!(error.ends_with("during attempt 3 of 3"), "{error}");
            assert!(lost(begun, 3).is_suspect());
        }
    }

    #[test]
    fn an_attempt_that_had_not_begun_is_given_back_even_if_it_would_be_the_last() {
        assert_eq!(
            lost(Begun::No, 3).outcome(Duration::ZERO, 100),
            Outcome::GivenBack
        );
        assert!(!lost(Begun::No, 3).is_suspect());
    }

    #[test]
    fn an_abandoned_attempt_is_an_interruption_and_the_last_one_kills_the_job() {
        let abandoned = lost(Begun::Abandoned, 3);
        assert_eq!(
            abandoned.outcome(Duration::ZERO, 100),
            Outcome::Interrupted { error: None }
        );
        assert_eq!(
            abandoned.outcome(Duration::ZERO, 99),
            Outcome::Dead {
                error: "interrupted by 99 stops".to_owned()
            }
        );
    }
}
