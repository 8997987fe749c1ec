//! Circuit breakers, shared by threads, and what panics do to them.

use crate::common::{LONG, expected_panic, is_expected, within};
use groundcrew::retry::{
    BreakerState, CallError, CircuitBreaker, CircuitOpen, GiveUpReason, Permit, Verdict,
};
use groundcrew::{CancelToken, Retry};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// Opens for ever after so many failures in a row.
fn breaker(failures: u32) -> CircuitBreaker {
    CircuitBreaker::builder("it")
        .consecutive_failures(failures)
        .open_for(Duration::MAX)
        .build()
        .unwrap()
}

fn is_open(breaker: &CircuitBreaker) -> bool {
    matches!(breaker.state(), BreakerState::Open { .. })
}

#[test]
fn every_call_is_made_or_refused_and_none_is_made_once_it_is_open() {
    const THREADS: u64 = 8;
    const CALLS: u64 = 2_000;
    let breaker = breaker(50);
    let (made, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    within(LONG, "calls of many threads", || {
        thread::scope(|scope| {
            for _ in 0..THREADS {
                let breaker = breaker.clone();
                let (made, refused) = (&made, &refused);
                scope.spawn(move || {
                    for _ in 0..CALLS {
                        let call = || Err::<(), u64>(made.fetch_add(1, Relaxed));
                        match breaker.call(call).unwrap_err() {
                            CallError::Failed(_) => {}
                            CallError::Open(_) => drop(refused.fetch_add(1, Relaxed)),
                        }
                    }
                });
            }
        });
    });
    let (made, refused) = (made.into_inner(), refused.into_inner());
    assert_eq!(made + refused, THREADS * CALLS);
    assert_eq!(breaker.refused(), refused);
    // Those that were let through before the 50th had failed.
    assert!((50..50 + THREADS).contains(&made), "{made} were made");
    assert_eq!(breaker.failures(), 50);
    assert!(is_open(&breaker));
}

#[test]
fn a_panic_counts_as_a_failure_and_goes_on_unwinding() {
    let breaker = breaker(2);
    for failures in 1..=2 {
        let call = || breaker.call::<(), ()>(|| expected_panic());
        let payload = catch_unwind(AssertUnwindSafe(call)).unwrap_err();
        assert!(is_expected(payload.as_ref()));
        assert_eq!(breaker.failures(), failures);
    }
    assert!(is_open(&breaker));
}

#[test]
fn a_panic_in_the_closure_that_judges_an_error_counts_as_a_failure() {
    let breaker = breaker(1);
    let call = || breaker.call_counting(|| Err::<(), _>(()), |()| expected_panic());
    assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
    assert!(is_open(&breaker));
}

#[test]
fn a_permit_dropped_by_a_panic_counts_as_a_failure_and_any_other_nothing() {
    let breaker = breaker(3);
    drop(breaker.permit().unwrap());
    assert_eq!(breaker.failures(), 0);
    let hold_and_panic = || {
        let _permit = breaker.permit().unwrap();
        expected_panic();
    };
    assert!(catch_unwind(AssertUnwindSafe(hold_and_panic)).is_err());
    assert_eq!(breaker.failures(), 1);
}

/// Calls its closure when it is dropped, which a panic does.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn while_a_panic_unwinds_calls_are_judged_by_themselves() {
    let breaker = breaker(5);
    let unwind = |call: &dyn Fn()| {
        let body = || {
            let _call = OnDrop(call);
            expected_panic();
        };
        assert!(catch_unwind(AssertUnwindSafe(body)).is_err());
    };
    unwind(&|| assert_eq!(breaker.call(|| Err::<(), _>(1)), Err(CallError::Failed(1))));
    assert_eq!(breaker.failures(), 1);
    unwind(&|| drop(breaker.permit().unwrap()));
    assert_eq!(breaker.failures(), 1, "of the panic before it");
    unwind(&|| {
        let call = || breaker.call::<(), ()>(|| expected_panic());
        assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
    });
    assert_eq!(breaker.failures(), 2);
    unwind(&|| breaker.call(|| Ok::<_, ()>(())).unwrap());
    assert_eq!(breaker.failures(), 0);
}

#[test]
fn a_permit_may_end_on_another_thread_and_after_its_breaker() {
    let breaker = breaker(1);
    let (first, second) = (breaker.permit().unwrap(), breaker.permit().unwrap());
    thread::scope(|scope| {
        scope.spawn(|| first.failure());
    });
    assert!(is_open(&breaker));
    drop(breaker);
    second.success();
}

#[test]
fn a_call_that_calls_its_own_breaker_does_not_hang() {
    let breaker = breaker(1);
    within(LONG, "a call in a call", || {
        let inner = || breaker.call(|| Err::<(), _>("inner"));
        let error = breaker.call(inner).unwrap_err();
        let inner = error.into_failed().unwrap();
        assert_eq!(inner, CallError::Failed("inner"));
    });
    // The outer one ended in a state that it was not let through in.
    assert_eq!(breaker.failures(), 1);
}

