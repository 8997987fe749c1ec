//! What a task runs.

use super::context::TaskContext;
use super::error::TaskPanic;
use crate::clock::{self, Deadline};
use crate::queue::{Limit, Listed, PoolRef};
use crate::retry::GiveUpReason;
use crate::sync::Arc;
use crate::trace::{self, Parent};
use crate::unwind;
use crate::worker::TaskInfo;
use std::any::type_name;
use std::mem;
use std::time::{Duration, Instant};

/// The closure of a task, with or without a context.
pub(crate) trait TaskFn: Send {
    type Output;
    /// Whether `call` takes a context.
    const WANTS_CONTEXT: bool;
    /// Whether this one is given a context even so.
    fn is_limited(&self) -> bool {
        false
    }
    /// Whether the program's closure sees its token.
    const HAS_TOKEN: bool = Self::WANTS_CONTEXT;
    /// Whether a run of it may be one of several attempts.
    const RETRIES: bool = false;
    fn call(self, context: Option<&TaskContext>) -> Self::Output;
    /// One attempt.
    #[inline]
    fn attempt(self, context: Option<&TaskContext>) -> Attempt<Self>
    where
        Self: Sized,
    {
        Attempt::Ended(self.call(context))
    }
    /// After an attempt that failed: there will be no other one.
    fn give_up(self, _: GiveUpReason, _: &TaskInfo) -> Self::Output
    where
        Self: Sized,
    {
        unreachable!("only what retries is asked to give up")
    }
    /// The attempt that failed last was none, or cut short, and does not count. Runs no code of the
    /// program.
    fn uncount(&mut self) {}
    /// The span of which that of the next run is a child.
    #[inline]
    fn take_parent(&mut self) -> Parent {
        Parent::default()
    }
    /// The type name of the program's closure, in full.
    fn type_name() -> &'static str;
    /// The name that the program gave it.
    fn name(&self) -> Option<&Arc<str>> {
        None
    }
    /// Whether it is too late to start it.
    fn is_late(&self) -> bool {
        false
    }
    /// When it was submitted, if an observer is called for it.
    fn queued_at(&self) -> Option<Instant> {
        None
    }
    /// It was handed back, and is submitted again: how long it has waited is not
    /// known, nor limited.
    fn renew(&mut self) {}
}

/// How an attempt came out.
pub(crate) enum Attempt<B: TaskFn> {
    Ended(B::Output),
    /// To be tried again, or not.
    Failed(B, Result<Next, GiveUpReason>),
}

/// When the next attempt comes.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Next {
    pub(crate) after: Duration,
    /// The one before was none, and is not counted.
    pub(crate) was_none: bool,
}

/// A closure without a context.
pub(crate) struct Bare<F> {
    pub(crate) f: F,
    parent: Parent,
}

impl<F> Bare<F> {
    /// As a child of the span that is current here.
    #[inline]
    pub(crate) fn new(f: F) -> Bare<F> {
        let parent = Parent::current();
        Bare { f, parent }
    }
}

impl<F: FnOnce() -> T + Send, T> TaskFn for Bare<F> {
    type Output = T;
    const WANTS_CONTEXT: bool = false;

    #[inline]
    fn call(self, _: Option<&TaskContext>) -> T {
        (self.f)()
    }

    #[inline]
    fn take_parent(&mut self) -> Parent {
        mem::take(&mut self.parent)
    }

    fn type_name() -> &'static str {
        type_name::<F>()
    }
}

/// A closure that is given its context.
pub(crate) struct WithContext<F> {
    pub(crate) f: F,
    parent: Parent,
}

impl<F> WithContext<F> {
    /// As a child of the span that is current here.
    #[inline]
    pub(crate) fn new(f: F) -> WithContext<F> {
        WithContext::below(Parent::current(), f)
    }

    #[inline]
    pub(crate) fn below(parent: Parent, f: F) -> WithContext<F> {
        WithContext { f, parent }
    }
}

impl<F, T> TaskFn for WithContext<F>
where
    F: FnOnce(&TaskContext) -> T + Send,
{
    type Output = T;
    const WANTS_CONTEXT: bool = true;

    #[inline]
    fn call(self, context: Option<&TaskContext>) -> T {
        match context {
            Some(context) => (self.f)(context),
            None => unreachable!("WANTS_CONTEXT says that there is one"),
        }
    }

    #[inline]
    fn take_parent(&mut self) -> Parent {
        mem::take(&mut self.parent)
    }

    fn type_name() -> &'static str {
        type_name::<F>()
    }
}

