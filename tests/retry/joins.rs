//! Joins of tasks that are tried again, from tasks of their own pool: contract 4.

use crate::common::retry::{at_once, check_sum, hourly, wait_until};
use crate::common::{Gate, LONG, within};
use groundcrew::channel::bounded;
use groundcrew::{Pool, Retry, Submitter, TaskError};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

const MILLI: Duration = Duration::from_millis(1);

/// Submits a task that succeeds in its attempt of that number, and joins it.
fn send(submitter: &Submitter, retry: Retry, last: u32) -> u32 {
    let task = submitter.task("send").retry(retry);
    let handle = task.submit(move |attempt| match attempt == last {
        true => Ok(attempt),
        false => Err("no connection"),
    });
    handle.unwrap().join().unwrap().unwrap()
}

#[test]
fn a_join_by_the_only_worker_runs_the_attempts_itself() {
    within(LONG, "a join by the only worker", || {
        let pool = Pool::builder()
            .threads(1)
            .queue_capacity(1)
            .build()
            .unwrap();
        let handle = pool.submit_with(|ctx| {
            let submitter = ctx.submitter();
            let worker = thread::current().id();
            let task = submitter.task("send").retry(Retry::fixed(MILLI));
            let own = task.submit(move |attempt| {
                assert_eq!(thread::current().id(), worker);
                match attempt {
                    5 => Ok(()),
                    _ => Err("no connection"),
                }
            });
            own.unwrap().join().unwrap().unwrap();
            send(&submitter, at_once(), 300)
        });
        assert_eq!(handle.unwrap().join().unwrap(), 300);
        pool.wait_idle();
        assert_eq!((pool.stats().due(), pool.stats().waiting()), (0, 0));
        let report = pool.stop(LONG);
        assert!(report.is_clean());
        assert_eq!((report.accepted(), report.completed()), (3, 3), "{report}");
    });
}

#[test]
fn what_a_join_runs_leaves_nothing_among_those_that_are_due() {
    within(LONG, "joins by the only worker", || {
        let pool = Pool::new(1).unwrap();
        let handle = pool.submit_with(|ctx| {
            let submitter = ctx.submitter();
            send(&submitter, at_once(), 1_000);
            submitter
        });
        let submitter = handle.unwrap().join().unwrap();
        drop(submitter);
        let (tell, told) = bounded(1);
        let gate = Gate::new();
        let entrance = gate.entrance();
        let outer = pool.submit_with(move |ctx| {
            let task = ctx.submitter();
            let handle = task.task("send").retry(at_once()).submit(move |attempt| {
                if attempt == 100 {
                    tell.send(()).unwrap();
                    entrance.pass();
                    return Ok(());
                }
                Err("no connection")
            });
            handle.unwrap().join().unwrap().unwrap();
        });
        told.recv().unwrap();
        assert_eq!(pool.stats().due(), 0);
        assert_eq!(pool.stats().accepted(), 4);
        gate.open();
        outer.unwrap().join().unwrap();
    });
}

#[test]
fn every_worker_may_join_at_once() {
    within(LONG, "joins by all workers", || {
        for threads in [1, 2, 3] {
            let pool = Pool::builder()
                .threads(threads)
                .queue_capacity(2)
                .build()
                .unwrap();
            let handles: Vec<_> = (1..=20)
                .map(|last| {
                    let outer = pool.submit_with(move |ctx| {
                        let delay = MILLI * (last % 3);
                        send(&ctx.submitter(), Retry::fixed(delay), last)
                    });
                    outer.unwrap()
                })
                .collect();
            let sum: u32 = handles.into_iter().map(|it| it.join().unwrap()).sum();
            assert_eq!(sum, 210);
            pool.wait_idle();
            let report = pool.stop(LONG);
            assert!(report.is_clean());
            assert_eq!(
                (report.accepted(), report.completed()),
                (40, 40),
                "{report}"
            );
        }
    });
}

