//! Dropping the pool is a stop: contract 12.

use crate::common::{Gate, LONG, occupied_pool, within};
use groundcrew::channel::bounded;
use groundcrew::stop::PoolPhase;
use groundcrew::{Pool, StopPlan, TaskError};
use std::cell::RefCell;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

#[test]
fn a_drop_drains() {
    let ran = Arc::new(AtomicUsize::new(0));
    let pool = Pool::new(2).unwrap();
    for _ in 0..1_000 {
        let ran = ran.clone();
        pool.execute(move || ran.fetch_add(1, SeqCst)).unwrap();
    }
    let stop = pool.stop_handle();
    drop(pool);
    assert_eq!(ran.load(SeqCst), 1_000);
    assert_eq!(stop.phase(), PoolPhase::Done);
    assert!(stop.stop(LONG).is_clean());
}

#[test]
fn a_drop_keeps_the_deadline_of_its_plan() {
    within(LONG, "a drop", || {
        let gate = Gate::new();
        let pool = crate::common::hasty().build().unwrap();
        let stuck = crate::common::occupy(&pool, &gate);
        let behind = pool.submit(|| ()).unwrap();
        drop(pool);
        assert!(matches!(stuck.join(), Err(TaskError::Abandoned)));
        assert!(matches!(behind.join(), Err(TaskError::Unstarted)));
        gate.open();
    });
}

#[test]
fn a_drop_while_unwinding_does_not_panic() {
    within(LONG, "a drop", || {
        let unwound = panic::catch_unwind(|| {
            let pool = Pool::new(1).unwrap();
            pool.execute(|| crate::common::expected_panic()).unwrap();
            crate::common::expected_panic()
        });
        assert!(unwound.is_err());
    });
}

#[test]
fn a_drop_in_the_destructor_of_a_thread_local_stops_the_pool_too() {
    thread_local! {
        static LAST: RefCell<Option<Pool>> = const { RefCell::new(None) };
    }
    within(LONG, "a drop", || {
        let ran = Arc::new(AtomicUsize::new(0));
        let count = ran.clone();
        thread::spawn(move || {
            let pool = Pool::new(2).unwrap();
            for _ in 0..100 {
                let count = count.clone();
                pool.execute(move || count.fetch_add(1, SeqCst)).unwrap();
            }
            LAST.set(Some(pool));
        })
        .join()
        .unwrap();
        assert_eq!(ran.load(SeqCst), 100);
    });
}

#[test]
fn a_pool_dropped_by_its_own_task_drains_and_goes() {
    within(LONG, "a drop inside", || {
        for threads in [1, 2] {
            let pool = Arc::new(Pool::new(threads).unwrap());
            let (tell, told) = bounded(100);
            let (gate, last) = (Gate::new(), pool.clone());
            let (entrance, stop) = (gate.entrance(), pool.stop_handle());
            pool.execute(move || {
                entrance.pass();
                drop(last);
            })
            .unwrap();
            for n in 0..100 {
                let tell = tell.clone();
                pool.execute(move || tell.send(n)).unwrap();
            }
            drop((pool, tell));
            gate.open();
            assert_eq!(told.iter().count(), 100, "every task ran");
            assert!(stop.stop(LONG).is_clean());
        }
    });
}

#[test]
fn a_pool_dropped_after_its_stop_says_nothing_more() {
    let (pool, gate) = occupied_pool(1);
    let report = pool.stop(Duration::ZERO);
    drop(pool);
    assert_eq!(report.abandoned().len(), 1);
    gate.open();
}

#[test]
fn the_last_handle_of_a_pool_may_be_dropped_by_a_claimed_task() {
    within(LONG, "a drop in a claimed task", || {
        let pool = Arc::new(Pool::new(1).unwrap());
        let last = pool.clone();
        let handle = pool
            .submit_with(move |ctx| {
                let inner = ctx.submitter().submit(move || drop(last)).unwrap();
                inner.join()
            })
            .unwrap();
        drop(pool);
        handle.join().unwrap().unwrap();
    });
}

#[test]
fn a_drop_does_not_wait_for_what_unstarted_tasks_hold() {
    within(LONG, "a drop", || {
        let gate = Gate::new();
        let pool = crate::common::hasty().build().unwrap();
        let busy = Gate::new();
        drop(crate::common::occupy(&pool, &busy));
        let slow = crate::common::SlowDrop(gate.entrance());
        pool.execute(move || drop(slow)).unwrap();
        drop(pool);
        gate.open();
        busy.open();
    });
}

#[test]
fn a_pool_dropped_in_a_thread_local_of_its_own_worker_does_not_wait_for_itself() {
    thread_local! {
        static LAST: RefCell<Option<Arc<Pool>>> = const { RefCell::new(None) };
    }
    within(LONG, "a drop", || {
        let pool = Arc::new(
            Pool::builder()
                .threads(1)
                .drop_plan(StopPlan::drain(LONG * 10))
                .build()
                .unwrap(),
        );
        let (stop, last) = (pool.stop_handle(), pool.clone());
        pool.submit(move || LAST.set(Some(last)))
            .unwrap()
            .join()
            .unwrap();
        drop(pool);
        // The thread-local holds the pool, and the pool the thread.
        stop.close();
        assert!(stop.stop(LONG).is_clean());
    });
}
