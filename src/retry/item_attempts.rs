//! The attempts at an item of a queue, or at a batch of items.

use super::dead_letter::DeadLetterReason;
use super::policy::{Judged, Retry};
use crate::causes::{BoxError, Permanent, has_cause};
use crate::clock;
use crate::record;
use crate::unwind::{self, RateLimit};
use std::fmt;
use std::time::{Duration, Instant};

/// How often an item or a batch was tried. Pure, except for the judge and the random number:
/// the time comes in.
#[derive(Clone, Copy, Default)]
pub(crate) struct ItemAttempts {
    failed: u32,
    /// When the first attempt began.
    began: Option<Instant>,
}

impl ItemAttempts {
    /// An attempt begins.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.began.get_or_insert(now);
    }

    /// How many attempts have failed.
    pub(crate) fn failed(&self) -> u32 {
        self.failed
    }

    /// The attempt failed with this error. Returns the pause before the next one, or why there
    /// is none. Calls the program's judge.
    pub(crate) fn fail(
        &mut self,
        policy: &Retry<BoxError>,
        error: &BoxError,
        now: Instant,
    ) -> Result<Duration, DeadLetterReason> {
        self.failed = self.failed.saturating_add(1);
        // It says so itself, whatever the judge makes of other errors.
        if has_cause::<Permanent>(error.as_ref()) {
            return Err(DeadLetterReason::Permanent);
        }
        let elapsed = now.saturating_duration_since(self.began.unwrap_or(now));
        match unwind::catch(|| policy.judge(error, self.failed, elapsed)) {
            Ok(Judged { is_postponed, next }) => {
                self.failed -= u32::from(is_postponed);
                next.map_err(DeadLetterReason::GaveUp)
            }
            Err(payload) => {
                unwind::drop_payload(payload);
                Err(DeadLetterReason::Panicked)
            }
        }
    }

    /// Logs, at a limited rate, that `what` failed and is tried again.
    pub(crate) fn log_retry(
        &self,
        target: &'static str,
        what: fmt::Arguments<'_>,
        pause: Duration,
        error: &str,
    ) {
        static LIMIT: RateLimit = RateLimit::new();
        if let Some(unlogged) = LIMIT.admit(clock::now()) {
            let (failed, more) = (self.failed, unwind::and_more(unlogged, "failed"));
            record::write(
                target,
                log::Level::Warn,
                format_args!(
                    "{what} failed, attempt {failed}; again in {pause:.1?}: {error}{more}"
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::{GiveUpReason, IntoRetry, PermanentError, Verdict};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn attempts_and_the_deadline_count_from_the_first_one() {
        let policy = Retry::fixed(SECOND).attempts(3).into_retry();
        let (mut attempts, start) = (ItemAttempts::default(), clock::now());
        let error = BoxError::from("down");
        for number in 1..3 {
            attempts.begin(start + number * SECOND);
            assert_eq!(
                attempts.fail(&policy, &error, start + number * SECOND),
                Ok(SECOND)
            );
            assert_eq!(attempts.failed(), number);
        }
        let gave_up = Err(DeadLetterReason::GaveUp(GiveUpReason::Attempts));
        assert_eq!(attempts.fail(&policy, &error, start), gave_up);

        let policy = Retry::fixed(SECOND).deadline(2 * SECOND).into_retry();
        let mut attempts = ItemAttempts::default();
        attempts.begin(start);
        assert_eq!(attempts.fail(&policy, &error, start + SECOND), Ok(SECOND));
        attempts.begin(start + 2 * SECOND);
        let gave_up = Err(DeadLetterReason::GaveUp(GiveUpReason::Deadline));
        assert_eq!(attempts.fail(&policy, &error, start + 2 * SECOND), gave_up);
    }

    #[test]
    fn a_permanent_error_is_final_before_the_judge_and_a_postponed_attempt_is_none() {
        let judge = |error: &BoxError| match error.to_string().as_str() {
            "wait" => Verdict::Postpone(SECOND),
            "panic" => panic!("expected: a judge"),
            _ => Verdict::Retry,
        };
        let policy = Retry::fixed(SECOND).on_error(judge);
        let (mut attempts, now) = (ItemAttempts::default(), clock::now());
        let mut fail = |error: BoxError| (attempts.fail(&policy, &error, now), attempts.failed());
        let (next, failed) = fail("wait".into());
        assert!(next.is_ok_and(|pause| pause >= SECOND) && failed == 0);
        assert_eq!(fail("down".into()), (Ok(SECOND), 1));
        let permanent = PermanentError::new("no such user").into();
        assert_eq!(fail(permanent), (Err(DeadLetterReason::Permanent), 2));
        assert_eq!(fail("panic".into()), (Err(DeadLetterReason::Panicked), 3));
    }
}
