//! Threads that a stop could not see off.

use crate::sync::Arc;
use crate::threads::ThreadStatus;

/// A worker without a task whose thread had not exited when the report was made. A hook or the
/// destructor of a thread-local was still running, or the thread had no time to exit.
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
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone, Debug)]
pub struct LingeringWorker {
    pub(super) worker: Arc<str>,
    pub(super) thread: Option<ThreadStatus>,
}

impl LingeringWorker {
    pub(super) fn new(worker: &Arc<str>) -> LingeringWorker {
        LingeringWorker {
            worker: worker.clone(),
            thread: None,
        }
    }

    /// Returns the name of the thread.
    pub fn worker(&self) -> &str {
        &self.worker
    }

    /// Returns the id of the thread on Linux, as shown by `ps -L` and `/proc`. Returns `None`
    /// elsewhere, and if the thread had not begun or was just gone.
    pub fn thread_id(&self) -> Option<u64> {
        self.thread.as_ref().map(|thread| thread.id)
    }

    /// Returns what the thread was doing on Linux, such as `running` or `sleeping in futex`.
    /// Returns `None` elsewhere, and if the thread had not begun or was just gone.
    pub fn thread_state(&self) -> Option<&str> {
        self.thread.as_ref().map(|thread| thread.doing.as_str())
    }
}
