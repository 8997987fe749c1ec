//! A fire-and-forget task: one box, no state, no reference count.

use super::body::{self, Ledger, TaskControl, TaskFn};
use super::cell::Tombstone;
use super::context::TaskContext;
use super::current_worker::CurrentWorker;
use super::info::{Meta, Origin, TaskInfo};
use super::queued::Queued;
use super::slot_guard::{How, SlotGuard};
use crate::cancel::CancelToken;
use crate::sync::Arc;
use crate::unwind;
use std::any::Any;
use std::convert::Infallible;

pub(crate) struct Plain<B> {
    pub(crate) origin: Origin,
    pub(crate) body: B,
}

/// A task in a box.
pub(crate) trait FireAndForget: Send {
    fn id(&self) -> u64;
    fn meta(&self) -> Meta;
    /// Runs it on this worker, in its turn.
    fn run(self: Box<Self>, turn: &mut SlotGuard<'_>, me: &CurrentWorker, how: How);
    /// Runs it after a stop took it out, on whatever thread.
    fn run_unstarted(self: Box<Self>, ledger: &Arc<dyn Ledger>);
    /// As it is stored in the channel.
    fn into_queued(self: Box<Self>) -> Queued;
    /// What has to be counted, if the queue only holds a tombstone of it; then the caller has to
    /// pass it.
    fn tombstone(&self) -> Option<Tombstone> {
        None
    }
    /// It was handed back, and is submitted again.
    fn renew(&mut self) {}
    /// For a refusal, that wants the closure back.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
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

    fn run(self: Box<Self>, turn: &mut SlotGuard<'_>, me: &CurrentWorker, how: How) {
        if how == How::Popped && self.body.is_late() {
            turn.pass_expired(|| self.into_queued().discard());
            return;
        }
        begin(self.origin, &self.body, turn, me, how);
        let Plain { origin, body } = *self;
        run_begun(origin, body, turn, me);
    }

    fn run_unstarted(self: Box<Self>, ledger: &Arc<dyn Ledger>) {
        let meta = self.meta();
        let info = || TaskInfo::new(&meta, 1);
        let context = B::WANTS_CONTEXT.then(|| {
            let watch = TaskControl::new(CancelToken::new());
            TaskContext::unstarted(info(), ledger.clone(), watch)
        });
        let result = body::run(self.body, context.as_ref(), ledger, info);
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

/// Runs a task at once, on top of the one that submitted it. `Err`: the pool's
/// report is made, nothing more may run.
#[inline]
pub(crate) fn run_in_place<B: TaskFn>(
    origin: Origin,
    body: B,
    me: &CurrentWorker,
) -> Result<(), B> {
    let mut turn = me.turn();
    if !turn.may_begin(How::InPlace) {
        return Err(body);
    }
    begin(origin, &body, &mut turn, me, How::InPlace);
    run_begun(origin, body, &mut turn, me);
    Ok(())
}

/// Puts a task on the stack.
#[inline]
fn begin<B: TaskFn>(
    origin: Origin,
    body: &B,
    turn: &mut SlotGuard<'_>,
    me: &CurrentWorker,
    how: How,
) {
    let since = turn.stamp(me, how);
    let place = turn.begin(how, origin, B::type_name, since, B::HAS_TOKEN);
    if let Some(name) = body.name() {
        place.meta.name = Some(name.clone());
    }
    if let Some(queued_at) = body.queued_at() {
        place.queued_at = Some(queued_at);
    }
}

/// Runs the task on top of the stack.
#[inline]
fn run_begun<B: TaskFn>(origin: Origin, body: B, turn: &mut SlotGuard<'_>, me: &CurrentWorker) {
    let context = B::WANTS_CONTEXT.then(|| me.lend_context(origin.id));
    let panicked =
        turn.unlocked(
            || match body::run(body, context.as_deref(), &me.ledger, || me.top_info()) {
                Ok(result) => {
                    let what = || format!("the result of task {}", me.top_info());
                    unwind::drop_guarded(result, what);
                    false
                }
                Err(panic) => {
                    drop(panic);
                    true
                }
            },
        );
    if let Some(context) = context {
        me.take_back(context);
    }
    turn.end(me, panicked, |_| None, |never: Infallible| match never {});
}

/// A task that unwinds its worker, as only an internal bug could.
#[cfg(test)]
pub(super) struct Deadly(pub(super) Meta);

#[cfg(test)]
impl FireAndForget for Deadly {
    fn id(&self) -> u64 {
        self.0.origin.id
    }

    fn meta(&self) -> Meta {
        self.0.clone()
    }

    fn run(self: Box<Self>, _: &mut SlotGuard<'_>, _: &CurrentWorker, _: How) {
        panic!("a fault of ours, as far as the worker can tell")
    }

    fn run_unstarted(self: Box<Self>, _: &Arc<dyn Ledger>) {}

    fn into_queued(self: Box<Self>) -> Queued {
        Queued::Plain(self)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
