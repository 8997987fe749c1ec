//! The moments of a batcher in the timer.

use crate::clock::Deadline;
use crate::sync::{Arc, Weak};
use crate::timer::{Alarm, Due, Key, Timer};

/// What rings for the batch that is being filled; for another batch it is the number of that.
pub(super) const FILLING: u64 = 0;
/// What rings when a stop cancels what runs.
pub(super) const CANCEL: u64 = u64::MAX;

pub(super) struct BatchAlarms {
    batcher: Weak<dyn Alarm>,
    /// There until the batcher is sealed: the timer keeps nothing of it from then on.
    timer: Option<Arc<Timer>>,
    filling: Option<Key>,
}

impl BatchAlarms {
    pub(super) fn new(batcher: Weak<dyn Alarm>, timer: Option<Arc<Timer>>) -> BatchAlarms {
        BatchAlarms {
            batcher,
            timer,
            filling: None,
        }
    }

    /// Lets the batch that is being filled be looked at when it is due. A look that is set
    /// already comes earlier, and sets the next one.
    pub(super) fn set_filling(&mut self, due: Deadline) {
        if self.filling.is_none() {
            self.filling = self.set(due, FILLING);
        }
    }

    pub(super) fn filling_rang(&mut self) {
        self.filling = None;
    }

    /// Sets the next attempt of a batch.
    pub(super) fn set_retry(&self, batch: u64, due: Deadline) -> Option<Key> {
        self.set(due, batch)
    }

    fn set(&self, due: Deadline, what: u64) -> Option<Key> {
        let (due, timer) = due.moment().zip(self.timer.as_ref())?;
        Some(timer.set(Due::Mono(due), &self.batcher, what))
    }

    pub(super) fn clear(&self, key: Option<Key>) {
        if let Some((key, timer)) = key.zip(self.timer.as_ref()) {
            timer.clear(key);
        }
    }

    /// Sets nothing any more. Returns the timer, which must not be dropped under the lock of
    /// the batcher: its thread may be about to ring there.
    #[must_use]
    pub(super) fn close(&mut self) -> Option<Arc<Timer>> {
        let filling = self.filling.take();
        self.clear(filling);
        self.timer.take()
    }
}
