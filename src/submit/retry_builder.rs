//! A task that is tried again when it fails, before it is submitted.

use super::attempts::{AttemptFn, Attempts, Numbered, NumberedWithContext, Terms};
use super::verbs::refuse;
use super::{SubmitError, TaskBuilder};
use crate::clock::Deadline;
use crate::queue::WhenFull;
use crate::retry::{Retry, RetryError};
use crate::task::{TaskContext, TaskHandle};
use std::fmt;
use std::panic::Location;
use std::time::{Duration, Instant};

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
/// pile up. Where none is free the verbs do as with a full queue: they wait, refuse or time
/// out; `submit` and `execute` from one of the pool's own workers take one more.
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
}

/// What a verb of a task that is retried returns.
type Submitted<F, T, E> = Result<TaskHandle<Result<T, RetryError<E>>>, SubmitError<F>>;

impl<E: Send + 'static> RetryTaskBuilder<'_, E> {
    fn start<C, T>(
        &self,
        closure: C,
        when_full: WhenFull,
        is_unheard: bool,
        submitted_at: &'static Location<'static>,
    ) -> Submitted<C, T, E>
    where
        C: AttemptFn<T, E> + 'static,
        T: Send + 'static,
    {
        let queue = &self.task.pool_ref().queue;
        // Its time to start begins before the wait for a place.
        let submission = self.task.unlimited();
        let place = match queue.take_place(when_full) {
            Ok(place) => place,
            Err(refusal) => {
                queue.count_refused();
                return Err(refuse(queue, closure, refusal));
            }
        };
        let terms = Terms {
            time_limit: self.task.limit(),
            clock: queue.clock().clone(),
            is_unheard,
            _place: place,
        };
        let attempts = Attempts::new(closure, self.policy.clone(), terms);
        submission.submit(attempts, when_full, submitted_at)
    }

    /// Submits the task, and returns a handle to its result. Blocks while no
    /// [place](Self#while-it-waits) is free or the queue is full, without limit; in one of
    /// the pool's own workers never.
    ///
    /// # Errors
    ///
    /// When the pool is closed, also while this waited; the error gives the closure back.
    #[track_caller]
    pub fn submit<F, T>(&self, task: F) -> Submitted<F, T, E>
    where
        F: FnMut(u32) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
    {
        let started = self.start(
            Numbered(task),
            WhenFull::WaitOrOverflow,
            false,
            Location::caller(),
        );
        started.map_err(|refused| refused.map(|closure| closure.0))
    }

    /// Submits the task if a [place](Self#while-it-waits) is free and there is room in the
    /// queue.
    ///
    /// # Errors
    ///
    /// When none is free, or the pool is closed; the error gives the closure back.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Pool, Retry};
    /// use std::time::Duration;
    ///
    /// let pool = Pool::builder().threads(1).max_retrying(1).build()?;
    /// let task = pool.task("send").retry(Retry::fixed(Duration::from_secs(3600)));
    /// let first = task.try_submit(|_| Err::<(), _>("no connection"))?;
    /// let second = task.try_submit(|_| Err::<(), _>("no connection"));
    /// assert!(second.unwrap_err().is_full());
    /// # first.cancel();
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    #[track_caller]
    pub fn try_submit<F, T>(&self, task: F) -> Submitted<F, T, E>
    where
        F: FnMut(u32) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
    {
        let started = self.start(Numbered(task), WhenFull::Refuse, false, Location::caller());
        started.map_err(|refused| refused.map(|closure| closure.0))
    }

    /// Submits the task; blocks while no [place](Self#while-it-waits) is free or the queue
    /// is full, for `timeout` at most; also in the pool's own workers.
    ///
    /// # Errors
    ///
    /// When there was no room within `timeout`, or the pool is closed; the error gives the
    /// closure back.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Pool, Retry};
    /// use std::time::Duration;
    ///
    /// let pool = Pool::builder().threads(1).max_retrying(1).build()?;
    /// let task = pool.task("send").retry(Retry::fixed(Duration::from_secs(3600)));
    /// let first = task.submit(|_| Err::<(), _>("no connection"))?;
    /// let second = task.submit_timeout(Duration::from_millis(1), |_| Err::<(), _>("none"));
    /// assert!(second.unwrap_err().is_timeout());
    /// # first.cancel();
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    #[track_caller]
    pub fn submit_timeout<F, T>(&self, timeout: Duration, task: F) -> Submitted<F, T, E>
    where
        F: FnMut(u32) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
    {
        let wait = WhenFull::Wait(Deadline::after(timeout));
        let started = self.start(Numbered(task), wait, false, Location::caller());
        started.map_err(|refused| refused.map(|closure| closure.0))
    }

    /// Submits the task; blocks while no [place](Self#while-it-waits) is free or the queue
    /// is full, until `deadline` at most; also in the pool's own workers.
    ///
    /// # Errors
    ///
    /// As [`submit_timeout`](Self::submit_timeout).
    #[track_caller]
    pub fn submit_deadline<F, T>(&self, deadline: Instant, task: F) -> Submitted<F, T, E>
    where
        F: FnMut(u32) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
    {
        let wait = WhenFull::Wait(Deadline::at(deadline));
        let started = self.start(Numbered(task), wait, false, Location::caller());
        started.map_err(|refused| refused.map(|closure| closure.0))
    }

    /// Submits a task whose attempts receive a [`TaskContext`]; its token is a new one for
    /// each. Otherwise, also in when it blocks, like [`submit`](Self::submit).
    ///
    /// # Errors
    ///
    /// When the pool is closed, also while this waited; the error gives the closure back.
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
        let closure = NumberedWithContext(task);
        let started = self.start(closure, WhenFull::WaitOrOverflow, false, Location::caller());
        started.map_err(|refused| refused.map(|closure| closure.0))
    }

    /// Submits the task without a handle. If it fails for good, an error record in the log
    /// says so (ten a second at most). Blocks in the same cases as
    /// [`submit`](Self::submit).
    ///
    /// # Errors
    ///
    /// When the pool is closed, also while this waited; the error gives the closure back.
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
        let started = self.start(
            Numbered(task),
            WhenFull::WaitOrOverflow,
            true,
            Location::caller(),
        );
        started.map_or_else(|refused| Err(refused.map(|closure| closure.0)), |_| Ok(()))
    }

    /// Submits a task without a handle, whose attempts receive a [`TaskContext`].
    /// Otherwise, also in when it blocks, like [`execute`](Self::execute).
    ///
    /// # Errors
    ///
    /// When the pool is closed, also while this waited; the error gives the closure back.
    #[track_caller]
    pub fn execute_with<F, T>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnMut(&TaskContext, u32) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
    {
        let closure = NumberedWithContext(task);
        let started = self.start(closure, WhenFull::WaitOrOverflow, true, Location::caller());
        started.map_or_else(|refused| Err(refused.map(|closure| closure.0)), |_| Ok(()))
    }

    /// Submits the task without a handle, if a [place](Self#while-it-waits) is free and
    /// there is room in the queue. Otherwise like [`execute`](Self::execute).
    ///
    /// # Errors
    ///
    /// When none is free, or the pool is closed; the error gives the closure back.
    #[track_caller]
    pub fn try_execute<F, T>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnMut(u32) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
    {
        let started = self.start(Numbered(task), WhenFull::Refuse, true, Location::caller());
        started.map_or_else(|refused| Err(refused.map(|closure| closure.0)), |_| Ok(()))
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
