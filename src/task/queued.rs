//! A task as it lies in the queue, whatever its closure and its result are.

use super::body::{Ledger, TaskControl};
use super::cell::Tombstone;
use super::current_worker::CurrentWorker;
use super::info::{Meta, TaskInfo};
use super::plain::FireAndForget;
use super::slot_guard::{How, SlotGuard};
use crate::sync::Arc;
use crate::unwind;
use std::any::Any;
use std::time::Instant;

pub(crate) enum Queued {
    Plain(Box<dyn FireAndForget>),
    Shared(Arc<dyn Shared>),
}

/// A task that shares its state with a handle, as the pool sees it.
pub(crate) trait Shared: Send + Sync {
    fn meta(&self) -> &Meta;
    fn attempts(&self) -> u32;
    /// Runs it on this worker, in its turn, unless it ended otherwise. `shell` is the task
    /// itself, for the worker's stack.
    fn run(
        self: Arc<Self>,
        shell: Arc<dyn Shared>,
        turn: &mut SlotGuard<'_>,
        me: &CurrentWorker,
        how: How,
    ) -> bool;
    /// Runs it after a stop took it out, on whatever thread.
    fn run_unstarted(self: Arc<Self>);
    /// QUEUED -> UNSTARTED, or WITHDRAWN, by a stop.
    fn take_out(&self) -> TakenOut;
    /// WAITING -> QUEUED. `false`: it was called off.
    fn requeue(&self) -> bool;
    /// Whether it waits for its next attempt.
    fn is_waiting(&self) -> bool;
    /// Notifies its scope that the pool will not run it: QUEUED -> WITHDRAWN, if it is not
    /// yet. `shell` is the task itself.
    fn give_back(&self, shell: Arc<dyn Shared>);
    /// RUNNING -> ABANDONED, by a stop.
    fn abandon(&self);
    /// Drops the closure of a task that was taken out.
    fn discard(&self);
    /// Whether it is too late to claim it, judged without the lock.
    fn has_started(&self) -> bool;
    /// What has to be counted, if the queue only holds a tombstone of it; then the caller has to
    /// pass it.
    fn tombstone(&self) -> Option<Tombstone>;
    /// When its handle was asked to cancel it.
    fn cancel_asked(&self) -> Option<Instant>;
    /// Its token and note, if it has asked for them.
    fn watch(&self) -> Option<Arc<TaskControl>>;
    /// Its token and note; these, if it has none yet.
    fn watch_or(&self, new: Arc<TaskControl>) -> Arc<TaskControl>;
    /// UNSTARTED -> RESUBMITTING, with another pool to belong to. Returns the
    /// one before.
    fn prepare_resubmit(&self, ledger: Arc<dyn Ledger>) -> Arc<dyn Ledger>;
    /// RESUBMITTING -> QUEUED, if it has not been started by now.
    fn resubmitted(&self);
    /// RESUBMITTING -> UNSTARTED, and it belongs to the pool before again.
    fn resubmit_refused(&self, ledger: Arc<dyn Ledger>);
}

pub(crate) enum TakenOut {
    Live,
    /// A scoped task, that has to be given back to its scope.
    Withdrawn,
    Tombstone(Tombstone),
}

impl dyn Shared {
    /// Runs it on this worker of its pool, if it has not started; returns whether
    /// it did.
    pub(crate) fn claim(self: Arc<Self>, me: &CurrentWorker) -> bool {
        if self.has_started() {
            return false;
        }
        let mut turn = me.turn();
        let shell = self.clone();
        let ran = turn.may_begin(How::Claimed) && self.run(shell, &mut turn, me, How::Claimed);
        if ran {
            turn.skip_own_tombstones();
        }
        ran
    }
}

impl Queued {
    pub(crate) fn id(&self) -> u64 {
        match self {
            Queued::Plain(task) => task.id(),
            Queued::Shared(cell) => cell.meta().origin.id,
        }
    }

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
    pub(crate) fn into_box(self) -> Box<dyn FireAndForget> {
        match self {
            Queued::Plain(task) => task,
            Queued::Shared(cell) => cell.into_box(),
        }
    }

    /// Runs it on this worker, which took it from the queue under its turn.
    #[inline]
    pub(crate) fn run(self, turn: &mut SlotGuard<'_>, me: &CurrentWorker) {
        match self {
            Queued::Plain(task) => task.run(turn, me, How::Popped),
            Queued::Shared(cell) => {
                let shell = cell.clone();
                cell.run(shell, turn, me, How::Popped);
            }
        }
    }

    /// Runs it at once, on top of the task that submitted it. `Err`: the pool's
    /// report is made, nothing more may run.
    pub(crate) fn run_in_place(self, me: &CurrentWorker) -> Result<(), Queued> {
        let mut turn = me.turn();
        if !turn.may_begin(How::InPlace) {
            return Err(self);
        }
        match self {
            Queued::Plain(task) => task.run(&mut turn, me, How::InPlace),
            Queued::Shared(cell) => {
                let shell = cell.clone();
                cell.run(shell, &mut turn, me, How::InPlace);
            }
        }
        Ok(())
    }

    /// A stop takes it out of the queue.
    pub(crate) fn take_out(&self) -> TakenOut {
        match self {
            Queued::Plain(_) => TakenOut::Live,
            Queued::Shared(cell) => cell.take_out(),
        }
    }

    /// Gives what was withdrawn to its scope.
    pub(crate) fn give_back(self) {
        if let Queued::Shared(cell) = self {
            cell.give_back(cell.clone());
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

/// A task on its way into the queue: unlike a [`Queued`] it is passed in
/// registers.
pub(crate) trait Pointer {
    /// As it is stored in the channel.
    fn into_queued(self) -> Queued;
    /// As it is stored in an overflow list. For a task with a handle that takes a box.
    fn into_box(self) -> Box<dyn FireAndForget>;
}

impl Pointer for Box<dyn FireAndForget> {
    #[inline]
    fn into_queued(self) -> Queued {
        Queued::Plain(self)
    }

    #[inline]
    fn into_box(self) -> Box<dyn FireAndForget> {
        self
    }
}

impl Pointer for Arc<dyn Shared> {
    #[inline]
    fn into_queued(self) -> Queued {
        Queued::Shared(self)
    }

    #[inline]
    fn into_box(self) -> Box<dyn FireAndForget> {
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

    fn run(self: Box<Self>, turn: &mut SlotGuard<'_>, me: &CurrentWorker, how: How) {
        let shell = (*self).clone();
        (*self).run(shell, turn, me, how);
    }

    fn run_unstarted(self: Box<Self>, _: &Arc<dyn Ledger>) {
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

#[cfg(test)]
impl Queued {
    /// A task that kills its worker.
    pub(crate) fn deadly() -> Queued {
        let meta = Meta {
            origin: super::Origin {
                id: super::next_id(),
                submitted_at: std::panic::Location::caller(),
            },
            type_name: || "deadly",
            name: None,
        };
        Queued::Plain(Box::new(super::plain::Deadly(meta)))
    }
}
