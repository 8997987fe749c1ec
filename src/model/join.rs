//! What ends a task when several could: a worker, a join, a cancel, a stop.

use super::{Count, FOREVER, SECOND, chance, check, outcome, pool};
use crate::sync::channel;
use crate::sync::model::{thread, time};
use crate::{StopPlan, TaskError};
use std::panic;
use std::time::Duration;

#[test]
fn a_task_is_cancelled_or_runs_and_its_join_agrees() {
    check(|| {
        let (pool, count) = (pool(1, 1), Count::new());
        let handle = count
            .submit(|captured| pool.submit(move || captured.begin()))
            .unwrap();
        let handle = crate::sync::Arc::new(handle);
        let canceller = {
            let handle = handle.clone();
            thread::spawn(move || {
                let cancelled = handle.cancel();
                if cancelled {
                    // What it captured is gone when its handle resolves.
                    assert!(handle.is_finished());
                }
                cancelled
            })
        };
        handle.wait_timeout(FOREVER);
        let cancelled = canceller.join().unwrap();
        let Some(handle) = crate::sync::Arc::into_inner(handle) else {
            unreachable!("the canceller is gone");
        };
        let joined = handle.join();
        assert_eq!(
            outcome(&joined),
            if cancelled { "cancelled" } else { "completed" }
        );
        let report = pool.stop(FOREVER);
        count.agrees_with(&report);
        assert_eq!(report.cancelled(), u64::from(cancelled));
        count.nothing_is_left();
    });
}

#[test]
fn a_cancel_that_races_a_stop_is_counted_once() {
    check(|| {
        let (pool, count) = (pool(1, 2), Count::new());
        let handles: Vec<_> = (0..2)
            .filter_map(|_| count.submit(|captured| pool.submit(move || captured.begin())))
            .collect();
        let canceller = thread::spawn(move || {
            let cancelled = handles.iter().filter(|handle| handle.cancel()).count();
            for handle in handles {
                let _ = handle.join(); // returns, whatever it says
            }
            cancelled as u64
        });
        let plan = chance::one_of(&[
            StopPlan::drain(Duration::ZERO),
            StopPlan::drain(FOREVER),
            StopPlan::finish_running(FOREVER),
        ]);
        let report = pool.stop(plan);
        let cancelled = canceller.join().unwrap();
        report.wait_for_abandoned(FOREVER);
        // A stop that took a task out before its closure was dropped has it
        // among the cancelled, as its canceller has.
        assert_eq!(report.cancelled(), cancelled, "{report}");
        count.agrees_with(&report);
    });
}

/// The worker has met the tombstone and the stop finds nothing of the task: only the report can
/// end the wait.
#[test]
fn a_wait_for_a_task_whose_cancel_is_stuck_ends_with_the_report() {
    check(|| {
        struct Stuck(channel::Receiver<()>);
        impl Drop for Stuck {
            fn drop(&mut self) {
                let _ = self.0.recv();
            }
        }
        let pool = pool(1, 2);
        let (open, gate) = channel::bounded::<()>(0);
        let stuck = Stuck(gate);
        let handle = pool.submit(move || drop(stuck)).unwrap();
        let handle = crate::sync::Arc::new(handle);
        let threads = [true, false].map(|cancels| {
            let handle = handle.clone();
            thread::spawn(move || match cancels {
                true => handle.cancel(),
                false => handle.wait_timeout(FOREVER),
            })
        });
        let _ = pool.submit(|| ()).unwrap().wait_timeout(SECOND);
        let report = pool.stop(SECOND);
        let [canceller, waiter] = threads;
        assert!(waiter.join().unwrap() && handle.is_finished());
        drop(open);
        let cancelled = canceller.join().unwrap();
        assert_eq!(report.cancelled(), u64::from(cancelled), "{report}");
        report.wait_for_abandoned(FOREVER);
    });
}

