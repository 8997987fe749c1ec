//! Tasks that are tried again, by a clock that is moved by hand.

use crate::common::retry::{HOUR, check_sum, hourly};
use crate::common::{Gate, LONG, within};
use groundcrew::retry::{Backoff, GiveUpReason, Jitter, Verdict};
use groundcrew::testing::ManualClock;
use groundcrew::{Pool, Retry, TaskError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn pool(clock: &ManualClock) -> Pool {
    let builder = Pool::builder().threads(1).clock(clock);
    builder.build().unwrap()
}

#[test]
fn the_next_attempt_comes_when_its_delay_has_passed_and_no_earlier() {
    within(LONG, "a manual clock", || {
        let clock = ManualClock::new();
        let pool = pool(&clock);
        let backoff = Backoff::exponential(SECOND).jitter(Jitter::None);
        let retry = Retry::new(backoff).attempts(5);
        let made = Arc::new(AtomicU32::new(0));
        let count = made.clone();
        let task = pool.task("send").retry(retry);
        let handle = task.submit(move |attempt| {
            count.store(attempt, SeqCst);
            Err::<(), _>("no connection")
        });
        for (number, delay) in [1, 2, 4, 8].into_iter().enumerate() {
            clock.wait_for_sleepers(1);
            assert_eq!(made.load(SeqCst) as usize, number + 1);
            clock.advance(delay * SECOND - Duration::from_nanos(1));
            assert_eq!((pool.stats().waiting(), pool.stats().due()), (1, 0));
            clock.advance(Duration::from_nanos(1));
        }
        let error = handle.unwrap().join().unwrap().unwrap_err();
        let began = error.history().iter().map(|it| it.began());
        assert!(began.eq([0, 1, 3, 7, 15].map(|seconds| seconds * SECOND)));
        assert!(error.history().iter().all(|it| it.ran().is_zero()));
        assert_eq!(pool.stats().waiting(), 0);
    });
}

#[test]
fn what_comes_due_is_in_the_queue_when_the_clock_has_been_moved() {
    within(LONG, "a manual clock", || {
        let clock = ManualClock::new();
        let pool = pool(&clock);
        let task = pool.task("send").retry(hourly());
        for _ in 0..200 {
            task.execute(|attempt| match attempt {
                1 => Err("no connection"),
                _ => Ok(()),
            })
            .unwrap();
        }
        clock.wait_for_sleepers(200);
        let gate = Gate::new();
        drop(crate::common::occupy(&pool, &gate));
        clock.advance(HOUR);
        assert_eq!((pool.stats().waiting(), pool.stats().due()), (0, 200));
        assert_eq!(pool.stats().accepted(), 201);
        gate.open();
        pool.wait_idle();
        assert_eq!(pool.stats().completed(), 201);
        check_sum(&pool.stop(LONG));
    });
}

#[test]
fn those_that_are_due_begin_in_the_order_of_their_moments() {
    within(LONG, "a manual clock", || {
        let clock = ManualClock::new();
        let pool = pool(&clock);
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        for seconds in [5, 2, 9, 1, 7] {
            let order = order.clone();
            let task = pool.task("send").retry(Retry::fixed(seconds * SECOND));
            let run = task.execute(move |attempt| match attempt {
                1 => Err("no connection"),
                _ => {
                    order.lock().unwrap().push(seconds);
                    Ok(())
                }
            });
            run.unwrap();
        }
        clock.wait_for_sleepers(5);
        clock.advance(10 * SECOND);
        pool.wait_idle();
        assert_eq!(*order.lock().unwrap(), [1, 2, 5, 7, 9]);
    });
}

#[test]
fn the_deadline_counts_from_the_first_attempt_and_a_hint_does_not_outdo_it() {
    within(LONG, "a manual clock", || {
        let clock = ManualClock::new();
        let pool = pool(&clock);
        let task = pool.task("send").retry(hourly().deadline(3 * HOUR));
        let handle = task.submit(|_| Err::<(), _>("no connection")).unwrap();
        for _ in 0..3 {
            clock.wait_for_sleepers(1);
            clock.advance(HOUR);
        }
        let error = handle.join().unwrap().unwrap_err();
        assert_eq!(
            (error.attempts(), error.gave_up()),
            (4, GiveUpReason::Deadline)
        );
        let hinted = hourly().deadline(3 * HOUR);
        let hinted = hinted.on_error(|hours: &u32| Verdict::RetryAfter(*hours * HOUR));
        let hinted = pool.task("send").retry(hinted);
        let handle = hinted.submit(|attempt| Err::<(), _>(attempt + 1)).unwrap();
        clock.wait_for_sleepers(1);
        clock.advance(2 * HOUR);
        let error = handle.join().unwrap().unwrap_err();
        assert_eq!(
            (error.attempts(), error.gave_up()),
            (2, GiveUpReason::Deadline)
        );
    });
}

#[test]
fn the_wall_clock_changes_nothing() {
    within(LONG, "a manual clock", || {
        let clock = ManualClock::new();
        let pool = pool(&clock);
        let task = pool.task("send").retry(hourly());
        let handle = task.submit(|attempt| match attempt {
            1 => Err("no connection"),
            _ => Ok(()),
        });
        clock.wait_for_sleepers(1);
        clock.set_wall(clock.wall() + 48 * HOUR);
        clock.set_wall(clock.wall() - 96 * HOUR);
        assert_eq!(pool.stats().waiting(), 1);
        clock.advance(HOUR);
        handle.unwrap().join().unwrap().unwrap();
    });
}

#[test]
fn those_that_were_cancelled_or_stopped_are_no_sleepers_any_more() {
    within(LONG, "a manual clock", || {
        let clock = ManualClock::new();
        let pool = pool(&clock);
        let task = pool.task("send").retry(hourly());
        let submit = || task.submit(|_| Err::<(), _>("no connection")).unwrap();
        let (cancelled, stopped) = (submit(), submit());
        clock.wait_for_sleepers(2);
        assert!(cancelled.cancel());
        let report = pool.stop(LONG);
        check_sum(&report);
        assert!(matches!(stopped.join(), Err(TaskError::Unstarted)));
        let (tell, told) = groundcrew::channel::bounded(1);
        let looking = clock.clone();
        thread::spawn(move || {
            looking.wait_for_sleepers(1);
            let _ = tell.send(());
        });
        assert!(told.recv_timeout(Duration::from_millis(20)).is_err());
        clock.advance(HOUR);
        // It ends the wait above.
        let other = self::pool(&clock);
        let again = other.task("send").retry(hourly());
        drop(again.submit(|_| Err::<(), _>("no connection")));
        told.recv().unwrap();
    });
}

#[test]
fn a_join_by_the_only_worker_claims_the_attempt_when_its_moment_has_come() {
    within(LONG, "a manual clock", || {
        let clock = ManualClock::new();
        let pool = pool(&clock);
        let outer = pool.submit_with(|ctx| {
            let submitter = ctx.submitter();
            let handle = submitter
                .task("send")
                .retry(hourly())
                .submit(|attempt| match attempt {
                    3 => Ok(thread::current().id()),
                    _ => Err("no connection"),
                });
            handle.unwrap().join().unwrap().unwrap() == thread::current().id()
        });
        for _ in 0..2 {
            clock.wait_for_sleepers(1);
            clock.advance(HOUR);
        }
        assert!(outer.unwrap().join().unwrap());
        pool.wait_idle();
        assert_eq!((pool.stats().accepted(), pool.stats().completed()), (2, 2));
    });
}

#[test]
fn what_was_postponed_is_no_attempt_and_only_the_deadline_bounds_it() {
    within(LONG, "a manual clock", || {
        let clock = ManualClock::new();
        let pool = pool(&clock);
        let once = Retry::fixed(SECOND).attempts(1).deadline(HOUR);
        let judge = |error: &&str| match *error {
            "refused" => Verdict::Postpone(10 * SECOND),
            _ => Verdict::Retry,
        };
        let calls = Arc::new(AtomicU32::new(0));
        let of_task = calls.clone();
        let once = once.on_error(judge);
        let task = pool.task("send").retry(once.clone());
        let handle = task.submit_with(move |ctx, attempt| {
            assert_eq!((attempt, ctx.info().attempts()), (1, 1));
            match of_task.fetch_add(1, SeqCst) {
                0..3 => Err::<(), _>("refused"),
                _ => Err("no connection"),
            }
        });
        for call in 1..=3 {
            clock.wait_for_sleepers(1);
            assert_eq!(calls.load(SeqCst), call);
            clock.advance(10 * SECOND - Duration::from_nanos(1));
            assert_eq!((pool.stats().waiting(), pool.stats().due()), (1, 0));
            clock.advance(SECOND); // and up to a tenth of the delay more
        }
        let error = handle.unwrap().join().unwrap().unwrap_err();
        assert_eq!(
            (error.attempts(), error.gave_up()),
            (1, GiveUpReason::Attempts)
        );
        assert_eq!(error.error(), &"no connection");
        assert_eq!(error.history().len(), 1, "it was refused before");

        let task = pool.task("send").retry(once);
        let handle = task.submit(|_| Err::<(), _>("refused")).unwrap();
        for _ in 0..HOUR.as_secs() / 11 {
            clock.wait_for_sleepers(1);
            clock.advance(11 * SECOND);
        }
        while !handle.is_finished() {
            clock.advance(11 * SECOND);
        }
        let error = handle.join().unwrap().unwrap_err();
        assert_eq!(error.gave_up(), GiveUpReason::Deadline);
        assert_eq!(error.error(), &"refused");
    });
}

#[test]
fn what_was_postponed_and_stopped_was_never_begun_and_can_be_run() {
    within(LONG, "a manual clock", || {
        let clock = ManualClock::new();
        let pool = pool(&clock);
        let retry = hourly().attempts(1);
        let retry = retry.on_error(|_: &&str| Verdict::Postpone(Duration::from_millis(1)));
        let task = pool.task("send").retry(retry);
        let mut calls = 0;
        let handle = task.submit(move |attempt| {
            calls += 1;
            match calls {
                1..=3 => Err("refused"),
                _ => Ok((attempt, calls)),
            }
        });
        clock.wait_for_sleepers(1);
        let report = pool.stop(Duration::ZERO);
        assert_eq!(report.unstarted()[0].attempts(), 0);
        report.take_unstarted().into_iter().for_each(|it| it.run());
        assert_eq!(handle.unwrap().join().unwrap().unwrap(), (1, 4));
    });
}
