//! How a host and its services are at a moment.

use super::phase::{HostPhase, ServiceState};
use super::pool::PoolStatus;
#[cfg(feature = "jobs")]
use crate::host::items::JobsStatus;
use crate::host::items::{BatchStats, QueueStats};
use crate::host::report::ServiceThread;
use std::time::Duration;

/// The status of a host and its services at one moment. With the feature `serde` it can be
/// serialized, with durations in seconds.
///
/// # Examples
///
/// ```
/// use groundcrew::Host;
///
/// let mut host = Host::builder();
/// host.name("blog");
/// host.background("web", |ctx| ctx.wait());
/// let host = host.build()?.start()?;
/// let status = host.status();
/// assert_eq!((status.host(), status.is_ready(), status.is_alive()), ("blog", true, true));
/// assert!(status.service("web").is_some() && status.service("db").is_none());
/// # host.stop();
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone, Debug)]
pub struct HostStatus {
    pub(in crate::host) host: String,
    pub(in crate::host) phase: HostPhase,
    pub(in crate::host) ready: bool,
    pub(in crate::host) alive: bool,
    pub(in crate::host) services: Vec<ServiceStatus>,
}

impl HostStatus {
    /// Returns the name of the host.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the phase of the host.
    pub fn phase(&self) -> HostPhase {
        self.phase
    }

    /// Returns `true` if the host is ready, like
    /// [`HostHandle::is_ready`](crate::host::HostHandle::is_ready).
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// Returns `true` if the host is alive, like
    /// [`HostHandle::is_alive`](crate::host::HostHandle::is_alive).
    pub fn is_alive(&self) -> bool {
        self.alive
    }

    /// Returns the services, in the order in which they were registered.
    pub fn services(&self) -> &[ServiceStatus] {
        &self.services
    }

    /// Returns the service of this name, if there is one.
    pub fn service(&self, name: &str) -> Option<&ServiceStatus> {
        self.services.iter().find(|service| service.name == name)
    }
}

/// The status of a service at one moment.
///
/// # Examples
///
/// ```
/// use groundcrew::Host;
///
/// let mut host = Host::builder();
/// host.background("web", |ctx| ctx.wait());
/// let host = host.build()?.start()?;
/// let status = host.status();
/// let web = &status.services()[0];
/// assert_eq!((web.name(), web.restarts(), web.last_failure()), ("web", 0, None));
/// assert_eq!((web.note(), web.heartbeat_age(), web.heartbeat_overdue()), (None, None, false));
/// # host.stop();
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ServiceStatus {
    pub(in crate::host) name: String,
    pub(in crate::host) state: ServiceState,
    pub(in crate::host) since: Option<Duration>,
    pub(in crate::host) restarts: u64,
    pub(in crate::host) failures: u64,
    pub(in crate::host) last_failure: Option<String>,
    pub(in crate::host) note: Option<String>,
    pub(in crate::host) heartbeat_age: Option<Duration>,
    pub(in crate::host) heartbeat_overdue: bool,
    pub(in crate::host) threads: Vec<ServiceThread>,
    pub(in crate::host) queue: Option<QueueStats>,
    pub(in crate::host) batcher: Option<BatchStats>,
    pub(in crate::host) pool: Option<PoolStatus>,
    #[cfg(feature = "jobs")]
    pub(in crate::host) jobs: Option<JobsStatus>,
}

impl ServiceStatus {
    /// Returns the name of the service.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its state.
    pub fn state(&self) -> ServiceState {
        self.state
    }

    /// Returns how long it has been in this state, or `None` before the host was started.
    pub fn since(&self) -> Option<Duration> {
        self.since
    }

    /// Returns the number of restarts.
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// Returns the number of failures.
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// Returns the message of its latest failure, even after a restart.
    pub fn last_failure(&self) -> Option<&str> {
        self.last_failure.as_deref()
    }

    /// Returns its last note, from [`ServiceContext::note`](crate::host::ServiceContext::note).
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Returns how long ago its last heartbeat was, or `None` if there was none.
    pub fn heartbeat_age(&self) -> Option<Duration> {
        self.heartbeat_age
    }

    /// Returns `true` if its required heartbeat is overdue.
    pub fn heartbeat_overdue(&self) -> bool {
        self.heartbeat_overdue
    }

    /// Returns its running threads: its own first, then the workers of a queue, each with its last
    /// note. The workers of a pool are in [`pool`](Self::pool).
    pub fn threads(&self) -> &[ServiceThread] {
        &self.threads
    }

    /// Returns the counts of its items, if it is a queue.
    pub fn queue(&self) -> Option<&QueueStats> {
        self.queue.as_ref()
    }

    /// Returns the counts of its items, if it is a batcher.
    pub fn batcher(&self) -> Option<&BatchStats> {
        self.batcher.as_ref()
    }

    /// Returns its counters and running tasks, if it is a pool.
    pub fn pool(&self) -> Option<&PoolStatus> {
        self.pool.as_ref()
    }

    /// Returns its jobs, if it is workers of durable jobs. Their numbers in the store are read with
    /// the status, which blocks for as long as the store takes.
    #[cfg(feature = "jobs")]
    pub fn jobs(&self) -> Option<&JobsStatus> {
        self.jobs.as_ref()
    }
}
