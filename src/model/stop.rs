//! The stop against everything that may go on meanwhile.

use super::{Count, FOREVER, SECOND, any_plan, builder, chance, check, check_often, outcome, pool};
use crate::stop::PoolPhase;
use crate::sync::model::thread;
use crate::sync::{Arc, channel};
use crate::task::due_task;
use crate::trace::Parent;
use crate::{Pool, StopPlan, StopReport, Submitter};
use std::panic::Location;
use std::time::Duration;

/// Two tasks, one with a handle that is joined, one without.
fn produce(submitter: &Submitter, count: &Arc<Count>) {
    count.submit(|captured| submitter.execute(move || captured.begin()));
    let handle = count.submit(|captured| submitter.submit(move || captured.begin()));
    if let Some(handle) = handle {
        let outcome = outcome(&handle.join());
        assert!(
            ["completed", "unstarted", "abandoned"].contains(&outcome),
            "{outcome}"
        );
    }
}

/// Everything at the end: the books agree, and nothing is left over.
fn settle(pool: Pool, report: StopReport, count: &Count) {
    report.wait_for_abandoned(FOREVER);
    count.agrees_with(&report);
    drop(report);
    drop(pool);
    count.nothing_is_left();
}

#[test]
fn what_two_producers_submit_while_a_stop_runs_is_all_accounted() {
    check(|| {
        let (pool, count) = (pool(2, 1), Count::new());
        let producers: Vec<_> = (0..2)
            .map(|_| {
                let (submitter, count) = (pool.submitter(), count.clone());
                thread::spawn(move || produce(&submitter, &count))
            })
            .collect();
        let report = pool.stop(any_plan());
        for producer in producers {
            producer.join().unwrap();
        }
        settle(pool, report, &count);
    });
}

#[test]
fn a_push_that_comes_late_is_refused_or_sealed_in_never_both() {
    check(|| {
        let (pool, count) = (pool(1, 2), Count::new());
        let producers: Vec<_> = (0..2)
            .map(|_| {
                let (submitter, count) = (pool.submitter(), count.clone());
                thread::spawn(move || {
                    count.submit(|captured| submitter.try_execute(move || captured.begin()));
                })
            })
            .collect();
        let report = pool.stop(StopPlan::drain(Duration::ZERO));
        for producer in producers {
            producer.join().unwrap();
        }
        settle(pool, report, &count);
    });
}

#[test]
fn two_stops_with_different_plans_are_one_stop_with_one_report() {
    check(|| {
        let (pool, count) = (pool(2, 1), Count::new());
        let (submitter, counter) = (pool.submitter(), count.clone());
        let producer = thread::spawn(move || produce(&submitter, &counter));
        let other = pool.stop_handle();
        let other = thread::spawn(move || other.stop(any_plan()));
        let report = pool.stop(any_plan());
        let same = other.join().unwrap();
        producer.join().unwrap();
        let of = |report: &StopReport| {
            (
                report.accepted(),
                report.completed(),
                report.unstarted().to_vec(),
                report.abandoned().len(),
            )
        };
        assert_eq!(of(&report), of(&same));
        drop(same);
        settle(pool, report, &count);
    });
}

#[test]
fn a_stop_that_was_requested_is_driven_to_its_report() {
    check(|| {
        let (pool, count) = (pool(1, 1), Count::new());
        let (submitter, counter) = (pool.submitter(), count.clone());
        let producer = thread::spawn(move || produce(&submitter, &counter));
        let handle = pool.stop_handle();
        handle.request_stop(any_plan());
        pool.wait_idle();
        producer.join().unwrap();
        let report = pool.stop(SECOND);
        assert_eq!(handle.phase(), PoolPhase::Done);
        settle(pool, report, &count);
    });
}

#[test]
fn a_stop_from_inside_a_task_reports_that_task_as_stopping() {
    check(|| {
        let (pool, count) = (pool(chance::one_of(&[1, 2]), 2), Count::new());
        let stop = pool.stop_handle();
        let handle = count.submit(|captured| {
            pool.submit(move || {
                captured.begin();
                stop.stop(any_plan())
            })
        });
        let (submitter, counter) = (pool.submitter(), count.clone());
        let producer = thread::spawn(move || produce(&submitter, &counter));
        let report = handle.unwrap().join().unwrap();
        producer.join().unwrap();
        assert_eq!(report.stopping_tasks().len(), 1);
        settle(pool, report, &count);
    });
}

