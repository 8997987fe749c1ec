//! How a pool of a host is at a moment.

use crate::pool::{PoolStats, PoolView};
use crate::stop::RunningTask;

/// The status of a pool of a host at one moment: its counters and its running tasks. With the
/// feature `serde` it can be serialized: the counters, and the running tasks with their names,
/// workers, seconds and notes.
///
/// # Examples
///
/// ```
/// use groundcrew::{Host, Pool};
///
/// let pool = Pool::new(2)?;
/// # let (open, gate) = groundcrew::channel::bounded::<()>(0);
/// let tasks = pool.submitter();
/// let mut host = Host::builder();
/// host.add("workers", pool);
/// let host = host.build()?.start()?;
/// tasks.task("resize").execute(move || gate.recv().unwrap_or_default())?;
///
/// let status = host.status();
/// let pool = status.services()[0].pool().expect("it is a pool");
/// assert_eq!((pool.stats().accepted(), pool.stats().completed()), (1, 0));
/// assert!(pool.running().iter().all(|task| task.info().name() == "resize"));
/// # drop(open);
/// # host.stop();
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PoolStatus {
    stats: PoolStats,
    running: Vec<RunningTask>,
}

impl PoolStatus {
    pub(in crate::host) fn new(pool: &PoolView) -> PoolStatus {
        PoolStatus {
            stats: pool.stats(),
            running: pool.running(),
        }
    }

    /// Returns its counters, like [`Pool::stats`](crate::Pool::stats).
    pub fn stats(&self) -> &PoolStats {
        &self.stats
    }

    /// Returns its running tasks, like [`Pool::running`](crate::Pool::running). Idle workers are
    /// not included.
    pub fn running(&self) -> &[RunningTask] {
        &self.running
    }
}
