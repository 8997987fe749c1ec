//! Close and seal: which side owns a push that raced the close.
//!
//! The queue is *closed* when nothing more is to get in, and *sealed* when
//! nothing more is taken from it: by the last worker to leave, which found it
//! empty, or by a stopper, which took everything out.
//!
//! # Invariants
//!
//! 1. A push is followed by a look at `closed`. If that is false the push came before the
//!    close, and the sealer finds the task.
//! 2. If it is true the lock of `Late` orders push and seal. Not sealed yet:
//!    accepted, the seal will find it. Sealed: the pusher looks for its task
//!    and takes it back, refused; if it is not there, the seal found it, and it
//!    was accepted.
//! 3. After the seal no worker takes anything, so what lies in the queue then
//!    are late pushes only, each about to be taken back by its pusher.
//!
//! # Argument
//!
//! A push into the channel is a SeqCst read-modify-write of its tail
//! (`start_send` in crossbeam-channel's array flavour, 0.5.15 to 0.5.17),
//! followed by the load L of `closed`. A sealer wrote or read `closed` = true
//! before it looks at the tail, with a SeqCst fence in between (`start_recv`).
//! If L reads false, L comes before the store of `closed` in the total order of
//! sequentially consistent operations, hence so does the tail's update, and the
//! sealer sees it. A push into a list happens under its slot's lock, which
//! the sealer takes: had the sealer taken it first, L would read true.
//! `tests/accounting.rs` would show it if a version of crossbeam broke this.

use super::PoolCore;
use crate::sync::{Relaxed, SeqCst};
use crate::task::{self, Off, Queued};

pub(super) struct CloseState {
    sealed: bool,
    /// Workers that have not left.
    present: usize,
    /// Late pushes that were found while another one was looked for.
    stranded: Vec<Queued>,
}

impl CloseState {
    pub(super) fn new(workers: usize) -> CloseState {
        CloseState {
            sealed: false,
            present: workers,
            stranded: Vec::new(),
        }
    }
}

/// What a stopper took out of the queue.
#[derive(Default)]
pub(crate) struct TakenOut {
    /// What never started: the channel's oldest first, then the lists', then what waited for
    /// another attempt, or was due.
    pub(crate) unstarted: Vec<Queued>,
    /// Cancelled tasks that were not counted yet.
    pub(crate) cancelled: u64,
    /// Expired tasks that were not counted yet.
    pub(crate) expired: u64,
    /// Everything accepted that was taken out of the queue, tombstones included.
    pub(crate) taken: u64,
}

impl TakenOut {
    /// One more that has to be taken out. Returns whether it had been accepted.
    pub(super) fn sort(&mut self, task: Queued) -> bool {
        match task.take_out() {
            task::TakenOut::Live => {
                self.unstarted.push(task);
                true
            }
            task::TakenOut::Withdrawn => {
                task.give_back();
                false
            }
            task::TakenOut::Tombstone(tombstone) => {
                self.cancelled += u64::from(tombstone.uncounted == Some(Off::Cancelled));
                self.expired += u64::from(tombstone.uncounted == Some(Off::Expired));
                tombstone.accepted
            }
        }
    }

    pub(super) fn add(&mut self, mut other: TakenOut) {
        self.unstarted.append(&mut other.unstarted);
        self.cancelled += other.cancelled;
        self.expired += other.expired;
        self.taken += other.taken;
    }
}

impl PoolCore {
    /// Nothing more gets in. Returns whether it was open.
    pub(crate) fn close(&self) -> bool {
        let was_open = !self.flags.closed.swap(true, SeqCst);
        if was_open {
            self.sleepers.wake_all();
            self.gate.open();
            self.retry_permits.close();
            self.close_later();
        }
        was_open
    }

    /// Settles a push that found the queue closed afterwards: `Err` gives the
    /// task back, refused.
    #[cold]
    pub(super) fn settle_late_push(&self, id: u64, index: Option<usize>) -> Result<(), Queued> {
        let mut late = self.close_state.lock();
        if !late.sealed {
            return Ok(());
        }
        late.stranded.extend(self.receiver.try_iter());
        if let Some(index) = index {
            late.stranded.extend(self.slots[index].drain_overflow());
        }
        let own = late.stranded.iter().position(|task| task.id() == id);
        match own {
            Some(own) => Err(late.stranded.swap_remove(own)),
            None => Ok(()),
        }
    }

    /// A worker wants to leave: it read `closed` as true and then found nothing to do, or
    /// its slot was marked, so that it takes nothing more (`marked`). `false`: there is
    /// something to do after all. A thief may have missed it, since it does not wait for a
    /// list that is locked.
    pub(crate) fn leave(&self, marked: bool) -> bool {
        let mut late = self.close_state.lock();
        if !marked && !late.sealed {
            // What is due is put in under a lock, after a look at `closed`: so it is counted
            // under that lock, too.
            if self.has_tasks() || self.backlog().due > 0 {
                return false;
            }
            if late.present == 1 {
                self.seal(&mut late);
            }
        }
        late.present = late.present.saturating_sub(1);
        true
    }

    fn seal(&self, late: &mut CloseState) {
        late.sealed = true;
        self.flags.sealed.store(true, Relaxed);
    }

    /// One more worker, in the place of one that is stuck.
    pub(crate) fn one_more_present(&self) {
        self.close_state.lock().present += 1;
    }

    /// How many workers have not left.
    pub(crate) fn present(&self) -> usize {
        self.close_state.lock().present
    }

    /// Takes everything out of the queue and seals it. Runs no user code.
    pub(crate) fn take_out(&self) -> TakenOut {
        self.slots.iter().for_each(|slot| slot.mark());
        let mut late = self.close_state.lock();
        let mut out = TakenOut::default();
        if late.sealed {
            self.take_out_later(&mut out);
            return out;
        }
        self.seal(&mut late);
        let tasks = self.receiver.try_iter();
        let overflow = self.slots.iter().flat_map(|slot| slot.drain_overflow());
        for task in tasks.chain(overflow) {
            out.taken += u64::from(out.sort(task));
        }
        self.take_out_later(&mut out);
        drop(late);
        self.idle_changed();
        out
    }
}
