//! What a stop left running.

use crate::clock;
use crate::sync::Arc;
use crate::task::{Running, TaskInfo};
use crate::threads::ThreadStatus;
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
/// pool.task("deaf").execute(move || gate.recv().unwrap_or_default())?;
/// while pool.running().is_empty() {}
///
/// let report = pool.stop(Duration::from_millis(10));
/// let abandoned = &report.abandoned()[0];
/// assert_eq!(abandoned.info().name(), "deaf");
/// assert_eq!(abandoned.worker(), "groundcrew-0");
/// assert!(abandoned.cancel_asked().is_some());
/// drop(open);
/// assert_eq!(report.wait_for_abandoned(Duration::from_secs(5)), 0);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone, Debug)]
pub struct AbandonedTask {
    pub(super) info: TaskInfo,
    pub(super) worker: Arc<str>,
    pub(super) running_for: Duration,
    pub(super) note: Option<Arc<str>>,
    pub(super) cancel_asked: Option<Duration>,
    /// It was given a token, at which it could look.
    pub(super) has_token: bool,
    pub(super) thread: Option<ThreadStatus>,
}

impl AbandonedTask {
    /// Who the task is.
    pub fn info(&self) -> &TaskInfo {
        &self.info
    }

    /// The name of the thread that runs it.
    pub fn worker(&self) -> &str {
        &self.worker
    }

    /// How long it had been running; maybe longer by a few short tasks before
    /// it, never shorter.
    pub fn running_for(&self) -> Duration {
        self.running_for
    }

    /// What it said last with [`TaskContext::note`](crate::TaskContext::note).
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// How long ago it was asked to cancel; `None` if it was not.
    pub fn cancel_asked(&self) -> Option<Duration> {
        self.cancel_asked
    }

    /// Whether it was given a token at which it could have looked, by one of the
    /// verbs that end in `_with`.
    pub fn has_token(&self) -> bool {
        self.has_token
    }

    /// On Linux the number of its thread, as `ps -L` and `/proc` show it.
    pub fn thread_id(&self) -> Option<u64> {
        self.thread.as_ref().map(|thread| thread.id)
    }

    /// On Linux what its thread was doing: `running`, `sleeping in read`.
    pub fn thread_state(&self) -> Option<&str> {
        self.thread.as_ref().map(|thread| thread.doing.as_str())
    }
}

/// A worker that runs no task, and whose thread had not left the process when
/// the report was made: a hook or the destructor of a thread-local still runs,
/// or it had no time to leave.
///
/// # Examples
///
/// ```
/// use groundcrew::Pool;
/// use std::time::Duration;
///
/// let (open, gate) = groundcrew::channel::bounded::<()>(0);
/// let pool = Pool::builder()
///     .threads(1)
///     .on_worker_stop(move |_| gate.recv().unwrap_or_default())
///     .build()?;
/// let report = pool.stop(Duration::from_millis(10));
/// assert_eq!(report.lingering()[0].worker(), "groundcrew-0");
/// drop(open);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone, Debug)]
pub struct LingeringWorker {
    pub(super) worker: Arc<str>,
    pub(super) thread: Option<ThreadStatus>,
}

impl LingeringWorker {
    /// The name of the thread.
    pub fn worker(&self) -> &str {
        &self.worker
    }

    /// On Linux the number of the thread, as `ps -L` and `/proc` show it.
    pub fn thread_id(&self) -> Option<u64> {
        self.thread.as_ref().map(|thread| thread.id)
    }

    /// On Linux what the thread was doing: `running`, `sleeping in futex`.
    pub fn thread_state(&self) -> Option<&str> {
        self.thread.as_ref().map(|thread| thread.doing.as_str())
    }
}

/// How long ago a running task was asked to cancel, by its handle, its token,
/// or the pool's token since it began.
pub(crate) fn cancel_asked(
    running: &Running,
    pool_cancelled: Option<Instant>,
    now: Instant,
) -> Option<Duration> {
    let by_handle = running.cell.as_ref().and_then(|cell| cell.cancel_asked());
    let by_token = running
        .watch
        .as_ref()
        .and_then(|watch| watch.cancelled_at());
    let asked = [by_handle, by_token, pool_cancelled];
    let earliest = asked.into_iter().flatten().min()?;
    Some(now.saturating_duration_since(earliest.max(running.since)))
}

/// What is known of a running task, read under its slot's lock.
pub(super) fn abandoned(
    running: &Running,
    worker: &Arc<str>,
    pool_cancelled: Option<Instant>,
) -> AbandonedTask {
    let now = clock::now();
    AbandonedTask {
        info: running.info(),
        worker: worker.clone(),
        running_for: now.saturating_duration_since(running.since),
        note: running.watch.as_ref().and_then(|watch| watch.note()),
        cancel_asked: cancel_asked(running, pool_cancelled, now),
        has_token: running.watch.is_some(),
        thread: None,
    }
}
