//! How a service ended.

use super::abandoned::AbandonedService;
use crate::host::failure::ServiceFailure;
#[cfg(feature = "jobs")]
use crate::host::items::JobsReport;
use crate::host::items::{BatchStats, ItemStats, LeftItems, QueueStats};
use crate::sync::Arc;
use std::time::Duration;

/// How a service ended, as of the report.
///
/// # Examples
///
/// ```
/// use groundcrew::Host;
/// use groundcrew::host::ServiceOutcome;
///
/// let mut host = Host::builder();
/// host.startup_task("warm-up", |_| Ok(()));
/// host.background("web", |ctx| ctx.wait());
/// let report = host.build()?.start()?.stop();
/// assert!(matches!(report.services()[0].outcome(), ServiceOutcome::Returned));
/// assert!(matches!(report.services()[1].outcome(), ServiceOutcome::Stopped));
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum ServiceOutcome {
    /// It stopped as requested.
    Stopped,
    /// A one-shot service, or a startup task, did its work.
    Returned,
    /// It failed. This is the first failure since it was last started.
    Failed(ServiceFailure),
    /// It panicked. This is the first failure since it was last started.
    Panicked(ServiceFailure),
    /// It had not ended when the report was made.
    Abandoned(AbandonedService),
    /// It was inside [`HostHandle::stop`](crate::host::HostHandle::stop), which it had called
    /// itself, when the report was made.
    Stopping,
    /// The stop began before it was started.
    NotStarted,
}

/// The part of a report about one service.
///
/// # Examples
///
/// ```
/// use groundcrew::Host;
///
/// let mut host = Host::builder();
/// host.background("web", |ctx| ctx.wait());
/// let report = host.build()?.start()?.stop();
/// let web = &report.services()[0];
/// assert_eq!((web.name(), web.restarts()), ("web", 0));
/// assert!(web.start_took().is_some() && web.stop_took().is_some());
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ServiceReport {
    pub(in crate::host) name: Arc<str>,
    pub(in crate::host) outcome: ServiceOutcome,
    pub(in crate::host) has_failed: bool,
    pub(in crate::host) restarts: u64,
    pub(in crate::host) failures: u64,
    pub(in crate::host) start_took: Option<Duration>,
    pub(in crate::host) stop_took: Option<Duration>,
    pub(in crate::host) items: Option<LeftItems>,
    /// If it is a pool, the place of its report among those of all pools.
    pub(in crate::host) pool: Option<usize>,
}

impl ServiceReport {
    /// Returns the name of the service.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns how it ended, as of the report.
    pub fn outcome(&self) -> &ServiceOutcome {
        &self.outcome
    }

    /// Returns `true` if it failed since it was last started. The exit code is then 1. This can
    /// also be true of an abandoned service that failed and whose `stop` did not return.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Returns the number of restarts.
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// Returns the number of failures, including those after which a restart succeeded.
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// Returns how long its first start took, or `None` if it never was up.
    pub fn start_took(&self) -> Option<Duration> {
        self.start_took
    }

    /// Returns how long it took to end after its stop was requested. Returns zero if it ended by
    /// itself after the stop of the host had begun, and `None` if it ended before the stop, or has
    /// not ended.
    pub fn stop_took(&self) -> Option<Duration> {
        self.stop_took
    }

    /// Returns the counts of its items, if it is a queue.
    pub fn queue(&self) -> Option<&QueueStats> {
        self.stats().and_then(ItemStats::queue)
    }

    /// Returns the counts of its items, if it is a batcher.
    pub fn batcher(&self) -> Option<&BatchStats> {
        self.stats().and_then(ItemStats::batch)
    }

    /// Returns what became of the jobs that it claimed, if it is workers of durable jobs.
    #[cfg(feature = "jobs")]
    pub fn jobs(&self) -> Option<&JobsReport> {
        self.stats().and_then(ItemStats::jobs)
    }

    /// Returns the number of items that it left behind: those that no handler got, those that
    /// abandoned handlers hold, and those that failed and were neither taken nor given to a closure
    /// for dead letters. If there are any, the report is not clean. Returns 0 for a service without
    /// items.
    pub fn items_left(&self) -> u64 {
        self.items.as_ref().map_or(0, LeftItems::count)
    }

    pub(super) fn stats(&self) -> Option<&ItemStats> {
        self.items.as_ref().map(|items| &items.stats)
    }

    pub(super) fn is_clean(&self) -> bool {
        let ended_well = match self.outcome {
            ServiceOutcome::Stopped
            | ServiceOutcome::Returned
            | ServiceOutcome::Stopping
            | ServiceOutcome::NotStarted => true,
            ServiceOutcome::Failed(_)
            | ServiceOutcome::Panicked(_)
            | ServiceOutcome::Abandoned(_) => false,
        };
        ended_well && self.items_left() == 0
    }
}
