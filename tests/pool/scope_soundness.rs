//! Every way out of a scoped task, small enough for Miri: what it borrowed is
//! freed right after its scope, while its shell may lie in a queue, on a worker's
//! stack or in a report.

use crate::common::{Bomb, Gate, LONG, expected_panic, occupied_pool, occupy, within};
use groundcrew::channel::bounded;
use groundcrew::{Pool, StopPlan, Submitter, TaskError};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

/// Counts its drops, and touches what it borrows in there.
struct Touch<'a>(&'a AtomicUsize);

impl Drop for Touch<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Gives `test` something on the heap to borrow, which is freed right
/// afterwards; returns how often that was touched.
fn borrowed(test: impl FnOnce(&AtomicUsize)) -> usize {
    let touched = Box::new(AtomicUsize::new(0));
    test(&touched);
    touched.into_inner()
}

fn stop_now() -> StopPlan {
    StopPlan::finish_running(Duration::ZERO)
}

/// Until the stop has taken the backlog out, or the whole stop is over.
fn until_sealed(submitter: &Submitter) {
    while submitter.try_execute(|| ()).is_ok_and(|()| true) {
        thread::yield_now();
    }
}

#[test]
fn a_popped_task_borrows_and_returns_what_it_borrows() {
    let pool = Pool::new(2).unwrap();
    let text = String::from("borrowed");
    let (left, right) = pool.scope(|s| {
        let left = s.submit(|| &text[..4]);
        let right = s.submit_with(|_| &text[4..]);
        (left.join().unwrap(), right.join().unwrap())
    });
    assert_eq!((left, right), ("borr", "owed"));
    drop(text);
    assert!(pool.stop(LONG).is_clean());
}

#[test]
fn a_claimed_task_leaves_a_husk_that_outlives_what_it_borrowed() {
    let pool = Pool::new(1).unwrap();
    let submitter = pool.submitter();
    let task = pool.submit(move || {
        borrowed(|touched| {
            submitter.scope(|s| {
                let joined = s.submit(|| Touch(touched));
                s.execute(|| drop(Touch(touched)));
                s.execute(|| Touch(touched));
                drop(joined.join().unwrap());
            });
        })
    });
    assert_eq!(task.unwrap().join().unwrap(), 3);
    assert!(pool.stop(LONG).is_clean());
}

#[test]
fn a_task_that_overflowed_and_one_that_ran_in_place_leave_nothing() {
    for in_place in [false, true] {
        let builder = Pool::builder().threads(1).queue_capacity(1);
        let pool = match in_place {
            true => builder.caller_runs_when_full().build().unwrap(),
            false => builder.build().unwrap(),
        };
        let submitter = pool.submitter();
        let task = pool.submit(move || {
            borrowed(|touched| {
                submitter.scope(|s| {
                    let handles = [(); 3].map(|()| s.submit(|| Touch(touched)));
                    s.execute(|| Touch(touched));
                    drop(handles);
                });
            })
        });
        assert_eq!(task.unwrap().join().unwrap(), 4);
        assert!(pool.stop(LONG).is_clean());
    }
}

#[test]
fn what_a_closed_pool_refuses_is_run_by_the_owner_or_by_who_joins_it() {
    // It has not left yet: what is pushed now would still be run.
    let (pool, gate) = occupied_pool(8);
    pool.stop_handle().close();
    let touched = borrowed(|touched| {
        pool.scope(|s| {
            s.execute(|| Touch(touched));
            s.execute_with(|ctx| drop((Touch(touched), ctx.token())));
            let joined = s.submit(|| Touch(touched));
            let elsewhere = s.submit(|| Touch(touched));
            let dropped = s.submit(|| Touch(touched));
            thread::scope(|threads| {
                threads.spawn(|| drop(elsewhere.join().unwrap()));
            });
            drop(dropped);
            drop(joined.join().unwrap());
        });
    });
    assert_eq!(touched, 5);
    gate.open();
    assert_eq!(pool.stop(LONG).accepted(), 1);
}

