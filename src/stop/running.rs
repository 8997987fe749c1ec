//! What runs now, as seen from outside the pool.

use crate::clock;
use crate::sync::Arc;
use crate::task::TaskInfo;
use crate::worker::Running;
use std::time::{Duration, Instant};

/// A running task, returned by [`Pool::running`](crate::Pool::running).
///
/// # Examples
///
/// ```
/// let pool = groundcrew::Pool::new(1)?;
/// let (open, gate) = groundcrew::channel::bounded::<()>(0);
/// pool.execute_with(move |ctx| {
///     ctx.note("at the gate");
///     gate.recv().unwrap_or_default()
/// })?;
/// while pool.running().first().and_then(|task| task.note().map(str::to_owned)).is_none() {}
/// let running = pool.running();
/// assert_eq!(running[0].worker(), "groundcrew-0");
/// assert_eq!(running[0].note(), Some("at the gate"));
/// assert_eq!(running[0].cancel_requested_for(), None);
/// drop(open);
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RunningTask {
    pub(super) info: TaskInfo,
    pub(super) worker: Arc<str>,
    pub(super) running_for: Duration,
    pub(super) note: Option<Arc<str>>,
    pub(super) cancel_requested_for: Option<Duration>,
    pub(super) is_overrun: bool,
}

impl RunningTask {
    /// What is known of a running task, read under its slot's lock.
    pub(super) fn new(
        running: &Running,
        worker: &Arc<str>,
        pool_cancelled: Option<Instant>,
    ) -> RunningTask {
        let now = clock::now();
        RunningTask {
            info: running.info(),
            worker: worker.clone(),
            running_for: now.saturating_duration_since(running.since),
            note: running.note(),
            cancel_requested_for: cancel_requested_for(running, pool_cancelled, now),
            is_overrun: running.is_overrun,
        }
    }

    /// Returns the task's identity: id, name and submit location.
    pub fn info(&self) -> &TaskInfo {
        &self.info
    }

    /// Returns the name of the thread that runs the task.
    pub fn worker(&self) -> &str {
        &self.worker
    }

    /// Returns how long the task had been running when the list was made. This is never too short,
    /// but may be too long.
    ///
    /// Between short tasks the clock is not read every time, so up to seven earlier tasks may be
    /// included, all of them short except possibly the most recent ones. For a task [run in place],
    /// the time of the task below it may be included.
    ///
    /// [run in place]: crate::PoolBuilder::caller_runs_when_full
    pub fn running_for(&self) -> Duration {
        self.running_for
    }

    /// Returns the task's last note, set by [`TaskContext::note`](crate::TaskContext::note).
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Returns how long ago the task's cancellation was requested, by its handle, its token or a
    /// stop; `None` if it was not.
    pub fn cancel_requested_for(&self) -> Option<Duration> {
        self.cancel_requested_for
    }

    /// Returns whether the task has run longer than its limit plus the grace period.
    pub fn is_overrun(&self) -> bool {
        self.is_overrun
    }
}

/// How long ago the cancellation of a running task was requested, by its handle, its token,
/// or the pool's token since it began.
fn cancel_requested_for(
    running: &Running,
    pool_cancelled: Option<Instant>,
    now: Instant,
) -> Option<Duration> {
    let requests = [running.cancel_requested(), pool_cancelled];
    let earliest = requests.into_iter().flatten().min()?;
    Some(now.saturating_duration_since(earliest.max(running.since)))
}
