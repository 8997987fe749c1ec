//! What a running task can ask of its pool.

use crate::cancel::{CancelToken, Cancelled};
use crate::clock::Clock;
use crate::queue::{CurrentWorker, Limit, Listed, PoolRef};
use crate::sync::{Arc, OnceLock};
use crate::worker::{TaskControl, TaskInfo};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// The context of a task submitted with `submit_with` or `execute_with`: its tokens, its note, and
/// what it can ask of its pool.
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
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
pub struct TaskContext {
    /// The task's number: the pool knows the rest.
    task: u64,
    pool_ref: Arc<PoolRef>,
    // Made when the task asks: most never do.
    control: OnceLock<Arc<TaskControl>>,
    info: OnceLock<Box<TaskInfo>>,
    stopping: OnceLock<CancelToken>,
}

impl TaskContext {
    /// For a task that this worker begins now.
    #[inline]
    pub(super) fn lent(worker: &CurrentWorker, task: u64) -> TaskContext {
        TaskContext {
            task,
            pool_ref: worker.lend_ref(),
            control: OnceLock::new(),
            info: OnceLock::new(),
            stopping: OnceLock::new(),
        }
    }

    /// The task has ended.
    #[inline]
    pub(super) fn give_back(self, worker: &CurrentWorker) {
        worker.take_back_ref(self.pool_ref);
    }

    /// For a task that no worker runs. `stopping`: a token of its own, if it is no part of the stop
    /// of this pool.
    pub(super) fn unstarted(
        info: TaskInfo,
        pool_ref: Arc<PoolRef>,
        control: Arc<TaskControl>,
        stopping: Option<CancelToken>,
    ) -> TaskContext {
        TaskContext {
            task: info.id(),
            pool_ref,
            control: control.into(),
            info: Box::new(info).into(),
            stopping: stopping.map_or_else(OnceLock::new, OnceLock::from),
        }
    }

    /// A reference to the pool that runs the task.
    pub(crate) fn pool_ref(&self) -> &Arc<PoolRef> {
        &self.pool_ref
    }

    /// Limits the time of the task, if a worker runs it, for as long as what is returned lives.
    pub(crate) fn limit(&self, limit: Duration) -> Option<Limit<Listed>> {
        self.pool_ref.limit(self.task, limit)
    }

    fn control(&self) -> &TaskControl {
        let made = || self.pool_ref.control(self.task);
        self.control.get_or_init(made)
    }

    /// Returns the task's token. It is a child of the pool's token, cancelled in the cancelling
    /// phase of a stop or by [`TaskHandle::cancel`]. It is never a child of the token of the
    /// submitting task. [`stopping`](Self::stopping) is cancelled earlier.
    ///
    /// [`TaskHandle::cancel`]: crate::TaskHandle::cancel
    pub fn token(&self) -> &CancelToken {
        &self.control().token
    }

    /// Returns a token that is cancelled as soon as the pool is closed, which is the first step of
    /// its stop. The task may still run then, until its [`token`](Self::token) is cancelled. A task
    /// that could go on without end, such as one that serves a client, finishes what it does and
    /// returns.
    ///
    /// Only the pool cancels it: neither [`TaskHandle::cancel`] nor a
    /// [time limit](crate::TaskBuilder::time_limit) does. For a task that is run after the stop,
    /// as by [`UnstartedTask::run`](crate::task::UnstartedTask::run), it is never cancelled.
    ///
    /// [`TaskHandle::cancel`]: crate::TaskHandle::cancel
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::Pool;
    /// use std::time::Duration;
    ///
    /// let pool = Pool::new(1)?;
    /// pool.execute_with(|ctx| {
    ///     ctx.stopping().wait(); // for a client's next request, say
    ///     assert!(!ctx.is_cancelled()); // there is time to answer the last one
    /// })?;
    /// while pool.running().is_empty() {}
    /// assert!(pool.stop(Duration::from_secs(3600)).is_clean()); // returns at once
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn stopping(&self) -> &CancelToken {
        let child = || self.pool_ref.core.stopping.child();
        self.stopping.get_or_init(child)
    }

    /// Returns whether the task's token is cancelled. Once `true`, it stays so.
    pub fn is_cancelled(&self) -> bool {
        self.token().is_cancelled()
    }

    /// Blocks for `duration`, or until the task's token is cancelled. In a pool with a [manual
    /// clock](crate::PoolBuilder#method.clock), `duration` passes on that clock.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] if the token is or becomes cancelled.
    pub fn sleep(&self, duration: Duration) -> Result<(), Cancelled> {
        let clock = self.pool_ref.core.clock();
        match clock.sleep(duration, &self.token().receiver()) {
            true => Err(Cancelled),
            false => Ok(()),
        }
    }

    /// Returns what the worker that runs this keeps for its tasks: the value of type `T` that
    /// [`PoolBuilder::worker_state`](crate::PoolBuilder::worker_state) declares. Makes it, if no
    /// task of this worker has asked before.
    ///
    /// Tasks on top of each other share it. A task that joins, opens a scope, calls a loop, flushes
    /// a batcher, or submits with `caller_runs_when_full` may run another task of its pool
    /// meanwhile. So it must not keep a `RefCell` borrowed over such a call.
    ///
    /// Returns `None` if the pool has no value of this type, and on any thread but a worker of the
    /// pool, as in [`UnstartedTask::run`](crate::task::UnstartedTask::run).
    ///
    /// # Panics
    ///
    /// Panics if the closure that makes the value does.
    pub fn state<T: 'static>(&self) -> Option<Rc<T>> {
        self.pool_ref.state()
    }

    /// Returns the clock of the pool, for code of the program that goes by the same time as
    /// [`sleep`](Self::sleep).
    pub fn clock(&self) -> &Clock {
        self.pool_ref.core.clock()
    }

    /// Records the task's progress, for [`Pool::running`] and for the report of a stop that
    /// abandons the task. Replaces the previous note. Costs an allocation.
    ///
    /// [`Pool::running`]: crate::Pool::running
    pub fn note(&self, text: impl Into<String>) {
        let note = Arc::from(text.into());
        *self.control().note.lock() = Some(note);
    }

    /// Returns the task's identity: id, name and submit location.
    pub fn info(&self) -> &TaskInfo {
        self.info
            .get_or_init(|| Box::new(self.pool_ref.info(self.task)))
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
