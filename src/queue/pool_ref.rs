//! A reference to the pool: one submitter's way to its queue.

use super::PoolCore;
use crate::clock::Deadline;
use crate::sync::{Arc, Relaxed, SeqCst};
use crate::task::{Ended, Ledger, Off, Shared, Slot, TaskControl, TaskInfo, current_worker_in};
use crate::threads::SPAWN_TIMEOUT;
use std::any::Any;
use std::time::Duration;

/// Every task with a handle counts a reference to its pool. If all counted on
/// the one `Arc` of the queue, all producers and workers would write to one
/// cache line; so each submitter and each worker has one of its own to count
/// on.
pub(crate) struct PoolRef {
    pub(crate) queue: Arc<PoolCore>,
    /// The worker that it belongs to, if any.
    pub(super) worker: Option<usize>,
}

impl PoolRef {
    pub(crate) fn new(queue: &Arc<PoolCore>) -> Arc<PoolRef> {
        Arc::new(PoolRef {
            queue: queue.clone(),
            worker: None,
        })
    }

    pub(crate) fn of_worker(queue: &Arc<PoolCore>, index: usize) -> Arc<PoolRef> {
        Arc::new(PoolRef {
            queue: queue.clone(),
            worker: Some(index),
        })
    }

    /// The reference that the current thread is to count on: its own, if it is one of
    /// the pool's workers.
    pub(crate) fn nearest(self: &Arc<Self>) -> Arc<PoolRef> {
        PoolRef::of_current_worker(&self.queue).unwrap_or_else(|| self.clone())
    }

    /// The reference of the current thread, if it is one of the queue's workers.
    pub(crate) fn of_current_worker(queue: &PoolCore) -> Option<Arc<PoolRef>> {
        current_worker_in(queue.id).map(|me| PoolRef::of_ledger(me.ledger.clone()))
    }

    fn slot(&self) -> Option<&Slot> {
        self.worker.map(|index| &**self.queue.slots[index])
    }

    /// What a task knows as its ledger.
    pub(crate) fn of_ledger(ledger: Arc<dyn Ledger>) -> Arc<PoolRef> {
        match ledger.into_any().downcast() {
            Ok(pool_ref) => pool_ref,
            Err(_) => unreachable!("a pool's ledger is a reference to it"),
        }
    }
}

impl Ledger for PoolRef {
    fn pool(&self) -> u64 {
        self.queue.id
    }

    fn watch(&self, task: u64) -> Arc<TaskControl> {
        let new = || TaskControl::new(self.queue.token.child());
        self.slot()
            .and_then(|slot| slot.watch(task, new))
            .unwrap_or_else(new)
    }

    fn info(&self, task: u64) -> TaskInfo {
        match self.slot().and_then(|slot| slot.info(task)) {
            Some(info) => info,
            None => unreachable!("asked by a task that this worker runs"),
        }
    }

    fn is_reported(&self) -> bool {
        self.queue.is_reported()
    }

    fn is_cancelled(&self) -> bool {
        self.queue.token.is_cancelled()
    }

    fn is_observed(&self) -> bool {
        self.queue.is_observed()
    }

    fn ended(&self, task: &Ended) {
        if let Some(worker) = self.worker {
            self.queue.tell_observers(worker, task);
        }
    }

    fn panicked(&self, info: &TaskInfo, message: &str) {
        self.queue.tell_panic(info, message);
    }

    fn count_called_off(&self, off: Off) {
        let outside = &self.queue.outside;
        match off {
            Off::Cancelled => outside.cancelled.fetch_add(1, Relaxed),
            Off::Expired => outside.expired.fetch_add(1, Relaxed),
            Off::TakenBack => return,
        };
    }

    fn went_quiet(&self) {
        self.queue.idle_changed();
    }

    fn tombstone_made(&self) {
        self.queue.outside.tombstones_made.fetch_add(1, SeqCst);
        self.queue.idle_changed();
    }

    fn prepare_to_wait(&self) {
        self.queue.prepare_to_wait(Deadline::after(SPAWN_TIMEOUT));
    }

    fn take_due(&self, task: u64) -> bool {
        self.queue.take_due_task(task)
    }

    fn wait_to_retry(&self, task: Arc<dyn Shared>, after: Duration) {
        self.queue.wait_to_retry(task, after);
    }

    fn waits_no_more(&self, task: u64) {
        self.queue.waits_no_more(task);
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
