//! How a pool is closed, how its workers leave, and how a stop takes the backlog out.

use super::close_watchers::CloseWatcher;
use super::core::{PoolCore, Queued};
use super::entry::TakenOut;
use crate::sync::Weak;

impl PoolCore {
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closing.is_closed()
    }

    /// Whether a stop has taken the backlog out, or a last worker found none.
    pub(crate) fn is_sealed(&self) -> bool {
        self.closing.is_sealed()
    }

    /// Nothing more gets in. Returns whether it was open.
    pub(crate) fn close(&self) -> bool {
        // Before the flag: a worker that reads it as set finds all that is due.
        self.timed.close();
        let was_open = self.closing.close();
        if was_open {
            // Each of these threads waits for something that may never come now.
            self.sleepers.wake_all();
            self.gate.open();
            self.retry_permits.close();
        }
        self.idle.notify();
        if was_open {
            self.watchers.notify();
            self.stopping.cancel();
        }
        was_open
    }

    /// Settles a push that found the pool closed afterwards: `Err` gives the task back,
    /// refused. `index`: of the worker in whose list it lies, unless it is in the channel.
    #[cold]
    pub(super) fn settle_late_push(&self, id: u64, index: Option<usize>) -> Result<(), Queued> {
        self.closing.settle_late_push(id, |found| {
            found.extend(self.channel.drain());
            if let Some(index) = index {
                found.extend(self.drain_overflow(index));
            }
        })
    }

    fn drain_overflow(&self, index: usize) -> impl Iterator<Item = Queued> + use<> {
        let list = self.slots[index].drain_overflow();
        list.into_iter().map(|task| task.into_queued())
    }

    /// A worker wants to leave: it read `closed` as true and then found nothing to do, or
    /// its slot was marked, so that it takes nothing more (`is_marked`). `false`: there is
    /// something to do after all. A thief may have missed it, since it does not wait for a
    /// list that is locked.
    pub(crate) fn leave(&self, is_marked: bool) -> bool {
        let has_left = self.closing.leave(is_marked, || self.has_tasks());
        if has_left && self.is_sealed() {
            self.watchers.notify();
        }
        has_left
    }

    /// Lets `watcher` know when the pool is closed and when it is sealed.
    pub(crate) fn watch(&self, watcher: Weak<dyn CloseWatcher>) {
        self.watchers.add(watcher);
    }

    /// One more worker, in the place of one that is stuck.
    pub(crate) fn one_more_present(&self) {
        self.closing.one_more_present();
    }

    /// How many workers have not left.
    pub(crate) fn present(&self) -> usize {
        self.closing.present()
    }

    /// This worker is to take nothing more, and to leave; also if it sleeps by now.
    pub(crate) fn dismiss(&self, index: usize) {
        self.slots[index].mark();
        self.sleepers.wake(index);
    }

    /// Takes everything out of the queue and seals it. Runs no code of the program.
    pub(crate) fn take_out(&self) -> TakenOut<Queued> {
        // First, so that what workers put into their lists from now on stays there: a marked
        // worker takes nothing (Invariant 2 of `slot`).
        self.slots.iter().for_each(|slot| slot.mark());
        let mut out = TakenOut::default();
        self.closing.seal_and(|is_first| {
            if is_first {
                let overflow = (0..self.slots.len()).flat_map(|index| self.drain_overflow(index));
                let backlog = self.channel.drain().chain(overflow);
                backlog.for_each(|task| out.take(task));
            }
            self.timed.take_out(&mut out);
        });
        self.idle.notify();
        self.watchers.notify();
        out
    }

    /// Takes out what came to wait for another attempt since.
    pub(crate) fn take_out_timed(&self, out: &mut TakenOut<Queued>) {
        self.timed.take_out(out);
        self.idle.notify();
    }
}
