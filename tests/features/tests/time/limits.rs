//! Limits for the time of a task, by a clock that is moved by hand.

use crate::common::retry::{hourly, wait_until};
use crate::common::{Gate, LONG, within};
use groundcrew::channel::bounded;
use groundcrew::testing::ManualClock;
use groundcrew::{CancelToken, Pool, TaskHandle};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const NANO: Duration = Duration::from_nanos(1);

/// A task that runs until the gate is opened, with its token.
fn run(pool: &Pool, limit: Duration, gate: &Gate) -> (TaskHandle<()>, CancelToken) {
    let (tell, told) = bounded(1);
    let entrance = gate.entrance();
    let task = pool.task("import").time_limit(limit);
    let handle = task.submit_with(move |ctx| {
        tell.send(ctx.token().clone()).unwrap();
        entrance.pass();
    });
    (handle.unwrap(), told.recv().unwrap())
}

#[test]
fn a_task_is_asked_to_end_at_its_limit_and_overrun_a_quarter_of_it_later() {
    within(LONG, "a manual clock", || {
        let clock = ManualClock::new();
        let pool = Pool::builder().threads(2).clock(&clock).build().unwrap();
        for (limit, grace) in [(4, 1), (12, 3), (100, 3)] {
            let (limit, grace) = (limit * SECOND, grace * SECOND);
            let gate = Gate::new();
            let before = pool.stats().overrun();
            let (handle, token) = run(&pool, limit, &gate);
            clock.advance(limit - NANO);
            assert!(!token.is_cancelled());
            clock.advance(NANO);
            assert!(token.is_cancelled());
            assert!(pool.running()[0].cancel_requested_for().is_some());
            clock.advance(grace - NANO);
            assert_eq!(pool.stats().overrun(), before);
            clock.advance(NANO);
            assert_eq!(pool.stats().overrun(), before + 1);
            assert!(pool.running()[0].is_overrun());
            gate.open();
            handle.join().unwrap();
        }
        assert_eq!(pool.stop(LONG).overrun(), 3);
    });
}

#[test]
fn one_move_past_limit_and_grace_is_enough() {
    within(LONG, "a manual clock", || {
        let clock = ManualClock::new();
        let pool = Pool::builder().threads(1).clock(&clock).build().unwrap();
        let gate = Gate::new();
        let (_handle, token) = run(&pool, SECOND, &gate);
        clock.advance(3600 * SECOND);
        assert!(token.is_cancelled());
        // The grace begins when the task was asked to end.
        assert_eq!(pool.stats().overrun(), 0);
        clock.advance(SECOND);
        assert_eq!(pool.stats().overrun(), 1);
        gate.open();
        assert_eq!(pool.stop(LONG).overrun(), 1);
    });
}

#[test]
fn a_task_that_has_ended_or_has_no_limit_is_left_alone() {
    within(LONG, "a manual clock", || {
        let clock = ManualClock::new();
        let pool = Pool::builder().threads(1).clock(&clock).build().unwrap();
        let gate = Gate::new();
        let (handle, token) = run(&pool, SECOND, &gate);
        gate.open();
        handle.join().unwrap();
        clock.advance(10 * SECOND);
        assert!(!token.is_cancelled());
        let gate = Gate::new();
        let (handle, token) = run(&pool, Duration::MAX, &gate);
        clock.advance(1_000_000 * SECOND);
        assert!(!token.is_cancelled());
        gate.open();
        handle.join().unwrap();
        assert_eq!(pool.stats().overrun(), 0);
    });
}

#[test]
fn a_lost_place_is_taken_as_soon_as_the_clock_has_been_moved() {
    within(LONG, "a manual clock", || {
        let clock = ManualClock::new();
        let builder = Pool::builder().threads(1).clock(&clock).max_replacements(1);
        let pool = builder.build().unwrap();
        let gate = Gate::new();
        drop(run(&pool, 4 * SECOND, &gate));
        let next = pool.submit(|| 7).unwrap();
        clock.advance(4 * SECOND);
        assert_eq!(pool.stats().workers_alive(), 1);
        clock.advance(SECOND);
        assert_eq!(pool.stats().workers_alive(), 2);
        assert_eq!(next.join().unwrap(), 7);
        gate.open();
        wait_until("it has left", || pool.stats().workers_alive() == 1);
        assert!(pool.stop(LONG).is_clean());
    });
}

#[test]
fn the_pause_between_two_attempts_is_none_of_their_time() {
    within(LONG, "a manual clock", || {
        let clock = ManualClock::new();
        let pool = Pool::builder().threads(1).clock(&clock).build().unwrap();
        let task = pool.task("send").time_limit(SECOND).retry(hourly());
        let handle = task.submit_with(|ctx, attempt| match (ctx.is_cancelled(), attempt) {
            (false, 5) => Ok(()),
            (false, _) => Err("no connection"),
            (true, _) => panic!("it had time"),
        });
        for _ in 1..5 {
            clock.wait_for_sleepers(1);
            clock.advance(3600 * SECOND);
        }
        handle.unwrap().join().unwrap().unwrap();
        assert_eq!(pool.stats().overrun(), 0);
    });
}

#[test]
fn a_task_sleeps_by_the_clock_of_its_pool() {
    within(LONG, "a sleep of an hour", || {
        let clock = ManualClock::new();
        let pool = Pool::builder().threads(1).clock(&clock).build().unwrap();
        let hour = 3600 * SECOND;
        let slept = pool.submit_with(move |ctx| {
            let began = ctx.clock().now();
            ctx.sleep(hour).map(|()| ctx.clock().now() - began)
        });
        let slept = slept.unwrap();
        clock.wait_for_sleepers(1);
        clock.advance(hour - NANO);
        assert!(!slept.wait_timeout(Duration::ZERO));
        clock.advance(NANO);
        assert_eq!(slept.join().unwrap(), Ok(hour));
        // A stop goes by real time, and ends the sleep.
        let cut = pool.submit_with(move |ctx| ctx.sleep(hour)).unwrap();
        clock.wait_for_sleepers(1);
        assert!(pool.stop(groundcrew::StopPlan::cancel(LONG)).is_clean());
        assert!(cut.join().unwrap().is_err());
    });
}
