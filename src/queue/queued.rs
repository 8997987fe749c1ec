//! A task as it lies in the queue, whatever its closure and its result are.

use super::core::{CurrentWorker, FireAndForget, Listed, PoolRef, Queued, Shared, WorkerSlotGuard};
use super::entry::{Entry, Withdrawal};
use crate::sync::Arc;
use crate::unwind;
use crate::worker::{How, Meta, TaskInfo, Tombstone};
use std::any::Any;

impl dyn Shared {
    /// Runs it on this worker of its pool, if it has not started; returns whether
    /// it did.
    pub(crate) fn claim(self: Arc<Self>, worker: &CurrentWorker) -> bool {
        if self.has_started() {
            return false;
        }
        let mut slot = worker.lock_slot();
        // After the report of a stop nothing may begin (Invariant 3 of `slot`).
        let ran = slot.may_begin(How::Claimed) && self.run_on(&mut slot, worker, How::Claimed);
        if ran {
            slot.skip_own_tombstones(|task| task.tombstone());
        }
        ran
    }

    /// Runs it on this worker, unless it ended otherwise.
    #[inline]
    fn run_on(
        self: Arc<Self>,
        slot: &mut WorkerSlotGuard<'_>,
        worker: &CurrentWorker,
        how: How,
    ) -> bool {
        let erased = self.clone();
        self.run(erased, slot, worker, how)
    }
}

impl Queued {
    pub(crate) fn meta(&self) -> Meta {
        match self {
            Queued::Plain(task) => task.meta(),
            Queued::Shared(cell) => cell.meta().clone(),
        }
    }

    /// How many attempts were made at it.
    pub(crate) fn attempts(&self) -> u32 {
        match self {
            Queued::Plain(_) => 0,
            Queued::Shared(cell) => cell.attempts(),
        }
    }

    pub(crate) fn info(&self) -> TaskInfo {
        TaskInfo::new(&self.meta(), self.attempts())
    }

    /// As it is stored in an overflow list.
    pub(crate) fn into_box(self) -> Listed {
        match self {
            Queued::Plain(task) => task,
            Queued::Shared(cell) => cell.into_box(),
        }
    }

    /// Runs it on this worker, which took it from the queue under its slot's lock.
    #[inline]
    pub(crate) fn run(self, slot: &mut WorkerSlotGuard<'_>, worker: &CurrentWorker) {
        self.run_as(slot, worker, How::Popped);
    }

    /// Runs it at once, on top of the task that submitted it. `Err`: the pool's
    /// report is made, nothing more may run.
    pub(crate) fn run_in_place(self, worker: &CurrentWorker) -> Result<(), Queued> {
        let mut slot = worker.lock_slot();
        if !slot.may_begin(How::InPlace) {
            return Err(self);
        }
        self.run_as(&mut slot, worker, How::InPlace);
        Ok(())
    }

    #[inline]
    fn run_as(self, slot: &mut WorkerSlotGuard<'_>, worker: &CurrentWorker, how: How) {
        match self {
            Queued::Plain(task) => task.run(slot, worker, how),
            Queued::Shared(cell) => {
                cell.run_on(slot, worker, how);
            }
        }
    }

    /// Drops it unrun, under guard.
    pub(crate) fn discard(self) {
        match self {
            Queued::Plain(task) => {
                let closure = task.meta();
                unwind::drop_guarded(task, || closure.closure());
            }
            Queued::Shared(cell) => cell.discard(),
        }
    }
}

impl Entry for Queued {
    fn id(&self) -> u64 {
        match self {
            Queued::Plain(task) => task.id(),
            Queued::Shared(cell) => cell.meta().origin.id,
        }
    }

    fn take_out(&self) -> Withdrawal {
        match self {
            Queued::Plain(_) => Withdrawal::Live,
            Queued::Shared(cell) => cell.take_out(),
        }
    }

    fn give_back(self) {
        if let Queued::Shared(cell) = self {
            cell.give_back(cell.clone());
        }
    }

    fn is_waiting(&self) -> bool {
        match self {
            Queued::Plain(_) => false,
            Queued::Shared(cell) => cell.is_waiting(),
        }
    }

    fn requeue(&self) -> bool {
        match self {
            Queued::Plain(_) => true,
            Queued::Shared(cell) => cell.requeue(),
        }
    }
}

/// A task on its way into the queue: unlike a [`Queued`] it is passed in
/// registers.
pub(crate) trait Pointer {
    /// As it is stored in the channel.
    fn into_queued(self) -> Queued;
    /// As it is stored in an overflow list. For a task with a handle that takes a box.
    fn into_box(self) -> Listed;
}

impl Pointer for Box<dyn FireAndForget> {
    #[inline]
    fn into_queued(self) -> Queued {
        Queued::Plain(self)
    }

    #[inline]
    fn into_box(self) -> Listed {
        self
    }
}

impl Pointer for Arc<dyn Shared> {
    #[inline]
    fn into_queued(self) -> Queued {
        Queued::Shared(self)
    }

    #[inline]
    fn into_box(self) -> Listed {
        Box::new(self)
    }
}

impl FireAndForget for Arc<dyn Shared> {
    fn id(&self) -> u64 {
        (**self).meta().origin.id
    }

    fn meta(&self) -> Meta {
        (**self).meta().clone()
    }

    fn run(self: Box<Self>, slot: &mut WorkerSlotGuard<'_>, worker: &CurrentWorker, how: How) {
        (*self).run_on(slot, worker, how);
    }

    fn run_unstarted(self: Box<Self>, _: &Arc<PoolRef>) {
        (*self).run_unstarted();
    }

    fn into_queued(self: Box<Self>) -> Queued {
        Queued::Shared(*self)
    }

    fn tombstone(&self) -> Option<Tombstone> {
        (**self).tombstone()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
