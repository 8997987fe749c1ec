//! Services that handle items: what their host asks of them, and the counts that it shows.

mod batch;
#[cfg(feature = "jobs")]
mod jobs;
mod queue;

pub use batch::BatchStats;
#[cfg(feature = "jobs")]
pub use jobs::{JobsReport, JobsStatus, RunningJob};
pub use queue::QueueStats;

use crate::queue::Member;

/// Where the items of a service wait, without their type: a work queue, or a batcher.
pub(crate) trait ItemStore: Send + Sync {
    /// Marks it as a service of a host. Returns `false` if it is one already.
    fn claim(&self) -> bool;
    /// Takes the mark back.
    fn release(&self);
    /// The host was built.
    fn join_host(&self, member: Member);
    /// Whether no item is being handled. Then no heartbeat is missing.
    fn is_idle(&self) -> bool;
    /// What is wrong with its declaration, and what to write instead.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
    /// Whether it can do its work; if not, the host is not ready.
    fn is_ready(&self) -> bool {
        true
    }
    fn stats(&self) -> ItemStats;
    /// Reads the store of jobs, and so is called without the host's lock.
    #[cfg(feature = "jobs")]
    fn jobs_status(&self) -> Option<JobsStatus> {
        None
    }
    /// Closes it, and keeps what waits for its owner.
    fn take_out(&self) -> LeftItems;
}

/// The counts of a service's items.
#[derive(Clone, Debug)]
pub(crate) enum ItemStats {
    Queue(QueueStats),
    Batch(BatchStats),
    #[cfg(feature = "jobs")]
    Jobs(JobsReport),
}

/// What the report shows of a service's items.
#[derive(Clone, Debug)]
pub(crate) struct LeftItems {
    pub(crate) stats: ItemStats,
    /// Items that no handler got, or that one has handed back.
    pub(crate) unstarted: u64,
    /// Items that abandoned handlers hold.
    pub(crate) in_progress: u64,
    /// Items that failed, and that nothing has taken or handled since.
    pub(crate) failed: u64,
}

impl LeftItems {
    pub(crate) fn count(&self) -> u64 {
        self.unstarted + self.in_progress + self.failed
    }
}

impl ItemStats {
    pub(crate) fn queue(&self) -> Option<&QueueStats> {
        match self {
            ItemStats::Queue(stats) => Some(stats),
            _ => None,
        }
    }

    pub(crate) fn batch(&self) -> Option<&BatchStats> {
        match self {
            ItemStats::Batch(stats) => Some(stats),
            _ => None,
        }
    }

    #[cfg(feature = "jobs")]
    pub(crate) fn jobs(&self) -> Option<&JobsReport> {
        match self {
            ItemStats::Jobs(report) => Some(report),
            _ => None,
        }
    }
}
