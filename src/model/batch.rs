//! Threads that wait for a batcher: workers of its pool, which handle its batches meanwhile, and
//! others.

use super::{FOREVER, SECOND, chance, check, pool};
use crate::batch::{Batcher, BatcherBuilder};
use crate::sync::channel;
use crate::sync::model::thread;
use crate::{Pool, StopPlan};
use std::time::Duration;

/// Nothing but its number of items fills a batch.
fn builder() -> BatcherBuilder<u32> {
    Batcher::builder("it").max_items(1).max_age(FOREVER)
}

fn batcher(pool: &Pool) -> Batcher<u32> {
    let handler = |_: &mut Vec<u32>, _: &crate::TaskContext| Ok(());
    builder().build(pool.submitter(), handler).unwrap()
}

#[test]
fn workers_that_flush_at_the_same_time_all_return() {
    check(|| {
        let pool = pool(2, 4);
        let items = batcher(&pool);
        let flushes = [0, 1].map(|item| {
            let items = items.clone();
            let flush = move || items.submit(item).is_ok() && items.flush();
            pool.submit(flush).unwrap()
        });
        for flush in flushes {
            assert!(flush.join().unwrap());
        }
        assert_eq!(items.stats().handled(), 2);
        assert!(items.stop(FOREVER).is_clean());
        assert!(pool.stop(FOREVER).is_clean());
    });
}

#[test]
fn a_flush_and_a_stop_by_two_workers_both_return() {
    check(|| {
        let pool = pool(2, 4);
        let items = batcher(&pool);
        let (flushing, stopping) = (items.clone(), items.clone());
        // An item that is dropped with its refusal would be the batcher's.
        let flush = move || match flushing.submit(1).map_err(|refused| refused.into_inner()) {
            Ok(()) => Some(flushing.flush()),
            Err(_) => None,
        };
        let flush = pool.submit(flush).unwrap();
        let stop = pool.submit(move || stopping.stop(FOREVER)).unwrap();
        let report = stop.join().unwrap();
        // What was accepted before the stop is handled before it returns.
        if let Some(flushed) = flush.join().unwrap() {
            assert!(flushed);
            assert_eq!(items.stats().handled(), 1);
        }
        assert!(report.is_clean());
        assert!(pool.stop(FOREVER).is_clean());
    });
}

#[test]
fn a_flush_returns_when_its_batch_has_ended_or_with_the_report_of_a_stop() {
    check(|| {
        let pool = pool(1, 4);
        let (open, gate) = channel::bounded::<()>(0);
        let handler = move |_: &mut Vec<u32>, _: &crate::TaskContext| {
            let _ = gate.recv();
            Ok(())
        };
        let items = builder().build(pool.submitter(), handler).unwrap();
        items.submit(1).unwrap();
        let flushing = items.clone();
        let flush = thread::spawn(move || flushing.flush());
        let plan = chance::one_of(&[
            StopPlan::drain(Duration::ZERO),
            StopPlan::drain(SECOND),
            StopPlan::finish_running(SECOND),
        ]);
        let report = items.stop(plan);
        // The handler still waits, or never began.
        let flushed = flush.join().unwrap();
        assert!(!flushed, "{report}");
        assert_eq!(report.abandoned() as u64 + report.stats().unstarted(), 1);
        drop(open);
        drop(report);
        pool.stop(FOREVER).wait_for_abandoned(FOREVER);
    });
}

#[test]
fn a_flush_returns_whatever_stops_the_pool() {
    check(|| {
        let pool = pool(1, 4);
        let items = batcher(&pool);
        items.submit(1).unwrap();
        let flushing = items.clone();
        let flush = thread::spawn(move || flushing.flush());
        let report = pool.stop(super::any_plan());
        let flushed = flush.join().unwrap();
        let stats = items.stop(FOREVER).stats().clone();
        assert_eq!(stats.handled() + stats.unstarted(), 1);
        // `false` where the stop may have taken it out, although it was handled after all.
        assert!(!flushed || stats.handled() == 1, "{report}");
    });
}
