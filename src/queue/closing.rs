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
//! 2. If it is true the lock of `state` orders push and seal. Not sealed yet:
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

use super::entry::Entry;
use crate::sync::{AtomicBool, CachePadded, Mutex, Relaxed, SeqCst};

/// `T`: what is queued.
pub(super) struct Closing<T> {
    flags: CachePadded<Flags>,
    state: CachePadded<Mutex<CloseState<T>>>,
}

/// What every submit and every task reads, and what changes only when the pool closes.
#[derive(Default)]
struct Flags {
    /// Written once, by `close`; SeqCst for Invariant 1.
    closed: AtomicBool,
    /// A copy of `CloseState::sealed`, written under its lock, for parallel loops to read. That
    /// is all that depends on it: hence Relaxed.
    sealed: AtomicBool,
}

struct CloseState<T> {
    sealed: bool,
    /// Workers that have not left.
    present: usize,
    /// Late pushes that were found while another one was looked for.
    stranded: Vec<T>,
}

impl<T: Entry> Closing<T> {
    pub(super) fn new(workers: usize) -> Closing<T> {
        Closing {
            flags: CachePadded::default(),
            state: CachePadded::new(Mutex::new(CloseState {
                sealed: false,
                present: workers,
                stranded: Vec::new(),
            })),
        }
    }

    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.flags.closed.load(SeqCst)
    }

    /// Nothing more gets in. Returns whether it was open.
    pub(super) fn close(&self) -> bool {
        !self.flags.closed.swap(true, SeqCst)
    }

    pub(super) fn is_sealed(&self) -> bool {
        self.flags.sealed.load(Relaxed)
    }

    /// How many workers have not left.
    pub(super) fn present(&self) -> usize {
        self.state.lock().present
    }

    /// One more worker, in the place of one that is stuck.
    pub(super) fn one_more_present(&self) {
        self.state.lock().present += 1;
    }

    /// Settles a push that found the queue closed afterwards: `Err` gives the task back,
    /// refused. `collect` takes everything out of the places where the task may lie.
    #[cold]
    pub(super) fn settle_late_push(
        &self,
        id: u64,
        collect: impl FnOnce(&mut Vec<T>),
    ) -> Result<(), T> {
        let mut state = self.state.lock();
        // Invariant 2.
        if !state.sealed {
            return Ok(());
        }
        // What else is found belongs to other late pushes (Invariant 3): it is kept for them.
        collect(&mut state.stranded);
        let own = state.stranded.iter().position(|task| task.id() == id);
        match own {
            Some(own) => Err(state.stranded.swap_remove(own)),
            None => Ok(()),
        }
    }

    /// A worker wants to leave: it read `closed` as true and then found nothing to do, or
    /// its slot was marked, so that it takes nothing more (`is_marked`). `false`: there is
    /// something to do after all, by `has_tasks`. The last one seals.
    pub(super) fn leave(&self, is_marked: bool, has_tasks: impl FnOnce() -> bool) -> bool {
        let mut state = self.state.lock();
        if !is_marked && !state.sealed {
            if has_tasks() {
                return false;
            }
            if state.present == 1 {
                self.seal(&mut state);
            }
        }
        state.present = state.present.saturating_sub(1);
        true
    }

    /// Seals, and calls `take_out` before any late push is settled. It is given whether there
    /// is a backlog: not if it was sealed before.
    pub(super) fn seal_and<R>(&self, take_out: impl FnOnce(bool) -> R) -> R {
        let mut state = self.state.lock();
        let is_first = !state.sealed;
        self.seal(&mut state);
        take_out(is_first)
    }

    fn seal(&self, state: &mut CloseState<T>) {
        state.sealed = true;
        self.flags.sealed.store(true, Relaxed);
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::super::entry::Withdrawal;
    use super::*;

    struct Numbered(u64);

    impl Entry for Numbered {
        fn id(&self) -> u64 {
            self.0
        }
        fn take_out(&self) -> Withdrawal {
            Withdrawal::Live
        }
        fn give_back(self) {}
        fn is_waiting(&self) -> bool {
            false
        }
        fn requeue(&self) -> bool {
            true
        }
    }

    #[test]
    fn a_late_push_is_accepted_before_the_seal_and_taken_back_after_it() {
        let closing = Closing::new(1);
        assert!(closing.close());
        assert!(!closing.close());
        assert!(
            closing
                .settle_late_push(1, |_| unreachable!("the seal will find it"))
                .is_ok()
        );

        assert!(closing.seal_and(|is_first| is_first));
        let found = |stranded: &mut Vec<_>| stranded.extend([Numbered(2), Numbered(3)]);
        assert_eq!(closing.settle_late_push(3, found).unwrap_err().0, 3);
        // Found by the one before.
        assert_eq!(closing.settle_late_push(2, |_| {}).unwrap_err().0, 2);
        // Found by the seal.
        assert!(closing.settle_late_push(1, |_| {}).is_ok());
    }

    #[test]
    fn the_last_worker_that_leaves_and_finds_nothing_seals() {
        let closing = Closing::<Numbered>::new(2);
        closing.close();
        assert!(!closing.leave(false, || true));
        assert!(closing.leave(false, || false));
        assert!(!closing.is_sealed());
        assert!(closing.leave(false, || false));
        assert!(closing.is_sealed());
        assert_eq!(closing.present(), 0);
    }

    #[test]
    fn a_worker_whose_slot_is_marked_leaves_and_seals_nothing() {
        let closing = Closing::<Numbered>::new(1);
        assert!(closing.leave(true, || true));
        assert!(!closing.is_sealed());
    }
}
