//! What a running task can ask of its pool.

use super::body::{Ledger, TaskControl};
use super::info::TaskInfo;
use crate::cancel::{CancelToken, Cancelled};
use crate::sync::{Arc, OnceLock};
use std::fmt;
use std::time::Duration;

/// The context given to a task submitted with `submit_with` or `execute_with`: its token, a
/// place for a note, and a way to submit more.
///
/// # Examples
///
/// ```
/// use groundcrew::{Pool, StopPlan};
/// use std::time::Duration;
///
/// let pool = Pool::new(1)?;
/// let handle = pool.submit_with(|ctx| {
///     for row in 0.. {
///         ctx.note(format!("row {row}"));
///         if ctx.is_cancelled() {
///             return row;
///         }
///     }
///     unreachable!()
/// })?;
/// while pool.running().is_empty() {}
/// let report = pool.stop(StopPlan::cancel(Duration::from_secs(5)));
/// assert!(report.is_clean());
/// assert!(handle.join().is_ok());
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub struct TaskContext {
    /// The task's number: the ledger knows the rest.
    task: u64,
    pub(crate) ledger: Arc<dyn Ledger>,
    // Made when the task asks: most never do.
    watch: OnceLock<Arc<TaskControl>>,
    info: OnceLock<Box<TaskInfo>>,
}

impl TaskContext {
    pub(super) fn new(ledger: Arc<dyn Ledger>) -> TaskContext {
        TaskContext {
            task: 0,
            ledger,
            watch: OnceLock::new(),
            info: OnceLock::new(),
        }
    }

    /// From now on it is this task's.
    #[inline]
    pub(super) fn begin(&mut self, task: u64) {
        self.task = task;
    }

    /// The task has ended: the context is free for another one.
    #[inline]
    pub(super) fn end(&mut self) {
        if self.watch.get().is_some() {
            self.watch = OnceLock::new();
        }
        if self.info.get().is_some() {
            self.info = OnceLock::new();
        }
    }

    /// For a task that no worker runs.
    pub(super) fn unstarted(
        info: TaskInfo,
        ledger: Arc<dyn Ledger>,
        watch: Arc<TaskControl>,
    ) -> TaskContext {
        TaskContext {
            task: info.id(),
            ledger,
            watch: watch.into(),
            info: Box::new(info).into(),
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.task
    }

    fn watch(&self) -> &TaskControl {
        self.watch.get_or_init(|| self.ledger.watch(self.task))
    }

    /// The task's token: a child of the pool's, cancelled when the pool's stop comes to
    /// that phase, or with [`TaskHandle::cancel`]. Never a child of the task that submitted
    /// this one.
    ///
    /// [`TaskHandle::cancel`]: crate::TaskHandle::cancel
    pub fn token(&self) -> &CancelToken {
        &self.watch().token
    }

    /// Whether the task is asked to end. Once `true` it stays so.
    pub fn is_cancelled(&self) -> bool {
        self.token().is_cancelled()
    }

    /// Blocks for `duration`, or until the task is asked to end.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] when the task is asked to end, at once if it already was.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::Pool;
    /// use std::time::Duration;
    ///
    /// let pool = Pool::new(1)?;
    /// let handle = pool.submit_with(|ctx| ctx.sleep(Duration::MAX))?;
    /// while pool.running().is_empty() {}
    /// handle.cancel();
    /// assert!(handle.join()?.is_err());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn sleep(&self, duration: Duration) -> Result<(), Cancelled> {
        match self.token().wait_timeout(duration) {
            true => Err(Cancelled),
            false => Ok(()),
        }
    }

    /// Records the task's progress, for [`Pool::running`] and for the report of a stop that
    /// abandons it. Replaces the note before. Costs an allocation.
    ///
    /// [`Pool::running`]: crate::Pool::running
    ///
    /// # Examples
    ///
    /// ```
    /// # let pool = groundcrew::Pool::new(1)?;
    /// # let (open, gate) = groundcrew::channel::bounded::<()>(0);
    /// pool.execute_with(|ctx| {
    ///     ctx.note("row 1");
    ///     ctx.note("row 2");
    ///     for () in gate {}
    /// })?;
    /// open.send(())?; // now both have been said
    /// assert_eq!(pool.running()[0].note(), Some("row 2"));
    /// # drop(open);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn note(&self, text: impl Into<String>) {
        let note = Arc::from(text.into());
        *self.watch().note.lock() = Some(note);
    }

    /// The task's identity: id, name and submit location.
    pub fn info(&self) -> &TaskInfo {
        self.info
            .get_or_init(|| Box::new(self.ledger.info(self.task)))
    }
}

impl fmt::Debug for TaskContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskContext")
            .field("info", self.info())
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}
