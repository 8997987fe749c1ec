//! A task that a stop took out of the queue.

use crate::queue::{PoolRef, Queued};
use crate::sync::Arc;
use crate::worker::TaskInfo;
use std::fmt;

/// A task that was accepted and never started. You can [`run`](Self::run) it, submit it to another
/// pool with [`Pool::resubmit`](crate::Pool::resubmit), or drop it.
///
/// Returned by [`StopReport::take_unstarted`](crate::StopReport::take_unstarted). Dropping it drops
/// what the task captured; a panic in that drop is logged.
///
/// # Examples
///
/// ```
/// use groundcrew::Pool;
/// use std::time::Duration;
///
/// let pool = Pool::new(1)?;
/// let (open, gate) = groundcrew::channel::bounded::<()>(0);
/// pool.execute(move || gate.recv().unwrap_or_default())?;
/// while pool.running().is_empty() {}
/// let handle = pool.task("left behind").submit(|| 7)?;
///
/// let report = pool.stop(Duration::ZERO);
/// drop(open);
/// let task = report.take_unstarted().remove(0);
/// assert_eq!(task.info().name(), "left behind");
/// task.run();
/// assert_eq!(handle.join()?, 7);
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
pub struct UnstartedTask {
    /// Taken by `run` and by a resubmission; there until then.
    task: Option<Queued>,
    /// The pool that accepted it, which handles a panic.
    pool_ref: Arc<PoolRef>,
}

impl UnstartedTask {
    pub(crate) fn new(task: Queued, pool_ref: Arc<PoolRef>) -> UnstartedTask {
        UnstartedTask {
            task: Some(task),
            pool_ref,
        }
    }

    pub(crate) fn into_parts(mut self) -> (Queued, Arc<PoolRef>) {
        let Some(task) = self.task.take() else {
            unreachable!("only what consumes the task takes it");
        };
        (task, self.pool_ref.clone())
    }

    /// Returns the task's identity: id, name and submit location.
    pub fn info(&self) -> TaskInfo {
        match &self.task {
            Some(task) => task.info(),
            None => unreachable!("only what consumes the task takes it"),
        }
    }

    /// Runs the task on this thread and blocks until it has ended.
    ///
    /// The handle, if there is one, returns the result. If the task panics, the handle returns the
    /// panic, which is also logged and passed to the pool's `on_panic` hook; `run` itself does not
    /// panic. A task that takes a context gets a new token, which only its handle can cancel. No
    /// pool counts the run.
    pub fn run(self) {
        match self.into_parts() {
            (Queued::Plain(task), pool_ref) => task.run_unstarted(&pool_ref),
            (Queued::Shared(cell), _) => cell.run_unstarted(),
        }
    }
}

impl Drop for UnstartedTask {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.discard();
        }
    }
}

impl fmt::Debug for UnstartedTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UnstartedTask").field(&self.info()).finish()
    }
}
