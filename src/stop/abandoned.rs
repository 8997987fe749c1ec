//! What a stop left running.

use super::running::RunningTask;
use crate::sync::Arc;
use crate::task::TaskInfo;
use crate::threads::ThreadStatus;
use crate::worker::Running;
use std::time::{Duration, Instant};

/// A task that was still running when the report was made. Its thread is detached ("leaked"): it
/// cannot be killed, and exits when the task ends.
///
/// All values are as of the moment of the report.
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
/// assert!(abandoned.cancel_requested_for().is_some());
/// drop(open);
/// assert_eq!(report.wait_for_abandoned(Duration::from_secs(5)), 0);
/// # Ok::<(), groundcrew::BoxError>(())
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

    /// Returns the task's identity: id, name and submit location.
    pub fn info(&self) -> &TaskInfo {
        self.running.info()
    }

    /// Returns the name of the thread that runs the task.
    pub fn worker(&self) -> &str {
        self.running.worker()
    }

    /// Returns how long the task had been running. This is never too short, but may be too long, as
    /// described for [`RunningTask::running_for`](crate::stop::RunningTask::running_for).
    pub fn running_for(&self) -> Duration {
        self.running.running_for()
    }

    /// Returns the task's last note, set by [`TaskContext::note`](crate::TaskContext::note).
    pub fn note(&self) -> Option<&str> {
        self.running.note()
    }

    /// Returns how long before the report the task's cancellation was requested, or `None` if it
    /// was not.
    pub fn cancel_requested_for(&self) -> Option<Duration> {
        self.running.cancel_requested_for()
    }

    /// Returns whether the task had run longer than its limit plus the grace period.
    pub fn is_overrun(&self) -> bool {
        self.running.is_overrun()
    }

    /// Returns whether the task has a token that it could have checked, because it was submitted by
    /// one of the methods that end in `_with`.
    pub fn has_token(&self) -> bool {
        self.has_token
    }

    /// Returns the id of the thread on Linux, as shown by `ps -L` and `/proc`; `None` elsewhere.
    pub fn thread_id(&self) -> Option<u64> {
        self.thread.as_ref().map(|thread| thread.id)
    }

    /// Returns what the thread was doing on Linux, such as `running` or `sleeping in read`; `None`
    /// elsewhere.
    pub fn thread_state(&self) -> Option<&str> {
        self.thread.as_ref().map(|thread| thread.doing.as_str())
    }
}
