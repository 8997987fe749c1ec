//! A task that is given more than its closure before it is submitted.

use super::verbs::Closure;
use super::{RetryTaskBuilder, Submission, SubmitError, WhenFull, verbs};
use crate::queue::PoolRef;
use crate::retry::RetryPolicy;
use crate::sync::Arc;
use crate::task::TaskHandle;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

/// A builder for a task with a name. Created by [`Pool::task`](crate::Pool::task).
///
/// It has the submit methods of the pool. Options limit how long the task
/// [waits](Self::start_within) and [runs](Self::time_limit), choose what happens when the [queue is
/// full](Self::when_full), and [retry](Self::retry) the task when it fails. One builder can submit
/// any number of tasks.
///
/// # Examples
///
/// ```
/// let pool = groundcrew::Pool::new(1)?;
/// let handle = pool.task("sum of 1 to 4").submit(|| 1 + 2 + 3 + 4)?;
/// assert_eq!(handle.info().name(), "sum of 1 to 4");
/// assert_eq!(handle.join()?, 10);
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[must_use = "a task is not submitted before one of its submit methods is called"]
pub struct TaskBuilder<'a> {
    pool_ref: &'a Arc<PoolRef>,
    name: Arc<str>,
    start_within: Duration,
    time_limit: Option<Duration>,
    when_full: WhenFull,
}

impl<'a> TaskBuilder<'a> {
    pub(crate) fn new(pool_ref: &'a Arc<PoolRef>, name: String) -> TaskBuilder<'a> {
        TaskBuilder {
            pool_ref,
            name: name.into(),
            start_within: Duration::MAX,
            time_limit: None,
            when_full: WhenFull::Wait,
        }
    }

    /// Limits how long the task may wait: if it has not started `limit` after the call of the
    /// submit method, it never starts.
    ///
    /// Such a task is *expired*. What it captured is dropped, its handle returns
    /// [`TaskError::Expired`], even to a `join` that is already waiting, and [`PoolStats::expired`]
    /// and the report of a stop count it. The limit includes the submit method's own wait for space
    /// in the queue. It does not limit how long the task runs, and it no longer applies to a task
    /// that a stop handed back. [`Duration::MAX`] means no limit. With [`Duration::ZERO`] the task
    /// always expires.
    ///
    /// [`TaskError::Expired`]: crate::TaskError::Expired
    /// [`PoolStats::expired`]: crate::pool::PoolStats::expired
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Pool, TaskError};
    /// use std::time::Duration;
    ///
    /// let pool = Pool::new(1)?;
    /// let (open, gate) = groundcrew::channel::bounded::<()>(0);
    /// pool.execute(move || gate.recv().unwrap_or_default())?; // the only worker is busy
    /// let quote = pool
    ///     .task("quote")
    ///     .start_within(Duration::from_millis(1))
    ///     .submit(|| "too late to be of use")?;
    /// assert!(matches!(quote.join(), Err(TaskError::Expired)));
    /// assert_eq!(pool.stats().expired(), 1);
    /// drop(open);
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn start_within(mut self, limit: Duration) -> Self {
        self.start_within = limit;
        self
    }

    /// Limits how long the task may run.
    ///
    /// When the task has run for `limit`, its token is cancelled, and a warning is logged with its
    /// name and submit location. The task has to check the token: submit it with
    /// [`submit_with`](Self::submit_with). A grace period follows, of a quarter of the limit,
    /// capped at 3 s. A task that still runs after it is *overrun*. That is logged as an error and
    /// shown by [`PoolStats::overrun`], [`RunningTask::is_overrun`] and the report of a stop, and a
    /// new worker may [replace] the stuck one. No thread can be killed: the task runs until it ends
    /// by itself, and its result is used as usual.
    ///
    /// Time in which the worker runs other tasks on top of this one, through a join, does not
    /// count. For a [retried](Self::retry) task the limit applies to each attempt. It does not
    /// apply to [`UnstartedTask::run`]. If the whole process is suspended (SIGSTOP, a paused
    /// container, a debugger), the limit grows by that time, so that afterwards the task has at
    /// most the whole limit again. [`Duration::MAX`] means no limit. With [`Duration::ZERO`] the
    /// token is cancelled at once.
    ///
    /// [`PoolStats::overrun`]: crate::pool::PoolStats::overrun
    /// [`RunningTask::is_overrun`]: crate::stop::RunningTask::is_overrun
    /// [replace]: crate::PoolBuilder::max_replacements
    /// [`UnstartedTask::run`]: crate::task::UnstartedTask::run
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = groundcrew::Pool::new(1)?;
    /// let handle = pool
    ///     .task("report")
    ///     .time_limit(Duration::from_millis(1))
    ///     .submit_with(|ctx| match ctx.sleep(Duration::MAX) {
    ///         Err(_) => "asked to end",
    ///         Ok(()) => unreachable!(),
    ///     })?;
    /// assert_eq!(handle.join()?, "asked to end");
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Sets what the submit methods do while the queue is full. By default they wait without limit.
    ///
    /// Takes a [`WhenFull`], or one of the types that convert into it: a [`Duration`] or an
    /// [`Instant`](std::time::Instant) limits the wait, and a [`CancelToken`](crate::CancelToken)
    /// ends it when it is cancelled.
    pub fn when_full(mut self, when_full: impl Into<WhenFull>) -> Self {
        self.when_full = when_full.into();
        self
    }

    /// Retries the task when it fails, as the policy says. The closure receives the number of the
    /// attempt. See [`RetryTaskBuilder`] for the submit methods and for the effect of a stop.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Pool, Retry};
    /// use std::time::Duration;
    ///
    /// let pool = Pool::new(1)?;
    /// let retry = Retry::exponential(Duration::from_millis(1)).attempts(5);
    /// let handle = pool.task("send").retry(retry).submit(|attempt| match attempt {
    ///     1 | 2 => Err("no connection"),
    ///     _ => Ok("sent"),
    /// })?;
    /// assert_eq!(handle.join()?.unwrap(), "sent");
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn retry<E>(self, policy: impl RetryPolicy<E>) -> RetryTaskBuilder<'a, E> {
        RetryTaskBuilder::new(self, policy.into_retry())
    }

    pub(super) fn pool_ref(&self) -> &'a Arc<PoolRef> {
        self.pool_ref
    }

    #[inline]
    pub(super) fn labelled(&self) -> Submission<'_> {
        Submission::labelled(
            self.pool_ref,
            &self.name,
            self.start_within,
            self.time_limit,
            &self.when_full,
        )
    }

    #[inline]
    fn submission(&self) -> NamedSubmission<'_> {
        NamedSubmission(self.labelled())
    }

    verbs!();
}

/// Where tasks with a name come in.
struct NamedSubmission<'a>(Submission<'a>);

impl NamedSubmission<'_> {
    fn submit<C: Closure<Output: Send> + 'static>(
        &self,
        closure: C,
        submitted_at: &'static Location<'static>,
    ) -> Result<TaskHandle<C::Output>, SubmitError<C::Inner>> {
        self.0.submit(closure, submitted_at)
    }

    fn execute<C: Closure + 'static>(
        &self,
        closure: C,
        submitted_at: &'static Location<'static>,
    ) -> Result<(), SubmitError<C::Inner>> {
        self.0.execute_labelled(closure, submitted_at)
    }
}

impl fmt::Debug for TaskBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskBuilder")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
