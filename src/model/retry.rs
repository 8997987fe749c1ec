//! Tasks that are tried again: the timer, a worker, a join, a cancel and a stop.

use super::{FOREVER, SECOND, any_plan, chance, check, outcome, pool};
use crate::stop::StopReport;
use crate::sync::model::thread;
use crate::sync::{Arc, AtomicU64, SeqCst};
use crate::{Retry, StopPlan, Submitter, TaskError, TaskHandle};
use std::time::Duration;

type Retried = TaskHandle<Result<u32, crate::retry::RetryError<Fault>>>;

#[derive(Debug)]
struct Fault;

/// A task that fails in all attempts but that of this number, and counts them.
fn send(submitter: &Submitter, last: u32, made: &Arc<AtomicU64>) -> Option<Retried> {
    let made = made.clone();
    let delay = chance::one_of(&[Duration::ZERO, SECOND]);
    let task = submitter.task("send").retry(Retry::fixed(delay));
    let handle = task.submit(move |attempt| {
        made.fetch_add(1, SeqCst);
        match attempt == last {
            true => Ok(attempt),
            false => Err(Fault),
        }
    });
    handle.ok()
}

/// Each accepted task has ended once.
fn check_sum(report: &StopReport, accepted: u64) {
    let left = report.unstarted().len() + report.abandoned().len() + report.stopping_tasks().len();
    let ended = report.completed() + report.panicked() + report.cancelled() + report.expired();
    assert_eq!(report.accepted(), accepted, "{report}");
    assert_eq!(ended + left as u64, accepted, "{report}");
}

/// What its handle says is what the report says.
fn check_alone(report: &StopReport, outcome: &str, made: u64) {
    let counts = (
        report.completed(),
        report.cancelled(),
        report.unstarted().len(),
        report.abandoned().len(),
    );
    let expected = match outcome {
        "completed" => (1, 0, 0, 0),
        "cancelled" => (0, 1, 0, 0),
        "unstarted" => (0, 0, 1, 0),
        "abandoned" => (0, 0, 0, 1),
        _ => panic!("{outcome}"),
    };
    assert_eq!(counts, expected, "{outcome}: {report}");
    for info in report.unstarted() {
        // One that was cut short does not count.
        let attempts = u64::from(info.attempts());
        assert!(attempts == made || attempts + 1 == made, "{made}: {report}");
    }
}

#[test]
fn attempts_come_one_after_the_other_until_one_succeeds() {
    check(|| {
        let (pool, made) = (pool(2, 1), Arc::default());
        let handle = send(&pool.submitter(), 3, &made).unwrap();
        pool.wait_idle();
        assert!(handle.is_finished());
        assert_eq!(handle.join().unwrap().unwrap(), 3);
        assert_eq!(made.load(SeqCst), 3);
        let report = pool.stop(FOREVER);
        assert!(report.is_clean());
        check_sum(&report, 1);
    });
}

#[test]
fn a_stop_and_an_attempt_that_fails_waits_or_comes_due_agree_on_how_the_task_ends() {
    check(|| {
        let (pool, made) = (pool(1, 1), Arc::default());
        let handle = send(&pool.submitter(), 3, &made).unwrap();
        let joiner = thread::spawn(move || outcome(&handle.join()));
        let stop = pool.stop_handle();
        let closer = thread::spawn(move || match chance::one_of(&[true, false]) {
            true => stop.close(),
            false => stop.request_stop(StopPlan::finish_running(SECOND)),
        });
        let report = pool.stop(any_plan());
        check_sum(&report, 1);
        closer.join().unwrap();
        let outcome = joiner.join().unwrap();
        report.wait_for_abandoned(FOREVER);
        check_alone(&report, outcome, made.load(SeqCst));
        assert_eq!((pool.stats().waiting(), pool.stats().due()), (0, 0));
    });
}

#[test]
fn a_cancel_that_races_the_timer_and_a_stop_is_counted_once() {
    check(|| {
        let (pool, made) = (pool(1, 1), Arc::default());
        let handle = send(&pool.submitter(), u32::MAX, &made).unwrap();
        let canceller = thread::spawn(move || (handle.cancel(), handle.join()));
        let report = pool.stop(any_plan());
        check_sum(&report, 1);
        let (cancelled, joined) = canceller.join().unwrap();
        report.wait_for_abandoned(FOREVER);
        assert_eq!(cancelled, matches!(joined, Err(TaskError::Cancelled)));
        check_alone(&report, outcome(&joined), made.load(SeqCst));
    });
}

#[test]
fn joins_by_workers_claim_what_is_due_and_leave_the_books_right() {
    check(|| {
        let pool = pool(chance::one_of(&[1, 2]), 1);
        let (submitter, made) = (pool.submitter(), Arc::<AtomicU64>::default());
        let attempts = made.clone();
        let outer = pool.submit(move || {
            let handles: Vec<_> = (1..=2)
                .map(|last| send(&submitter, last, &attempts).unwrap())
                .collect();
            let sum: u32 = handles
                .into_iter()
                .map(|it| it.join().unwrap().unwrap())
                .sum();
            sum
        });
        assert_eq!(outer.unwrap().join().unwrap(), 3);
        pool.wait_idle();
        assert_eq!(made.load(SeqCst), 3);
        let report = pool.stop(FOREVER);
        assert!(report.is_clean(), "{report}");
        check_sum(&report, 3);
    });
}

#[test]
fn a_join_by_a_worker_the_timer_a_cancel_and_a_stop_leave_the_books_right() {
    check(|| {
        let (pool, made) = (
            pool(chance::one_of(&[1, 2]), 1),
            Arc::<AtomicU64>::default(),
        );
        let accepted = Arc::<AtomicU64>::default();
        let (submitter, attempts, more) = (pool.submitter(), made.clone(), accepted.clone());
        let outer = pool.submit(move || {
            let Some(handle) = send(&submitter, 2, &attempts) else {
                return;
            };
            more.fetch_add(1, SeqCst);
            match chance::one_of(&[true, false]) {
                true => drop(handle.join()),
                false => drop(handle.cancel()),
            }
        });
        let report = pool.stop(any_plan());
        report.wait_for_abandoned(FOREVER);
        drop(outer);
        check_sum(&report, 1 + accepted.load(SeqCst));
        // What is left goes on where it is run.
        for task in report.take_unstarted() {
            task.run();
        }
    });
}

#[test]
fn one_that_a_stop_took_out_goes_on_in_another_pool() {
    check(|| {
        let (old, new) = (pool(1, 1), pool(1, 1));
        let made = Arc::default();
        let handle = send(&old.submitter(), 3, &made).unwrap();
        let report = old.stop(StopPlan::drain(FOREVER));
        check_sum(&report, 1);
        for task in report.take_unstarted() {
            new.resubmit(task).unwrap();
        }
        new.wait_idle();
        assert_eq!(handle.join().unwrap().unwrap(), 3);
        let again = new.stop(FOREVER);
        assert_eq!(report.completed() + again.completed(), 1, "{again}");
        assert_eq!(made.load(SeqCst), 3);
    });
}
