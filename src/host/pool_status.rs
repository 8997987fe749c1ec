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
/// host.pool("workers", pool);
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
    pub(super) fn new(pool: &PoolView) -> PoolStatus {
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

#[cfg(feature = "serde")]
mod serialized {
    use super::PoolStatus;
    use crate::stop::RunningTask;
    use serde::{Serialize, Serializer, ser::SerializeStruct};

    impl Serialize for PoolStatus {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let running: Vec<Running<'_>> = self.running.iter().map(Running).collect();
            let stats = &self.stats;
            let mut pool = serializer.serialize_struct("PoolStatus", 14)?;
            pool.serialize_field("accepted", &stats.accepted())?;
            pool.serialize_field("queued", &stats.queued())?;
            pool.serialize_field("overflow", &stats.overflow())?;
            pool.serialize_field("waiting", &stats.waiting())?;
            pool.serialize_field("completed", &stats.completed())?;
            pool.serialize_field("panicked", &stats.panicked())?;
            pool.serialize_field("cancelled", &stats.cancelled())?;
            pool.serialize_field("expired", &stats.expired())?;
            pool.serialize_field("unstarted", &stats.unstarted())?;
            pool.serialize_field("abandoned", &stats.abandoned())?;
            pool.serialize_field("caller", &stats.stopping_tasks())?;
            pool.serialize_field("refused", &stats.refused())?;
            pool.serialize_field("workers_alive", &stats.workers_alive())?;
            pool.serialize_field("running", &running)?;
            pool.end()
        }
    }

    struct Running<'a>(&'a RunningTask);

    impl Serialize for Running<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut task = serializer.serialize_struct("RunningTask", 4)?;
            task.serialize_field("name", self.0.info().name())?;
            task.serialize_field("worker", self.0.worker())?;
            task.serialize_field("running_for", &self.0.running_for().as_secs_f64())?;
            task.serialize_field("note", &self.0.note())?;
            task.end()
        }
    }
}
