//! Handles: contracts 2 and 4, and cancelling.

use crate::common::{Bomb, Gate, LONG, occupied_pool, occupy, within};
use groundcrew::channel::{bounded, unbounded};
use groundcrew::{Pool, Submitter, TaskError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

fn fib(submitter: &Submitter, n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    let own = submitter.clone();
    let left = submitter.submit(move || fib(&own, n - 1)).unwrap();
    fib(submitter, n - 2) + left.join().unwrap()
}

#[test]
fn recursion_through_joins_ends_at_every_pool_and_queue_size() {
    within(LONG, "a recursion", || {
        for threads in 1..=4 {
            for capacity in [1, 2, 1024] {
                for in_place in [false, true] {
                    let mut builder = Pool::builder().threads(threads).queue_capacity(capacity);
                    if in_place {
                        builder = builder.caller_runs_when_full();
                    }
                    let pool = builder.build().unwrap();
                    let submitter = pool.submitter();
                    let handle = pool.submit(move || fib(&submitter, 14)).unwrap();
                    assert_eq!(handle.join().unwrap(), 377);
                    pool.wait_idle();
                    let report = pool.stop(LONG);
                    assert!(report.is_clean(), "{report}");
                    assert_eq!(report.accepted(), report.completed());
                }
            }
        }
    });
}

#[test]
fn all_tasks_of_a_pool_may_join_tasks_behind_them_in_the_queue() {
    within(LONG, "joins", || {
        let pool = Pool::builder()
            .threads(2)
            .queue_capacity(2)
            .build()
            .unwrap();
        let submitter = pool.submitter();
        let handles: Vec<_> = (0..100_u64)
            .map(|n| {
                let submitter = submitter.clone();
                pool.submit(move || {
                    let inner: Vec<_> = (0..5)
                        .map(|m| submitter.submit(move || n * m).unwrap())
                        .collect();
                    inner
                        .into_iter()
                        .map(|task| task.join().unwrap())
                        .sum::<u64>()
                })
                .unwrap()
            })
            .collect();
        let sum: u64 = handles.into_iter().map(|task| task.join().unwrap()).sum();
        assert_eq!(sum, (0..100).map(|n| n * 10).sum::<u64>());
    });
}

#[test]
fn a_join_from_a_worker_runs_the_task_there_and_nothing_else() {
    let pool = Pool::new(1).unwrap();
    let submitter = pool.submitter();
    let handle = pool
        .submit(move || {
            let ran = Arc::new(AtomicBool::new(false));
            let other = ran.clone();
            submitter
                .execute(move || other.store(true, SeqCst))
                .unwrap();
            let target = submitter.submit(|| thread::current().id()).unwrap();
            assert_eq!(target.join().unwrap(), thread::current().id());
            assert!(!ran.load(SeqCst), "an unrelated task was run by the join");
        })
        .unwrap();
    handle.join().unwrap();
}

#[test]
fn a_join_from_outside_or_from_another_pool_never_runs_the_task() {
    let (pool, gate) = occupied_pool(4);
    let target = pool.submit(|| thread::current().id()).unwrap();
    let other = Pool::new(1).unwrap();
    let joiner = other
        .submit(move || (target.join().unwrap(), thread::current().id()))
        .unwrap();
    let outside = pool.submit(|| thread::current().id()).unwrap();
    assert!(!outside.wait_timeout(Duration::from_millis(1)));
    gate.open();
    let (ran_on, joined_on) = joiner.join().unwrap();
    assert_ne!(ran_on, joined_on);
    assert_eq!(outside.join().unwrap(), ran_on);
}

#[test]
fn wait_timeout_never_runs_the_task() {
    let pool = Pool::new(1).unwrap();
    let submitter = pool.submitter();
    let handle = pool
        .submit(move || {
            let target = submitter.submit(|| ()).unwrap();
            assert!(!target.wait_timeout(Duration::ZERO));
            assert!(!target.wait_timeout(Duration::from_millis(1)));
            target.join().unwrap();
        })
        .unwrap();
    handle.join().unwrap();
}

#[test]
fn a_cancelled_task_never_runs_and_drops_what_it_captured_at_once() {
    let (pool, gate) = occupied_pool(4);
    let captured = Arc::new(());
    let held = captured.clone();
    let handle = pool.submit(move || drop(held)).unwrap();
    let waiter = thread::scope(|scope| {
        let waiter = scope.spawn(|| handle.wait_timeout(LONG));
        assert!(handle.cancel());
        assert_eq!(Arc::strong_count(&captured), 1);
        assert!(!handle.cancel(), "only once");
        waiter.join().unwrap()
    });
    assert!(waiter && handle.is_finished());
    assert!(matches!(handle.join(), Err(TaskError::Cancelled)));
    gate.open();
    let report = pool.stop(LONG);
    assert!(report.is_clean());
    assert_eq!(
        (report.accepted(), report.completed(), report.cancelled()),
        (2, 1, 1)
    );
}

#[test]
fn cancelling_a_running_task_fires_its_token_and_no_other() {
    let pool = Pool::new(2).unwrap();
    let (tell, told) = bounded(2);
    let start = || {
        let tell = tell.clone();
        pool.submit_with(move |ctx| {
            tell.send(()).unwrap();
            ctx.sleep(Duration::MAX).is_err()
        })
        .unwrap()
    };
    let (one, other) = (start(), start());
    told.recv().unwrap();
    told.recv().unwrap();
    assert!(!one.cancel(), "it runs");
    assert!(one.join().unwrap());
    assert!(!other.is_finished());
    let asked = pool.running()[0].cancel_requested_for();
    assert_eq!(asked, None);
    other.cancel();
    assert!(other.join().unwrap());
    assert_eq!(pool.stats().cancelled(), 0, "both completed");
}

#[test]
fn a_tasks_token_is_not_a_child_of_the_submitting_tasks() {
    let pool = Pool::new(2).unwrap();
    let gate = Gate::new();
    let (pass, inner_handle) = bounded(1);
    let entrance = gate.entrance();
    let outer = pool
        .submit_with(move |ctx| {
            let inner = ctx
                .submitter()
                .submit_with(move |ctx| {
                    entrance.pass();
                    ctx.is_cancelled()
                })
                .unwrap();
            pass.send(inner).unwrap();
            ctx.token().wait();
        })
        .unwrap();
    let inner = inner_handle.recv().unwrap();
    outer.cancel();
    outer.join().unwrap();
    gate.open();
    assert!(!inner.join().unwrap());
}

#[test]
fn cancel_beats_a_claim() {
    let pool = Pool::new(1).unwrap();
    let submitter = pool.submitter();
    let outcome = pool
        .submit(move || {
            let target = submitter.submit(|| ()).unwrap();
            assert!(target.cancel());
            target.join()
        })
        .unwrap()
        .join()
        .unwrap();
    assert!(matches!(outcome, Err(TaskError::Cancelled)));
}

#[test]
fn a_dropped_handle_detaches_the_task_which_runs_all_the_same() {
    let pool = Pool::new(1).unwrap();
    let (tell, told) = bounded(1);
    drop(pool.submit(move || tell.send(7)).unwrap());
    assert_eq!(told.recv_timeout(LONG), Ok(7));
}

#[test]
fn a_result_that_is_not_taken_is_dropped_and_its_panic_changes_nothing() {
    let pool = Pool::new(1).unwrap();
    // Dropped by the worker: the handle is gone before the task ends.
    let gate = Gate::new();
    let entrance = gate.entrance();
    drop(
        pool.submit(move || {
            entrance.pass();
            Bomb
        })
        .unwrap(),
    );
    gate.open();
    // Dropped with the handle.
    let handle = pool.submit(|| Bomb).unwrap();
    assert!(handle.wait_timeout(LONG));
    drop(handle);
    pool.execute(|| Bomb).unwrap();
    pool.wait_idle();
    let report = pool.stop(LONG);
    assert_eq!((report.completed(), report.panicked()), (3, 0));
}

#[test]
fn try_join_gives_the_handle_back_until_the_task_has_ended() {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::new();
    let handle = occupy(&pool, &gate);
    let handle = handle.try_join().unwrap_err();
    assert!(!handle.is_finished());
    gate.open();
    assert!(handle.wait_timeout(LONG));
    handle.try_join().unwrap().unwrap();
}

#[test]
fn what_a_task_captured_is_dropped_before_its_handle_resolves() {
    let pool = Pool::new(2).unwrap();
    for _ in 0..2_000 {
        let captured = Arc::new(());
        let held = captured.clone();
        pool.submit(move || {
            let _held = &held;
        })
        .unwrap()
        .join()
        .unwrap();
        assert_eq!(Arc::strong_count(&captured), 1);
    }
}

#[test]
fn two_workers_that_join_each_others_tasks_as_they_start_both_end() {
    within(LONG, "a race of claims", || {
        let pool = Pool::new(2).unwrap();
        for _ in 0..3_000 {
            let (pass_one, one) = bounded(1);
            let (pass_other, other) = bounded(1);
            let targets = (pool.submit(|| 1).unwrap(), pool.submit(|| 2).unwrap());
            pass_one.send(targets.0).unwrap();
            pass_other.send(targets.1).unwrap();
            let a = pool
                .submit(move || one.recv().unwrap().join().unwrap())
                .unwrap();
            let b = pool
                .submit(move || other.recv().unwrap().join().unwrap())
                .unwrap();
            assert_eq!((a.join().unwrap(), b.join().unwrap()), (1, 2));
        }
    });
}

#[test]
fn infos_have_names_places_and_attempts() {
    let pool = Pool::new(1).unwrap();
    let handle = pool.task("a name\n").submit(|| ()).unwrap();
    let line = line!() - 1;
    let info = handle.info();
    assert_eq!(
        (info.name(), info.submitted_at().line()),
        ("a name\n", line)
    );
    assert!(info.to_string().contains("\"a name\\n\""), "{info}");
    assert!(handle.wait_timeout(LONG));
    assert_eq!(handle.info().attempts(), 1);
    let unnamed = pool.submit(|| ()).unwrap();
    assert_eq!(
        unnamed.info().name(),
        "infos_have_names_places_and_attempts::{closure}"
    );
    let (tell, told) = unbounded();
    pool.submitter()
        .task("from a submitter")
        .execute_with(move |ctx| tell.send(ctx.info().clone()))
        .unwrap();
    let info = told.recv().unwrap();
    assert_eq!((info.name(), info.attempts()), ("from a submitter", 1));
}

#[test]
fn what_a_task_claims_leaves_no_husk_in_its_workers_list() {
    within(LONG, "a task that claims what it submits", || {
        let pool = Pool::builder()
            .threads(1)
            .queue_capacity(1)
            .build()
            .unwrap();
        let handle = pool.submit_with(|ctx| {
            let submitter = ctx.submitter();
            for number in 0..1000_u32 {
                let two = [0, 1].map(|_| submitter.submit(move || number).unwrap());
                for handle in two {
                    assert_eq!(handle.join().unwrap(), number);
                }
                submitter.scope(|s| s.execute(|| ()));
            }
        });
        handle.unwrap().join().unwrap();
        assert!(pool.stats().overflow_peak() <= 3, "{}", pool.stats());
        pool.wait_idle();
        let report = pool.stop(LONG);
        assert_eq!((report.accepted(), report.completed()), (3001, 3001));
    });
}
