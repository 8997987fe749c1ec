//! The threads that wait for the pool to be idle.
//!
//! # Invariant
//!
//! A waiter counts itself in `waiters`, then looks; the worker that ends the last task
//! becomes quiet, then reads `waiters`, and notifies. All SeqCst or under locks.

use crate::clock::Deadline;
use crate::sync::{AtomicBool, AtomicUsize, Condvar, Mutex, SeqCst};

/// The threads that wait for the pool to be idle.
#[derive(Default)]
pub(super) struct IdleWaiters {
    /// Written under the lock; read by workers that become quiet.
    waiters: AtomicUsize,
    lock: Mutex<()>,
    changed: Condvar,
    /// A stop made its report: no thread waits any more.
    reported: AtomicBool,
}

impl IdleWaiters {
    /// Blocks until `is_idle`, or until `deadline` has come: then it returns
    /// `false`, if it still is not.
    pub(super) fn wait(&self, deadline: Deadline, is_idle: impl Fn() -> bool) -> bool {
        let mut guard = self.lock.lock();
        self.waiters.fetch_add(1, SeqCst);
        // Only now that it counts itself in.
        let mut idle = is_idle();
        let mut timed_out = false;
        while !idle && !timed_out {
            timed_out = deadline.wait(&self.changed, &mut guard);
            idle = is_idle();
        }
        self.waiters.fetch_sub(1, SeqCst);
        idle
    }

    /// Lets the waiters look again.
    pub(super) fn notify(&self) {
        if self.waiters.load(SeqCst) > 0 {
            let _guard = self.lock.lock();
            self.changed.notify_all();
        }
    }

    /// No thread waits any more.
    pub(super) fn end(&self) {
        self.reported.store(true, SeqCst);
        self.notify();
    }

    pub(super) fn is_over(&self) -> bool {
        self.reported.load(SeqCst)
    }
}
