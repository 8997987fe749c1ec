//! `wait_idle`: until nothing waits and nothing runs.
//!
//! No counter says so, since every task would pay for it. Instead a waiter looks
//! at every slot, then at the lengths of the queue, then at every slot again: if
//! all were quiet and none of their epochs has changed, no worker did anything
//! in between, so the lengths are those of one moment.
//!
//! # Invariants
//!
//! 1. A waiter counts itself in `waiters`, then looks; the worker that ends the
//!    last task becomes quiet, then reads `waiters`, and notifies. All SeqCst or
//!    under locks.
//! 2. Tombstones lie in the queue but are no tasks: the number of those made, less
//!    those passed, is taken off the lengths. It is read before the lengths, so
//!    that a tombstone made in between only makes the answer too cautious; the thread
//!    that made it notifies.

use super::PoolCore;
use crate::clock::Deadline;
use crate::sync::{AtomicBool, AtomicUsize, Condvar, Mutex, SeqCst};
use crate::task::{Quiet, current_worker_in};

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
    fn wait(&self, deadline: Deadline, is_idle: impl Fn() -> bool) -> bool {
        let mut guard = self.lock.lock();
        self.waiters.fetch_add(1, SeqCst);
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
    fn notify(&self) {
        if self.waiters.load(SeqCst) > 0 {
            let _guard = self.lock.lock();
            self.changed.notify_all();
        }
    }
}

impl PoolCore {
    /// Blocks until the pool is idle, or a stop made its report, or `deadline`
    /// has come; returns `false` for the last.
    pub(crate) fn wait_idle(&self, deadline: Deadline) -> bool {
        let me = current_worker_in(self.id);
        if let Some(me) = &me {
            me.slot.set_waiting_idle(true);
            self.idle_changed();
        }
        let idle = self.is_idle() || self.idle.wait(deadline, || self.is_idle());
        if let Some(me) = &me {
            me.slot.set_waiting_idle(false);
        }
        idle
    }

    fn is_idle(&self) -> bool {
        if self.is_reported() {
            return true;
        }
        let Some(before) = self.quiet() else {
            return false;
        };
        let made_by_workers: u64 = before.iter().map(|quiet| quiet.tombstones_made).sum();
        let passed: u64 = before.iter().map(|quiet| quiet.tombstones_skipped).sum();
        let made = made_by_workers + self.outside.tombstones_made.load(SeqCst);
        let overflow: usize = before.iter().map(|quiet| quiet.overflow).sum();
        // One lock: what was waiting becomes due under it.
        let later = self.backlog();
        if later.waiting > 0 {
            return false;
        }
        let waiting = (self.queued() + overflow + later.due) as u64;
        if waiting + passed > made {
            return false;
        }
        self.quiet()
            .is_some_and(|after| before.iter().map(epoch).eq(after.iter().map(epoch)))
    }

    /// All slots, if all are quiet.
    fn quiet(&self) -> Option<Vec<Quiet>> {
        self.slots.iter().map(|slot| slot.quiet()).collect()
    }

    /// A worker became quiet, a tombstone was made, or the queue was emptied.
    pub(crate) fn idle_changed(&self) {
        self.idle.notify();
    }

    pub(super) fn is_reported(&self) -> bool {
        self.idle.reported.load(SeqCst)
    }

    /// The report of a stop is made: every `wait_idle` returns.
    pub(crate) fn end_idle_waits(&self) {
        self.idle.reported.store(true, SeqCst);
        self.idle_changed();
    }
}

fn epoch(quiet: &Quiet) -> u64 {
    quiet.epoch
}
