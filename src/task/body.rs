//! What a task runs, and the pool as its tasks see it.

use super::error::TaskPanic;
use super::info::{Meta, TaskInfo};
use crate::cancel::CancelToken;
use crate::sync::{Arc, Mutex};
use crate::unwind;
use std::any::Any;
use std::time::Instant;

/// The closure of a task, with or without a context.
pub(crate) trait TaskFn: Send + 'static {
    type Output;
    /// Whether `call` is to be given a context: it costs two allocations.
    const WANTS_CONTEXT: bool;
    fn call(self, context: Option<RunContext>) -> Self::Output;
}

/// A closure that wants to know nothing.
pub(crate) struct Bare<F>(pub(crate) F);

impl<F: FnOnce() -> T + Send + 'static, T> TaskFn for Bare<F> {
    type Output = T;
    const WANTS_CONTEXT: bool = false;

    fn call(self, _: Option<RunContext>) -> T {
        (self.0)()
    }
}

/// What a running task can ask for.
pub(crate) struct RunContext {
    pub(crate) watch: Arc<Watch>,
    pub(crate) info: TaskInfo,
    pub(crate) ledger: Arc<dyn Ledger>,
}

/// What a running task shares with those who watch it.
pub(crate) struct Watch {
    pub(crate) token: CancelToken,
    /// Written by the task, read by reports and `running()`.
    pub(crate) note: Mutex<Option<Arc<str>>>,
}

impl Watch {
    pub(crate) fn new(token: CancelToken) -> Arc<Watch> {
        Arc::new(Watch {
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
    /// The pool's token: parent of every task's token.
    fn token(&self) -> &CancelToken;
    /// Whether the report of a stop was made: no wait goes on after that.
    fn is_reported(&self) -> bool;
    /// Tells the log and the hook of a panic. Runs user code, so the caller
    /// holds no lock.
    fn panicked(&self, info: &TaskInfo, message: &str);
    /// Counts a task as cancelled by a thread that is none of the workers.
    /// Called under the cell's lock; takes none.
    fn count_cancelled(&self);
    /// A worker ended the last task on its stack outside of its loop. The caller
    /// holds no lock.
    fn went_quiet(&self);
    /// One more task in the queue is a husk. The caller holds no lock.
    fn husk_made(&self);
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

/// Runs the body of a task. What it captured is dropped when this returns; a
/// panic has been logged and told to the hook.
pub(crate) fn run<B: TaskFn>(
    body: B,
    meta: &Meta,
    attempts: u32,
    watch: Option<Arc<Watch>>,
    ledger: &Arc<dyn Ledger>,
) -> Result<B::Output, TaskPanic> {
    let context = watch.map(|watch| RunContext {
        watch,
        info: TaskInfo::new(meta, attempts),
        ledger: ledger.clone(),
    });
    unwind::catch(|| body.call(context)).map_err(|payload| {
        let panic = TaskPanic::new(payload);
        ledger.panicked(&TaskInfo::new(meta, attempts), panic.message());
        panic
    })
}
