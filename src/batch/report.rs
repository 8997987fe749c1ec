//! What a stop left behind.

use super::stats::BatchStats;
use crate::sync::Arc;
use crate::table::trimmed;
use crate::unwind;
use std::fmt;
use std::time::Duration;

/// What became of the items of a [`Batcher`](crate::Batcher) when it was stopped.
///
/// Items that nobody takes are dropped with it, under guard.
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
/// let mut report = lines.stop(Duration::from_millis(20));
/// assert!(!report.is_clean());
/// assert_eq!(report.take_unhandled(), ["a", "b"]);
/// assert_eq!(report.stats().unhandled(), 2);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[must_use = "the report has the items that were not handled"]
pub struct BatchReport<T> {
    pub(super) name: Arc<str>,
    pub(super) elapsed: Duration,
    pub(super) stats: BatchStats,
    /// In the hands of handlers that had not returned.
    pub(super) abandoned: usize,
    pub(super) unhandled: Vec<T>,
}

impl<T> BatchReport<T> {
    /// Whether every item was handled, or buried as a dead letter. Does not block. For an
    /// example see [above](Self).
    pub fn is_clean(&self) -> bool {
        self.stats.unhandled == 0 && self.abandoned == 0
    }

    /// The items that were not handled, in the order in which they came. The first report
    /// of a stop has them, and once. Does not block. For an example see [above](Self).
    pub fn take_unhandled(&mut self) -> Vec<T> {
        std::mem::take(&mut self.unhandled)
    }

    /// How many items were in the hands of handlers that had not returned at the deadline.
    /// What those give back later goes to the closure for
    /// [dead letters](crate::BatcherBuilder::dead_letter). Does not block.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::{Batcher, Pool};
    /// # use std::time::Duration;
    /// # let pool = Pool::builder().threads(1).drop_plan(Duration::ZERO).build()?;
    /// let (open, gate) = groundcrew::channel::bounded::<()>(0);
    /// let lines = Batcher::builder("lines")
    ///     .max_items(1)
    ///     .build(pool.submitter(), move |_: &mut Vec<&str>, _| Ok(gate.recv().unwrap_or(())))?;
    /// lines.submit("a")?;
    /// while pool.running().is_empty() {}
    /// assert_eq!(lines.stop(Duration::from_millis(1)).abandoned(), 1);
    /// # drop(open);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn abandoned(&self) -> usize {
        self.abandoned
    }

    /// The batcher in numbers, as of the end of the stop. Does not block. For an example see
    /// [above](Self).
    pub fn stats(&self) -> &BatchStats {
        &self.stats
    }

    /// How long the stop took. Does not block.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::{Batcher, Pool};
    /// # use std::time::Duration;
    /// # let pool = Pool::new(1)?;
    /// let lines = Batcher::builder("lines").build(pool.submitter(), |_: &mut Vec<u8>, _| Ok(()))?;
    /// assert!(lines.stop(Duration::from_secs(60)).elapsed() < Duration::from_secs(60));
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }
}

impl<T> Drop for BatchReport<T> {
    fn drop(&mut self) {
        for item in self.unhandled.drain(..) {
            unwind::drop_guarded(item, || "an item that was not handled".to_owned());
        }
    }
}

impl<T> fmt::Display for BatchReport<T> {
    /// As in `batcher "lines": NOT CLEAN after 1.5 s: 2 unhandled, 1 abandoned of 9 accepted`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.is_clean() {
            "clean"
        } else {
            "NOT CLEAN"
        };
        let (name, elapsed) = (&self.name, trimmed(self.elapsed));
        write!(f, "batcher {name:?}: {how} after {elapsed}: ")?;
        let left: Vec<String> = [
            (self.stats.unhandled, "unhandled"),
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
