//! What a task submits more with.

use super::Submitter;
use crate::task::TaskContext;

impl TaskContext {
    /// Returns a submitter to the pool that runs this task.
    ///
    /// For a task run by [`UnstartedTask::run`], that is the pool that handed it back, which is
    /// closed and refuses all tasks.
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
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn submitter(&self) -> Submitter {
        Submitter::at(self.pool_ref().clone())
    }
}
