//! How an attempt ends, by what its handler returned. Pure, but for the program's own delays.

use super::super::attempt::Cause;
use super::super::meaning::Meaning;
use crate::causes::BoxError;
use crate::retry::{IntoRetry, Retry, Verdict};
use crate::store::{Due, Outcome};
use crate::table::trimmed;
use crate::unwind;
use std::time::Duration;

/// What a handler did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Returned {
    Completed,
    Failed { error: String, meaning: Meaning },
    Panicked { message: String },
}

/// What is known of an attempt when it ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    /// Why its token was cancelled, if it was.
    pub(super) cause: Option<Cause>,
    pub(super) number: u32,
    pub(super) max_attempts: u32,
    /// How often a stop interrupted the job before.
    pub(super) interrupted: u32,
    /// The number of interruptions at which the job is dead.
    pub(super) max_interruptions: u32,
    pub(super) timeout: Option<Duration>,
    /// Since the job was due at first.
    pub(super) elapsed: Duration,
    pub(super) policy: &'a Retry<BoxError>,
    /// From 0 to 1.
    pub(super) random: f64,
}

impl Facts<'_> {
    /// An `Ok` is a completion, whenever it comes. An error after the token was cancelled is attributed
    /// to that; before, it means what it says. A panic is a failure in any case.
    pub(super) fn outcome(&self, returned: Returned) -> Outcome {
        match (returned, self.cause) {
            (Returned::Completed, _) => Outcome::Completed,
            (Returned::Panicked { message }, _) => {
                self.failed(format!("panicked: {message}"), Verdict::Retry)
            }
            (Returned::Failed { error, .. }, Some(cause)) => self.cut_short(error, cause),
            (Returned::Failed { error, meaning }, None) => self.meant(error, meaning),
        }
    }

    fn cut_short(&self, error: String, cause: Cause) -> Outcome {
        match cause {
            Cause::Cancelled => Outcome::Cancelled {
                reason: format!("cancelled by an operator: {error}"),
            },
            Cause::TimedOut => {
                let limit = self.timeout.unwrap_or_default();
                let error = format!("timed out after {}: {error}", trimmed(limit));
                self.failed(error, Verdict::Retry)
            }
            // Of a lost lease the store accepts no outcome; it makes no difference which.
            Cause::Stopped | Cause::LeaseLost => self.interrupted(error),
        }
    }

    fn interrupted(&self, error: String) -> Outcome {
        let interrupted = self.interrupted.saturating_add(1);
        match interrupted >= self.max_interruptions {
            true => Outcome::Dead {
                error: format!("interrupted by {interrupted} stops, the last time with: {error}"),
            },
            false => Outcome::Interrupted { error: Some(error) },
        }
    }

    fn meant(&self, error: String, meaning: Meaning) -> Outcome {
        match meaning {
            Meaning::Failed(verdict) => self.failed(error, verdict),
            Meaning::Permanent => Outcome::Dead { error },
            Meaning::Snooze(delay) => Outcome::Snoozed {
                due: Due::After(delay),
            },
            Meaning::Cancelled => Outcome::Cancelled {
                reason: format!("cancelled by its handler: {error}"),
            },
        }
    }

    fn failed(&self, error: String, verdict: Verdict) -> Outcome {
        // The job's own number of attempts counts, not that of the policy.
        let policy = self.policy.clone().attempts(self.max_attempts);
        let decide = |policy: &Retry<BoxError>, elapsed| {
            policy.decide(self.number, elapsed, verdict, self.random)
        };
        let decided = unwind::catch(|| decide(&policy, self.elapsed));
        let decided = decided.unwrap_or_else(|payload| {
            unwind::drop_payload(payload);
            let policy = default_policy().attempts(self.max_attempts);
            decide(&policy, Duration::ZERO)
        });
        match (decided, verdict) {
            (Err(_), _) => Outcome::Dead { error },
            (Ok(delay), Verdict::Postpone(_)) => Outcome::Snoozed {
                due: Due::After(delay),
            },
            (Ok(delay), _) => Outcome::Failed {
                error,
                retry: Due::After(delay),
            },
        }
    }
}

