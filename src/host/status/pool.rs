//! How a pool of a host is at a moment.

use crate::pool::{PoolStats, PoolView};
use crate::stop::RunningTask;

/// A pool of a host at one moment: its counters, and what each worker does. With the
/// feature `serde` it can be serialized: the counters, and the tasks that run with their
/// names, workers, seconds and notes.
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
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
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

    /// Its counters, as [`Pool::stats`](crate::Pool::stats).
    pub fn stats(&self) -> &PoolStats {
        &self.stats
    }

    /// What its workers do, as [`Pool::running`](crate::Pool::running): idle workers are
    /// not in it.
    pub fn running(&self) -> &[RunningTask] {
        &self.running
    }
}