#[test]
fn a_join_by_a_worker_a_pop_and_a_stop_agree_on_who_has_the_task() {
    check(|| {
        let (pool, count) = (pool(2, 2), Count::new());
        let (submitter, counter) = (pool.submitter(), count.clone());
        count.submit(|captured| {
            pool.execute(move || {
                captured.begin();
                let inner = counter.submit(|captured| submitter.submit(move || captured.begin()));
                if let Some(inner) = inner {
                    let joined = inner.join();
                    let outcome = outcome(&joined);
                    assert!(
                        ["completed", "unstarted", "abandoned"].contains(&outcome),
                        "{outcome}"
                    );
                }
            })
        });
        let plan = chance::one_of(&[
            StopPlan::drain(Duration::ZERO),
            StopPlan::drain(SECOND),
            StopPlan::finish_running(SECOND),
            StopPlan::drain(FOREVER),
        ]);
        let report = pool.stop(plan);
        report.wait_for_abandoned(FOREVER);
        count.agrees_with(&report);
        drop(report);
        drop(pool);
        count.nothing_is_left();
    });
}

#[test]
fn joins_in_a_pool_of_one_worker_and_one_place_do_not_deadlock() {
    check(|| {
        let pool = pool(1, 1);
        let submitter = pool.submitter();
        let handle = pool
            .submit(move || {
                let inner: Vec<_> = (0..3)
                    .map(|n| submitter.submit(move || n).unwrap())
                    .collect();
                let sum: i32 = inner.into_iter().map(|inner| inner.join().unwrap()).sum();
                sum
            })
            .unwrap();
        assert_eq!(handle.join().unwrap(), 3);
        assert!(pool.stop(FOREVER).is_clean());
    });
}

#[test]
fn a_task_that_ends_at_the_deadline_is_completed_or_abandoned_and_its_join_agrees() {
    check(|| {
        let (pool, count) = (pool(1, 1), Count::new());
        let (open, gate) = channel::bounded::<()>(0);
        let handle = count
            .submit(|captured| {
                pool.submit(move || {
                    captured.begin();
                    let _ = gate.recv();
                })
            })
            .unwrap();
        let joiner = thread::spawn(move || handle.join());
        let opener = thread::spawn(move || drop(open));
        let report = pool.stop(chance::one_of(&[Duration::ZERO, SECOND]));
        count.agrees_with(&report);
        opener.join().unwrap();
        let outcome = outcome(&joiner.join().unwrap());
        let counts = (
            report.completed(),
            report.abandoned().len(),
            report.unstarted().len(),
        );
        match outcome {
            "completed" => assert_eq!(counts, (1, 0, 0)),
            "abandoned" => assert_eq!(counts, (0, 1, 0)),
            "unstarted" => assert_eq!(counts, (0, 0, 1)),
            _ => panic!("{outcome}"),
        }
        report.wait_for_abandoned(FOREVER);
        drop(report);
        drop(pool);
        count.nothing_is_left();
    });
}

#[test]
fn a_task_that_panics_while_the_pool_stops_is_counted_and_fails_its_join() {
    check(|| {
        let (pool, count) = (pool(1, 1), Count::new());
        let handle = count
            .submit(|captured| {
                pool.submit(move || {
                    captured.begin();
                    drop(captured);
                    // Without the panic hook, which would print.
                    panic::resume_unwind(Box::new("expected"));
                })
            })
            .unwrap();
        let joiner = thread::spawn(move || outcome(&handle.join()));
        let report = pool.stop(chance::one_of(&[Duration::ZERO, SECOND, FOREVER]));
        report.wait_for_abandoned(FOREVER);
        count.agrees_with(&report);
        let outcome = joiner.join().unwrap();
        assert_eq!(outcome == "panicked", report.panicked() == 1, "{outcome}");
        drop(report);
        drop(pool);
        count.nothing_is_left();
    });
}

#[test]
fn a_timed_wait_for_a_task_returns_when_it_ends_or_at_its_deadline() {
    check(|| {
        let pool = pool(1, 1);
        let handle = pool.submit(|| 7).unwrap();
        match handle.wait_timeout(SECOND) {
            true => assert!(handle.is_finished()),
            false => assert!(time_has_passed()),
        }
        assert_eq!(handle.join().unwrap(), 7);
        assert!(pool.stop(FOREVER).is_clean());
    });
}

