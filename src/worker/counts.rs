//! What a worker counts.

use super::tombstone::{Off, Tombstone};

/// What a worker has done since it started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Taken from the queue, tombstones included, or run in place.
    pub(crate) taken: u64,
    pub(crate) completed: u64,
    pub(crate) panicked: u64,
    /// Cancelled tasks that this worker was the first to count.
    pub(crate) cancelled: u64,
    pub(crate) expired: u64,
    /// Tasks that it claimed, so that a tombstone was left in the queue.
    pub(crate) tombstones_made: u64,
    pub(crate) tombstones_skipped: u64,
    /// Tasks that ended after a report had settled them.
    pub(crate) ended_late: u64,
    /// Tasks that ran longer than their limit and the grace after it.
    pub(crate) overrun: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Counts) {
        self.taken += other.taken;
        self.completed += other.completed;
        self.panicked += other.panicked;
        self.cancelled += other.cancelled;
        self.expired += other.expired;
        self.tombstones_made += other.tombstones_made;
        self.tombstones_skipped += other.tombstones_skipped;
        self.ended_late += other.ended_late;
        self.overrun += other.overrun;
    }

    /// What was taken from the queue had ended some other way.
    pub(super) fn skip(&mut self, tombstone: Tombstone) {
        self.tombstones_skipped += 1;
        self.taken += u64::from(tombstone.accepted);
        self.cancelled += u64::from(tombstone.uncounted == Some(Off::Cancelled));
        self.expired += u64::from(tombstone.uncounted == Some(Off::Expired));
    }
}
