//! What ties a task to a scope that must not end before it.

use super::error::TaskPanic;
use crate::queue::Shared;
use crate::sync::Arc;

/// The scope of a task, as the task sees it; `()` for a task that is its own
/// master.
///
/// A task with a scope (`SCOPED`) never leaves it: a stop withdraws it instead of handing
/// it back, and one that a report abandons still gives its result.
pub(crate) trait Link: Send + Sync + 'static {
    const SCOPED: bool;
    /// It has ended, for its handle; maybe not for the first time.
    fn resolved(&self) {}
    /// The pool will not run the task: the scope's own thread has to.
    fn given_back(&self, task: Arc<dyn Shared>);
    /// It panicked, and will not be joined.
    fn unheard(&self, panic: TaskPanic);
    /// Closure and result are gone from the task, or its handle has the result.
    /// The last that a task does.
    fn ended(&self);
}

impl Link for () {
    const SCOPED: bool = false;
    fn given_back(&self, _: Arc<dyn Shared>) {}
    fn unheard(&self, _: TaskPanic) {}
    fn ended(&self) {}
}
