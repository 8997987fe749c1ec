//! A stop and tasks that are tried again: contracts 1, 2 and 8.

use crate::common::retry::{at_once, check_sum, hourly, wait_for_waiting, wait_until, waiting};
use crate::common::{Gate, LONG, within};
use groundcrew::channel::{Receiver, Sender, bounded};
use groundcrew::retry::Verdict;
use groundcrew::{Pool, Retry, StopPlan, StopReport, TaskError};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

const MILLI: Duration = Duration::from_millis(1);

fn plans() -> [StopPlan; 5] {
    [
        StopPlan::drain(LONG),
        StopPlan::finish_running(LONG),
        StopPlan::cancel(LONG),
        StopPlan::drain(Duration::ZERO),
        StopPlan::drain(Duration::MAX),
    ]
}

#[test]
fn a_stop_ends_the_waiting_at_once_whatever_its_plan_is() {
    for plan in plans() {
        within(LONG, "a stop", || {
            let pool = Pool::new(1).unwrap();
            let handle = waiting(&pool);
            let joiner = thread::spawn(move || {
                let joined = handle.wait_timeout(Duration::MAX);
                (joined, handle)
            });
            let report = pool.stop(plan);
            check_sum(&report);
            assert!(!report.is_clean());
            let unstarted = report.unstarted();
            assert_eq!((unstarted.len(), report.accepted()), (1, 1), "{report}");
            assert_eq!((unstarted[0].name(), unstarted[0].attempts()), ("waits", 1));
            assert!(report.to_string().contains("1 attempt failed"), "{report}");
            let (ended, handle) = joiner.join().unwrap();
            assert!(ended && handle.is_finished());
            report.take_unstarted().remove(0).run();
            assert_eq!(handle.join().unwrap().unwrap(), 2);
        });
    }
}

#[test]
fn a_report_lists_what_waited_in_the_order_in_which_it_was_submitted() {
    within(LONG, "a stop of many", || {
        let pool = Pool::new(2).unwrap();
        let names: Vec<String> = (1..=50).map(|number| format!("mail {number}")).collect();
        for name in &names {
            let task = pool.task(name.as_str()).retry(hourly());
            task.execute(|_| Err::<(), _>("no connection")).unwrap();
        }
        wait_for_waiting(&pool, names.len());
        let report = pool.stop(LONG);
        let listed = report.unstarted().iter().map(|task| task.name());
        assert_eq!(listed.collect::<Vec<_>>(), names);
    });
}

#[test]
fn a_close_ends_the_waiting_before_any_report_is_made() {
    within(LONG, "a join at the close", || {
        let pool = Pool::new(1).unwrap();
        let gate = Gate::new();
        let handle = waiting(&pool);
        drop(crate::common::occupy(&pool, &gate));
        pool.stop_handle().close();
        assert!(matches!(handle.join(), Err(TaskError::Unstarted)));
        let stats = pool.stats();
        assert_eq!(
            (stats.waiting(), stats.unstarted(), stats.accepted()),
            (0, 1, 2)
        );
        gate.open();
        pool.wait_idle();
        let report = pool.stop(LONG);
        check_sum(&report);
        assert_eq!(
            (report.unstarted().len(), report.completed()),
            (1, 1),
            "{report}"
        );
        assert_eq!(pool.stats().unstarted(), 1);
        assert_eq!(pool.stats().accepted(), 2);
    });
}

/// A task whose attempt runs until it hears from outside, and then fails.
struct Failing {
    pool: Pool,
    fail: Sender<()>,
    handle: crate::common::retry::Retried<u32>,
}

fn failing(retry: Retry) -> Failing {
    let pool = Pool::new(1).unwrap();
    let (tell, told) = bounded(1);
    let (fail, hear) = bounded::<()>(1);
    let handle = pool.task("send").retry(retry).submit(move |attempt| {
        let _ = tell.try_send(());
        match hear.recv() {
            Ok(()) => Err("no connection".to_owned()),
            Err(_) => Ok(attempt), // the test has let go of it
        }
    });
    told.recv().unwrap();
    Failing {
        pool,
        fail,
        handle: handle.unwrap(),
    }
}

