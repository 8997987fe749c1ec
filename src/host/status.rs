//! How a host and its services are at a moment.

use super::core::Core;
use super::ending::ServiceThread;
use super::entry::{Entry, Lifecycle};
use super::machine::Machine;
use super::pool_status::PoolStatus;
use super::queue::QueueStats;
use crate::clock::Freezes;
use std::fmt;
use std::time::{Duration, Instant};

/// Where a host is, always forward. Ordered.
///
/// # Examples
///
/// ```
/// use groundcrew::Host;
/// use groundcrew::host::HostPhase;
///
/// let host = Host::builder().build()?;
/// let handle = host.handle();
/// assert_eq!(handle.status().phase(), HostPhase::Built);
/// let running = host.start()?;
/// assert_eq!(handle.status().phase(), HostPhase::Running);
/// running.stop();
/// assert_eq!(handle.status().phase(), HostPhase::Done);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
pub enum HostPhase {
    /// Not started yet.
    Built,
    /// Services are starting.
    Starting,
    /// Every service has been up.
    Running,
    /// The stop has begun; the host is no longer ready, and no service's stop was requested
    /// yet.
    Delaying,
    /// Services are being stopped.
    Stopping,
    /// The report is made.
    Done,
}

impl fmt::Display for HostPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            HostPhase::Built => "built",
            HostPhase::Starting => "starting",
            HostPhase::Running => "running",
            HostPhase::Delaying => "delaying",
            HostPhase::Stopping => "stopping",
            HostPhase::Done => "done",
        })
    }
}

/// Where a service is.
///
/// # Examples
///
/// ```
/// use groundcrew::Host;
/// use groundcrew::host::ServiceState;
///
/// let mut host = Host::builder();
/// host.background("web", |ctx| ctx.wait());
/// let host = host.build()?.start()?;
/// assert_eq!(host.status().services()[0].state(), ServiceState::Up);
/// host.stop();
/// assert_eq!(host.status().services()[0].state(), ServiceState::Stopped);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
pub enum ServiceState {
    /// Waits for those that it needs, or for the start of the host.
    Waiting,
    /// Its `start` runs, or it has not said yet that it is ready.
    Starting,
    /// It works.
    Up,
    /// It has failed and ends, or its one-shot work is done and it ends.
    Ending,
    /// It failed, and waits to be started again.
    Restarting,
    /// Its stop was requested.
    Stopping,
    /// It has ended, without a failure.
    Stopped,
    /// It has ended with a failure.
    Failed,
    /// The stop came before its start.
    NotStarted,
}

impl fmt::Display for ServiceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ServiceState::Waiting => "waiting",
            ServiceState::Starting => "starting",
            ServiceState::Up => "up",
            ServiceState::Ending => "ending",
            ServiceState::Restarting => "restarting",
            ServiceState::Stopping => "stopping",
            ServiceState::Stopped => "stopped",
            ServiceState::Failed => "failed",
            ServiceState::NotStarted => "not started",
        })
    }
}

/// A host and its services at one moment. With the feature `serde` it can be
/// serialized: durations as seconds, absent ones as nothing.
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
/// assert_eq!(status.services().len(), 1);
/// # host.stop();
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct HostStatus {
    host: String,
    phase: HostPhase,
    ready: bool,
    alive: bool,
    services: Vec<ServiceStatus>,
}

impl HostStatus {
    pub(super) fn new(core: &Core, machine: &Machine) -> HostStatus {
        let now = core.clock.now();
        let entries = machine.entries.iter().enumerate();
        let mut services: Vec<ServiceStatus> = entries
            .map(|(index, entry)| ServiceStatus::new(core, index, entry, &machine.freezes, now))
            .collect();
        for (index, queue) in &core.queues {
            services[*index].queue = Some(queue.stats());
        }
        HostStatus {
            host: core.name.to_string(),
            phase: machine.phase,
            ready: machine.is_ready(),
            alive: machine.is_alive(now, |index| core.last_sign(index)),
            services,
        }
    }

    /// The same with that of the pools, which takes longer, and is not to hold up the host.
    pub(super) fn with_pools(mut self, core: &Core) -> HostStatus {
        for (index, pool) in &core.pools {
            self.services[*index].pool = Some(PoolStatus::new(pool));
        }
        self
    }

    /// The name of the host.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The phase of the host.
    pub fn phase(&self) -> HostPhase {
        self.phase
    }

    /// As [`HostHandle::is_ready`](super::HostHandle::is_ready).
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// As [`HostHandle::is_alive`](super::HostHandle::is_alive).
    pub fn is_alive(&self) -> bool {
        self.alive
    }

