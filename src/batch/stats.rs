//! Counts of the items, by outcome.

use std::fmt;

/// The counters of a batcher: [`Batcher::stats`](crate::Batcher::stats).
///
/// Every accepted item is handled, dead, unhandled or [waiting](Self::waiting), which
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
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchStats {
    pub(super) accepted: u64,
    pub(super) waiting: u64,
    pub(super) handled: u64,
    pub(super) dead: u64,
    pub(super) unhandled: u64,
    pub(super) batches: u64,
    pub(super) calls: u64,
    pub(super) retries: u64,
}

impl BatchStats {
    /// How many items were accepted.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// How many items wait, or are being handled.
    pub fn waiting(&self) -> u64 {
        self.waiting
    }

    /// How many items were handled. They include items that a handler took out of its batch
    /// before it failed.
    pub fn handled(&self) -> u64 {
        self.handled
    }

    /// How many items were given up, and went to the closure for
    /// [dead letters](crate::batch::BatcherBuilder::dead_letter).
    pub fn dead(&self) -> u64 {
        self.dead
    }

    /// How many items a stop handed back.
    pub fn unhandled(&self) -> u64 {
        self.unhandled
    }

    /// How many batches were completed.
    pub fn batches(&self) -> u64 {
        self.batches
    }

    /// How often the handler was called.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// How many of these calls failed and were to be tried again.
    pub fn retries(&self) -> u64 {
        self.retries
    }
}

impl fmt::Display for BatchStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "accepted {}, waiting {}, handled {}, dead {}, unhandled {}, batches {}, calls {}, \
             retries {}",
            self.accepted,
            self.waiting,
            self.handled,
            self.dead,
            self.unhandled,
            self.batches,
            self.calls,
            self.retries
        )
    }
}
