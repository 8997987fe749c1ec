//! What a change of a batcher's state leaves to do without the lock.

use crate::queue::{PoolCore, Queued};

/// What follows from a change of the state, to be dropped once the lock is released: a
/// woken thread would wait for it at once, and a task that the pool refused counts until
/// then.
#[must_use]
pub(super) struct Aftermath<'a> {
    pub(super) queue: &'a PoolCore,
    pub(super) wakes_worker: bool,
    pub(super) refused: Option<Queued>,
}

impl Drop for Aftermath<'_> {
    fn drop(&mut self) {
        if self.wakes_worker {
            self.queue.wake_one();
        }
        if let Some(task) = self.refused.take() {
            task.discard();
        }
    }
}