/// The policy of a kind that has none: 25 attempts, within about a day.
pub(super) fn default_policy() -> Retry<BoxError> {
    let retry = Retry::exponential(Duration::from_secs(15)).attempts(25);
    retry.into_retry()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn with(set: impl FnOnce(&mut Facts<'_>), returned: Returned) -> Outcome {
        let policy = Retry::fixed(SECOND).attempts(3).into_retry();
        let mut facts = Facts {
            cause: None,
            number: 1,
            max_attempts: 3,
            interrupted: 0,
            max_interruptions: 100,
            timeout: None,
            elapsed: Duration::ZERO,
            policy: &policy,
            random: 0.5,
        };
        set(&mut facts);
        facts.outcome(returned)
    }

    fn failed(meaning: Meaning) -> Returned {
        Returned::Failed {
            error: "no".to_owned(),
            meaning,
        }
    }

    fn after(delay: Duration) -> Meaning {
        Meaning::Failed(Verdict::RetryAfter(delay))
    }

    fn retried(error: &str, delay: Duration) -> Outcome {
        Outcome::Failed {
            error: error.to_owned(),
            retry: Due::After(delay),
        }
    }

    fn dead(error: &str) -> Outcome {
        Outcome::Dead {
            error: error.to_owned(),
        }
    }

    #[test]
    fn ok_is_a_completion_even_after_the_token_was_cancelled() {
        for cause in [
            None,
            Some(Cause::Cancelled),
            Some(Cause::TimedOut),
            Some(Cause::Stopped),
            Some(Cause::LeaseLost),
        ] {
            let outcome = with(|facts| facts.cause = cause, Returned::Completed);
            assert_eq!(outcome, Outcome::Completed);
        }
    }

    #[test]
    fn an_error_is_retried_by_the_policy_until_the_last_attempt() {
        assert_eq!(
            with(|_| (), failed(Meaning::Failed(Verdict::Retry))),
            retried("no", SECOND)
        );
        let last = with(
            |facts| facts.number = 3,
            failed(Meaning::Failed(Verdict::Retry)),
        );
        assert_eq!(last, dead("no"));
    }

    #[test]
    fn the_attempts_of_the_job_take_the_place_of_those_of_the_policy() {
        let more = |facts: &mut Facts<'_>| (facts.number, facts.max_attempts) = (7, 8);
        assert_eq!(
            with(more, failed(Meaning::Failed(Verdict::Retry))),
            retried("no", SECOND)
        );
        let fewer = |facts: &mut Facts<'_>| facts.max_attempts = 1;
        assert_eq!(
            with(fewer, failed(Meaning::Failed(Verdict::Retry))),
            dead("no")
        );
    }

    #[test]
    fn a_deadline_of_the_policy_ends_the_retries() {
        let policy = Retry::fixed(SECOND).deadline(10 * SECOND).into_retry();
        let facts = |elapsed| Facts {
            cause: None,
            number: 1,
            max_attempts: 25,
            interrupted: 0,
            max_interruptions: 100,
            timeout: None,
            elapsed,
            policy: &policy,
            random: 0.0,
        };
        let in_time = facts(9 * SECOND).outcome(failed(Meaning::Failed(Verdict::Retry)));
        assert_eq!(in_time, retried("no", SECOND));
        let late = facts(10 * SECOND).outcome(failed(Meaning::Failed(Verdict::Retry)));
        assert_eq!(late, dead("no"));
    }

    #[test]
    fn the_verdict_of_a_judge_decides_within_the_limits_of_the_policy() {
        let judged = |verdict| failed(Meaning::Failed(verdict));
        let outcome = with(|_| (), judged(Verdict::GiveUp));
        assert_eq!(outcome, dead("no"));
        // It does not count, and so may follow the last attempt; the delay grows at random.
        let last = |facts: &mut Facts<'_>| (facts.number, facts.random) = (3, 1.0);
        let outcome = with(last, judged(Verdict::Postpone(10 * SECOND)));
        let due = Due::After(11 * SECOND);
        assert_eq!(outcome, Outcome::Snoozed { due });

        let policy = Retry::fixed(SECOND).deadline(10 * SECOND).into_retry();
        let late = |verdict| {
            let facts = Facts {
                cause: None,
                number: 1,
                max_attempts: 3,
                interrupted: 0,
                max_interruptions: 100,
                timeout: None,
                elapsed: 5 * SECOND,
                policy: &policy,
                random: 0.0,
            };
            facts.outcome(failed(Meaning::Failed(verdict)))
        };
        assert_eq!(late(Verdict::RetryAfter(6 * SECOND)), dead("no"));
        assert_eq!(late(Verdict::Postpone(6 * SECOND)), dead("no"));
    }

    #[test]
    fn errors_with_a_meaning_mean_what_they_say() {
        let delay = 7 * SECOND;
        for (meaning, outcome) in [
            (after(delay), retried("no", delay)),
            (Meaning::Permanent, dead("no")),
            (
                Meaning::Snooze(delay),
                Outcome::Snoozed {
                    due: Due::After(delay),
                },
            ),
            (
                Meaning::Cancelled,
                Outcome::Cancelled {
                    reason: "cancelled by its handler: no".to_owned(),
                },
            ),
        ] {
            assert_eq!(with(|_| (), failed(meaning)), outcome);
        }
        let last = |facts: &mut Facts<'_>| facts.number = 3;
        assert_eq!(with(last, failed(after(delay))), dead("no"));
        let snoozed = with(last, failed(Meaning::Snooze(delay)));
        assert!(matches!(snoozed, Outcome::Snoozed { .. }));
    }

    #[test]
    fn an_error_after_a_stop_is_an_interruption_and_the_hundredth_kills_the_job() {
        let stopped = |facts: &mut Facts<'_>| facts.cause = Some(Cause::Stopped);
        for meaning in [
            Meaning::Failed(Verdict::Retry),
            Meaning::Cancelled,
            Meaning::Permanent,
        ] {
            let outcome = with(stopped, failed(meaning));
            let error = Some("no".to_owned());
            assert_eq!(outcome, Outcome::Interrupted { error });
        }
        let last = |facts: &mut Facts<'_>| {
            (facts.cause, facts.interrupted) = (Some(Cause::Stopped), 99);
        };
        let outcome = with(last, failed(Meaning::Failed(Verdict::Retry)));
        assert_eq!(
            outcome,
            dead("interrupted by 100 stops, the last time with: no")
        );
    }

    #[test]
    fn an_error_after_the_timeout_is_a_failure_that_says_so() {
        let timed_out = |facts: &mut Facts<'_>| {
            (facts.cause, facts.timeout) = (Some(Cause::TimedOut), Some(5 * SECOND));
        };
        let outcome = with(timed_out, failed(Meaning::Cancelled));
        assert_eq!(outcome, retried("timed out after 5 s: no", SECOND));
    }

    #[test]
    fn an_error_after_an_operator_cancelled_the_job_makes_it_cancelled() {
        let cancelled = |facts: &mut Facts<'_>| facts.cause = Some(Cause::Cancelled);
        let outcome = with(cancelled, failed(Meaning::Failed(Verdict::Retry)));
        let reason = "cancelled by an operator: no".to_owned();
        assert_eq!(outcome, Outcome::Cancelled { reason });
    }

    #[test]
    fn a_panic_is_a_failure_whenever_it_comes() {
        let message = "oh".to_owned();
        let stopped = |facts: &mut Facts<'_>| facts.cause = Some(Cause::Stopped);
        let outcome = with(stopped, Returned::Panicked { message });
        assert_eq!(outcome, retried("panicked: oh", SECOND));
    }

    #[test]
    fn a_delay_of_the_program_that_panics_is_that_of_the_default_policy() {
        let policy = Retry::custom(|_| panic!("in the delay")).into_retry();
        let facts = |facts: &mut Facts<'_>| facts.random = 1.0;
        let outcome = {
            let mut it = Facts {
                cause: None,
                number: 1,
                max_attempts: 3,
                interrupted: 0,
                max_interruptions: 100,
                timeout: None,
                elapsed: Duration::ZERO,
                policy: &policy,
                random: 0.0,
            };
            facts(&mut it);
            it.outcome(failed(Meaning::Failed(Verdict::Retry)))
        };
        assert_eq!(outcome, retried("no", 15 * SECOND));
    }
}
