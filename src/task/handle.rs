//! What a submitter holds of its task.

use super::body::TaskFn;
use super::cell::{Contents, Joinable, TaskCell};
use super::error::TaskError;
use super::link::Link;
use crate::clock::Deadline;
use crate::queue::current_worker_in;
use crate::sync::Arc;
use crate::worker::TaskInfo;
use std::fmt;
use std::time::Duration;

/// A handle to a submitted task, to wait for it, take its result, or cancel it.
///
/// Dropping a handle detaches the task: it still runs, and its result is dropped. A handle does not
/// keep the pool open.
///
/// # Joining from inside a task
///
/// If a worker of the task's own pool calls [`join`](Self::join) and the task has not started, the
/// worker runs it right there, on top of the joining task. It never runs any other task. If the
/// task has started, another worker is running it, and the join waits. So tasks that wait for each
/// other only by `join` can deadlock only if the joins form a cycle, however small the pool and its
/// queue are. A task that is run this way uses the stack of the joining task.
///
/// Never wait on a channel or a lock for a task that has not started: it needs a free worker, and
/// yours is busy waiting. As in every fixed pool, this blocks forever with one worker:
///
/// ```no_run
/// use std::sync::mpsc;
///
/// let pool = groundcrew::Pool::new(1)?;
/// let submitter = pool.submitter();
/// pool.execute(move || {
///     let (sender, receiver) = mpsc::channel();
///     let _ = submitter.execute(move || sender.send(7));
///     receiver.recv().unwrap(); // the only worker waits here
/// })?;
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
///
/// Tasks of two pools that join each other can deadlock, because a worker runs only tasks of its
/// own pool.
///
/// # After a stop
///
/// No wait outlives the stop of the pool. A task that did not start becomes
/// [`Unstarted`](TaskError::Unstarted) when the stop removes it, and one that still runs becomes
/// [`Abandoned`](TaskError::Abandoned) when the report is made. There are two exceptions: a join
/// that runs the task itself, and a join of a task that is inside `stop`, return when the task
/// ends.
///
/// The handle of an unstarted task stays attached. While the task is in the report, `join` returns
/// `Unstarted` at once. While the task is run or after it was resubmitted, `join` waits. Afterwards
/// it returns the result.
///
/// # Examples
///
/// ```
/// let pool = groundcrew::Pool::new(2)?;
/// let handle = pool.submit(|| 6 * 7)?;
/// assert_eq!(handle.join()?, 42);
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[must_use = "dropping a handle detaches the task; use execute if its result is of no interest"]
pub struct TaskHandle<T> {
    /// Taken by `join` and `try_join`; there until then.
    cell: Option<Arc<dyn Joinable<T>>>,
}

impl<T> TaskHandle<T> {
    pub(crate) fn new<B, L>(cell: Arc<TaskCell<Contents<B>, L>>) -> TaskHandle<T>
    where
        B: TaskFn<Output = T> + 'static,
        L: Link,
        T: Send,
    {
        TaskHandle { cell: Some(cell) }
    }

    fn cell(&self) -> &Arc<dyn Joinable<T>> {
        self.cell
            .as_ref()
            .unwrap_or_else(|| unreachable!("only what consumes the handle takes it"))
    }

    /// Blocks until the task has ended and returns its result.
    ///
    /// It spins for a few microseconds at most, then sleeps. In a worker of the task's own pool it
    /// may run the task itself (see [above](Self#joining-from-inside-a-task)).
    ///
    /// # Errors
    ///
    /// A [`TaskError`] if the task panicked, was cancelled or expired, or a stop left it behind.
    pub fn join(mut self) -> Result<T, TaskError>
    where
        T: 'static,
    {
        let Some(cell) = self.cell.take() else {
            unreachable!("only what consumes the handle takes it");
        };
        // Claimed at once, without spinning first: no other worker may be free to run it.
        let has_ended = cell.has_ended() || (claim(&cell) && cell.has_ended());
        if !has_ended {
            cell.wait_and_claim(&|| {
                claim(&cell);
            });
        }
        cell.take()
    }

    /// Runs the task, if this is a worker of its pool and it has not started;
    /// returns whether it did.
    pub(crate) fn claim(&self) -> bool
    where
        T: 'static,
    {
        claim(self.cell())
    }

    /// Blocks until the task has ended or `timeout` has passed; returns whether the task has ended.
    /// Never runs the task itself.
    ///
    /// A zero timeout only checks; [`Duration::MAX`] waits forever. A task that a stop removed has
    /// ended, unless it is run after all.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.is_finished() || self.cell().wait(Deadline::after(timeout))
    }

    /// Returns the result if the task has ended.
    ///
    /// # Errors
    ///
    /// Returns the handle if the task has not ended. The inner result is that of
    /// [`join`](Self::join).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = groundcrew::Pool::new(1)?;
    /// let (open, gate) = groundcrew::channel::bounded::<()>(0);
    /// let handle = pool.submit(move || gate.recv().is_err())?;
    /// let handle = handle.try_join().unwrap_err();
    /// drop(open);
    /// handle.wait_timeout(Duration::MAX);
    /// assert!(handle.try_join().unwrap()?);
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn try_join(mut self) -> Result<Result<T, TaskError>, TaskHandle<T>> {
        match self.cell.take() {
            Some(cell) if cell.has_ended() => Ok(cell.take()),
            cell => {
                self.cell = cell;
                Err(self)
            }
        }
    }

    /// Returns whether the task has ended. A task that a stop removed has ended, unless it is run
    /// after all.
    pub fn is_finished(&self) -> bool {
        self.cell().has_ended()
    }

    /// Returns the task's identity: id, name and submit location.
    pub fn info(&self) -> TaskInfo {
        self.cell().info()
    }

    /// Cancels the task. Blocks only to drop what the task captured.
    ///
    /// Returns `true` if the task had not started; it never will. Returns `false` if the task has
    /// ended, if a stop removed it, or if it is running. A running task has its token cancelled,
    /// which it has to check ([`TaskContext`]). If it obeys, it has completed: [`join`](Self::join)
    /// returns its result, and statistics and reports do not count it as cancelled, which is for
    /// tasks that never started.
    ///
    /// [`TaskContext`]: crate::TaskContext
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Pool, TaskError};
    ///
    /// let pool = Pool::new(1)?;
    /// let (open, gate) = groundcrew::channel::bounded::<()>(0);
    /// pool.execute(move || gate.recv().unwrap_or_default())?;
    /// let waiting = pool.submit(|| ())?;
    /// assert!(waiting.cancel());
    /// assert!(matches!(waiting.join(), Err(TaskError::Cancelled)));
    /// drop(open);
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn cancel(&self) -> bool {
        let cell = self.cell();
        let cancelled = cell.cancel();
        // A task that submits and cancels in a loop would fill its worker's list otherwise.
        if let Some(worker) = current_worker_in(cell.pool()).filter(|_| cancelled) {
            worker.skip_own_tombstones();
        }
        cancelled
    }
}

fn claim<T: 'static>(cell: &Arc<dyn Joinable<T>>) -> bool {
    current_worker_in(cell.pool()).is_some_and(|worker| cell.clone().into_shell().claim(&worker))
}

impl<T> Drop for TaskHandle<T> {
    fn drop(&mut self) {
        if let Some(cell) = self.cell.take() {
            cell.detach();
        }
    }
}

impl<T> fmt::Debug for TaskHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskHandle")
            .field("task", &self.info())
            .field("is_finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}
