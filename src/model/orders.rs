//! Every schedule with few preemptions, and every value that a weak memory may
//! show: for the pairs of sequentially consistent accesses of `queue/sleepers.rs`,
//! `gate.rs`, `closing.rs` and `waiters.rs`, where each side writes one thing and
//! then reads the other's.
//!
//! Loom knows five threads at most: the test, a worker or two, the helper that
//! joins them, and a producer or two. No deadline ever comes here.

use super::{Count, FOREVER, check, outcome, pool};
use crate::sync::model::thread;
use crate::sync::{Arc, AtomicUsize, Relaxed, channel};
use crate::{Pool, StopPlan, Submitter, TaskHandle};
use std::time::Duration;

fn execute(submitter: &Submitter, count: &Arc<Count>) {
    count.submit(|captured| submitter.execute(move || captured.begin()));
}

/// A thread that executes a number of tasks.
fn producer(pool: &Pool, count: &Arc<Count>, tasks: u32) -> thread::JoinHandle<()> {
    let (submitter, count) = (pool.submitter(), count.clone());
    thread::spawn(move || (0..tasks).for_each(|_| execute(&submitter, &count)))
}

/// Stops the pool, and compares.
fn end(
    pool: Pool,
    count: &Count,
    plan: impl Into<StopPlan>,
    producers: Vec<thread::JoinHandle<()>>,
) {
    let report = pool.stop(plan);
    for producer in producers {
        producer.join().unwrap();
    }
    report.wait_for_abandoned(FOREVER);
    count.agrees_with(&report);
    drop(report);
    drop(pool);
    count.nothing_is_left();
}

#[test]
fn a_worker_that_goes_to_sleep_sees_a_push_or_is_woken() {
    check(|| {
        let pool = pool(1, 1);
        let handle = pool.submit(|| 7).unwrap();
        assert_eq!(handle.join().unwrap(), 7);
        assert!(pool.stop(FOREVER).is_clean());
    });
}

#[test]
fn two_workers_are_woken_for_two_tasks() {
    check(|| {
        let pool = pool(2, 2);
        let (tell, told) = channel::bounded::<()>(1);
        let first = pool.submit(move || told.recv().is_ok()).unwrap();
        pool.execute(move || tell.try_send(()).is_ok()).unwrap();
        assert!(first.join().unwrap());
        assert!(pool.stop(FOREVER).is_clean());
    });
}

#[test]
fn two_pushes_that_race_wake_a_worker_for_each() {
    check(|| {
        let pool = pool(1, 2);
        let submitter = pool.submitter();
        let other = thread::spawn(move || submitter.submit(|| 1).unwrap().join().unwrap());
        assert_eq!(pool.submit(|| 2).unwrap().join().unwrap(), 2);
        assert_eq!(other.join().unwrap(), 1);
        assert!(pool.stop(FOREVER).is_clean());
    });
}

#[test]
fn a_submitter_at_the_gate_sees_room_or_is_woken() {
    check(|| {
        let (pool, count) = (pool(1, 1), Count::new());
        let other = producer(&pool, &count, 1);
        execute(&pool.submitter(), &count);
        other.join().unwrap();
        end(pool, &count, FOREVER, Vec::new());
    });
}

#[test]
fn a_submitter_at_the_gate_sees_the_close_or_is_woken() {
    check(|| {
        let (pool, count) = (pool(1, 1), Count::new());
        let (open, gate) = channel::bounded::<()>(0);
        count.submit(|captured| {
            pool.execute(move || {
                captured.begin();
                let _ = gate.recv();
            })
        });
        let other = producer(&pool, &count, 2);
        pool.stop_handle().close();
        other.join().unwrap();
        drop(open);
        end(pool, &count, FOREVER, Vec::new());
    });
}

#[test]
fn a_push_that_races_the_last_worker_is_run_or_refused() {
    check(|| {
        let (pool, count) = (pool(1, 2), Count::new());
        let other = producer(&pool, &count, 1);
        end(pool, &count, FOREVER, vec![other]);
    });
}

#[test]
fn two_pushes_that_race_the_last_worker_are_each_run_or_refused() {
    check(|| {
        let (pool, count) = (pool(1, 2), Count::new());
        let others = vec![producer(&pool, &count, 1), producer(&pool, &count, 1)];
        end(pool, &count, FOREVER, others);
    });
}

#[test]
fn a_push_that_races_a_take_out_is_handed_back_or_refused() {
    check(|| {
        let (pool, count) = (pool(1, 2), Count::new());
        let other = producer(&pool, &count, 2);
        end(pool, &count, Duration::ZERO, vec![other]);
    });
}

