//! `wait_idle`: until nothing waits and nothing runs.
//!
//! No counter says so, since every task would pay for it. Instead a waiter looks
//! at every slot, then at the lengths of the queue, then at every slot again: if
//! all were quiet and none of their epochs has changed, no worker did anything
//! in between, so the lengths are those of one moment.
//!
//! # Invariants
//!
//! 1. A waiter counts itself in, then looks; the worker that ends the last task becomes
//!    quiet, then reads the count, and notifies (see `waiters`).
//! 2. Tombstones lie in the queue but are no tasks: the number of those made, less
//!    those skipped, is taken off the lengths. It is read before the lengths, so
//!    that a tombstone made in between only makes the answer too cautious; the thread
//!    that made it notifies.

use super::core::PoolCore;
use super::current_worker::current_worker_in;
use crate::clock::Deadline;
use crate::sync::SeqCst;
use crate::worker::Quiet;

impl PoolCore {
    /// Blocks until the pool is idle, or a stop made its report, or `deadline`
    /// has come; returns `false` for the last.
    pub(crate) fn wait_idle(&self, deadline: Deadline) -> bool {
        let worker = current_worker_in(self.id);
        if let Some(worker) = &worker {
            worker.slot.set_waiting_idle(true);
            self.idle.notify();
        }
        let idle = self.is_idle() || self.idle.wait(deadline, || self.is_idle());
        if let Some(worker) = &worker {
            worker.slot.set_waiting_idle(false);
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
        // Invariant 2: before the lengths.
        let tombstones_made =
            self.counters.tombstones_made() + sum(&before, |it| it.tombstones_made);
        let tombstones_skipped = sum(&before, |it| it.tombstones_skipped);
        let overflow = sum(&before, |it| it.overflow as u64);
        // One lock: what was waiting becomes due under it.
        let timed = self.backlog();
        if timed.waiting > 0 {
            return false;
        }
        let lengths = (self.channel.len() + timed.due) as u64 + overflow;
        if lengths + tombstones_skipped > tombstones_made {
            return false;
        }
        self.quiet()
            .is_some_and(|after| same_epochs(&before, &after))
    }

    /// All slots, if all are quiet.
    fn quiet(&self) -> Option<Vec<Quiet>> {
        self.slots.iter().map(|slot| slot.quiet()).collect()
    }

    /// A worker became quiet, or the queue was emptied.
    pub(crate) fn idle_changed(&self) {
        self.idle.notify();
    }

    /// Whether the report of a stop was made: no wait goes on after that.
    pub(crate) fn is_reported(&self) -> bool {
        self.reported.load(SeqCst)
    }

    /// The report of a stop is made: every `wait_idle` returns, and so does every wait for a
    /// task that is being called off.
    pub(crate) fn end_waits(&self) {
        self.reported.store(true, SeqCst);
        self.idle.notify();
        self.calling_off.notify();
    }
}

fn sum(slots: &[Quiet], of: impl Fn(&Quiet) -> u64) -> u64 {
    slots.iter().map(of).sum()
}

fn same_epochs(before: &[Quiet], after: &[Quiet]) -> bool {
    let mut both = before.iter().zip(after);
    both.all(|(before, after)| before.epoch == after.epoch)
}
