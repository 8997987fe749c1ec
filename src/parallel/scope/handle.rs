//! What a scope holds of a task that it submitted.

use crate::clock::Deadline;
use crate::queue::{Shared, current_worker_in};
use crate::sync::Arc;
use crate::task::{Joinable, TaskError, TaskInfo};
use std::fmt;

/// A handle to a task of a [`Scope`](crate::parallel::Scope), to join or cancel it.
///
/// Dropping a handle detaches the task; the scope still waits for it, and resumes its panic.
///
/// # Examples
///
/// ```
/// let pool = groundcrew::Pool::new(2)?;
/// let text = String::from("to be or not to be");
/// let (words, letters) = pool.scope(|s| {
///     let words = s.submit(|| text.split(' ').count());
///     let letters = s.submit(|| text.chars().filter(|c| c.is_alphabetic()).count());
///     (words.join().unwrap(), letters.join().unwrap())
/// });
/// assert_eq!((words, letters), (6, 13));
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "dropping a handle detaches the task; use execute if its result is of no interest"]
pub struct ScopedHandle<'scope, T> {
    /// Taken by `join`; there until then.
    cell: Option<Arc<dyn Joinable<T> + 'scope>>,
    erased: Arc<dyn Shared>,
}

impl<'scope, T> ScopedHandle<'scope, T> {
    pub(super) fn new(
        cell: Arc<dyn Joinable<T> + 'scope>,
        erased: Arc<dyn Shared>,
    ) -> ScopedHandle<'scope, T> {
        ScopedHandle {
            cell: Some(cell),
            erased,
        }
    }

    fn cell(&self) -> &Arc<dyn Joinable<T> + 'scope> {
        self.cell
            .as_ref()
            .unwrap_or_else(|| unreachable!("only what consumes the handle takes it"))
    }

    /// Blocks until the task has ended and returns its result.
    ///
    /// In a worker of the pool it may run the task itself, like
    /// [`TaskHandle::join`](crate::TaskHandle#joining-from-inside-a-task). If a stop has removed
    /// the task from the queue, or the pool was closed before the task was submitted, any thread
    /// that joins the task runs it. So the wait continues beyond the deadline of a stop, until the
    /// task ends.
    ///
    /// # Errors
    ///
    /// [`TaskError::Panicked`], which the scope then does not resume, and [`TaskError::Cancelled`].
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::TaskError;
    ///
    /// let pool = groundcrew::Pool::new(1)?;
    /// let numbers = [3, 0];
    /// let failed = pool.scope(|s| s.submit(|| numbers[0] / numbers[1]).join());
    /// assert!(matches!(failed, Err(TaskError::Panicked(_))));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn join(mut self) -> Result<T, TaskError> {
        self.wait();
        match self.cell.take() {
            Some(cell) => cell.take(),
            None => unreachable!("only what consumes the handle takes it"),
        }
    }

    /// Blocks until the task has ended, as `join` does.
    pub(in crate::parallel) fn wait(&self) {
        let cell = self.cell();
        if cell.has_ended() {
            return;
        }
        if let Some(me) = current_worker_in(cell.pool()) {
            self.erased.clone().claim(&me);
        }
        while !cell.wait(Deadline::NEVER) {
            self.erased.clone().run_unstarted();
        }
    }

    /// Returns whether the task has ended.
    pub fn is_finished(&self) -> bool {
        self.cell().has_ended()
    }

    /// Returns the task's identity: id, name and submit location.
    pub fn info(&self) -> TaskInfo {
        self.cell().info()
    }

    /// Cancels the task, like [`TaskHandle::cancel`](crate::TaskHandle::cancel): returns `true` if
    /// it had not started; it never will. Blocks only to drop what the task captured.
    pub fn cancel(&self) -> bool {
        let cancelled = self.cell().cancel();
        if cancelled {
            self.skip_tombstone();
        }
        cancelled
    }

    /// Takes the task back if it has not started, as if it had never been there.
    pub(in crate::parallel) fn take_back(&self) {
        self.cell().take_back();
        self.skip_tombstone();
    }

    /// Neither the result nor the panic will be taken; the panic is the scope's.
    pub(in crate::parallel) fn detach(&self) {
        self.cell().detach();
    }

    fn skip_tombstone(&self) {
        if let Some(me) = current_worker_in(self.cell().pool()) {
            me.skip_own_tombstones();
        }
    }
}

impl<T> Drop for ScopedHandle<'_, T> {
    fn drop(&mut self) {
        if let Some(cell) = self.cell.take() {
            cell.detach();
        }
    }
}

impl<T> fmt::Debug for ScopedHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedHandle")
            .field("task", &self.info())
            .field("is_finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}
