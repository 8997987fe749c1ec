//! A worker that an internal bug ends: none takes its place, and nothing waits for it in
//! vain.

use crate::pool::Pool;
use crate::stop::PoolPhase;
use crate::sync::{Arc, channel};
use crate::task::{TaskError, deadly};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

#[test]
fn the_others_go_on_when_a_worker_dies() {
    let pool = Pool::new(2).unwrap();
    pool.push_raw(deadly());
    while pool.stats().workers_alive() > 1 {
        std::thread::yield_now();
    }
    assert_eq!(pool.submit(|| 7).unwrap().join().unwrap(), 7);
    let report = pool.stop(LONG);
    assert!(report.lingering().is_empty(), "{report}");
    assert_eq!(report.completed(), 1);
}

#[test]
fn when_the_last_worker_dies_the_pool_closes_and_every_wait_returns() {
    let pool = Pool::builder()
        .threads(1)
        .queue_capacity(2)
        .build()
        .unwrap();
    let (open, gate) = channel::bounded::<()>(0);
    pool.execute(move || gate.recv().unwrap_or_default())
        .unwrap();
    pool.push_raw(deadly());
    let behind = pool.submit(|| ()).unwrap();
    std::thread::scope(|scope| {
        let idle = scope.spawn(|| pool.wait_idle());
        let full = scope.spawn(|| pool.execute(|| ()));
        drop(open);
        assert!(matches!(behind.join(), Err(TaskError::Unstarted)));
        idle.join().unwrap();
        // It may have got in, if it was quick, or be refused.
        let _ = full.join().unwrap();
    });
    while pool.stop_handle().phase() != PoolPhase::Done {
        std::thread::yield_now();
    }
    assert!(pool.execute(|| ()).unwrap_err().is_closed());
    let report = pool.stop(LONG);
    assert!(!report.unstarted().is_empty());
    assert_eq!(report.completed(), 1);
}

#[test]
fn a_wait_until_idle_ends_though_a_worker_died() {
    let pool = Arc::new(Pool::new(2).unwrap());
    let (open, gate) = channel::bounded::<()>(0);
    for gate in [gate.clone(), gate] {
        pool.execute(move || gate.recv().unwrap_or_default())
            .unwrap();
    }
    pool.push_raw(deadly());
    let (sender, receiver) = channel::bounded(1);
    let waiting = pool.clone();
    let waiter = std::thread::spawn(move || {
        waiting.wait_idle();
        sender.send(()).unwrap();
    });
    drop(open);
    receiver.recv_timeout(LONG).unwrap();
    waiter.join().unwrap();
}
