//! A task that is given more than its closure before it is submitted.

use super::verbs::Closure;
use super::{RetryTaskBuilder, Submission, SubmitError, WhenFull, verbs};
use crate::queue::PoolRef;
use crate::retry::RetryPolicy;
use crate::sync::Arc;
use crate::task::{Limited, TaskHandle};
use std::fmt;
use std::panic::Location;
use std::time::Duration;

/// A task with a name, about to be submitted: made by [`Pool::task`](crate::Pool::task),
/// with the verbs of the pool. It may have a limit for its [wait](Self::start_within) and
/// for its [time](Self::time_limit), another answer to a [full queue](Self::when_full), and
/// be [tried again](Self::retry) when it fails.
///
/// One builder submits any number of tasks.
///
/// # Examples
///
/// ```
/// let pool = groundcrew::Pool::new(1)?;
/// let handle = pool.task("sum of 1 to 4").submit(|| 1 + 2 + 3 + 4)?;
/// assert_eq!(handle.info().name(), "sum of 1 to 4");
/// assert_eq!(handle.join()?, 10);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[must_use = "a task is not submitted before one of the verbs is called"]
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

    /// A limit for the task's wait: if it has not been started `limit` after the call of
    /// the verb, it never is.
    ///
    /// Such a task is *expired*: what it captured is dropped, its handle says
    /// [`TaskError::Expired`], also to a `join` that waits at that moment, and
    /// [`PoolStats::expired`] and the report of a stop count it. The limit includes the time
    /// for which the verb itself waits for room in the queue. It says nothing of how long
    /// the task may run; and it is lifted from a task that a stop hands back.
    /// [`Duration::MAX`] means no limit; after [`Duration::ZERO`] no worker ever comes in
    /// time.
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
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn start_within(mut self, limit: Duration) -> Self {
        self.start_within = limit;
        self
    }

    /// A limit for the time that the task runs.
    ///
    /// When it has run for `limit`, its token is cancelled, and a warning in the log names
    /// it and the place where it was submitted. The task has to check the token: submit it
    /// with [`submit_with`](Self::submit_with). If it still runs a grace later, which is a
    /// quarter of the limit and 3 s at most, it is *overrun*: that is logged as an error,
    /// shown by [`PoolStats::overrun`], [`RunningTask::is_overrun`] and the report of a stop,
    /// and a new worker may take the [lost place]. No thread can be killed: the task goes
    /// on, and ends by itself, with a result as usual.
    ///
    /// Time in which its worker runs other tasks on top of it, which it joins, is none of
    /// its own. For a task that is [retried](Self::retry) the limit holds for each attempt.
    /// The limit does not hold for [`UnstartedTask::run`]. It grows by time in which the
    /// whole process stood still (SIGSTOP, a paused container, a debugger), so that after
    /// it the task has at most as much time again as the limit. [`Duration::MAX`] means no
    /// limit; after [`Duration::ZERO`] it is asked to end at once.
    ///
    /// [`PoolStats::overrun`]: crate::pool::PoolStats::overrun
    /// [`RunningTask::is_overrun`]: crate::stop::RunningTask::is_overrun
    /// [lost place]: crate::PoolBuilder::max_replacements
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
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// What the verbs do while the queue is full. By default they wait without limit.
    ///
    /// Takes a [`WhenFull`], a [`Duration`] or an [`Instant`](std::time::Instant) to wait
    /// for, or a [`CancelToken`](crate::CancelToken) whose cancel ends the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = groundcrew::Pool::new(1)?;
    /// let handle = pool.task("seven").when_full(Duration::from_secs(1)).submit(|| 7)?;
    /// assert_eq!(handle.join()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn when_full(mut self, when_full: impl Into<WhenFull>) -> Self {
        self.when_full = when_full.into();
        self
    }

    /// The task may fail, and is then tried again as the policy says. Its closure is given
    /// the number of the attempt. For the verbs, and for what a stop does, see
    /// [`RetryTaskBuilder`].
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
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn retry<E>(self, policy: impl RetryPolicy<E>) -> RetryTaskBuilder<'a, E> {
        RetryTaskBuilder::new(self, policy.into_retry())
    }

    pub(super) fn pool_ref(&self) -> &'a Arc<PoolRef> {
        self.pool_ref
    }

    pub(super) fn limit(&self) -> Option<Duration> {
        self.time_limit
    }

    #[inline]
    pub(super) fn unlimited(&self) -> Submission<'_> {
        Submission::labelled(
            self.pool_ref,
            &self.name,
            self.start_within,
            &self.when_full,
        )
    }

    #[inline]
    fn submission(&self) -> NamedSubmission<'_> {
        NamedSubmission {
            submission: self.unlimited(),
            time_limit: self.time_limit,
        }
    }

    verbs!();
}

/// Where tasks come in that may have a limit: the others do not carry one.
struct NamedSubmission<'a> {
    submission: Submission<'a>,
    time_limit: Option<Duration>,
}

impl NamedSubmission<'_> {
    fn submit<C: Closure<Output: Send> + 'static>(
        &self,
        closure: C,
        submitted_at: &'static Location<'static>,
    ) -> Result<TaskHandle<C::Output>, SubmitError<C::Inner>> {
        match self.time_limit {
            None => self.submission.submit(closure, submitted_at),
            Some(limit) => {
                let body = closure;
                let limited = Limited { limit, body };
                self.submission.submit(limited, submitted_at)
            }
        }
    }

    fn execute<C: Closure + 'static>(
        &self,
        closure: C,
        submitted_at: &'static Location<'static>,
    ) -> Result<(), SubmitError<C::Inner>> {
        match self.time_limit {
            None => self.submission.execute(closure, submitted_at),
            Some(limit) => {
                let body = closure;
                let limited = Limited { limit, body };
                self.submission.execute(limited, submitted_at)
            }
        }
    }
}

impl fmt::Debug for TaskBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskBuilder")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
