//! Going to sleep and being woken, and waiting until all is done.

use super::{Count, FOREVER, check, pool};
use crate::sync::model::thread;
use std::time::Duration;

#[test]
fn a_task_submitted_while_the_workers_go_to_sleep_wakes_one() {
    check(|| {
        let pool = pool(2, 4);
        for _ in 0..3 {
            pool.submit(|| ()).unwrap().join().unwrap();
        }
        assert!(pool.stop(FOREVER).is_clean());
    });
}

#[test]
fn a_burst_that_woke_one_worker_is_not_left_to_it_alone() {
    check(|| {
        let pool = pool(2, 4);
        // The first waits for the second, so both workers are needed.
        let (tell, told) = crate::sync::channel::bounded::<()>(1);
        let first = pool.submit(move || told.recv().is_ok()).unwrap();
        let second = pool.submit(move || tell.try_send(()).is_ok()).unwrap();
        assert!(second.join().unwrap());
        assert!(first.join().unwrap());
        assert!(pool.stop(FOREVER).is_clean());
    });
}

#[test]
fn two_tasks_of_two_submitters_wake_two_workers() {
    check(|| {
        let pool = pool(2, 4);
        let (tell, told) = crate::sync::channel::bounded::<()>(1);
        let (one, other) = (pool.submitter(), pool.submitter());
        let threads = [
            thread::spawn(move || one.execute(move || told.recv().is_ok()).unwrap()),
            thread::spawn(move || other.execute(move || tell.try_send(()).is_ok()).unwrap()),
        ];
        for thread in threads {
            thread.join().unwrap();
        }
        pool.wait_idle();
        assert!(pool.stop(FOREVER).is_clean());
    });
}

#[test]
fn a_wait_until_idle_has_seen_every_task_end() {
    check(|| {
        let (pool, count) = (pool(2, 1), Count::new());
        let waits: Vec<_> = (0..2)
            .map(|_| {
                let (submitter, count) = (pool.submitter(), count.clone());
                thread::spawn(move || {
                    for _ in 0..2 {
                        count.submit(|captured| submitter.execute(move || captured.begin()));
                    }
                })
            })
            .collect();
        pool.wait_idle(); // of what is in by now; it returns, that is all
        for wait in waits {
            wait.join().unwrap();
        }
        pool.wait_idle();
        assert_eq!(count.sum(|fate| fate.began == 1), 4);
        count.nothing_is_left();
        assert!(pool.stop(FOREVER).is_clean());
    });
}

#[test]
fn a_wait_until_idle_ends_with_the_stop_whatever_is_submitted() {
    check(|| {
        let (pool, count) = (pool(1, 1), Count::new());
        let (stop, submitter) = (pool.stop_handle(), pool.submitter());
        let counter = count.clone();
        let producer = thread::spawn(move || {
            for _ in 0..2 {
                counter.submit(|captured| submitter.execute(move || captured.begin()));
            }
        });
        let stopper = thread::spawn(move || stop.stop(Duration::from_secs(1)));
        pool.wait_idle();
        producer.join().unwrap();
        let report = stopper.join().unwrap();
        report.wait_for_abandoned(FOREVER);
        count.agrees_with(&report);
    });
}

#[test]
fn tasks_that_wait_until_idle_do_not_wait_for_each_other() {
    check(|| {
        let pool = crate::sync::Arc::new(pool(2, 2));
        let handles: Vec<_> = (0..2)
            .map(|_| {
                let own = pool.clone();
                pool.submit(move || own.wait_idle()).unwrap()
            })
            .collect();
        for handle in handles {
            handle.join().unwrap();
        }
        pool.wait_idle();
        assert!(pool.stop(FOREVER).is_clean());
    });
}

#[test]
fn tombstones_do_not_keep_a_pool_from_being_idle() {
    check(|| {
        let pool = pool(1, 4);
        let submitter = pool.submitter();
        // Claimed from its own worker, or cancelled from outside: a tombstone stays.
        let handle = pool
            .submit(move || {
                let inner = submitter.submit(|| 7).unwrap();
                inner.join().unwrap()
            })
            .unwrap();
        let cancelled = pool.submit(|| 8).unwrap();
        cancelled.cancel();
        pool.wait_idle();
        assert_eq!(handle.join().unwrap(), 7);
        assert!(pool.stop(FOREVER).is_clean());
    });
}

#[test]
fn a_wait_until_idle_ends_with_the_report_though_a_task_still_runs() {
    check(|| {
        let (pool, count) = (pool(1, 1), Count::new());
        let (open, gate) = crate::sync::channel::bounded::<()>(0);
        count.submit(|captured| {
            pool.execute(move || {
                captured.begin();
                let _ = gate.recv();
            })
        });
        let stop = pool.stop_handle();
        let stopper = thread::spawn(move || stop.stop(Duration::from_secs(1)));
        pool.wait_idle();
        drop(open);
        let report = stopper.join().unwrap();
        report.wait_for_abandoned(FOREVER);
        count.agrees_with(&report);
    });
}

#[test]
fn a_cancel_ends_the_wait_of_the_only_worker() {
    check(|| {
        let pool = crate::sync::Arc::new(pool(1, 2));
        let own = pool.clone();
        let waiter = pool.submit(move || own.wait_idle()).unwrap();
        let behind = pool.submit(|| ()).unwrap();
        behind.cancel(); // unless the wait was over before it came
        waiter.join().unwrap();
        assert!(pool.stop(FOREVER).is_clean());
    });
}
