//! What a task runs, and the pool as its tasks see it.

use super::cell::Off;
use super::context::TaskContext;
use super::error::TaskPanic;
use super::info::TaskInfo;
use super::observed::Ended;
use super::queued::Shared;
use crate::cancel::CancelToken;
use crate::clock::{self, Deadline};
use crate::retry::GiveUpReason;
use crate::sync::{Arc, Mutex};
use crate::unwind;
use std::any::{Any, type_name};
use std::time::{Duration, Instant};

/// The closure of a task, with or without a context.
pub(crate) trait TaskFn: Send {
    type Output;
    /// Whether `call` takes a context.
    const WANTS_CONTEXT: bool;
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

/// A closure that wants to know nothing.
pub(crate) struct Bare<F>(pub(crate) F);

impl<F: FnOnce() -> T + Send, T> TaskFn for Bare<F> {
    type Output = T;
    const WANTS_CONTEXT: bool = false;

    #[inline]
    fn call(self, _: Option<&TaskContext>) -> T {
        (self.0)()
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
    pub(crate) queued_at: Option<Instant>,
    pub(crate) body: B,
}

impl<B: TaskFn> TaskFn for Labelled<B> {
    type Output = B::Output;
    const WANTS_CONTEXT: bool = B::WANTS_CONTEXT;
    const HAS_TOKEN: bool = B::HAS_TOKEN;

    fn call(self, context: Option<&TaskContext>) -> B::Output {
        self.body.call(context)
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

/// What a running task shares with its observers.
pub(crate) struct TaskControl {
    pub(crate) token: CancelToken,
    /// Written by the task, read by reports and `running()`.
    pub(crate) note: Mutex<Option<Arc<str>>>,
}

impl TaskControl {
    pub(crate) fn new(token: CancelToken) -> Arc<TaskControl> {
        Arc::new(TaskControl {
            token,
            note: Mutex::new(None),
        })
    }

    pub(crate) fn note(&self) -> Option<Arc<str>> {
        self.note.lock().clone()
    }

    pub(crate) fn cancelled_at(&self) -> Option<Instant> {
        self.token.cancelled_at()
    }
}

/// The pool as its tasks see it.
pub(crate) trait Ledger: Any + Send + Sync {
    /// The pool's number, unique in the process; never 0.
    fn pool(&self) -> u64;
    /// The token and note of a task that this worker runs now, by its number.
    fn watch(&self, task: u64) -> Arc<TaskControl>;
    /// The task's identity.
    fn info(&self, task: u64) -> TaskInfo;
    /// Whether the report of a stop was made: no wait goes on after that.
    fn is_reported(&self) -> bool;
    /// Whether a stop has asked all tasks to end.
    fn is_cancelled(&self) -> bool;
    /// Whether an observer is called for each task that ended; never changes.
    fn is_observed(&self) -> bool;
    /// Calls the observers for a task that this worker ran. Runs user code, so the caller
    /// holds no lock.
    fn ended(&self, task: &Ended);
    /// Passes a panic to the log and the hook. Runs user code, so the caller holds no lock.
    fn panicked(&self, info: &TaskInfo, message: &str);
    /// Counts a task that was called off outside of the workers' loops. Called
    /// under the cell's lock; takes none.
    fn count_called_off(&self, off: Off);
    /// A worker ended the last task on its stack outside of its loop. The caller
    /// holds no lock.
    fn went_quiet(&self);
    /// One more task in the queue is a tombstone. The caller holds no lock.
    fn tombstone_made(&self);
    /// An attempt failed, and may have to wait. Logs if nothing can wait, so the caller
    /// must hold no lock.
    fn prepare_to_wait(&self);
    /// Takes a task out of those that are due; `false`: it is not among them. The caller holds
    /// its slot's lock, and runs it.
    fn take_due(&self, task: u64) -> bool;
    /// An attempt failed, and the next one comes after `after`: keeps the task until then,
    /// or, if the pool is closed, for the report. The caller holds its slot's lock.
    fn wait_to_retry(&self, task: Arc<dyn Shared>, after: Duration);
    /// A task that waited for its next attempt was called off. The caller holds no lock.
    fn waits_no_more(&self, task: u64);
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

/// Makes an attempt at the body of a task. Otherwise like [`run`].
#[inline]
pub(crate) fn attempt<B: TaskFn>(
    body: B,
    context: Option<&TaskContext>,
    ledger: &Arc<dyn Ledger>,
    info: impl FnOnce() -> TaskInfo,
) -> Result<Attempt<B>, TaskPanic> {
    unwind::catch(|| body.attempt(context)).map_err(|payload| tell_panic(payload, ledger, info()))
}

/// There will be no other attempt at the body of a task. Otherwise like [`run`].
pub(crate) fn give_up<B: TaskFn>(
    body: B,
    gave_up: GiveUpReason,
    ledger: &Arc<dyn Ledger>,
    info: impl FnOnce() -> TaskInfo,
) -> Result<B::Output, TaskPanic> {
    let info = info();
    unwind::catch(|| body.give_up(gave_up, &info))
        .map_err(|payload| tell_panic(payload, ledger, info))
}

/// Runs the body of a task. What it captured is dropped when this returns; a panic has been
/// logged and passed to the hook, with what `info` returns.
#[inline]
pub(crate) fn run<B: TaskFn>(
    body: B,
    context: Option<&TaskContext>,
    ledger: &Arc<dyn Ledger>,
    info: impl FnOnce() -> TaskInfo,
) -> Result<B::Output, TaskPanic> {
    unwind::catch(|| body.call(context)).map_err(|payload| tell_panic(payload, ledger, info()))
}

#[cold]
fn tell_panic(payload: unwind::Payload, ledger: &Arc<dyn Ledger>, info: TaskInfo) -> TaskPanic {
    let panic = TaskPanic::new(payload);
    ledger.panicked(&info, panic.message());
    panic
}