#[test]
fn an_attempt_that_fails_after_the_close_counts_and_is_the_last_one() {
    for plan in [
        StopPlan::drain(LONG),
        StopPlan::finish_running(LONG),
        StopPlan::drain(Duration::MAX),
    ] {
        within(LONG, "a stop", || {
            let Failing { pool, fail, handle } = failing(at_once());
            pool.stop_handle().request_stop(plan);
            wait_until("the pool is closed", || pool.execute(|| ()).is_err());
            fail.send(()).unwrap();
            let report = pool.stop(plan);
            check_sum(&report);
            assert_eq!(report.unstarted().len(), 1, "{report}");
            assert_eq!(report.unstarted()[0].attempts(), 1, "{report}");
            assert!(matches!(&handle.try_join(), Ok(Err(TaskError::Unstarted))));
            let tasks = report.take_unstarted();
            assert_eq!(tasks.len(), 1);
        });
    }
}

#[test]
fn one_that_fails_while_a_stop_waits_for_it_is_unstarted_as_soon_as_it_does() {
    within(LONG, "a join beside a stop", || {
        let pool = Pool::new(2).unwrap();
        let gate = Gate::new();
        drop(crate::common::occupy(&pool, &gate));
        let (fail, hear) = bounded::<()>(0);
        let task = pool.task("send").retry(at_once());
        let handle = task.submit(move |_| {
            let _ = hear.recv();
            Err::<(), _>("no connection")
        });
        let handle = handle.unwrap();
        wait_until("both run", || pool.running().len() == 2);
        pool.stop_handle()
            .request_stop(StopPlan::finish_running(LONG));
        wait_until("the pool is closed", || pool.execute(|| ()).is_err());
        drop(fail);
        // The other one still runs, and the report is not made.
        assert!(matches!(handle.join(), Err(TaskError::Unstarted)));
        gate.open();
        let report = pool.stop(LONG);
        check_sum(&report);
        assert_eq!(report.unstarted().len(), 1, "{report}");
        assert_eq!(report.take_unstarted().len(), 1);
    });
}

/// A pool whose only task hears its token in the attempt of that number, and fails then.
fn cut_short_in(retry: Retry, number: u32) -> (Pool, crate::common::retry::Retried<u32>) {
    let pool = Pool::new(1).unwrap();
    let (tell, told) = bounded(1);
    let task = pool.task("send").retry(retry);
    let handle = task.submit_with(move |ctx, attempt| {
        if attempt == number {
            // It may come here once more, when it is run by hand.
            let is_first = tell.try_send(()).is_ok();
            match is_first {
                true => ctx.token().wait(),
                false => return Ok(attempt),
            }
        }
        Err("cut short".to_owned())
    });
    told.recv().unwrap();
    (pool, handle.unwrap())
}

#[test]
fn an_attempt_that_is_cut_short_by_the_stop_does_not_count() {
    for number in [1, 3] {
        within(LONG, "a stop that cuts short", || {
            let (pool, handle) = cut_short_in(at_once().attempts(9), number);
            let report = pool.stop(StopPlan::cancel(LONG));
            check_sum(&report);
            assert_eq!(report.unstarted().len(), 1, "{report}");
            assert_eq!(report.unstarted()[0].attempts(), number - 1, "{report}");
            // Its number is given once more.
            let tasks = report.take_unstarted();
            assert_eq!(tasks.len(), 1);
            tasks.into_iter().for_each(|task| task.run());
            assert_eq!(handle.join().unwrap().unwrap(), number);
        });
    }
}

#[test]
fn one_that_is_cut_short_in_its_last_attempt_has_that_one_left() {
    within(LONG, "a stop that cuts short", || {
        let (pool, handle) = cut_short_in(at_once().attempts(2), 2);
        let report = pool.stop(StopPlan::cancel(LONG));
        check_sum(&report);
        assert_eq!(report.unstarted().len(), 1, "{report}");
        assert_eq!(report.unstarted()[0].attempts(), 1, "{report}");
        report.take_unstarted().remove(0).run();
        assert_eq!(handle.join().unwrap().unwrap(), 2);
    });
}

