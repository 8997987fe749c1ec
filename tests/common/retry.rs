//! For the tests of tasks that are tried again, and of those with a limit.

use super::{LONG, within};
use groundcrew::retry::RetryError;
use groundcrew::{Pool, Retry, StopReport, TaskHandle};
use std::thread;
use std::time::Duration;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// Failed attempts wait for longer than any test takes.
pub(crate) fn hourly() -> Retry {
    Retry::fixed(HOUR)
}

/// The next attempt is due at once.
pub(crate) fn at_once() -> Retry {
    Retry::fixed(Duration::ZERO)
}

pub(crate) type Retried<T> = TaskHandle<Result<T, RetryError<String>>>;

/// A task that fails once, and then waits for an hour; returns when it does.
pub(crate) fn waiting(pool: &Pool) -> Retried<u32> {
    let before = pool.stats().waiting();
    let task = pool.task("waits").retry(hourly());
    let handle = task.submit(|attempt| match attempt {
        1 => Err("no connection".to_owned()),
        _ => Ok(attempt),
    });
    wait_for_waiting(pool, before + 1);
    handle.unwrap()
}

pub(crate) fn wait_for_waiting(pool: &Pool, count: usize) {
    wait_until("so many wait", || pool.stats().waiting() == count);
}

/// Looks again and again.
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    within(LONG, what, || {
        while !condition() {
            thread::yield_now();
        }
    });
}

/// Every accepted task has ended once.
pub(crate) fn check_sum(report: &StopReport) {
    let left = report.unstarted().len() + report.abandoned().len() + report.stopping_tasks().len();
    let ended = report.completed() + report.panicked() + report.cancelled() + report.expired();
    assert_eq!(report.accepted(), ended + left as u64, "{report}");
}