#[test]
fn a_join_while_another_worker_runs_an_attempt_claims_the_next_one() {
    within(LONG, "a join beside an attempt", || {
        let pool = Pool::new(2).unwrap();
        let gate = Gate::new();
        let (tell, told) = bounded(1);
        let entrance = gate.entrance();
        let threads = Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = threads.clone();
        let task = pool.task("send").retry(at_once());
        let handle = task.submit(move |attempt| {
            seen.lock().unwrap().push(thread::current().id());
            match attempt {
                1 => {
                    tell.send(()).unwrap();
                    entrance.pass();
                    Err("no connection")
                }
                _ => Ok(()),
            }
        });
        told.recv().unwrap();
        let joiner = pool.submit(move || {
            let own = thread::current().id();
            (handle.unwrap().join().unwrap(), own)
        });
        wait_until("both run", || pool.running().len() == 2);
        // From here on there is nobody but the joiner.
        let other = Gate::new();
        let entrance = other.entrance();
        pool.execute(move || entrance.pass()).unwrap();
        gate.open();
        let (sent, own) = joiner.unwrap().join().unwrap();
        sent.unwrap();
        let threads = threads.lock().unwrap();
        assert_ne!(threads[0], own);
        other.open();
        let report = pool.stop(LONG);
        check_sum(&report);
        assert_eq!((report.accepted(), report.completed()), (3, 3), "{report}");
    });
}

#[test]
fn a_join_by_a_worker_of_another_pool_runs_no_attempt() {
    within(LONG, "a join by another pool", || {
        let (pool, other) = (Pool::new(1).unwrap(), Pool::new(1).unwrap());
        let runners = Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = runners.clone();
        let handle = pool.task("send").retry(at_once()).submit(move |attempt| {
            let name = thread::current().id();
            seen.lock().unwrap().push(name);
            match attempt {
                9 => Ok(()),
                _ => Err("no connection"),
            }
        });
        let joiner = other.submit(move || {
            handle.unwrap().join().unwrap().unwrap();
            thread::current().id()
        });
        let joiner = joiner.unwrap().join().unwrap();
        assert!(!runners.lock().unwrap().contains(&joiner));
    });
}

#[test]
fn what_a_join_claimed_first_and_then_failed_is_in_the_books_once() {
    within(LONG, "a claim and a pop", || {
        let pool = Pool::builder()
            .threads(1)
            .queue_capacity(8)
            .build()
            .unwrap();
        let made = Arc::new(AtomicUsize::new(0));
        let count = made.clone();
        let outer = pool.submit_with(move |ctx| {
            let submitter = ctx.submitter();
            // Those between keep the claimed one's first entry in the queue.
            (0..3).for_each(|_| submitter.execute(|| ()).unwrap());
            let task = submitter.task("send").retry(Retry::fixed(MILLI));
            let handle = task.submit(move |_| match count.fetch_add(1, SeqCst) {
                0..=4 => Err("no connection"),
                _ => Ok(()),
            });
            handle.unwrap().join().unwrap().unwrap();
        });
        outer.unwrap().join().unwrap();
        pool.wait_idle();
        assert_eq!(made.load(SeqCst), 6);
        let stats = pool.stats();
        assert_eq!((stats.accepted(), stats.completed()), (5, 5), "{stats}");
        let report = pool.stop(LONG);
        assert_eq!((report.accepted(), report.completed()), (5, 5), "{report}");
        assert!(report.is_clean());
    });
}

#[test]
fn a_join_by_the_only_worker_ends_with_the_stop() {
    for plan in [Duration::ZERO, LONG] {
        within(LONG, "a stop beside a join", || {
            let pool = Pool::new(1).unwrap();
            let (tell, told) = bounded(1);
            let outer = pool.submit_with(move |ctx| {
                let task = ctx.submitter();
                let waits = task.task("send").retry(hourly());
                let handle = waits.submit(|_| Err::<(), _>("no connection")).unwrap();
                tell.send(()).unwrap();
                matches!(handle.join(), Err(TaskError::Unstarted))
            });
            told.recv().unwrap();
            wait_until("it waits", || pool.stats().waiting() == 1);
            let report = pool.stop(plan);
            check_sum(&report);
            assert_eq!(report.unstarted().len(), 1, "{report}");
            assert_eq!(report.wait_for_abandoned(LONG), 0);
            match outer.unwrap().join() {
                Ok(is_unstarted) => assert!(is_unstarted),
                Err(TaskError::Abandoned) => assert_eq!(plan, Duration::ZERO),
                Err(other) => panic!("{other}"),
            }
        });
    }
}

#[test]
fn wait_idle_from_a_task_waits_for_those_that_wait() {
    within(LONG, "wait_idle from a task", || {
        let pool = Arc::new(Pool::new(2).unwrap());
        let own = pool.clone();
        let outer = pool.submit(move || {
            let task = own.task("send").retry(Retry::fixed(MILLI));
            let handle = task.submit(|attempt| match attempt {
                4 => Ok(()),
                _ => Err("no connection"),
            });
            own.wait_idle();
            handle.unwrap().is_finished()
        });
        assert!(outer.unwrap().join().unwrap());
    });
}
