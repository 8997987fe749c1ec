//! Limits for the time of a task, and a new worker in the place of a stuck one.

use super::{Count, FOREVER, SECOND, builder, chance, check};
use crate::sync::model::thread;
use crate::sync::{Arc, Relaxed, StaticU64};
use crate::{Pool, StopPlan};
use std::time::Duration;

/// How many tasks were, in all schedules.
static OVERRUN: StaticU64 = StaticU64::new(0);

/// A pool of one worker, in whose place another one may come.
fn replacing() -> Pool {
    builder(1, 2).max_replacements(1).build().unwrap()
}

/// A task that is overrun if the scheduler says so before it ends.
fn limited(pool: &Pool, count: &Arc<Count>) {
    count.submit(|captured| {
        let task = pool.task("limited").time_limit(Duration::ZERO);
        let steps = chance::one_of(&[0, 5, 10, 20]);
        task.execute(move || {
            captured.begin();
            (0..steps).for_each(|_| thread::yield_now());
        })
    });
}

#[test]
fn a_worker_that_is_replaced_as_its_task_ends_leaves_no_task_behind() {
    check(|| {
        let (pool, count) = (replacing(), Count::new());
        limited(&pool, &count);
        for n in 0..2 {
            let next = count.submit(|captured| {
                pool.submit(move || {
                    captured.begin();
                    n
                })
            });
            assert_eq!(next.unwrap().join().unwrap(), n);
        }
        pool.wait_idle();
        let report = pool.stop(FOREVER);
        assert!(report.is_clean(), "{report}");
        OVERRUN.fetch_add(report.overrun(), Relaxed);
        count.agrees_with(&report);
        drop(report);
        drop(pool);
        count.nothing_is_left();
    });
    assert!(OVERRUN.load(Relaxed) > 0, "there was nothing to replace");
}

#[test]
fn a_replacement_and_a_stop_agree_on_who_works() {
    check(|| {
        let (pool, count) = (replacing(), Count::new());
        limited(&pool, &count);
        let _ = count.submit(|captured| pool.execute(move || captured.begin()));
        let stop = pool.stop_handle();
        let other = thread::spawn(move || match chance::one_of(&[true, false]) {
            true => stop.close(),
            false => stop.request_stop(StopPlan::finish_running(SECOND)),
        });
        let plan = chance::one_of(&[
            StopPlan::drain(Duration::ZERO),
            StopPlan::drain(SECOND),
            StopPlan::drain(FOREVER),
            StopPlan::cancel(SECOND),
        ]);
        let report = pool.stop(plan);
        other.join().unwrap();
        report.wait_for_abandoned(FOREVER);
        count.agrees_with(&report);
        report.drop_unstarted();
        drop(report);
        drop(pool);
        count.nothing_is_left();
    });
}
