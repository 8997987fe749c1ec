//! Threads that wait for something rare: the others look only whether there are any.
//!
//! # Invariant
//!
//! A waiter counts itself in, then looks; a thread that makes the change does so first, then
//! reads the count, and notifies. All SeqCst or under locks: one of the two sees the other.

use crate::clock::Deadline;
use crate::sync::{AtomicUsize, Condvar, Mutex, SeqCst};

#[derive(Default)]
pub(super) struct Waiters {
    /// Written under the lock; read by every thread that makes a change.
    count: AtomicUsize,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Waiters {
    /// Blocks until `is_over`, or until `deadline` has come: then it returns `false`, if it
    /// still is not.
    pub(super) fn wait(&self, deadline: Deadline, is_over: impl Fn() -> bool) -> bool {
        let mut guard = self.lock.lock();
        self.count.fetch_add(1, SeqCst);
        // Only now that it counts itself in.
        let goes_on = deadline.wait_while(&self.changed, &mut guard, |()| !is_over());
        self.count.fetch_sub(1, SeqCst);
        !goes_on
    }

    /// Lets the waiters look again.
    pub(super) fn notify(&self) {
        if self.count.load(SeqCst) > 0 {
            // A waiter that has looked before the change sleeps by now.
            let _guard = self.lock.lock();
            self.changed.notify_all();
        }
    }
}
