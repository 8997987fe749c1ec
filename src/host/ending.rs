//! How a service ended.

use super::core::Core;
use super::entry::{Entry, Lifecycle};
use super::failure::ServiceFailure;
use super::liveness::Liveness;
use super::queue::QueueStats;
use crate::sync::Arc;
use crate::threads;
use std::time::{Duration, Instant};

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
/// assert!(matches!(report.services()[0].ending(), ServiceOutcome::Returned));
/// assert!(matches!(report.services()[1].ending(), ServiceOutcome::Stopped));
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum ServiceOutcome {
    /// It stopped as requested.
    Stopped,
    /// A one-shot service, or a task of the start, did its work.
    Returned,
    /// It failed; the first failure of its last incarnation.
    Failed(ServiceFailure),
    /// It panicked; the first failure of its last incarnation.
    Panicked(ServiceFailure),
    /// It had not ended when the report was made.
    Abandoned(AbandonedService),
    /// It was itself inside [`HostHandle::stop`](super::HostHandle::stop).
    Caller,
    /// The stop came before its start.
    NotStarted,
}

/// A service that did not end in time. Its threads are left behind until they end, or the
/// process does. All values are those at the time of the report.
///
/// # Examples
///
/// ```
/// use groundcrew::Host;
/// use groundcrew::host::ServiceOutcome;
/// use std::time::Duration;
///
/// let (open, gate) = groundcrew::channel::bounded::<()>(0);
/// let mut host = Host::builder();
/// host.stop_timeout(Duration::from_millis(20));
/// host.background("deaf", move |ctx| {
///     ctx.note("waiting for a gate");
///     Ok(gate.recv().unwrap_or_default())
/// });
/// let report = host.build()?.start()?.stop();
///
/// let ServiceOutcome::Abandoned(abandoned) = report.services()[0].ending() else {
///     panic!("it ended: {report}")
/// };
/// assert_eq!(abandoned.threads()[0].note(), Some("waiting for a gate"));
/// # drop(open);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone, Debug)]
pub struct AbandonedService {
    told: Option<Duration>,
    heartbeat_age: Option<Duration>,
    threads: Vec<ServiceThread>,
}

impl AbandonedService {
    fn new(core: &Core, index: usize, entry: &Entry, now: Instant) -> AbandonedService {
        let liveness = core.liveness_of(index);
        let running = liveness.iter().filter(|liveness| liveness.is_running());
        let threads = running.map(|liveness| ServiceThread::new(liveness).seen());
        let since = |moment: Instant| now.saturating_duration_since(moment);
        AbandonedService {
            told: entry.told.map(since),
            heartbeat_age: core.last_beat(index).map(since),
            threads: threads.collect(),
        }
    }

    /// How long before the report its stop was requested; `None` if it was not.
    pub fn stop_requested_for(&self) -> Option<Duration> {
        self.told
    }

    /// How long before the report its last heartbeat was; `None` if it had none.
    pub fn heartbeat_age(&self) -> Option<Duration> {
        self.heartbeat_age
    }

    /// Its threads that still ran: its own, and the workers of a queue.
    pub fn threads(&self) -> &[ServiceThread] {
        &self.threads
    }
}

/// A thread of a service: one that was abandoned, or in a
/// [status](super::ServiceStatus::threads).
///
/// # Examples
///
/// ```
/// # use groundcrew::Host;
/// # use groundcrew::host::ServiceOutcome;
/// # use std::time::Duration;
/// # let (open, gate) = groundcrew::channel::bounded::<()>(0);
/// # let mut host = Host::builder();
/// # host.stop_timeout(Duration::from_millis(20));
/// # host.background("deaf", move |_| Ok(gate.recv().unwrap_or_default()));
/// # let report = host.build()?.start()?.stop();
/// # let ServiceOutcome::Abandoned(abandoned) = report.services()[0].ending() else { panic!() };
/// let thread = &abandoned.threads()[0];
/// assert_eq!((thread.name(), thread.note()), ("deaf", None));
/// assert_eq!(thread.thread_id().is_some(), cfg!(target_os = "linux"));
/// assert_eq!(thread.thread_state().is_some(), cfg!(target_os = "linux"));
/// # drop(open);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ServiceThread {
    name: Arc<str>,
    note: Option<Arc<str>>,
    id: Option<u64>,
    doing: Option<String>,
}