#[test]
fn two_pushes_that_race_a_take_out_are_each_handed_back_or_refused() {
    check(|| {
        let (pool, count) = (pool(1, 2), Count::new());
        let others = vec![producer(&pool, &count, 1), producer(&pool, &count, 1)];
        end(pool, &count, Duration::ZERO, others);
    });
}

#[test]
fn what_a_worker_spills_while_a_stop_takes_out_is_handed_back_or_refused() {
    check(|| {
        let (pool, count) = (pool(1, 1), Count::new());
        let (submitter, counter) = (pool.submitter(), count.clone());
        count.submit(|captured| {
            pool.execute(move || {
                captured.begin();
                execute(&submitter, &counter);
                execute(&submitter, &counter);
            })
        });
        end(pool, &count, StopPlan::finish_running(FOREVER), Vec::new());
    });
}

#[test]
fn a_wait_until_idle_sees_the_last_end_or_is_woken() {
    check(|| {
        let (pool, count) = (pool(1, 2), Count::new());
        execute(&pool.submitter(), &count);
        pool.wait_idle();
        assert_eq!(count.sum(|fate| fate.began == 1), 1);
        count.nothing_is_left();
        end(pool, &count, FOREVER, Vec::new());
    });
}

#[test]
fn a_wait_until_idle_sees_a_cancel_or_is_woken() {
    check(|| {
        let pool = pool(1, 2);
        let handle = pool.submit(|| ()).unwrap();
        let canceller = thread::spawn(move || handle.cancel());
        pool.wait_idle();
        canceller.join().unwrap();
        assert!(pool.stop(FOREVER).is_clean());
    });
}

#[test]
fn a_wait_until_idle_ends_with_the_report() {
    check(|| {
        let (pool, count) = (pool(1, 2), Count::new());
        let (open, gate) = channel::bounded::<()>(0);
        count.submit(|captured| {
            pool.execute(move || {
                captured.begin();
                let _ = gate.recv();
            })
        });
        let stop = pool.stop_handle();
        let stopper = thread::spawn(move || stop.stop(Duration::ZERO));
        pool.wait_idle();
        drop(open);
        let report = stopper.join().unwrap();
        report.wait_for_abandoned(FOREVER);
        count.agrees_with(&report);
    });
}

#[test]
fn a_cancel_and_a_worker_agree_on_who_has_the_task() {
    check(|| {
        let (pool, count) = (pool(1, 1), Count::new());
        let handle = count
            .submit(|captured| pool.submit(move || captured.begin()))
            .unwrap();
        let canceller = thread::spawn(move || (handle.cancel(), outcome(&handle.join())));
        let ended = match canceller.join().unwrap() {
            (true, outcome) => (outcome, "cancelled"),
            (false, outcome) => (outcome, "completed"),
        };
        assert_eq!(ended.0, ended.1);
        end(pool, &count, FOREVER, Vec::new());
    });
}

/// Contract: submit happens before the task, its end before what waits for it returns. Both
/// are read through a relaxed atomic, which shows an old value wherever it may.
fn sees_what_the_task_did(wait: fn(&Pool, TaskHandle<()>)) {
    let (before, after) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let pool = pool(1, 1);
    before.store(1, Relaxed);
    let (seen, told) = (before, after.clone());
    let task = move || {
        assert_eq!(seen.load(Relaxed), 1);
        told.store(1, Relaxed);
    };
    let handle = pool.submit(task).unwrap();
    wait(&pool, handle);
    assert_eq!(after.load(Relaxed), 1);
    assert!(pool.stop(FOREVER).is_clean());
}

#[test]
fn a_join_sees_what_its_task_did_and_that_what_came_before_the_submit() {
    check(|| {
        sees_what_the_task_did(|_, handle| handle.join().unwrap());
    });
}

#[test]
fn a_wait_until_idle_sees_what_the_tasks_did() {
    check(|| {
        sees_what_the_task_did(|pool, _| pool.wait_idle());
    });
}

#[test]
fn a_stop_sees_what_the_tasks_did() {
    check(|| {
        sees_what_the_task_did(|pool, _| drop(pool.stop(FOREVER)));
    });
}

#[test]
fn a_scope_sees_the_end_of_its_task_or_is_woken_and_sees_what_it_did() {
    check(|| {
        let (before, after) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let pool = pool(1, 1);
        before.store(1, Relaxed);
        pool.scope(|s| {
            s.execute(|| {
                assert_eq!(before.load(Relaxed), 1);
                after.store(1, Relaxed);
            });
        });
        assert_eq!(after.load(Relaxed), 1);
        assert!(pool.stop(FOREVER).is_clean());
    });
}
