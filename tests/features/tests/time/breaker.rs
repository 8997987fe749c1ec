//! What circuit breakers do when time passes, by a clock that the tests move.

use crate::common::{LONG, within};
use groundcrew::retry::{Backoff, BreakerBuilder, BreakerState, CircuitBreaker, Jitter};
use groundcrew::testing::ManualClock;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Opens for 10 s after two failures in a row.
fn builder(clock: &ManualClock) -> BreakerBuilder {
    CircuitBreaker::builder("it")
        .consecutive_failures(2)
        .open_for(10 * SECOND)
        .clock(clock)
}

fn open(retry_in: Duration) -> BreakerState {
    BreakerState::Open { retry_in }
}

#[test]
fn it_opens_tries_again_and_closes() {
    let clock = ManualClock::new();
    let breaker = builder(&clock).build().unwrap();
    for _ in 0..2 {
        assert!(breaker.call(|| Err::<(), _>("busy")).is_err());
    }
    assert_eq!(breaker.state(), open(10 * SECOND));
    clock.advance(SECOND * 19 / 2);
    let refusal = breaker.permit().unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the circuit breaker \"it\" is open, try again in 0.5 s"
    );
    clock.advance(SECOND / 2);
    assert_eq!(breaker.state(), open(Duration::ZERO));
    assert_eq!(breaker.state().to_string(), "open, the next call is tried");

    let trial = breaker.permit().unwrap();
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    clock.advance(SECOND);
    let refusal = breaker.permit().unwrap_err();
    assert_eq!(refusal.retry_in(), SECOND, "a guess: a tenth of the pause");
    assert_eq!(
        refusal.to_string(),
        "the circuit breaker \"it\" is half-open and its trial calls have not ended, \
         try again in 1.0 s"
    );
    trial.success();
    assert_eq!(breaker.state(), BreakerState::Closed);
    assert_eq!((breaker.failures(), breaker.refused()), (0, 2));
}

#[test]
fn a_trial_that_hangs_does_not_keep_it_half_open_forever() {
    let clock = ManualClock::new();
    let breaker = builder(&clock).build().unwrap();
    breaker.trip();
    for _ in 0..100 {
        clock.advance(10 * SECOND);
        std::mem::forget(breaker.permit().unwrap());
        assert!(breaker.permit().is_err(), "one in that time");
    }
    clock.advance(10 * SECOND);
    breaker.permit().unwrap().success();
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn what_stays_down_is_tried_less_and_less() {
    let clock = ManualClock::new();
    let pause = Backoff::exponential(SECOND)
        .cap(60 * SECOND)
        .jitter(Jitter::None);
    let breaker = builder(&clock).backoff(pause).build().unwrap();
    breaker.trip();
    for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert_eq!(breaker.state(), open(seconds * SECOND));
        clock.advance(seconds * SECOND);
        breaker.permit().unwrap().failure();
    }
}

#[test]
fn the_share_of_failures_is_that_of_the_window() {
    let clock = ManualClock::new();
    let breaker = CircuitBreaker::builder("it")
        .failure_rate(0.5, 60 * SECOND, 10)
        .clock(&clock)
        .build()
        .unwrap();
    for call in 0..1_000 {
        let result = if call % 3 == 0 { Err(()) } else { Ok(()) };
        let _ = breaker.call(|| result);
        clock.advance(SECOND);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
    let rate = breaker.failure_rate().unwrap();
    assert!((0.3..0.4).contains(&rate), "{rate}");
    clock.advance(60 * SECOND);
    assert_eq!(breaker.failure_rate(), None, "no call in the window");
}

/// Many threads, all at once, at the moment when trials are let through.
#[test]
fn half_open_no_more_trials_are_under_way_than_allowed() {
    const THREADS: usize = 8;
    const ALLOWED: u32 = 3;
    within(LONG, "trials of many threads", || {
        for round in 0..200 {
            let clock = ManualClock::new();
            let breaker = builder(&clock).half_open_calls(ALLOWED).build().unwrap();
            breaker.trip();
            clock.advance(10 * SECOND);
            let (running, let_through) = (AtomicU32::new(0), AtomicU32::new(0));
            let barrier = Barrier::new(THREADS);
            thread::scope(|scope| {
                for thread in 0..THREADS {
                    let (barrier, breaker) = (&barrier, breaker.clone());
                    let (running, let_through) = (&running, &let_through);
                    scope.spawn(move || {
                        barrier.wait();
                        for call in 0..20 {
                            let Ok(permit) = breaker.permit() else {
                                continue;
                            };
                            if breaker.state() != BreakerState::HalfOpen {
                                return permit.success();
                            }
                            let before = running.fetch_add(1, SeqCst);
                            let_through.fetch_add(1, SeqCst);
                            let is_still = breaker.state() == BreakerState::HalfOpen;
                            assert!(before < ALLOWED || !is_still, "round {round}");
                            running.fetch_sub(1, SeqCst);
                            match (round + thread + call) % 4 {
                                0 => permit.success(),
                                _ => drop(permit),
                            }
                        }
                    });
                }
            });
            assert!(let_through.into_inner() > 0);
            assert_eq!(breaker.failures(), 0);
        }
    });
}

#[test]
fn half_open_exactly_as_many_are_let_through_as_allowed_while_none_ends() {
    const THREADS: usize = 8;
    within(LONG, "trials that do not end", || {
        for allowed in 1..=4 {
            let clock = ManualClock::new();
            let breaker = builder(&clock).half_open_calls(allowed).build().unwrap();
            breaker.trip();
            for _ in 0..50 {
                clock.advance(10 * SECOND);
                let (ended, let_through) = (Barrier::new(THREADS), AtomicU32::new(0));
                thread::scope(|scope| {
                    for _ in 0..THREADS {
                        scope.spawn(|| {
                            let permit = breaker.permit();
                            let_through.fetch_add(u32::from(permit.is_ok()), SeqCst);
                            ended.wait();
                        });
                    }
                });
                assert_eq!(let_through.into_inner(), allowed);
            }
        }
    });
}
