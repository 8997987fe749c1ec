//! A home: one submitter's way to its queue.

use super::Queue;
use crate::cancel::CancelToken;
use crate::sync::{Arc, Relaxed, SeqCst};
use crate::task::{Ledger, TaskInfo};
use std::any::Any;

/// Every task with a handle counts a reference to its pool. If all counted on
/// the one `Arc` of the queue, all producers and workers would write to one
/// cache line; so each submitter and each worker has a home of its own to count
/// on.
pub(crate) struct Home {
    pub(crate) queue: Arc<Queue>,
}

impl Home {
    pub(crate) fn new(queue: &Arc<Queue>) -> Arc<Home> {
        Arc::new(Home {
            queue: queue.clone(),
        })
    }
}

impl Ledger for Home {
    fn pool(&self) -> u64 {
        self.queue.id
    }

    fn token(&self) -> &CancelToken {
        &self.queue.token
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