#[test]
fn what_a_stop_takes_out_is_run_by_the_owner_or_by_who_joins_it() {
    within(LONG, "withdrawn", || {
        let (pool, gate) = occupied_pool(8);
        let (stop, submitter) = (pool.stop_handle(), pool.submitter());
        let touched = borrowed(|touched| {
            let report = pool.scope(|s| {
                s.execute(|| Touch(touched));
                let joined = s.submit(|| Touch(touched));
                let elsewhere = s.submit(|| Touch(touched));
                let capture = Touch(touched);
                let cancelled = s.submit(move || drop(capture));
                thread::scope(|threads| {
                    // It waits for a task in the queue, which is then taken out.
                    let joiner = threads.spawn(move || drop(elsewhere.join().unwrap()));
                    let report = stop.stop(stop_now());
                    until_sealed(&submitter);
                    assert!(cancelled.cancel());
                    drop(joined.join().unwrap());
                    joiner.join().unwrap();
                    report
                })
            });
            assert_eq!(report.accepted(), 1, "{report}");
            assert!(report.unstarted().is_empty());
        });
        assert_eq!(touched, 4);
        gate.open();
    });
}

#[test]
fn a_cancelled_task_leaves_a_husk_that_outlives_what_it_borrowed() {
    let (pool, gate) = occupied_pool(8);
    let touched = borrowed(|touched| {
        pool.scope(|s| {
            let capture = Touch(touched);
            let first = s.submit(move || drop(capture));
            let capture = (Touch(touched), Bomb);
            let second = s.submit(move || drop(capture));
            assert!(first.cancel() && second.cancel());
            assert!(matches!(first.join(), Err(TaskError::Cancelled)));
        });
    });
    assert_eq!(touched, 2);
    gate.open();
    let report = pool.stop(LONG);
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.accepted(), report.cancelled()), (3, 2));
}

#[test]
fn an_abandoned_task_gives_its_result_and_the_report_keeps_an_empty_shell() {
    within(LONG, "abandoned", || {
        let pool = Pool::new(1).unwrap();
        let (stop, submitter) = (pool.stop_handle(), pool.submitter());
        let mut report = None;
        let touched = borrowed(|touched| {
            let (tell, told) = bounded(1);
            let gate = Gate::new();
            let (entrance, tell, report) = (&gate.entrance(), &tell, &mut report);
            submitter.scope(move |s| {
                let joined = s.submit_with(move |ctx| {
                    ctx.note("waits");
                    tell.send(()).unwrap();
                    entrance.pass();
                    Touch(touched)
                });
                told.recv().unwrap();
                *report = Some(stop.stop(Duration::ZERO));
                gate.open();
                drop(joined.join().unwrap());
            });
        });
        assert_eq!(touched, 1);
        let report = report.unwrap();
        assert_eq!(report.abandoned().len(), 1);
        assert_eq!(report.abandoned()[0].note(), Some("waits"));
        assert_eq!(report.wait_for_abandoned(LONG), 0);
        assert_eq!(pool.running().len(), 0);
    });
}

#[test]
fn a_handle_may_be_dropped_before_and_after_the_end_of_its_task() {
    let (pool, gate) = occupied_pool(8);
    let touched = borrowed(|touched| {
        pool.scope(|s| {
            let before = s.submit(|| Touch(touched));
            let after = s.submit(|| Touch(touched));
            drop(before);
            gate.open();
            while !after.is_finished() {
                thread::yield_now();
            }
            assert_eq!(touched.load(SeqCst), 1);
            drop(after);
        });
    });
    assert_eq!(touched, 2);
}

