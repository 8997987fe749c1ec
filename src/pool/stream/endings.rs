//! Which batches of a stream have ended, in the order in which they did.

use crate::sync::{Arc, Backoff, Condvar, Mutex, MutexGuard};
use crate::task::{Link, Shared, TaskPanic};
use std::collections::VecDeque;

/// Added to by whoever ends a batch, a stop included; taken by the consumer.
#[derive(Default)]
pub(super) struct Endings {
    ended: Mutex<VecDeque<u64>>,
    changed: Condvar,
}

impl Endings {
    /// The number of the next batch that has ended, if there is one by now.
    pub(super) fn try_next(&self) -> Option<u64> {
        self.ended.lock().pop_front()
    }

    /// Waits until there is one.
    pub(super) fn wait(&self) {
        // To yield to the workers is to find several, when it is this thread's
        // turn again.
        let backoff = Backoff::new();
        let mut ended = self.ended.lock();
        while ended.is_empty() {
            if backoff.is_completed() {
                self.changed.wait(&mut ended);
            } else {
                MutexGuard::unlocked(&mut ended, || backoff.snooze());
            }
        }
    }
}

/// What a batch tells its stream.
pub(super) struct Ending {
    pub(super) number: u64,
    pub(super) endings: Arc<Endings>,
}

impl Link for Ending {
    const SCOPED: bool = false;

    fn resolved(&self) {
        self.endings.ended.lock().push_back(self.number);
        self.endings.changed.notify_one();
    }

    fn given_back(&self, _: Arc<dyn Shared>) {}
    fn unheard(&self, _: TaskPanic) {}
    fn ended(&self) {}
}
