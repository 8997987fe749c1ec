//! The decisions of a policy.

use super::*;
use crate::retry::Jitter;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn what_the_error_says_wins_over_the_backoff_but_not_over_attempts_and_deadline() {
    let retry = Retry::new(Backoff::exponential(SECOND).cap(2 * SECOND))
        .attempts(3)
        .deadline(100 * SECOND);
    let decide = |failed, elapsed, verdict| retry.decide(failed, elapsed * SECOND, verdict, 0.5);
    let after = |seconds| Verdict::RetryAfter(seconds * SECOND);
    assert_eq!(decide(1, 0, after(50)), Ok(50 * SECOND));
    assert_eq!(decide(1, 0, after(0)), Ok(Duration::ZERO));
    assert_eq!(decide(3, 0, after(50)), Err(GiveUpReason::Attempts));
    assert_eq!(decide(1, 51, after(50)), Err(GiveUpReason::Deadline));
    assert_eq!(
        decide(1, 0, Verdict::RetryAfter(Duration::MAX)),
        Err(GiveUpReason::Deadline)
    );
    assert_eq!(decide(1, 0, Verdict::GiveUp), Err(GiveUpReason::Verdict));
}

#[test]
fn what_was_postponed_comes_up_to_a_tenth_later_and_only_the_deadline_bounds_it() {
    let retry = Retry::fixed(SECOND).attempts(1).deadline(100 * SECOND);
    let decide = |elapsed, after, random| {
        retry.decide(7, elapsed * SECOND, Verdict::Postpone(after), random)
    };
    assert_eq!(decide(0, 50 * SECOND, 0.0), Ok(50 * SECOND));
    assert_eq!(decide(0, 50 * SECOND, 0.5), Ok(52_500 * SECOND / 1000));
    assert_eq!(decide(45, 50 * SECOND, 1.0), Ok(55 * SECOND));
    assert_eq!(decide(46, 50 * SECOND, 1.0), Err(GiveUpReason::Deadline));
    assert_eq!(decide(0, Duration::MAX, 1.0), Err(GiveUpReason::Deadline));
}

#[test]
fn an_attempt_that_would_begin_at_the_deadline_is_made_and_one_after_it_is_not() {
    let retry = Retry::fixed(SECOND).deadline(10 * SECOND);
    assert_eq!(retry.delay(1, 9 * SECOND, 0.0), Some(SECOND));
    let later = 9 * SECOND + Duration::from_nanos(1);
    assert_eq!(retry.delay(1, later, 0.0), None);
    let forever = Retry::fixed(SECOND);
    assert!(forever.delay(1, Duration::MAX, 0.0).is_some());
}

#[test]
fn no_backoff_gives_a_delay_beyond_its_cap_for_any_attempt() {
    for wild in [Duration::ZERO, SECOND, Duration::MAX] {
        for jitter in [Jitter::None, Jitter::Full, Jitter::Fraction(f64::NAN)] {
            for backoff in [Backoff::fixed(wild), Backoff::exponential(wild)] {
                let retry = Retry::new(backoff.cap(SECOND).jitter(jitter));
                for attempt in [0, 1, 1000, u32::MAX - 1] {
                    for random in [0.0, 0.7, 1.0, f64::NAN] {
                        let delay = retry.delay(attempt, Duration::ZERO, random);
                        assert!(delay.is_some_and(|delay| delay <= SECOND));
                    }
                }
            }
        }
    }
    // Even the last of u32::MAX attempts is counted.
    assert_eq!(Retry::fixed(SECOND).delay(u32::MAX, SECOND, 0.0), None);
}

#[test]
fn a_custom_function_gives_the_delay_as_it_is() {
    for delay in [Duration::ZERO, SECOND, Duration::MAX] {
        let retry = Retry::custom(move |_| delay);
        for random in [0.0, 0.7, 1.0, f64::NAN] {
            assert_eq!(retry.delay(1, Duration::ZERO, random), Some(delay));
        }
    }
}

#[test]
fn a_judge_takes_the_error_of_a_call_through_a_breaker_too() {
    let retry = Retry::fixed(SECOND).on_error(|error: &u8| match error {
        0 => Verdict::GiveUp,
        _ => Verdict::Retry,
    });
    let next = |retry: &Retry<u8>, error| retry.judge(&error, 1, SECOND).next;
    assert_eq!(next(&retry, 0), Err(GiveUpReason::Verdict));
    assert_eq!(next(&retry, 1), Ok(SECOND));
    let calls: Retry<CallError<u8>> = retry.into_retry();
    let next = |error| calls.judge(&CallError::Failed(error), 1, SECOND).next;
    assert_eq!((next(0), next(1)), (Err(GiveUpReason::Verdict), Ok(SECOND)));
    let any: Retry<u8> = Retry::fixed(SECOND).into_retry();
    assert_eq!(any.judge(&0, 1, SECOND).next, Ok(SECOND));
}
