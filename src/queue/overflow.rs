//! Where a worker's own submits go when the channel is full.
//!
//! Its owner takes the newest first; the others and a stop the oldest first.
//! It is not bounded: a worker that waited for room would be a worker that
//! makes none.

use crate::sync::{AtomicUsize, Mutex, Relaxed, SeqCst};
use crate::task::Queued;
use std::collections::VecDeque;

#[derive(Default)]
pub(super) struct Overflow {
    tasks: Mutex<VecDeque<Queued>>,
    /// The list's length, written under the lock; SeqCst, so that a worker that
    /// goes to sleep sees a push, or the pusher sees the sleeper.
    len: AtomicUsize,
    /// The longest it has been; written under the lock, by its owner only.
    peak: AtomicUsize,
}

impl Overflow {
    pub(super) fn push(&self, task: Queued) {
        let mut tasks = self.tasks.lock();
        tasks.push_back(task);
        self.len.store(tasks.len(), SeqCst);
        if tasks.len() > self.peak.load(Relaxed) {
            self.peak.store(tasks.len(), Relaxed);
        }
    }

    pub(super) fn pop_newest(&self) -> Option<Queued> {
        self.pop(VecDeque::pop_back)
    }

    pub(super) fn pop_oldest(&self) -> Option<Queued> {
        self.pop(VecDeque::pop_front)
    }

    fn pop(&self, pop: impl FnOnce(&mut VecDeque<Queued>) -> Option<Queued>) -> Option<Queued> {
        if self.is_empty() {
            return None;
        }
        let mut tasks = self.tasks.lock();
        let task = pop(&mut tasks);
        self.len.store(tasks.len(), SeqCst);
        task
    }

    /// Everything, the oldest first. Looks under the lock, so that a push that
    /// has ended before is found.
    pub(super) fn drain(&self) -> VecDeque<Queued> {
        let mut tasks = self.tasks.lock();
        self.len.store(0, SeqCst);
        std::mem::take(&mut *tasks)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(SeqCst)
    }

    pub(super) fn peak(&self) -> usize {
        self.peak.load(Relaxed)
    }
}