#[test]
fn an_error_that_is_not_worth_another_attempt_ends_the_task_also_when_it_is_cut_short() {
    within(LONG, "a stop that cuts short", || {
        let pool = Pool::new(1).unwrap();
        let (tell, told) = bounded(1);
        let never = at_once().on_error(|_: &&str| Verdict::GiveUp);
        let task = pool.task("send").retry(never);
        let handle = task.submit_with(move |ctx, _| {
            tell.send(()).unwrap();
            ctx.token().wait();
            Err::<(), _>("not found")
        });
        told.recv().unwrap();
        let report = pool.stop(StopPlan::cancel(LONG));
        assert_eq!((report.completed(), report.accepted()), (1, 1), "{report}");
        assert_eq!(
            handle.unwrap().join().unwrap().unwrap_err().into_error(),
            "not found"
        );
    });
}

#[test]
fn one_that_is_cancelled_and_cut_short_fails_with_that_attempt() {
    within(LONG, "a stop that cuts short", || {
        let pool = Pool::new(1).unwrap();
        let (tell, told) = bounded(1);
        let task = pool.task("send").retry(at_once());
        let gate = Gate::new();
        let entrance = gate.entrance();
        let handle = task.submit_with(move |ctx, _| {
            tell.send(()).unwrap();
            ctx.token().wait();
            entrance.pass();
            Err::<(), _>("cut short")
        });
        let handle = handle.unwrap();
        told.recv().unwrap();
        assert!(!handle.cancel());
        pool.stop_handle().request_stop(StopPlan::cancel(LONG));
        wait_until("it is cancelled", || {
            pool.stop_handle().token().is_cancelled()
        });
        gate.open();
        let report = pool.stop(LONG);
        check_sum(&report);
        let error = handle.join().unwrap().unwrap_err();
        assert_eq!((error.attempts(), error.history().len()), (1, 1));
        assert_eq!(*error.error(), "cut short");
    });
}

#[test]
fn one_that_fails_after_it_was_reported_stays_abandoned() {
    let Failing { pool, fail, handle } = failing(at_once());
    let report = pool.stop(StopPlan::cancel(Duration::ZERO));
    check_sum(&report);
    assert_eq!(report.abandoned().len(), 1, "{report}");
    fail.send(()).unwrap();
    assert_eq!(report.wait_for_abandoned(LONG), 0);
    assert!(matches!(handle.join(), Err(TaskError::Abandoned)));
    wait_until("it is counted", || pool.stats().ended_late() == 1);
    assert_eq!(pool.stats().waiting(), 0);
    assert!(report.take_unstarted().is_empty());
}

#[test]
fn one_that_stops_its_own_pool_fails_for_good_and_its_handle_hears_why() {
    for plan in [Duration::ZERO, LONG] {
        within(LONG, "a stop from inside an attempt", || {
            let pool = Pool::new(1).unwrap();
            let stop = pool.stop_handle();
            let report: Arc<OnceLock<StopReport>> = Arc::default();
            let own = report.clone();
            let task = pool.task("stops").retry(at_once());
            let handle = task.submit(move |_| {
                own.set(stop.stop(plan)).unwrap();
                Err::<(), _>("no connection")
            });
            let error = handle.unwrap().join().unwrap().unwrap_err();
            assert_eq!(*error.error(), "no connection");
            assert_eq!((error.attempts(), error.history().len()), (1, 1));
            assert_eq!(error.gave_up(), groundcrew::retry::GiveUpReason::Stopped);
            let report = report.get().unwrap();
            check_sum(report);
            assert_eq!(report.stopping_tasks().len(), 1, "{report}");
            wait_until("it is counted", || pool.stats().ended_late() == 1);
        });
    }
}

