//! The report of a stop.

use crate::host::items::BatchStats;
use crate::sync::{Arc, Mutex};
use crate::table::trimmed;
use crate::unwind;
use std::fmt;
use std::time::Duration;

/// The outcome of the items of a [`Batcher`](crate::Batcher) when it was stopped.
///
/// Items that are not taken are dropped with the report. A panic in their drop is caught and
/// logged.
///
/// With the feature `serde` it can be serialized.
///
/// # Examples
///
/// ```
/// use groundcrew::{Batcher, Pool, Retry, StopPlan};
/// use std::time::Duration;
///
/// let pool = Pool::new(1)?;
/// let lines = Batcher::builder("lines")
///     .retry(Retry::fixed(Duration::from_secs(3600)))
///     .build(pool.submitter(), |_: &mut Vec<&str>, _| Err("the disk is full")?)?;
/// lines.submit("a")?;
/// lines.submit("b")?;
///
/// let report = lines.stop(Duration::from_millis(20));
/// assert!(!report.is_clean());
/// assert_eq!(report.take_unstarted(), ["a", "b"]);
/// assert_eq!(report.stats().unstarted(), 2);
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[must_use = "the report has the items that were not handled"]
pub struct BatchReport<T> {
    pub(super) name: Arc<str>,
    pub(super) elapsed: Duration,
    pub(super) stats: BatchStats,
    /// Being handled by handlers that had not returned.
    pub(super) abandoned: usize,
    pub(super) unstarted: Mutex<Vec<T>>,
}

impl<T> BatchReport<T> {
    /// Returns the name of the batcher.
    pub fn batcher(&self) -> &str {
        &self.name
    }

    /// Returns `true` if every item was handled, or given up as a dead letter.
    pub fn is_clean(&self) -> bool {
        self.stats.unstarted == 0 && self.abandoned == 0
    }

    /// Takes the items that were not handled, in the order in which they came. Only the first
    /// report of a stop has them, and the first call returns them.
    pub fn take_unstarted(&self) -> Vec<T> {
        std::mem::take(&mut self.unstarted.lock())
    }

    /// Returns how many items were being handled at the deadline. If their handlers fail later, the
    /// items go to the closure for [dead letters](crate::batch::BatcherBuilder::dead_letter).
    pub fn abandoned(&self) -> usize {
        self.abandoned
    }

    /// Returns the batcher's counters at the end of the stop.
    pub fn stats(&self) -> &BatchStats {
        &self.stats
    }

    /// Returns how long the stop took.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }
}

impl<T> Drop for BatchReport<T> {
    fn drop(&mut self) {
        for item in self.unstarted.get_mut().drain(..) {
            unwind::drop_guarded(item, || "an item that was not handled".to_owned());
        }
    }
}

impl<T> fmt::Display for BatchReport<T> {
    /// Formats the report, as in `batcher "lines": NOT CLEAN after 1.5 s: 2 unstarted, 1 abandoned
    /// of 9 accepted`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.is_clean() {
            "clean"
        } else {
            "NOT CLEAN"
        };
        let (name, elapsed) = (&self.name, trimmed(self.elapsed));
        write!(f, "batcher {name:?}: {how} after {elapsed}: ")?;
        let left: Vec<String> = [
            (self.stats.unstarted, "unstarted"),
            (self.abandoned as u64, "abandoned"),
            (self.stats.dead, "dead"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
        if !left.is_empty() {
            write!(f, "{} of ", left.join(", "))?;
        }
        write!(f, "{} accepted", self.stats.accepted)
    }
}

impl<T> fmt::Debug for BatchReport<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchReport")
            .field("name", &self.name)
            .field("elapsed", &self.elapsed)
            .field("stats", &self.stats)
            .field("abandoned", &self.abandoned)
            .finish_non_exhaustive()
    }
}
