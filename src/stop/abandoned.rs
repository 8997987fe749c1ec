//! What a stop left running.

use super::running::RunningTask;
use crate::sync::Arc;
use crate::task::TaskInfo;
use crate::threads::ThreadStatus;
use crate::worker::Running;
use std::time::{Duration, Instant};

/// A task that was still running when the report was made. Its thread is
/// detached ("leaked"): it cannot be killed, and leaves when the task ends.
///
/// Everything here is as of the moment of the report.
///
/// # Examples
///
/// ```
/// use groundcrew::Pool;
/// use std::time::Duration;
///
/// let pool = Pool::new(1)?;
/// let (open, gate) = groundcrew::channel::bounded::<()>(0);
/// pool.task("stuck").execute(move || gate.recv().unwrap_or_default())?;
/// while pool.running().is_empty() {}
///
/// let report = pool.stop(Duration::from_millis(10));
/// let abandoned = &report.abandoned()[0];
/// assert_eq!(abandoned.info().name(), "stuck");
/// assert_eq!(abandoned.worker(), "groundcrew-0");
/// assert!(abandoned.cancel_asked().is_some());
/// drop(open);
/// assert_eq!(report.wait_for_abandoned(Duration::from_secs(5)), 0);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone, Debug)]
pub struct AbandonedTask {
    pub(super) running: RunningTask,
    /// It was given a token, at which it could look.
    pub(super) has_token: bool,
    pub(super) thread: Option<ThreadStatus>,
}

impl AbandonedTask {
    /// What is known of a running task, read under its slot's lock.
    pub(super) fn new(
        running: &Running,
        worker: &Arc<str>,
        pool_cancelled: Option<Instant>,
    ) -> AbandonedTask {
        AbandonedTask {
            running: RunningTask::new(running, worker, pool_cancelled),
            has_token: running.has_token,
            thread: None,
        }
    }

    /// The task's identity: id, name and submit location.
    pub fn info(&self) -> &TaskInfo {
        self.running.info()
    }

    /// The name of the thread that runs it.
    pub fn worker(&self) -> &str {
        self.running.worker()
    }

    /// How long it had been running; maybe longer by a few tasks before it, as
    /// [`RunningTask::running_for`](crate::stop::RunningTask::running_for) says, never shorter.
    pub fn running_for(&self) -> Duration {
        self.running.running_for()
    }

    /// Its last note, from [`TaskContext::note`](crate::TaskContext::note); `None` if it
    /// has none.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let pool = groundcrew::Pool::new(1)?;
    /// # let (open, gate) = groundcrew::channel::bounded::<()>(0);
    /// pool.execute_with(|ctx| {
    ///     ctx.note("row 3120 of 4000");
    ///     for () in gate {}
    /// })?;
    /// open.send(())?; // now it has been said
    /// let report = pool.stop(Duration::ZERO);
    /// assert_eq!(report.abandoned()[0].note(), Some("row 3120 of 4000"));
    /// # drop(open);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn note(&self) -> Option<&str> {
        self.running.note()
    }

    /// How long before the report its cancellation was requested; `None` if it was not.
    pub fn cancel_asked(&self) -> Option<Duration> {
        self.running.cancel_asked()
    }

    /// Whether it had run for longer than its limit and the grace after it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let pool = groundcrew::Pool::new(1)?;
    /// # let (open, gate) = groundcrew::channel::bounded::<()>(0);
    /// pool.task("stuck")
    ///     .time_limit(Duration::from_millis(1))
    ///     .execute(move || gate.recv().unwrap_or_default())?;
    /// while pool.stats().overrun() == 0 {}
    /// let report = pool.stop(Duration::ZERO);
    /// assert!(report.abandoned()[0].is_overrun());
    /// assert_eq!(report.overrun(), 1);
    /// # drop(open);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn is_overrun(&self) -> bool {
        self.running.is_overrun()
    }

    /// Whether it has a token that it could have checked, from one of the methods that end
    /// in `_with`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let pool = groundcrew::Pool::new(1)?;
    /// # let (open, gate) = groundcrew::channel::bounded::<()>(0);
    /// pool.execute(move || gate.recv().unwrap_or_default())?; // not `execute_with`
    /// while pool.running().is_empty() {}
    /// let report = pool.stop(Duration::ZERO);
    /// assert!(!report.abandoned()[0].has_token());
    /// # drop(open);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn has_token(&self) -> bool {
        self.has_token
    }

    /// On Linux the number of its thread, as `ps -L` and `/proc` show it; `None` elsewhere.
    pub fn thread_id(&self) -> Option<u64> {
        self.thread.as_ref().map(|thread| thread.id)
    }

    /// On Linux what its thread was doing: `running`, `sleeping in read`; `None` elsewhere.
    pub fn thread_state(&self) -> Option<&str> {
        self.thread.as_ref().map(|thread| thread.doing.as_str())
    }
}