#[test]
fn what_waited_goes_on_in_another_pool() {
    let (old, new) = (Pool::new(1).unwrap(), Pool::new(1).unwrap());
    let attempts = Arc::new(AtomicU32::new(0));
    let count = attempts.clone();
    let task = old.task("send").retry(Retry::custom(|failed| match failed {
        1 => crate::common::retry::HOUR,
        _ => MILLI,
    }));
    let handle = task.submit(move |attempt| {
        assert_eq!(count.fetch_add(1, SeqCst) + 1, attempt);
        match attempt {
            5 => Ok(attempt),
            _ => Err("no connection"),
        }
    });
    let handle = handle.unwrap();
    wait_for_waiting(&old, 1);
    let report = old.stop(LONG);
    for task in report.take_unstarted() {
        assert_eq!(task.info().attempts(), 1);
        new.resubmit(task).unwrap();
    }
    assert_eq!(handle.join().unwrap().unwrap(), 5);
    new.wait_idle();
    assert_eq!((old.stats().accepted(), old.stats().unstarted()), (1, 1));
    let report = new.stop(LONG);
    assert_eq!((report.accepted(), report.completed()), (1, 1), "{report}");
}

#[test]
fn one_that_is_run_by_hand_waits_between_its_attempts_and_can_be_cancelled_there() {
    within(LONG, "a run by hand", || {
        let pool = Pool::new(1).unwrap();
        let (tell, told) = bounded(1);
        let task = pool.task("send").retry(hourly());
        let handle = task.submit_with(move |ctx, attempt| {
            assert_eq!(ctx.info().attempts(), attempt);
            let _ = tell.send(attempt);
            Err::<(), _>("no connection")
        });
        let handle = handle.unwrap();
        assert_eq!(told.recv(), Ok(1));
        wait_for_waiting(&pool, 1);
        let report = pool.stop(LONG);
        let task = report.take_unstarted().remove(0);
        let running = thread::spawn(move || task.run());
        assert_eq!(told.recv(), Ok(2));
        assert!(!handle.wait_timeout(MILLI));
        assert!(!handle.cancel());
        running.join().unwrap();
        let error = handle.join().unwrap().unwrap_err();
        assert_eq!(error.attempts(), 2);
        assert_eq!(error.gave_up(), groundcrew::retry::GiveUpReason::Cancelled);
    });
}

#[test]
fn the_attempts_of_one_that_is_run_by_hand_know_their_number() {
    let pool = Pool::new(1).unwrap();
    let (fail, hear): (Sender<()>, Receiver<()>) = bounded(0);
    let task = pool.task("send").retry(at_once());
    let handle = task.submit_with(move |ctx, attempt| {
        assert_eq!(ctx.info().attempts(), attempt);
        let _ = hear.recv();
        match attempt {
            4 => Ok(attempt),
            _ => Err("no connection"),
        }
    });
    pool.stop_handle().close();
    drop(fail);
    let report = pool.stop(LONG);
    report.take_unstarted().remove(0).run();
    assert_eq!(handle.unwrap().join().unwrap().unwrap(), 4);
}

#[test]
fn one_that_is_dropped_unstarted_drops_what_it_captured_and_its_errors() {
    let pool = Pool::new(1).unwrap();
    let captured = Arc::new(());
    let own = captured.clone();
    let task = pool.task("send").retry(hourly());
    let handle = task.submit(move |_| Err::<(), _>((own.clone(), crate::common::Bomb)));
    let handle = handle.unwrap();
    wait_for_waiting(&pool, 1);
    let report = pool.stop(LONG);
    report.drop_unstarted();
    assert_eq!(Arc::strong_count(&captured), 1);
    assert!(matches!(handle.join(), Err(TaskError::Unstarted)));
}

#[test]
fn a_dropped_pool_ends_the_waiting_too() {
    within(LONG, "a drop", || {
        let pool = crate::common::hasty().build().unwrap();
        let handle = waiting(&pool);
        drop(pool);
        assert!(matches!(handle.join(), Err(TaskError::Unstarted)));
    });
}