#[test]
fn two_tasks_that_stop_their_pool_and_a_stop_outside_all_return() {
    check(|| {
        let (pool, count) = (pool(2, 2), Count::new());
        let stops: Vec<_> = (0..2)
            .filter_map(|_| {
                let stop = pool.stop_handle();
                count.submit(|captured| {
                    pool.submit(move || {
                        captured.begin();
                        drop(stop.stop(any_plan()));
                    })
                })
            })
            .collect();
        let report = pool.stop(FOREVER);
        for stop in stops {
            let _ = stop.join(); // it may be unstarted, or a caller that ends late
        }
        settle(pool, report, &count);
    });
}

#[test]
fn a_pool_dropped_by_its_own_task_drains() {
    check(|| {
        let (pool, count) = (pool(chance::one_of(&[1, 2]), 2), Count::new());
        let (give, take) = channel::bounded::<Pool>(1);
        let handle = count.submit(|captured| {
            pool.submit(move || {
                captured.begin();
                drop(take.recv());
            })
        });
        count.submit(|captured| pool.execute(move || captured.begin()));
        give.try_send(pool).map_err(|_| "full").unwrap();
        handle.unwrap().join().unwrap();
        drop(give);
        // The checker waits for the workers, and so for what they drain.
    });
}

#[test]
fn a_pool_dropped_outside_leaves_nothing_that_a_task_captured() {
    check(|| {
        let builder = builder(1, 2);
        let (pool, count) = (builder.drop_plan(any_end()).build().unwrap(), Count::new());
        for _ in 0..2 {
            count.submit(|captured| pool.execute(move || captured.begin()));
        }
        let alive = pool.submitter();
        drop(pool);
        assert!(alive.execute(|| ()).unwrap_err().is_closed());
    });
}

fn any_end() -> StopPlan {
    chance::one_of(&[
        StopPlan::drain(Duration::ZERO),
        StopPlan::drain(SECOND),
        StopPlan::cancel(SECOND),
    ])
}

#[test]
fn a_task_that_waits_on_its_token_is_woken_by_the_stop() {
    check(|| {
        let (pool, count) = (pool(2, 2), Count::new());
        for _ in 0..2 {
            count.submit(|captured| {
                pool.execute_with(move |ctx| {
                    captured.begin();
                    ctx.token().wait();
                })
            });
        }
        let plan = chance::one_of(&[StopPlan::cancel(FOREVER), StopPlan::cancel(SECOND)]);
        let report = pool.stop(plan);
        settle(pool, report, &count);
    });
}

#[test]
fn a_sleep_in_a_task_ends_by_itself_by_its_handle_or_by_the_stop() {
    check(|| {
        let (pool, count) = (pool(1, 1), Count::new());
        let handle = count
            .submit(|captured| {
                pool.submit_with(move |ctx| {
                    captured.begin();
                    ctx.sleep(SECOND)
                })
            })
            .unwrap();
        let canceller = thread::spawn(move || {
            handle.cancel();
            outcome(&handle.join())
        });
        let report = pool.stop(any_plan());
        canceller.join().unwrap();
        settle(pool, report, &count);
    });
}

#[test]
fn a_submitter_at_the_gate_is_let_go_by_a_stop_from_another_thread() {
    check(|| {
        let (pool, count) = (pool(1, 1), Count::new());
        let (open, gate) = channel::bounded::<()>(0);
        count.submit(|captured| {
            pool.execute(move || {
                captured.begin();
                let _ = gate.recv();
            })
        });
        let producers: Vec<_> = (0..3)
            .map(|_| {
                let (submitter, count) = (pool.submitter(), count.clone());
                thread::spawn(move || {
                    count.submit(|captured| submitter.execute(move || captured.begin()));
                })
            })
            .collect();
        let report = pool.stop(StopPlan::drain(Duration::ZERO));
        for producer in producers {
            producer.join().unwrap();
        }
        drop(open);
        settle(pool, report, &count);
    });
}

#[test]
fn a_task_that_comes_due_while_the_pool_closes_is_run_or_refused() {
    // The moment is a short one.
    check_often(4, || {
        let pool = pool(1, 1);
        let submitter = pool.submitter();
        let pusher = thread::spawn(move || {
            let queue = &submitter.pool_ref().core;
            let tick = due_task(
                queue,
                "tick".into(),
                Location::caller(),
                None,
                Parent::default(),
                |_| (),
            );
            queue.push_due(tick).is_ok()
        });
        let report = pool.stop(StopPlan::drain(FOREVER));
        let accepted = pusher.join().unwrap();
        assert_eq!(report.completed(), u64::from(accepted), "{report}");
        assert!(report.is_clean(), "{report}");
    });
}