#[test]
fn a_leaked_handle_leaks_its_result_which_is_not_touched_again() {
    let (pool, gate) = occupied_pool(8);
    let touched = borrowed(|touched| {
        pool.scope(|s| {
            mem::forget(s.submit(|| Touch(touched)));
            let cancelled = s.submit(|| Touch(touched));
            cancelled.cancel();
            mem::forget(cancelled);
            mem::forget(s.submit(|| -> Touch<'_> { expected_panic() }));
            gate.open();
        });
    });
    assert_eq!(touched, 0);
    assert!(pool.stop(LONG).is_clean());
}

#[test]
fn handles_in_each_others_results_leak_and_are_not_touched_again() {
    let pool = Pool::new(2).unwrap();
    let touched = borrowed(|touched| {
        pool.scope(|s| {
            let (tell, told) = bounded(1);
            let one = s.submit(move || -> Box<dyn Send> {
                Box::new((Touch(touched), told.recv().unwrap()))
            });
            let other = s.submit(|| (Touch(touched), one));
            assert!(tell.send(other).is_ok());
        });
    });
    assert_eq!(touched, 0);
}

#[test]
fn panics_in_the_task_the_body_and_drops_leave_nothing_behind() {
    let pool = Pool::new(1).unwrap();
    let touched = borrowed(|touched| {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            pool.scope(|s| {
                let capture = Touch(touched);
                s.execute(move || {
                    let _own = capture;
                    expected_panic();
                });
                // Of a result and of a capture: these are nobody's loss.
                s.execute(|| (Touch(touched), Bomb));
                let capture = (Touch(touched), Bomb);
                s.execute(move || drop(capture));
                s.execute(|| Touch(touched));
            });
        }));
        assert!(panicked.is_err());
    });
    assert_eq!(touched, 4);
    let touched = borrowed(|touched| {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            pool.scope(|s| {
                s.execute(|| Touch(touched));
                let _joined = s.submit(|| Touch(touched));
                expected_panic();
            });
        }));
        assert!(panicked.is_err());
    });
    assert_eq!(touched, 2);
    assert!(!pool.stop(LONG).to_string().is_empty());
}

#[test]
fn tasks_of_tasks_and_scopes_in_tasks_borrow_from_each_other() {
    let pool = Pool::new(2).unwrap();
    let (pool, deep) = (&pool, 3);
    fn descend(pool: &Pool, touched: &AtomicUsize, depth: u32) {
        pool.scope(|s| {
            for _ in 0..2 {
                s.execute(move || {
                    touched.fetch_add(1, SeqCst);
                    if depth > 1 {
                        s.execute(move || {
                            touched.fetch_add(1, SeqCst);
                        });
                        let own = AtomicUsize::new(0);
                        descend(pool, &own, depth - 1);
                        touched.fetch_add(own.into_inner(), SeqCst);
                    }
                });
            }
        });
    }
    let touched = borrowed(|touched| descend(pool, touched, deep));
    // Two tasks, one more of each, and twice what is below.
    assert_eq!(touched, 4 + 2 * (4 + 2 * 2));
}

#[test]
fn a_loop_leaves_no_more_than_husks_of_the_runners_that_came_late() {
    within(LONG, "late runners", || {
        let pool = Pool::new(2).unwrap();
        let gate = Gate::new();
        drop(occupy(&pool, &gate));
        let mut numbers: Vec<String> = (0..40).map(|n| n.to_string()).collect();
        let lengths = pool.map(&numbers, |number| number.as_str()).unwrap();
        assert_eq!(lengths, numbers);
        pool.for_each(&mut numbers, |number| number.push('0'))
            .unwrap();
        let joined = pool
            .map_reduce(numbers, |number| number, |a, b| a + &b)
            .unwrap();
        assert_eq!(joined.unwrap().len(), 10 * 2 + 30 * 3);
        gate.open();
        let report = pool.stop(LONG);
        assert!(report.is_clean(), "{report}");
    });
}

#[test]
fn a_loop_that_panics_and_one_that_is_stopped_drop_all_items_and_results() {
    let pool = Pool::new(2).unwrap();
    let stop = pool.stop_handle();
    let touched = borrowed(|touched| {
        let items: Vec<_> = (0..8).map(|n| (n, Touch(touched))).collect();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            pool.map(items, |(n, item)| match n {
                5 => expected_panic(),
                _ => item,
            })
        }));
        assert!(panicked.is_err());
    });
    assert_eq!(touched, 8);
    let touched = borrowed(|touched| {
        let items: Vec<_> = (0..8).map(|n| (n, Touch(touched))).collect();
        let stopped = pool.map(items, |(n, item)| {
            if n == 3 {
                stop.request_stop(StopPlan::finish_running(LONG));
                // The helper that drives the stop takes the backlog out.
                while stop.phase() == groundcrew::stop::PoolPhase::Open {
                    thread::yield_now();
                }
            }
            item
        });
        drop(stopped);
    });
    assert_eq!(touched, 8);
}
