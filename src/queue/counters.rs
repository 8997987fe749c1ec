//! What threads other than the workers count, on rare occasions.

use crate::sync::{AtomicU64, Mutex, Relaxed, SeqCst};
use crate::worker::Off;

#[derive(Default)]
pub(super) struct Counters {
    refused: AtomicU64,
    cancelled: AtomicU64,
    expired: AtomicU64,
    /// SeqCst, as Invariant 2 of `wait_idle` needs it.
    tombstones_made: AtomicU64,
    /// Written by the thread that drives the stop, when it takes the backlog out and when it makes
    /// the report. Read for statistics, without the lock of the stop.
    left_behind: Mutex<LeftBehind>,
}

/// How many tasks a stop left behind so far, or found as tombstones.
#[derive(Clone, Copy, Default)]
pub(crate) struct LeftBehind {
    pub(crate) taken_out: u64,
    pub(crate) cancelled: u64,
    pub(crate) expired: u64,
    pub(crate) unstarted: u64,
    pub(crate) abandoned: u64,
    pub(crate) stopping: u64,
}

impl Counters {
    pub(super) fn set_left_behind(&self, left: LeftBehind) {
        *self.left_behind.lock() = left;
    }

    pub(super) fn left_behind(&self) -> LeftBehind {
        *self.left_behind.lock()
    }

    pub(super) fn count_refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// A task was called off outside of the workers' loops.
    pub(super) fn count_called_off(&self, off: Off) {
        match off {
            Off::Cancelled => self.cancelled.fetch_add(1, Relaxed),
            Off::Expired => self.expired.fetch_add(1, Relaxed),
            Off::TakenBack => return,
        };
    }

    /// One more task in the queue is a tombstone.
    pub(super) fn count_tombstone(&self) {
        self.tombstones_made.fetch_add(1, SeqCst);
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    pub(super) fn cancelled(&self) -> u64 {
        self.cancelled.load(Relaxed)
    }

    pub(super) fn expired(&self) -> u64 {
        self.expired.load(Relaxed)
    }

    pub(super) fn tombstones_made(&self) -> u64 {
        self.tombstones_made.load(SeqCst)
    }
}