    /// Every service, in the order in which they were registered.
    pub fn services(&self) -> &[ServiceStatus] {
        &self.services
    }
}

/// A service at one moment.
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
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ServiceStatus {
    name: String,
    state: ServiceState,
    #[cfg_attr(feature = "serde", serde(serialize_with = "seconds::maybe"))]
    since: Option<Duration>,
    restarts: u64,
    failures: u64,
    last_failure: Option<String>,
    note: Option<String>,
    #[cfg_attr(feature = "serde", serde(serialize_with = "seconds::maybe"))]
    heartbeat_age: Option<Duration>,
    silent: bool,
    #[cfg_attr(feature = "serde", serde(serialize_with = "threads::notes"))]
    threads: Vec<ServiceThread>,
    queue: Option<QueueStats>,
    pool: Option<PoolStatus>,
}

impl ServiceStatus {
    fn new(
        core: &Core,
        index: usize,
        entry: &Entry,
        judge: &Freezes,
        now: Instant,
    ) -> ServiceStatus {
        let ago = |moment: Instant| now.saturating_duration_since(moment);
        let beat = core.last_beat(index);
        let due = entry.heartbeat_due(core.last_sign(index), judge, now);
        let is_up = matches!(entry.life, Lifecycle::Up) && !entry.is_told();
        ServiceStatus {
            name: entry.name.to_string(),
            state: match entry.life {
                Lifecycle::Over if entry.open_failure().is_some() => ServiceState::Failed,
                Lifecycle::Over if !entry.is_begun => ServiceState::NotStarted,
                Lifecycle::Over => ServiceState::Stopped,
                Lifecycle::Idle => ServiceState::Waiting,
                Lifecycle::Resting { .. } => ServiceState::Restarting,
                _ if entry.is_told() && !entry.recalled => ServiceState::Stopping,
                Lifecycle::Starting | Lifecycle::Unready => ServiceState::Starting,
                Lifecycle::Up => ServiceState::Up,
                Lifecycle::Ending { .. } => ServiceState::Ending,
            },
            since: entry.since.map(ago),
            restarts: entry.restarts,
            failures: entry.failed,
            last_failure: entry.last_message.clone(),
            note: core.last_note(index).map(|note| note.to_string()),
            heartbeat_age: beat.map(ago),
            silent: is_up && due.is_some_and(|due| due.has_passed(now)),
            threads: core
                .liveness_of(index)
                .iter()
                .filter(|liveness| liveness.is_running())
                .map(|liveness| ServiceThread::new(liveness))
                .collect(),
            queue: None,
            pool: None,
        }
    }

    /// The name of the service.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its state.
    pub fn state(&self) -> ServiceState {
        self.state
    }

    /// How long it has been in this state; `None` before the host was started.
    pub fn since(&self) -> Option<Duration> {
        self.since
    }

    /// How often it was started again.
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// How often it has failed.
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// The message of its latest failure, also after a restart.
    pub fn last_failure(&self) -> Option<&str> {
        self.last_failure.as_deref()
    }

    /// Its last note, from [`ServiceContext::note`](super::ServiceContext::note).
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// How long ago its last heartbeat was; `None` if it had none.
    pub fn heartbeat_age(&self) -> Option<Duration> {
        self.heartbeat_age
    }

    /// Whether its required heartbeat is overdue.
    pub fn heartbeat_overdue(&self) -> bool {
        self.silent
    }

    /// Its threads that run: its own first, then the workers of a queue, each with its last
    /// note. Those of a pool are in [`pool`](Self::pool).
    pub fn threads(&self) -> &[ServiceThread] {
        &self.threads
    }

    /// The counts of its items, if it is a queue or a batcher.
    pub fn queue(&self) -> Option<&QueueStats> {
        self.queue.as_ref()
    }

    /// Its counters and running tasks, if it is a pool.
    pub fn pool(&self) -> Option<&PoolStatus> {
        self.pool.as_ref()
    }
}

#[cfg(feature = "serde")]
mod seconds {
    use serde::{Serialize, Serializer};
    use std::time::Duration;

    pub(super) fn maybe<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        duration
            .map(|duration| duration.as_secs_f64())
            .serialize(serializer)
    }
}

#[cfg(feature = "serde")]
mod threads {
    use super::ServiceThread;
    use serde::{Serialize, Serializer};

    /// Of each thread its name and its last note.
    pub(super) fn notes<S: Serializer>(
        threads: &[ServiceThread],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Thread<'a> {
            name: &'a str,
            note: Option<&'a str>,
        }
        serializer.collect_seq(threads.iter().map(|thread| Thread {
            name: thread.name(),
            note: thread.note(),
        }))
    }
}