/// The clock starts at its base in every execution.
fn time_has_passed() -> bool {
    let now = crate::clock::now();
    time::reset();
    now > crate::clock::now()
}

#[test]
fn a_handle_that_is_dropped_while_its_task_ends_leaves_no_result_behind() {
    check(|| {
        let (pool, count) = (pool(1, 1), Count::new());
        let handle = count
            .submit(|captured| {
                pool.submit(move || {
                    captured.begin();
                    captured // the result
                })
            })
            .unwrap();
        let dropper = thread::spawn(move || drop(handle));
        let report = pool.stop(FOREVER);
        dropper.join().unwrap();
        count.agrees_with(&report);
        count.nothing_is_left();
    });
}

#[test]
fn an_unstarted_task_that_is_run_or_resubmitted_gives_its_handle_the_result() {
    check(|| {
        let (old, new) = (pool(1, 2), pool(1, 1));
        let (open, gate) = channel::bounded::<()>(0);
        old.execute(move || gate.recv().is_err()).unwrap();
        let handle = old.submit(|| 7).unwrap();
        let joiner = thread::spawn(move || match handle.wait_timeout(FOREVER) {
            true => handle.join(),
            false => unreachable!("it has no time limit"),
        });
        let report = old.stop(StopPlan::drain(Duration::ZERO));
        let stop = new.stop_handle();
        let stopper = thread::spawn(move || stop.stop(SECOND));
        drop(open);
        for task in report.take_unstarted() {
            // The other pool may be closed by now, or stop it once more.
            if let Err(refused) = new.resubmit(task) {
                refused.into_inner().run();
            }
        }
        let joined = joiner.join().unwrap();
        let again = stopper.join().unwrap();
        again
            .take_unstarted()
            .into_iter()
            .for_each(|task| task.run());
        match joined {
            Ok(value) => assert_eq!(value, 7),
            Err(TaskError::Unstarted | TaskError::Abandoned) => {}
            Err(other) => panic!("{other}"),
        }
        let sum =
            again.completed() + again.unstarted().len() as u64 + again.abandoned().len() as u64;
        assert_eq!(again.accepted(), sum, "{again}");
        report.wait_for_abandoned(FOREVER);
        again.wait_for_abandoned(FOREVER);
    });
}

#[test]
fn a_claim_that_comes_late_leaves_the_task_to_the_pool_that_has_it_now() {
    check(|| {
        let (old, full, new) = (pool(1, 1), pool(1, 1), pool(1, 1));
        let Ok(handle) = old.submit(|| 7) else {
            unreachable!("it is open");
        };
        // Joined by a worker of a pool that the task is in for a moment only.
        let joiner = full.submit(move || outcome(&handle.join())).unwrap();
        let report = old.stop(StopPlan::drain(Duration::ZERO));
        let _ = full.try_execute(|| ());
        for task in report.take_unstarted() {
            if let Err(refused) = full.try_resubmit(task) {
                new.resubmit(refused.into_inner()).unwrap();
            }
        }
        let outcome = joiner.join().unwrap();
        assert!(
            ["completed", "unstarted", "abandoned"].contains(&outcome),
            "{outcome}"
        );
        for report in [full.stop(FOREVER), new.stop(FOREVER)] {
            assert_eq!(report.accepted(), report.completed(), "{report}");
        }
    });
}

#[test]
fn a_join_returns_with_the_report_that_abandons_its_task() {
    check(|| {
        let (pool, count) = (pool(1, 1), Count::new());
        let (open, gate) = channel::bounded::<()>(0);
        let handle = count
            .submit(|captured| {
                pool.submit(move || {
                    captured.begin();
                    let _ = gate.recv();
                })
            })
            .unwrap();
        let stop = pool.stop_handle();
        let stopper = thread::spawn(move || stop.stop(SECOND));
        let outcome = outcome(&handle.join());
        drop(open);
        let report = stopper.join().unwrap();
        count.agrees_with(&report);
        match outcome {
            "abandoned" => assert_eq!(report.abandoned().len(), 1),
            "unstarted" => assert_eq!(report.unstarted().len(), 1),
            _ => panic!("{outcome}"),
        }
        report.wait_for_abandoned(FOREVER);
    });
}
