//! A fire-and-forget task: one box, no state, no reference count.

use super::body::{self, Ledger, TaskFn, Watch};
use super::info::Meta;
use super::me::Me;
use super::slot::{How, Running, Start};
use crate::cancel::CancelToken;
use crate::sync::Arc;
use crate::unwind;
use std::any::Any;
use std::convert::Infallible;

pub(crate) struct Plain<B> {
    pub(crate) meta: Meta,
    pub(crate) body: B,
}

pub(crate) trait FireAndForget: Send {
    fn meta(&self) -> &Meta;
    /// Runs it on this worker; `Err` gives it back if that was refused.
    fn run(self: Box<Self>, me: &Me, how: How) -> Result<(), Box<dyn FireAndForget>>;
    /// Runs it after a stop took it out, on whatever thread.
    fn run_unstarted(self: Box<Self>, ledger: &Arc<dyn Ledger>);
    /// For a refusal, that wants the closure back.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<B: TaskFn> FireAndForget for Plain<B> {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn run(self: Box<Self>, me: &Me, how: How) -> Result<(), Box<dyn FireAndForget>> {
        let watch = B::WANTS_CONTEXT.then(|| Watch::new(me.ledger.token().child()));
        let begun = me.begin(how, |since| {
            let running = Running::new(self.meta.clone(), since, None, watch.clone());
            Start::Go(running, ())
        });
        if begun.is_none() {
            return Err(self);
        }
        let Plain { meta, body } = *self;
        let result = body::run(body, &meta, 1, watch, &me.ledger);
        let panicked = result.is_err();
        unwind::drop_guarded(result, || meta.result());
        me.end(panicked, |_| None, |never: Infallible| match never {});
        Ok(())
    }

    fn run_unstarted(self: Box<Self>, ledger: &Arc<dyn Ledger>) {
        let Plain { meta, body } = *self;
        let watch = B::WANTS_CONTEXT.then(|| Watch::new(CancelToken::new()));
        let result = body::run(body, &meta, 1, watch, ledger);
        unwind::drop_guarded(result, || meta.result());
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// A task that unwinds its worker, as only a fault of ours could.
#[cfg(test)]
pub(super) struct Deadly(pub(super) Meta);

#[cfg(test)]
impl FireAndForget for Deadly {
    fn meta(&self) -> &Meta {
        &self.0
    }

    fn run(self: Box<Self>, _: &Me, _: How) -> Result<(), Box<dyn FireAndForget>> {
        panic!("a fault of ours, as far as the worker can tell")
    }

    fn run_unstarted(self: Box<Self>, _: &Arc<dyn Ledger>) {}

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