impl ServiceThread {
    pub(super) fn new(liveness: &Liveness) -> ServiceThread {
        ServiceThread {
            name: liveness.name.clone(),
            note: liveness.last_note(),
            id: liveness.system_id(),
            doing: None,
        }
    }

    /// The same, and what it does: that is read from files.
    fn seen(mut self) -> ServiceThread {
        let status = self.id.and_then(threads::status);
        self.doing = status.map(|status| status.doing);
        self
    }

    /// The name of the thread.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its last note, from [`ServiceContext::note`](super::ServiceContext::note).
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// On Linux the number of the thread, as `ps -L` and `/proc` show it; `None` elsewhere.
    pub fn thread_id(&self) -> Option<u64> {
        self.id
    }

    /// On Linux what the thread was doing when it was abandoned: `running`,
    /// `sleeping in read`; `None` elsewhere, and in a status.
    pub fn thread_state(&self) -> Option<&str> {
        self.doing.as_deref()
    }
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
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ServiceReport {
    pub(super) name: Arc<str>,
    ending: ServiceOutcome,
    has_failed: bool,
    restarts: u64,
    failures: u64,
    start_took: Option<Duration>,
    stop_took: Option<Duration>,
    pub(super) queue: Option<QueueStats>,
}

impl ServiceReport {
    pub(super) fn new(core: &Core, index: usize, entry: &Entry, now: Instant) -> ServiceReport {
        let ending = match (entry.open_failure(), entry.life) {
            (_, life) if life != Lifecycle::Over && entry.is_inside_stop => ServiceOutcome::Caller,
            (_, life) if life != Lifecycle::Over => {
                ServiceOutcome::Abandoned(AbandonedService::new(core, index, entry, now))
            }
            (Some(failure), _) if failure.is_panic() => ServiceOutcome::Panicked(failure.clone()),
            (Some(failure), _) => ServiceOutcome::Failed(failure.clone()),
            (None, _) if !entry.is_begun => ServiceOutcome::NotStarted,
            (None, _) if entry.returned => ServiceOutcome::Returned,
            (None, _) => ServiceOutcome::Stopped,
        };
        ServiceReport {
            name: entry.name.clone(),
            ending,
            has_failed: entry.open_failure().is_some(),
            restarts: entry.restarts,
            failures: entry.failed,
            start_took: entry.took_start,
            stop_took: entry.took_stop,
            queue: None,
        }
    }

    /// The name of the service.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it ended.
    pub fn ending(&self) -> &ServiceOutcome {
        &self.ending
    }

    /// Whether its last incarnation failed: then the exit code is 1. So may one that was
    /// abandoned, if it failed and its `stop` did not return.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// How often it was started again.
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// How often it failed, in all incarnations, including failures after which a restart
    /// succeeded.
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// How long its first start took; `None` if it never came up.
    pub fn start_took(&self) -> Option<Duration> {
        self.start_took
    }

    /// How long it took to end after its stop was requested: zero, if it ended by itself
    /// after the stop of the host had begun; `None` if it ended before the stop, or has not
    /// ended.
    pub fn stop_took(&self) -> Option<Duration> {
        self.stop_took
    }

    /// Counts of its items, if the service is a queue.
    pub fn queue(&self) -> Option<&QueueStats> {
        self.queue.as_ref()
    }

    pub(super) fn is_clean(&self) -> bool {
        let ended_well = matches!(
            self.ending,
            ServiceOutcome::Stopped
                | ServiceOutcome::Returned
                | ServiceOutcome::Caller
                | ServiceOutcome::NotStarted
        );
        let left =
            |queue: &QueueStats| queue.unprocessed() + queue.in_progress() + queue.failed_left();
        ended_well && self.queue.as_ref().is_none_or(|queue| left(queue) == 0)
    }
}
