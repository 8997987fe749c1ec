//! What runs now, as seen from outside the pool.

use crate::clock;
use crate::sync::Arc;
use crate::task::TaskInfo;
use crate::worker::Running;
use std::time::{Duration, Instant};

/// A task that runs now: [`Pool::running`](crate::Pool::running).
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
/// assert_eq!(running[0].note(), Some("at the gate"));
/// assert_eq!(running[0].cancel_asked(), None);
/// drop(open);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RunningTask {
    pub(super) info: TaskInfo,
    pub(super) worker: Arc<str>,
    pub(super) running_for: Duration,
    pub(super) note: Option<Arc<str>>,
    pub(super) cancel_asked: Option<Duration>,
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
            cancel_asked: cancel_asked(running, pool_cancelled, now),
            is_overrun: running.is_overrun,
        }
    }

    /// The task's identity: id, name and submit location.
    pub fn info(&self) -> &TaskInfo {
        &self.info
    }

    /// The name of the thread that runs it.
    pub fn worker(&self) -> &str {
        &self.worker
    }

    /// How long it had been running when the list was made; maybe longer, never shorter.
    ///
    /// Between short tasks the clock is not read every time. So it may be longer
    /// by up to seven tasks before it, which were short or turned long only just
    /// now; and for a task [run in place], by as much as the task below it.
    ///
    /// [run in place]: crate::PoolBuilder::caller_runs_when_full
    pub fn running_for(&self) -> Duration {
        self.running_for
    }

    /// Its last note, from [`TaskContext::note`](crate::TaskContext::note); `None` if it
    /// has none.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// How long ago its cancellation was requested, by its handle, its token or a stop; `None` if
    /// it was not.
    pub fn cancel_asked(&self) -> Option<Duration> {
        self.cancel_asked
    }

    /// Whether it has run for longer than its limit and the grace after it.
    pub fn is_overrun(&self) -> bool {
        self.is_overrun
    }
}

/// How long ago the cancellation of a running task was requested, by its handle, its token,
/// or the pool's token since it began.
fn cancel_asked(
    running: &Running,
    pool_cancelled: Option<Instant>,
    now: Instant,
) -> Option<Duration> {
    let requests = [running.cancel_asked(), pool_cancelled];
    let earliest = requests.into_iter().flatten().min()?;
    Some(now.saturating_duration_since(earliest.max(running.since)))
}
