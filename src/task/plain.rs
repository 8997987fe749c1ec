//! A fire-and-forget task: one box, no state, no reference count.

use super::body::{self, TaskFn};
use super::context::TaskContext;
use crate::cancel::CancelToken;
use crate::queue::{CurrentWorker, FireAndForget, PoolRef, Queued, WorkerSlotGuard};
use crate::sync::Arc;
use crate::unwind;
use crate::worker::{How, Meta, Origin, TaskControl, TaskInfo};
use std::any::Any;

pub(crate) struct Plain<B> {
    pub(crate) origin: Origin,
    pub(crate) body: B,
}

impl<B: TaskFn + 'static> FireAndForget for Plain<B> {
    fn id(&self) -> u64 {
        self.origin.id
    }

    fn meta(&self) -> Meta {
        Meta {
            origin: self.origin,
            type_name: B::type_name,
            name: self.body.name().cloned(),
        }
    }

    fn run(self: Box<Self>, slot: &mut WorkerSlotGuard<'_>, worker: &CurrentWorker, how: How) {
        if how == How::Popped && self.body.is_late() {
            let mut late = Some(self.into_queued());
            slot.pass_expired(&mut || late.take().into_iter().for_each(Queued::discard));
            return;
        }
        // It was taken under this lock, and is on the stack before that is released.
        begin(self.origin, &self.body, slot, worker, how);
        let Plain { origin, body } = *self;
        run_begun(origin, body, slot, worker);
    }

    fn run_unstarted(self: Box<Self>, pool_ref: &Arc<PoolRef>) {
        let meta = self.meta();
        let info = || TaskInfo::new(&meta, 1);
        let context = match B::WANTS_CONTEXT {
            true => Some(context_here(info(), pool_ref)),
            false => None,
        };
        let result = body::run(self.body, context.as_ref(), pool_ref, &info);
        unwind::drop_guarded(result, || meta.result());
    }

    fn into_queued(self: Box<Self>) -> Queued {
        Queued::Plain(self)
    }

    fn renew(&mut self) {
        self.body.renew();
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// The context of a task that no worker runs.
fn context_here(info: TaskInfo, pool_ref: &Arc<PoolRef>) -> TaskContext {
    let control = TaskControl::new(CancelToken::new());
    TaskContext::unstarted(info, pool_ref.clone(), control, Some(CancelToken::new()))
}

/// Runs a task at once, on top of the one that submitted it. `Err`: the pool's
/// report is made, nothing more may run.
#[inline]
pub(crate) fn run_in_place<B: TaskFn>(
    origin: Origin,
    body: B,
    worker: &CurrentWorker,
) -> Result<(), B> {
    let mut slot = worker.lock_slot();
    if !slot.may_begin(How::InPlace) {
        return Err(body);
    }
    begin(origin, &body, &mut slot, worker, How::InPlace);
    run_begun(origin, body, &mut slot, worker);
    Ok(())
}

/// Puts a task on the stack.
#[inline]
fn begin<B: TaskFn>(
    origin: Origin,
    body: &B,
    slot: &mut WorkerSlotGuard<'_>,
    worker: &CurrentWorker,
    how: How,
) {
    let since = worker.begin_stamp(slot, how);
    let place = slot.begin(how, origin, B::type_name, since, B::HAS_TOKEN);
    if let Some(name) = body.name() {
        place.meta.name = Some(name.clone());
    }
    if let Some(queued_at) = body.queued_at() {
        place.queued_at = Some(queued_at);
    }
}

/// Runs the task on top of the stack.
#[inline]
fn run_begun<B: TaskFn>(
    origin: Origin,
    body: B,
    slot: &mut WorkerSlotGuard<'_>,
    worker: &CurrentWorker,
) {
    let context = match B::WANTS_CONTEXT || body.is_limited() {
        true => Some(TaskContext::lent(worker, origin.id)),
        false => None,
    };
    let panicked = slot.unlocked(|| {
        let info = || worker.top_info();
        match body::run(body, context.as_ref(), &worker.pool_ref, &info) {
            Ok(result) => {
                // While it still counts as running, so that a report finds it if this hangs.
                let what = || format!("the result of task {}", worker.top_info());
                unwind::drop_guarded(result, what);
                false
            }
            Err(panic) => {
                drop(panic);
                true
            }
        }
    });
    if let Some(context) = context {
        context.give_back(worker);
    }
    // Nothing is left of it that could be dropped.
    worker.end_task(slot, panicked);
}

/// A task that unwinds its worker, as only an internal bug could.
#[cfg(test)]
struct Deadly(Meta);

#[cfg(test)]
impl FireAndForget for Deadly {
    fn id(&self) -> u64 {
        self.0.origin.id
    }

    fn meta(&self) -> Meta {
        self.0.clone()
    }

    fn run(self: Box<Self>, _: &mut WorkerSlotGuard<'_>, _: &CurrentWorker, _: How) {
        panic!("an internal bug, as far as the worker can tell")
    }

    fn run_unstarted(self: Box<Self>, _: &Arc<PoolRef>) {}

    fn into_queued(self: Box<Self>) -> Queued {
        Queued::Plain(self)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// A task that kills its worker.
#[cfg(test)]
pub(crate) fn deadly() -> Queued {
    let meta = Meta {
        origin: Origin {
            id: crate::worker::next_id(),
            submitted_at: std::panic::Location::caller(),
        },
        type_name: || "deadly",
        name: None,
    };
    Queued::Plain(Box::new(Deadly(meta)))
}
