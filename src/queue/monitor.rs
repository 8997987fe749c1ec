//! A lock with the condition variable on which threads wait for what it guards.

use crate::cancel::Listener;
use crate::clock::Deadline;
use crate::sync::{Condvar, Mutex, MutexGuard};

/// A lock that nothing else is taken under, so that a token's cancel may take it wherever it
/// is called.
#[derive(Default)]
pub(super) struct Monitor<T> {
    state: Mutex<T>,
    changed: Condvar,
}

impl<T> Monitor<T> {
    pub(super) fn new(state: T) -> Monitor<T> {
        Monitor {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        self.state.lock()
    }

    /// Blocks until it is notified or the deadline has come; returns whether that has come.
    pub(super) fn wait(&self, deadline: Deadline, guard: &mut MutexGuard<'_, T>) -> bool {
        deadline.wait(&self.changed, guard)
    }

    pub(super) fn notify_one(&self) {
        self.changed.notify_one();
    }

    pub(super) fn notify_all(&self) {
        self.changed.notify_all();
    }
}

impl<T: Send> Listener for Monitor<T> {
    /// Under the lock: a waiter looks at its token under it before it sleeps, so that either
    /// it sees the cancel or this wakes it.
    fn cancelled(&self) {
        let _guard = self.state.lock();
        self.changed.notify_all();
    }
}