#[test]
fn errors_are_found_through_the_breaker() {
    let breaker = breaker(2);
    let read = || std::fs::read_to_string("/no/such/file");
    let error: Box<dyn std::error::Error> = breaker.call(read).unwrap_err().into();
    let source = error.source().unwrap();
    assert_eq!(error.to_string(), source.to_string());
    assert!(source.is::<std::io::Error>());

    breaker.trip();
    let error: Box<dyn std::error::Error> = breaker.call(read).unwrap_err().into();
    assert!(error.source().unwrap().is::<CircuitOpen>());
}

#[test]
fn the_parts_can_go_to_other_threads() {
    fn is_send_and_sync<T: Send + Sync + 'static>() {}
    is_send_and_sync::<CircuitBreaker>();
    is_send_and_sync::<CircuitOpen>();
    is_send_and_sync::<Permit>();
    is_send_and_sync::<CallError<std::io::Error>>();
}

#[test]
fn limits_that_cannot_be_are_refused_by_name() {
    let minute = Duration::from_secs(60);
    let builder = || CircuitBreaker::builder("smtp");
    let rate = |share| builder().failure_rate(share, minute, 20);
    let cases = [
        (builder().consecutive_failures(0), "`consecutive_failures`"),
        (rate(0.0), "`failure_rate` of 0,"),
        (rate(-0.5), "`failure_rate` of -0.5"),
        (rate(1.01), "`failure_rate` of 1.01"),
        (rate(f64::NAN), "`failure_rate` of NaN"),
        (rate(f64::INFINITY), "`failure_rate` of inf"),
        (
            builder().failure_rate(0.5, Duration::ZERO, 20),
            "in a window of zero",
        ),
        (builder().failure_rate(0.5, minute, 0), "at least 0 calls"),
        (builder().open_for(Duration::ZERO), "`open_for`"),
        (builder().half_open_calls(0), "`half_open_calls`"),
    ];
    for (builder, what) in cases {
        let error = builder.build().unwrap_err().to_string();
        assert!(
            error.starts_with("circuit breaker \"smtp\" has "),
            "{error}"
        );
        assert!(error.contains(what), "{error}");
    }
    for name in ["", "smtp\n"] {
        let error = CircuitBreaker::builder(name).build().unwrap_err();
        let begins = format!("{name:?} cannot be the name of a circuit breaker");
        assert!(error.to_string().starts_with(&begins), "{error}");
    }
    assert!(rate(1.0).build().is_ok());
    assert!(rate(f64::MIN_POSITIVE).build().is_ok());
    assert!(builder().half_open_calls(u32::MAX).build().is_ok());
}

#[test]
fn it_says_how_it_is() {
    let breaker = breaker(3);
    let text = || breaker.to_string();
    assert_eq!(text(), "circuit breaker \"it\": closed");
    let _ = breaker.call(|| Err::<(), _>(()));
    assert_eq!(text(), "circuit breaker \"it\": closed, 1 failure");
    let _ = breaker.call(|| Err::<(), _>(()));
    assert_eq!(
        text(),
        "circuit breaker \"it\": closed, 2 failures in a row"
    );
    breaker.trip();
    assert_eq!(
        text(),
        "circuit breaker \"it\": open until it is reset, 2 failures in a row"
    );
}

#[test]
fn a_retry_waits_for_the_breaker_that_refused_and_asks_the_program_about_what_failed() {
    let pause = Duration::from_secs(3600);
    let breaker = CircuitBreaker::builder("it")
        .open_for(pause)
        .build()
        .unwrap();
    let retry = Retry::fixed(Duration::ZERO).attempts(3);
    let retry = retry.on_error(|error: &&str| match *error {
        "no such user" => Verdict::GiveUp,
        _ => Verdict::Retry,
    });
    let fail = |retry: &Retry<&'static str>, breaker: &CircuitBreaker| {
        let token = CancelToken::new();
        token.cancel();
        let failed = retry.call(&token, |_| breaker.call(|| Err::<(), _>("no such user")));
        let error = failed.unwrap_err();
        (error.attempts(), error.gave_up())
    };
    assert_eq!(fail(&retry, &breaker), (1, GiveUpReason::Verdict));

    // The judge is not asked, and it is no attempt: it is postponed by about the pause.
    breaker.trip();
    assert_eq!(fail(&retry, &breaker), (0, GiveUpReason::Stopped));
    let hasty = retry.clone().deadline(pause / 2);
    assert_eq!(fail(&hasty, &breaker), (0, GiveUpReason::Deadline));
    let patient = retry.clone().deadline(pause * 2);
    assert_eq!(fail(&patient, &breaker), (0, GiveUpReason::Stopped));

    // It is not known when it is reset: then the policy says when to ask again.
    let open_until_reset = self::breaker(1);
    open_until_reset.trip();
    let token = CancelToken::new();
    let refused = retry.call(&token, |_| open_until_reset.call(|| Ok::<_, &str>(())));
    let error = refused.unwrap_err();
    assert_eq!(
        (error.attempts(), error.gave_up()),
        (3, GiveUpReason::Attempts)
    );
}
