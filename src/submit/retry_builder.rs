//! A task that is tried again when it fails, before it is submitted.

use super::attempts::{AttemptFn, Attempts, Numbered, NumberedWithContext, Terms};
use super::{SubmitError, TaskBuilder, WhenFull};
use crate::retry::{Retry, RetryError};
use crate::task::{TaskContext, TaskHandle};
use crate::trace::Parent;
use std::fmt;
use std::panic::Location;

/// A builder for a task that is retried when it fails. Created by [`TaskBuilder::retry`].
///
/// The closure makes one attempt and returns a result. It receives the number of the attempt, which
/// starts at 1. The handle returns the result, or a [`RetryError`] with the last error and the
/// earlier attempts. One builder can submit any number of tasks.
///
/// # While it waits
///
/// Between attempts a task waits in a timer. It keeps no worker busy and takes no space in the
/// queue. But from its submit to its end it holds one of the pool's places for such tasks
/// ([`PoolBuilder::max_retrying`]), so that failing tasks cannot pile up. If no place is free, the
/// submit methods do the same as for a full queue: by default they wait, except in the pool's own
/// workers, which exceed the maximum.
///
/// A worker that joins the task runs an attempt itself as soon as one is due.
/// [`PoolStats::waiting`] counts the tasks that wait.
///
/// # When it ends without a result
///
/// - A panic is not retried: it is [`TaskError::Panicked`], as usual.
/// - [`TaskHandle::cancel`] ends the wait: [`TaskError::Cancelled`]. An attempt that is running
///   sees its token cancelled, and is the last one.
/// - A stop ends the wait, however long its plan is. The task is then *unstarted*, as if it had
///   never begun, and has the [number of its attempts](crate::task::TaskInfo::attempts). The same
///   goes for a task whose attempt fails afterwards. An attempt that fails after the stop cancelled
///   it does not count, not even as the last one, unless the policy [gives
///   up](crate::Retry::on_error) on its error. [`UnstartedTask::run`] continues with the attempts,
///   and waits between them on the calling thread.
///
/// [`PoolBuilder::max_retrying`]: crate::PoolBuilder::max_retrying
/// [`PoolStats::waiting`]: crate::pool::PoolStats::waiting
/// [`TaskError::Panicked`]: crate::TaskError::Panicked
/// [`TaskError::Cancelled`]: crate::TaskError::Cancelled
/// [`UnstartedTask::run`]: crate::task::UnstartedTask::run
///
/// # Examples
///
/// ```
/// use groundcrew::{Pool, Retry};
/// use groundcrew::retry::Verdict;
/// use std::io::{Error, ErrorKind};
/// use std::time::Duration;
///
/// let pool = Pool::new(1)?;
/// let retry = Retry::exponential(Duration::from_millis(1))
///     .attempts(5)
///     .on_error(|error: &Error| match error.kind() {
///         ErrorKind::NotFound => Verdict::GiveUp,
///         _ => Verdict::Retry,
///     });
/// let handle = pool
///     .task("fetch")
///     .retry(retry)
///     .submit(|attempt| -> Result<u32, Error> {
///         Err(match attempt {
///             1 => ErrorKind::TimedOut.into(),
///             _ => ErrorKind::NotFound.into(),
///         })
///     })?;
/// let error = handle.join()?.unwrap_err();
/// assert_eq!(error.attempts(), 2);
/// assert_eq!(error.error().kind(), ErrorKind::NotFound);
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[must_use = "a task is not submitted before one of its submit methods is called"]
pub struct RetryTaskBuilder<'a, E> {
    task: TaskBuilder<'a>,
    policy: Retry<E>,
}

impl<'a, E> RetryTaskBuilder<'a, E> {
    pub(super) fn new(task: TaskBuilder<'a>, policy: Retry<E>) -> RetryTaskBuilder<'a, E> {
        RetryTaskBuilder { task, policy }
    }

    /// Sets what the submit methods do while no [place](Self#while-it-waits) is free or the queue
    /// is full, like [`TaskBuilder::when_full`].
    pub fn when_full(mut self, when_full: impl Into<WhenFull>) -> Self {
        self.task = self.task.when_full(when_full);
        self
    }
}

/// What a verb of a task that is retried returns.
type Submitted<F, T, E> = Result<TaskHandle<Result<T, RetryError<E>>>, SubmitError<F>>;

impl<E: Send + 'static> RetryTaskBuilder<'_, E> {
    fn start<C, T>(
        &self,
        closure: C,
        is_unheard: bool,
        submitted_at: &'static Location<'static>,
    ) -> Submitted<C::Inner, T, E>
    where
        C: AttemptFn<T, E> + 'static,
        T: Send + 'static,
    {
        let core = &self.task.pool_ref().core;
        // Its times to start and to wait begin before the wait for a permit.
        let submission = self.task.labelled();
        let (closure, permit) = submission.take_retry_permit(closure, C::into_inner)?;
        let terms = Terms {
            clock: core.clock().clone(),
            is_unheard,
            _permit: permit,
            parent: Parent::current(),
        };
        let attempts = Attempts::new(closure, self.policy.clone(), terms);
        submission.submit(attempts, submitted_at)
    }

    /// Submits the task and returns a handle to its result. Blocks while no
    /// [place](Self#while-it-waits) is free or the queue is full, as [`when_full`](Self::when_full)
    /// says. By default it blocks without limit, and never in one of the pool's own workers.
    ///
    /// # Errors
    ///
    /// If the pool is or becomes closed, or if `when_full` says so; the error returns the closure.
    #[track_caller]
    pub fn submit<F, T>(&self, task: F) -> Submitted<F, T, E>
    where
        F: FnMut(u32) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
    {
        self.start(Numbered(task), false, Location::caller())
    }

    /// Submits a task whose attempts receive a [`TaskContext`]. Each attempt has a new token.
    /// Otherwise the same as [`submit`](Self::submit), including when it blocks.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::{Pool, Retry};
    /// # use std::time::Duration;
    /// # let pool = Pool::new(1)?;
    /// let task = pool.task("send").retry(Retry::fixed(Duration::from_millis(1)));
    /// let handle = task.submit_with(|ctx, attempt| match attempt {
    ///     1 => Err("no connection"),
    ///     _ => Ok(ctx.info().attempts()),
    /// })?;
    /// assert_eq!(handle.join()?.unwrap(), 2);
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    #[track_caller]
    pub fn submit_with<F, T>(&self, task: F) -> Submitted<F, T, E>
    where
        F: FnMut(&TaskContext, u32) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
    {
        self.start(NumberedWithContext(task), false, Location::caller())
    }

    /// Submits the task without a handle. If it finally fails, that is logged as an error (at most
    /// ten times a second). Otherwise the same as [`submit`](Self::submit), including when it
    /// blocks.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    #[track_caller]
    pub fn execute<F, T>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnMut(u32) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
    {
        self.start(Numbered(task), true, Location::caller())
            .map(drop)
    }

    /// Submits a task without a handle, whose attempts receive a [`TaskContext`]. Otherwise the
    /// same as [`execute`](Self::execute), including when it blocks.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    #[track_caller]
    pub fn execute_with<F, T>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnMut(&TaskContext, u32) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
    {
        self.start(NumberedWithContext(task), true, Location::caller())
            .map(drop)
    }
}

impl<E> fmt::Debug for RetryTaskBuilder<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryTaskBuilder")
            .field("task", &self.task)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