/// A fire-and-forget task of which there is more to say. Those of which there is
/// not do not carry the place for it.
pub(crate) struct Labelled<B> {
    pub(crate) name: Option<Arc<str>>,
    /// If it has not started by then it never does.
    pub(crate) start_by: Deadline,
    /// Of each run by a worker.
    pub(crate) time_limit: Option<Duration>,
    pub(crate) queued_at: Option<Instant>,
    pub(crate) body: B,
}

impl<B: TaskFn> TaskFn for Labelled<B> {
    type Output = B::Output;
    const WANTS_CONTEXT: bool = B::WANTS_CONTEXT;
    const HAS_TOKEN: bool = B::HAS_TOKEN;

    fn is_limited(&self) -> bool {
        self.time_limit.is_some()
    }

    fn call(self, context: Option<&TaskContext>) -> B::Output {
        let _limit = limit_time(context, self.time_limit);
        self.body.call(context)
    }

    fn take_parent(&mut self) -> Parent {
        self.body.take_parent()
    }

    fn type_name() -> &'static str {
        B::type_name()
    }

    fn name(&self) -> Option<&Arc<str>> {
        self.name.as_ref()
    }

    fn is_late(&self) -> bool {
        self.start_by != Deadline::NEVER && self.start_by.has_passed(clock::now())
    }

    fn queued_at(&self) -> Option<Instant> {
        self.queued_at
    }

    fn renew(&mut self) {
        self.start_by = Deadline::NEVER;
        self.queued_at = None;
    }
}

/// Makes an attempt at the body of a task, within `limit`. Otherwise like [`run`].
#[inline]
pub(crate) fn attempt<B: TaskFn>(
    mut body: B,
    context: Option<&TaskContext>,
    limit: Option<Duration>,
    pool_ref: &PoolRef,
    info: &dyn Fn() -> TaskInfo,
) -> Result<Attempt<B>, TaskPanic> {
    let span = trace::task(body.take_parent(), info);
    let caught = unwind::catch(|| {
        // In here, so that a panic ends it as well.
        let _limit = limit_time(context, limit);
        body.attempt(context)
    });
    match caught {
        Ok(attempt) => {
            span.end(match attempt {
                Attempt::Ended(_) => "completed",
                Attempt::Failed(..) => "failed",
            });
            Ok(attempt)
        }
        Err(payload) => {
            let panic = report_panic(payload, pool_ref, info);
            span.end("panicked");
            Err(panic)
        }
    }
}

/// There will be no other attempt at the body of a task. Otherwise like [`run`].
pub(crate) fn give_up<B: TaskFn>(
    body: B,
    gave_up: GiveUpReason,
    pool_ref: &PoolRef,
    info: &dyn Fn() -> TaskInfo,
) -> Result<B::Output, TaskPanic> {
    let known = info();
    unwind::catch(|| body.give_up(gave_up, &known))
        .map_err(|payload| report_panic(payload, pool_ref, info))
}

/// Runs the body of a task. What it captured is dropped when this returns; a panic has been
/// logged and passed to the hook, with what `info` returns.
#[inline]
pub(crate) fn run<B: TaskFn>(
    mut body: B,
    context: Option<&TaskContext>,
    pool_ref: &PoolRef,
    info: &dyn Fn() -> TaskInfo,
) -> Result<B::Output, TaskPanic> {
    let span = trace::task(body.take_parent(), info);
    match unwind::catch(|| body.call(context)) {
        Ok(result) => {
            span.end("completed");
            Ok(result)
        }
        Err(payload) => {
            let panic = report_panic(payload, pool_ref, info);
            span.end("panicked");
            Err(panic)
        }
    }
}

/// Limits the time of the task until what is returned is dropped. In a box, so that the drop of
/// none costs the others no call.
#[inline]
fn limit_time(
    context: Option<&TaskContext>,
    limit: Option<Duration>,
) -> Option<Box<Limit<Listed>>> {
    match limit {
        Some(limit) => context?.limit(limit).map(Box::new),
        None => None,
    }
}

#[cold]
fn report_panic(
    payload: unwind::Payload,
    pool_ref: &PoolRef,
    info: &dyn Fn() -> TaskInfo,
) -> TaskPanic {
    let panic = TaskPanic::new(payload);
    pool_ref.panicked(&info(), panic.message());
    panic
}
