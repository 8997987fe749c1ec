//! Counts of a batcher's items, by outcome. Kept here, since a host's report shows them.

use std::fmt;

/// The counters of a batcher, returned by [`Batcher::stats`](crate::Batcher::stats).
///
/// Every accepted item is handled, dead, unstarted or [waiting](Self::waiting), which
/// includes items being handled.
///
/// With the feature `serde` it can be serialized.
///
/// # Examples
///
/// ```
/// use groundcrew::{Batcher, Pool};
///
/// let pool = Pool::new(1)?;
/// let events = Batcher::builder("events")
///     .max_items(2)
///     .build(pool.submitter(), |_: &mut Vec<u32>, _| Ok(()))?;
/// for event in 0..5 {
///     events.submit(event)?;
/// }
/// events.flush();
/// let stats = events.stats();
/// assert_eq!((stats.accepted(), stats.handled(), stats.waiting()), (5, 5, 0));
/// assert_eq!((stats.batches(), stats.calls(), stats.retries()), (3, 3, 0));
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchStats {
    pub(crate) accepted: u64,
    pub(crate) waiting: u64,
    pub(crate) in_progress: u64,
    pub(crate) handled: u64,
    pub(crate) dead: u64,
    pub(crate) unstarted: u64,
    pub(crate) batches: u64,
    pub(crate) calls: u64,
    pub(crate) retries: u64,
}

impl BatchStats {
    /// Returns how many items were accepted.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Returns how many items wait, or are being handled.
    pub fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Returns how many of the [waiting](Self::waiting) items are being handled. In a report, these
    /// are the items that abandoned handlers hold.
    pub fn in_progress(&self) -> u64 {
        self.in_progress
    }

    /// Returns how many items were handled. This includes items that a handler took out of its
    /// batch before it failed.
    pub fn handled(&self) -> u64 {
        self.handled
    }

    /// Returns how many items were given up, and went to the closure for [dead
    /// letters](crate::batch::BatcherBuilder::dead_letter).
    pub fn dead(&self) -> u64 {
        self.dead
    }

    /// Returns how many items a stop handed back.
    pub fn unstarted(&self) -> u64 {
        self.unstarted
    }

    /// Returns how many batches were completed.
    pub fn batches(&self) -> u64 {
        self.batches
    }

    /// Returns how often the handler was called.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Returns how many of these calls failed and were to be tried again.
    pub fn retries(&self) -> u64 {
        self.retries
    }
}

impl fmt::Display for BatchStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "accepted {}, waiting {}, handled {}, dead {}, unstarted {}, batches {}, calls {}, \
             retries {}",
            self.accepted,
            self.waiting,
            self.handled,
            self.dead,
            self.unstarted,
            self.batches,
            self.calls,
            self.retries
        )
    }
}
