//! Runs of schedules that failed. To a pool each is a task that was completed, or panicked:
//! what its closure returned only its schedule knows, and says it here, for the report.

use crate::sync::{Arc, Mutex};
use std::collections::BTreeMap;

/// How often runs of one entry of a [`Scheduler`](crate::Scheduler) failed, in the report of
/// the pool that ran them.
///
/// # Examples
///
/// ```
/// use groundcrew::{Pool, Schedule, Scheduler};
/// use std::time::Duration;
///
/// let pool = Pool::new(1)?;
/// let scheduler = Scheduler::new(pool.submitter());
/// let entry = scheduler
///     .entry("tidy", Schedule::every(Duration::from_secs(3600)))
///     .run(|_| Err("no such folder")?)?;
/// entry.trigger();
/// let report = pool.stop(Duration::from_secs(5));
///
/// let tidy = &report.failed_schedules()[0];
/// assert_eq!((tidy.name(), tidy.failures()), ("tidy", 1));
/// assert_eq!(tidy.last_error(), "no such folder");
/// assert_eq!(report.completed(), 1); // the task itself ran to its end
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone, Debug)]
pub struct FailedSchedule {
    name: Arc<str>,
    failures: u64,
    last_error: Arc<str>,
}

impl FailedSchedule {
    /// The name of the entry.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many of its runs returned an error or panicked.
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// The error of the latest of them, with its sources; `it panicked` for a panic, whose
    /// message is in the log.
    pub fn last_error(&self) -> &str {
        &self.last_error
    }
}

/// Of all schedules that run here, by the name of the entry.
#[derive(Default)]
pub(crate) struct FailedRuns(Mutex<BTreeMap<Arc<str>, FailedSchedule>>);

/// The number of entries remembered, so that a program that keeps adding and removing them
/// does not grow.
const MOST: usize = 1000;

impl FailedRuns {
    /// A run of the entry failed: before its task is over.
    pub(crate) fn add(&self, name: &Arc<str>, error: &Arc<str>) {
        let mut all = self.0.lock();
        if all.len() == MOST && !all.contains_key(name) {
            return;
        }
        let failed = all.entry(name.clone()).or_insert_with(|| FailedSchedule {
            name: name.clone(),
            failures: 0,
            last_error: error.clone(),
        });
        failed.failures += 1;
        failed.last_error = error.clone();
    }

    /// As of now, by name.
    pub(crate) fn list(&self) -> Vec<FailedSchedule> {
        self.0.lock().values().cloned().collect()
    }
}
