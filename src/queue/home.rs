//! A home: one submitter's way to its queue.

use super::Queue;
use crate::sync::{Arc, Relaxed, SeqCst};
use crate::task::{Ledger, Slot, TaskInfo, Watch};
use std::any::Any;

/// Every task with a handle counts a reference to its pool. If all counted on
/// the one `Arc` of the queue, all producers and workers would write to one
/// cache line; so each submitter and each worker has a home of its own to count
/// on.
pub(crate) struct Home {
    pub(crate) queue: Arc<Queue>,
    /// Whose home it is, if it is a worker's.
    worker: Option<usize>,
}

impl Home {
    pub(crate) fn new(queue: &Arc<Queue>) -> Arc<Home> {
        Arc::new(Home {
            queue: queue.clone(),
            worker: None,
        })
    }

    pub(crate) fn of_worker(queue: &Arc<Queue>, index: usize) -> Arc<Home> {
        Arc::new(Home {
            queue: queue.clone(),
            worker: Some(index),
        })
    }

    fn slot(&self) -> Option<&Slot> {
        self.worker.map(|index| &**self.queue.slots[index])
    }

    /// What a task knows as its ledger.
    pub(super) fn of_ledger(ledger: Arc<dyn Ledger>) -> Arc<Home> {
        match ledger.into_any().downcast() {
            Ok(home) => home,
            Err(_) => unreachable!("a pool's ledger is a home"),
        }
    }
}

impl Ledger for Home {
    fn pool(&self) -> u64 {
        self.queue.id
    }

    fn watch(&self, task: u64) -> Arc<Watch> {
        let new = || Watch::new(self.queue.token.child());
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

    fn panicked(&self, info: &TaskInfo, message: &str) {
        self.queue.tell_panic(info, message);
    }

    fn count_cancelled(&self) {
        self.queue.outside.cancelled.fetch_add(1, Relaxed);
    }

    fn went_quiet(&self) {
        self.queue.idle_changed();
    }

    fn husk_made(&self) {
        self.queue.outside.husks_made.fetch_add(1, SeqCst);
        self.queue.idle_changed();
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
