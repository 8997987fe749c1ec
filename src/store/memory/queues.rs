//! What is done to whole queues.

use super::model::Model;
use crate::store::PausedQueue;
use std::collections::btree_map::Entry;
use std::time::SystemTime;

impl Model {
    pub(super) fn pause(&mut self, queue: &str, now: SystemTime) -> bool {
        match self.paused.entry(queue.to_owned()) {
            Entry::Vacant(entry) => {
                entry.insert(now);
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    pub(super) fn resume(&mut self, queue: &str) -> bool {
        self.paused.remove(queue).is_some()
    }

    pub(super) fn paused(&self) -> Vec<PausedQueue> {
        let paused = self.paused.iter().map(|(queue, since)| PausedQueue {
            queue: queue.clone(),
            since: *since,
        });
        paused.collect()
    }
}
