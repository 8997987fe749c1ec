//! `wait_idle`: until nothing waits and nothing runs.
//!
//! No counter says so, since each task would have to pay for one. Instead a waiter looks at
//! every slot, then at the lengths of the queue, then at every slot again: if all were
//! quiet and none of their epochs has changed, no worker did anything in between, so the
//! lengths are those of one moment.
//!
//! # Invariants
//!
//! 1. A waiter counts itself in `idlers`, then looks; the worker that ends the last task
//!    becomes quiet, then reads `idlers`, and rings. All SeqCst or under locks.
//! 2. Husks lie in the queue but are no tasks: the number of those made, less those passed,
//!    is taken off the lengths. It is read before the lengths, so that a husk made in
//!    between only makes the answer too cautious; the thread that made it rings.

use super::Queue;
use crate::clock::Deadline;
use crate::sync::{AtomicBool, Condvar, Mutex, SeqCst};
use crate::task::{Quiet, me_in};

#[derive(Default)]
pub(super) struct Idle {
    lock: Mutex<()>,
    changed: Condvar,
    /// A stop made its report: no thread waits any more.
    reported: AtomicBool,
}

impl Queue {
    /// Blocks until the pool is idle, or a stop made its report, or `deadline`
    /// has come; returns `false` for the last.
    pub(crate) fn wait_idle(&self, deadline: Deadline) -> bool {
        let me = me_in(self.id);
        if let Some(me) = &me {
            me.slot.set_waiting_idle(true);
            self.idle_changed();
        }
        let idle = self.is_idle() || self.wait_until_idle(deadline);
        if let Some(me) = &me {
            me.slot.set_waiting_idle(false);
        }
        idle
    }

    fn wait_until_idle(&self, deadline: Deadline) -> bool {
        let mut guard = self.idle.lock.lock();
        self.flags.idlers.fetch_add(1, SeqCst);
        let mut idle = self.is_idle();
        let mut timed_out = false;
        while !idle && !timed_out {
            timed_out = deadline.wait(&self.idle.changed, &mut guard);
            idle = self.is_idle();
        }
        self.flags.idlers.fetch_sub(1, SeqCst);
        idle
    }

    fn is_idle(&self) -> bool {
        if self.is_reported() {
            return true;
        }
        let Some(before) = self.quiet() else {
            return false;
        };
        let made_by_workers: u64 = before.iter().map(|quiet| quiet.husks_made).sum();
        let passed: u64 = before.iter().map(|quiet| quiet.husks_passed).sum();
        let made = made_by_workers + self.outside.husks_made.load(SeqCst);
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

    /// A worker became quiet, a husk was made, or the queue was emptied.
    pub(crate) fn idle_changed(&self) {
        if self.flags.idlers.load(SeqCst) > 0 {
            let _guard = self.idle.lock.lock();
            self.idle.changed.notify_all();
        }
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
