//! What of a task's context is the queue's: a way to submit more.

use super::PoolRef;
use super::submitter::Submitter;
use crate::task::{TaskContext, TaskFn};
use std::any::type_name;

impl TaskContext {
    /// A submitter to the pool that runs this task.
    ///
    /// To a task run by [`UnstartedTask::run`], the pool that handed it back: it
    /// is closed, and every verb refuses.
    ///
    /// [`UnstartedTask::run`]: crate::task::UnstartedTask::run
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = groundcrew::Pool::new(1)?;
    /// let handle = pool.submit_with(|ctx| {
    ///     let half = ctx.submitter().submit(|| 20).unwrap();
    ///     half.join().unwrap() + 22
    /// })?;
    /// assert_eq!(handle.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn submitter(&self) -> Submitter {
        Submitter::at(PoolRef::of_ledger(self.ledger.clone()))
    }
}

/// A closure that wants its context.
pub(crate) struct WithContext<F>(pub(crate) F);

impl<F, T> TaskFn for WithContext<F>
where
    F: FnOnce(&TaskContext) -> T + Send,
{
    type Output = T;
    const WANTS_CONTEXT: bool = true;

    #[inline]
    fn call(self, context: Option<&TaskContext>) -> T {
        match context {
            Some(context) => (self.0)(context),
            None => unreachable!("WANTS_CONTEXT says that there is one"),
        }
    }

    fn type_name() -> &'static str {
        type_name::<F>()
    }
}
