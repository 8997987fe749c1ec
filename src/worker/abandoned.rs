//! How many abandoned tasks of a report still run.

use crate::clock::Deadline;
use crate::sync::{Condvar, Mutex};

/// Shared by a report and the slots; it holds on to nothing of the pool.
#[derive(Default)]
pub(crate) struct AbandonedCounter {
    running: Mutex<usize>,
    ended: Condvar,
}

impl AbandonedCounter {
    pub(super) fn one_more(&self) {
        *self.running.lock() += 1;
    }

    pub(super) fn one_ended(&self) {
        *self.running.lock() -= 1;
        self.ended.notify_all();
    }

    /// Waits until none runs any more or the deadline has come; returns how
    /// many still run.
    pub(crate) fn wait(&self, deadline: Deadline) -> usize {
        let mut running = self.running.lock();
        while *running > 0 && !deadline.wait(&self.ended, &mut running) {}
        *running
    }
}
