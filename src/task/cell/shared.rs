//! A task with a handle, as the pool and its place on a worker's stack see it.

use super::state::TaskState;
use super::task_cell::{AnyBody, AnyCell, Contents, TaskCell};
use crate::queue::{CurrentWorker, PoolRef, Shared, Withdrawal, WorkerSlotGuard};
use crate::sync::{Arc, Relaxed};
use crate::task::body::TaskFn;
use crate::task::link::Link;
use crate::worker::{How, Meta, RunningCell, TaskControl, Tombstone};
use std::mem;
use std::time::Instant;

impl<B: TaskFn<Output: Send>, L: Link> RunningCell for TaskCell<Contents<B>, L> {
    fn attempts(&self) -> u32 {
        self.any().body.lock().attempts
    }

    fn abandon(&self) {
        self.any().abandon();
    }

    fn cancel_requested(&self) -> Option<Instant> {
        self.any().body.lock().cancel_requested
    }

    fn control(&self) -> Option<Arc<TaskControl>> {
        self.any().body.lock().control.clone()
    }

    fn control_or(&self, new: Arc<TaskControl>) -> Arc<TaskControl> {
        self.any().control_or(new)
    }
}

impl<B: TaskFn<Output: Send>, L: Link> Shared for TaskCell<Contents<B>, L> {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn into_running<'a>(self: Arc<Self>) -> Arc<dyn RunningCell + 'a>
    where
        Self: 'a,
    {
        self
    }

    fn run(
        self: Arc<Self>,
        erased: Arc<dyn Shared>,
        slot: &mut WorkerSlotGuard<'_>,
        worker: &CurrentWorker,
        how: How,
    ) -> bool {
        self.run_on(erased, slot, worker, how)
    }

    fn run_unstarted(self: Arc<Self>) {
        self.run_here();
    }

    fn take_out(&self) -> Withdrawal {
        self.any().take_out()
    }

    fn requeue(&self) -> bool {
        self.any().requeue()
    }

    fn is_waiting(&self) -> bool {
        self.any().body.lock().state == TaskState::Waiting
    }

    fn give_back(&self, erased: Arc<dyn Shared>) {
        self.any().give_back(erased);
    }

    fn discard(&self) {
        let closure = self.body.lock().contents.closure.take();
        self.drop_closure(closure);
    }

    fn has_started(&self) -> bool {
        self.any().has_started()
    }

    fn tombstone(&self) -> Option<Tombstone> {
        self.any().tombstone()
    }

    fn prepare_resubmit(&self, pool_ref: Arc<PoolRef>) -> Arc<PoolRef> {
        self.any().belongs_to(pool_ref, TaskState::Resubmitting)
    }

    fn resubmitted(&self) {
        self.any().resubmitted();
    }

    fn resubmit_refused(&self, pool_ref: Arc<PoolRef>) {
        let refused_by = self.any().belongs_to(pool_ref, TaskState::Unstarted);
        drop(refused_by);
    }
}

impl<L: Link> AnyCell<'_, L> {
    fn abandon(&self) {
        self.change(|body| {
            // A scope waits for its tasks whatever a report says of them.
            if body.state == TaskState::Running && !L::SCOPED {
                body.state = TaskState::Abandoned;
            }
        });
    }

    fn control_or(&self, new: Arc<TaskControl>) -> Arc<TaskControl> {
        let mut body = self.body.lock();
        let control = body.control.get_or_insert(new).clone();
        let is_cancelled = body.cancel_requested.is_some();
        drop(body);
        // Requested before the task checked its token for the first time.
        if is_cancelled {
            control.token.cancel();
        }
        control
    }

    fn take_out(&self) -> Withdrawal {
        self.change(|body| {
            if body.state.may_start() || body.state == TaskState::Waiting {
                if L::SCOPED {
                    // To its handle nothing has come to an end.
                    body.state = TaskState::Withdrawn;
                    return Withdrawal::Withdrawn;
                }
                body.state = TaskState::Unstarted;
                body.taken_out += 1;
                return Withdrawal::Live;
            }
            // No wait outlives the stop, not even for a slow drop.
            if let TaskState::CallingOff(off) = body.state {
                body.state = TaskState::CalledOff(off);
            }
            Withdrawal::Tombstone(body.tombstone())
        })
    }

    fn requeue(&self) -> bool {
        let mut body = self.body.lock();
        // Its handle may have called it off since it began to wait.
        let waits = body.state == TaskState::Waiting;
        if waits {
            body.state = TaskState::Queued;
        }
        drop(body);
        // A worker that joins it may claim it now.
        self.changed.notify_all();
        waits
    }

    fn give_back(&self, erased: Arc<dyn Shared>) {
        self.change(|body| {
            // Unless a stop has withdrawn it, or its handle called it off.
            if body.state == TaskState::Queued {
                body.state = TaskState::Withdrawn;
            }
        });
        self.link.given_back(erased);
    }

    fn has_started(&self) -> bool {
        !matches!(
            self.body.lock().state,
            TaskState::Queued | TaskState::Withdrawn
        )
    }

    fn tombstone(&self) -> Option<Tombstone> {
        let mut body = self.body.lock();
        // Invariant 3 of `state`.
        let may_start = body.state.may_start() || body.state == TaskState::Withdrawn;
        (!may_start).then(|| body.tombstone())
    }

    fn resubmitted(&self) {
        self.change(|body| {
            if body.state == TaskState::Resubmitting {
                body.state = TaskState::Queued;
            }
        });
    }

    /// From now on the task is that pool's. Returns the one before.
    fn belongs_to(&self, pool_ref: Arc<PoolRef>, state: TaskState) -> Arc<PoolRef> {
        self.change(|body: &mut AnyBody<'_>| {
            self.pool.store(pool_ref.core.id, Relaxed);
            body.state = state;
            mem::replace(&mut body.pool_ref, pool_ref)
        })
    }
}
