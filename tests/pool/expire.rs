//! `start_within`: tasks that are of no use later.

use crate::common::{Gate, LONG, SlowDrop, occupied_pool, within};
use groundcrew::{Pool, TaskError};
use std::sync::Arc;
use std::time::Duration;

const SOON: Duration = Duration::from_millis(1);

#[test]
fn one_that_is_started_in_time_runs() {
    let pool = Pool::new(1).unwrap();
    for limit in [LONG, Duration::MAX] {
        let handle = pool.task("quote").start_within(limit).submit(|| 7).unwrap();
        assert_eq!(handle.join().unwrap(), 7);
        pool.task("quote")
            .start_within(limit)
            .execute(|| ())
            .unwrap();
    }
    pool.wait_idle();
    assert_eq!((pool.stats().completed(), pool.stats().expired()), (4, 0));
}

#[test]
fn a_join_says_expired_when_the_time_comes_though_the_task_still_lies_in_the_queue() {
    within(LONG, "a join of an expired task", || {
        let (pool, gate) = occupied_pool(16);
        let captured = Arc::new(());
        let task = captured.clone();
        let handle = pool
            .task("quote")
            .start_within(SOON)
            .submit(move || drop(task));
        assert!(matches!(handle.unwrap().join(), Err(TaskError::Expired)));
        assert_eq!(Arc::strong_count(&captured), 1);
        assert_eq!((pool.stats().expired(), pool.stats().queued()), (1, 1));
        gate.open();
        let report = pool.stop(LONG);
        assert_eq!((report.accepted(), report.expired()), (2, 1), "{report}");
        assert!(report.is_clean());
    });
}

#[test]
fn every_way_to_look_at_one_finds_it_expired() {
    let (pool, gate) = occupied_pool(16);
    let submit = || {
        pool.task("quote")
            .start_within(Duration::ZERO)
            .submit(|| ())
            .unwrap()
    };
    assert!(submit().is_finished());
    assert!(submit().wait_timeout(Duration::MAX));
    assert!(matches!(submit().try_join(), Ok(Err(TaskError::Expired))));
    assert!(!submit().cancel() || pool.stats().cancelled() == 1);
    gate.open();
    let report = pool.stop(LONG);
    assert_eq!(report.expired() + report.cancelled(), 4, "{report}");
}

#[test]
fn a_worker_that_finds_one_too_late_drops_it_unrun() {
    let (pool, gate) = occupied_pool(16);
    let captured = Arc::new(());
    for _ in 0..3 {
        let (one, other) = (captured.clone(), captured.clone());
        let task = pool.task("quote").start_within(Duration::ZERO);
        task.execute(move || drop(one)).unwrap();
        drop(task.submit(move || drop(other)).unwrap());
    }
    gate.open();
    pool.wait_idle();
    assert_eq!(Arc::strong_count(&captured), 1);
    let report = pool.stop(LONG);
    assert_eq!((report.completed(), report.expired()), (1, 6), "{report}");
}

#[test]
fn the_drop_of_one_may_take_long_and_is_waited_for() {
    within(LONG, "a slow drop", || {
        let pool = Pool::new(1).unwrap();
        let gate = Gate::new();
        let slow = SlowDrop(gate.entrance());
        let task = pool.task("quote").start_within(Duration::ZERO);
        task.execute(move || drop(slow)).unwrap();
        assert!(!pool.wait_idle_timeout(SOON));
        gate.open();
        pool.wait_idle();
        assert_eq!(pool.stats().expired(), 1);
    });
}

#[test]
fn a_stop_lifts_the_limit_from_what_it_hands_back() {
    let (pool, gate) = occupied_pool(16);
    let task = pool.task("quote").start_within(LONG);
    let handle = task.submit(|| 7).unwrap();
    task.execute(|| ()).unwrap();
    let late = pool.task("late").start_within(Duration::ZERO);
    let expired = late.submit(|| 8).unwrap();
    let report = pool.stop(Duration::ZERO);
    gate.open();
    let other = Pool::new(1).unwrap();
    for task in report.take_unstarted() {
        other.resubmit(task).unwrap();
    }
    assert_eq!(handle.join().unwrap(), 7);
    // Nobody had looked: the stop found it waiting, and handed it back.
    assert_eq!(expired.join().unwrap(), 8);
    let report = other.stop(LONG);
    assert_eq!((report.accepted(), report.completed()), (3, 3), "{report}");
}

#[test]
fn a_workers_join_does_not_claim_one_that_is_too_late() {
    within(LONG, "a claim that comes too late", || {
        let pool = Pool::new(1).unwrap();
        let handle = pool.submit_with(|ctx| {
            let submitter = ctx.submitter();
            let late = submitter.task("late").start_within(Duration::ZERO);
            late.submit(|| ()).unwrap().join()
        });
        let joined = handle.unwrap().join().unwrap();
        assert!(matches!(joined, Err(TaskError::Expired)));
    });
}
