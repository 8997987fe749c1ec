//! `wait_idle`: contract 2.

use crate::common::{Gate, LONG, occupied_pool, within};
use groundcrew::{Pool, Submitter};
use std::sync::Arc;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

#[test]
fn an_idle_pool_is_idle_at_once() {
    let pool = Pool::new(2).unwrap();
    pool.wait_idle();
    assert!(pool.wait_idle_timeout(LONG));
}

#[test]
fn every_task_that_was_submitted_before_has_ended_and_those_it_submitted_too() {
    fn tree(submitter: Submitter, depth: u32, ended: Arc<AtomicUsize>) {
        if depth > 0 {
            for _ in 0..2 {
                let (next, count) = (submitter.clone(), ended.clone());
                submitter
                    .execute(move || tree(next, depth - 1, count))
                    .unwrap();
            }
        }
        ended.fetch_add(1, SeqCst);
    }
    within(LONG, "wait_idle", || {
        for threads in [1, 2, 4] {
            let pool = Pool::builder()
                .threads(threads)
                .queue_capacity(2)
                .build()
                .unwrap();
            for round in 1..=100 {
                let ended = Arc::new(AtomicUsize::new(0));
                let (submitter, count) = (pool.submitter(), ended.clone());
                pool.execute(move || tree(submitter, 5, count)).unwrap();
                pool.wait_idle();
                assert_eq!(ended.load(SeqCst), 63, "round {round}");
            }
        }
    });
}

#[test]
fn it_times_out_while_a_task_runs() {
    let (pool, gate) = occupied_pool(1);
    assert!(!pool.wait_idle_timeout(Duration::from_millis(1)));
    assert!(!pool.wait_idle_timeout(Duration::ZERO));
    gate.open();
    assert!(pool.wait_idle_timeout(Duration::MAX));
}

#[test]
fn a_task_inside_wait_idle_does_not_wait_for_itself_nor_for_others_inside() {
    within(LONG, "wait_idle in tasks", || {
        let pool = Arc::new(Pool::new(3).unwrap());
        let together = Arc::new(Barrier::new(3));
        let handles: Vec<_> = (0..3)
            .map(|_| {
                let (own, together) = (pool.clone(), together.clone());
                pool.submit(move || {
                    together.wait();
                    own.wait_idle();
                })
                .unwrap()
            })
            .collect();
        for handle in handles {
            handle.join().unwrap();
        }
    });
}

#[test]
fn the_tasks_below_a_claimed_one_that_waits_do_not_count() {
    within(LONG, "wait_idle in a claimed task", || {
        let pool = Arc::new(Pool::new(1).unwrap());
        let own = pool.clone();
        pool.submit_with(move |ctx| {
            let inner = ctx.submitter().submit(move || own.wait_idle()).unwrap();
            inner.join().unwrap();
        })
        .unwrap()
        .join()
        .unwrap();
    });
}

#[test]
fn husks_in_the_queue_are_no_tasks() {
    within(LONG, "wait_idle over husks", || {
        let pool = Arc::new(Pool::new(1).unwrap());
        let own = pool.clone();
        pool.submit_with(move |ctx| {
            let submitter = ctx.submitter();
            let cancelled = submitter.submit(|| ()).unwrap();
            let claimed = submitter.submit(|| ()).unwrap();
            assert!(cancelled.cancel());
            claimed.join().unwrap();
            // Nobody passes the two husks while the only worker waits here.
            own.wait_idle();
            assert_eq!(own.stats().queued(), 2);
        })
        .unwrap()
        .join()
        .unwrap();
    });
}

#[test]
fn a_cancel_from_outside_ends_the_wait_of_the_last_worker() {
    within(LONG, "wait_idle and a cancel", || {
        let pool = Arc::new(Pool::new(1).unwrap());
        let gate = Gate::new();
        let (entrance, own) = (gate.entrance(), pool.clone());
        let waiting = pool
            .submit(move || {
                entrance.pass();
                own.wait_idle();
            })
            .unwrap();
        let target = pool.submit(|| ()).unwrap();
        gate.open();
        // The worker may be in `wait_idle` by now, for the sake of `target`.
        assert!(target.cancel());
        waiting.join().unwrap();
    });
}
