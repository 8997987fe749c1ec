//! Scopes: tasks that borrow, on a pool that may stop.

mod common;

use common::{Gate, occupied_pool, occupy, within};
use groundcrew::{Pool, StopPlan, TaskError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

#[test]
fn a_scope_returns_when_all_its_tasks_have_ended_and_their_borrows_with_them() {
    let pool = Pool::new(2).unwrap();
    let mut numbers = vec![0_u64; 1000];
    pool.scope(|s| {
        for (index, number) in numbers.iter_mut().enumerate() {
            s.execute(move || *number = index as u64);
        }
    });
    assert_eq!(numbers.iter().sum::<u64>(), 499_500);
}
