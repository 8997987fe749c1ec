//! A task that is tried again when it fails, before it is submitted.

use super::attempts::{AttemptFn, Attempts, Numbered, NumberedWithContext, Terms};
use super::{SubmitError, TaskBuilder, WhenFull};
use crate::retry::{Retry, RetryError};
use crate::task::{TaskContext, TaskHandle};
use std::fmt;
use std::panic::Location;

/// A task that is tried again when it fails, about to be submitted: made by
/// [`TaskBuilder::retry`].
///
/// The closure makes one attempt and returns a result; it is given the attempt's number,
/// from 1. What the handle gives is that result, or a [`RetryError`] with the last error
/// and the attempts before. One builder submits any number of tasks.
///
/// # While it waits
///
/// Between its attempts a task waits in a timer: it keeps no worker busy and takes no room
/// in the queue. But it holds one of the pool's places for such tasks
/// ([`PoolBuilder::max_retrying`]) from its submit to its end, so that what fails cannot
/// pile up. Where none is free the verbs do as with a full queue: by default they wait, and
/// take one more in one of the pool's own workers.
///
/// A worker that joins the task runs an attempt itself as soon as one is due, like any
/// task that has not started. [`PoolStats::waiting`] counts those that wait.
///
/// # When it ends without a result
///
/// - A panic is not tried again: it is [`TaskError::Panicked`], as usual.
/// - [`TaskHandle::cancel`] ends the waiting: [`TaskError::Cancelled`]. A running attempt
///   sees its token cancelled, and is the last one.
/// - A stop ends the waiting, however long its plan is: the task is *unstarted*, as one
///   that was never begun, with the [number of its attempts](crate::task::TaskInfo::attempts); so
///   is one whose attempt fails afterwards. An attempt that fails after the stop has asked
///   it to end does not count, not even as the last one, unless its error is not
///   [worth another](crate::Retry::on_error). [`UnstartedTask::run`] goes on with the attempts, and
///   waits between them on the calling thread.
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
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[must_use = "a task is not submitted before one of the verbs is called"]
pub struct RetryTaskBuilder<'a, E> {
    task: TaskBuilder<'a>,
    policy: Retry<E>,
}

impl<'a, E> RetryTaskBuilder<'a, E> {
    pub(super) fn new(task: TaskBuilder<'a>, policy: Retry<E>) -> RetryTaskBuilder<'a, E> {
        RetryTaskBuilder { task, policy }
    }

    /// What the verbs do while no [place](Self#while-it-waits) is free or the queue is full:
    /// the same option as [`TaskBuilder::when_full`].
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::submit::WhenFull;
    /// use groundcrew::{Pool, Retry};
    /// use std::time::Duration;
    ///
    /// let pool = Pool::builder().threads(1).max_retrying(1).build()?;
    /// let task = pool
    ///     .task("send")
    ///     .retry(Retry::fixed(Duration::from_secs(3600)))
    ///     .when_full(WhenFull::Refuse);
    /// let first = task.submit(|_| Err::<(), _>("no connection"))?;
    /// let second = task.submit(|_| Err::<(), _>("no connection"));
    /// assert!(second.unwrap_err().is_full());
    /// # first.cancel();
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
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
        let queue = &self.task.pool_ref().queue;
        // Its times to start and to wait begin before the wait for a permit.
        let submission = self.task.unlimited();
        let (closure, permit) = submission.take_retry_permit(closure, C::into_inner)?;
        let terms = Terms {
            time_limit: self.task.limit(),
            clock: queue.clock().clone(),
            is_unheard,
            _permit: permit,
        };
        let attempts = Attempts::new(closure, self.policy.clone(), terms);
        submission.submit(attempts, submitted_at)
    }

    /// Submits the task, and returns a handle to its result. Blocks while no
    /// [place](Self#while-it-waits) is free or the queue is full, as
    /// [`when_full`](Self::when_full) says: by default without limit, and in one of the pool's
    /// own workers never.
    ///
    /// # Errors
    ///
    /// When the pool is closed, also while this waited, or where `when_full` says so; the
    /// error gives the closure back.
    #[track_caller]
    pub fn submit<F, T>(&self, task: F) -> Submitted<F, T, E>
    where
        F: FnMut(u32) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
    {
        self.start(Numbered(task), false, Location::caller())
    }

    /// Submits a task whose attempts receive a [`TaskContext`]; its token is a new one for
    /// each. Otherwise, also in when it blocks, like [`submit`](Self::submit).
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
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    #[track_caller]
    pub fn submit_with<F, T>(&self, task: F) -> Submitted<F, T, E>
    where
        F: FnMut(&TaskContext, u32) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
    {
        self.start(NumberedWithContext(task), false, Location::caller())
    }

    /// Submits the task without a handle. If it fails for good, an error record in the log
    /// says so (ten a second at most). Otherwise, also in when it blocks, like
    /// [`submit`](Self::submit).
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
    /// task.execute(|attempt| match attempt {
    ///     1 => Err("no connection"),
    ///     _ => Ok(()),
    /// })?;
    /// pool.wait_idle();
    /// assert_eq!(pool.stats().completed(), 1);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    #[track_caller]
    pub fn execute<F, T>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnMut(u32) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
    {
        self.start(Numbered(task), true, Location::caller())
            .map(drop)
    }

    /// Submits a task without a handle, whose attempts receive a [`TaskContext`].
    /// Otherwise, also in when it blocks, like [`execute`](Self::execute).
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
