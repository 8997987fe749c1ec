//! What an abandoned service was doing.

use crate::host::liveness::Liveness;
use crate::sync::Arc;
use crate::threads;
use std::time::Duration;

/// A service that did not end in time. Its threads are left running until they end, or the process
/// ends. All values are as of the report.
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
/// let ServiceOutcome::Abandoned(abandoned) = report.services()[0].outcome() else {
///     panic!("it ended: {report}")
/// };
/// assert_eq!(abandoned.threads()[0].note(), Some("waiting for a gate"));
/// # drop(open);
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone, Debug)]
pub struct AbandonedService {
    pub(in crate::host) stop_requested_for: Option<Duration>,
    pub(in crate::host) heartbeat_age: Option<Duration>,
    pub(in crate::host) threads: Vec<ServiceThread>,
}

impl AbandonedService {
    /// Returns how long before the report its stop was requested, or `None` if it was not.
    pub fn stop_requested_for(&self) -> Option<Duration> {
        self.stop_requested_for
    }

    /// Returns how long before the report its last heartbeat was, or `None` if there was none.
    pub fn heartbeat_age(&self) -> Option<Duration> {
        self.heartbeat_age
    }

    /// Returns its threads that were still running: its own, and the workers of a queue.
    pub fn threads(&self) -> &[ServiceThread] {
        &self.threads
    }
}

/// A thread of a service that was abandoned, or that is shown in a
/// [status](crate::host::ServiceStatus::threads).
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
/// # let ServiceOutcome::Abandoned(abandoned) = report.services()[0].outcome() else { panic!() };
/// let thread = &abandoned.threads()[0];
/// assert_eq!((thread.name(), thread.note()), ("deaf", None));
/// assert_eq!(thread.thread_id().is_some(), cfg!(target_os = "linux"));
/// assert_eq!(thread.thread_state().is_some(), cfg!(target_os = "linux"));
/// # drop(open);
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ServiceThread {
    name: Arc<str>,
    note: Option<Arc<str>>,
    id: Option<u64>,
    doing: Option<String>,
}

impl ServiceThread {
    pub(in crate::host) fn new(liveness: &Liveness) -> ServiceThread {
        ServiceThread {
            name: liveness.name.clone(),
            note: liveness.last_note(),
            id: liveness.system_id(),
            doing: None,
        }
    }

    /// The same with what the thread is doing, which is read from files.
    pub(in crate::host) fn with_state(mut self) -> ServiceThread {
        let status = self.id.and_then(threads::status);
        self.doing = status.map(|status| status.doing);
        self
    }

    /// Returns the name of the thread.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its last note, from [`ServiceContext::note`](crate::host::ServiceContext::note).
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Returns the thread ID, as `ps -L` and `/proc` show it, on Linux. Returns `None` elsewhere.
    pub fn thread_id(&self) -> Option<u64> {
        self.id
    }

    /// Returns what the thread was doing when it was abandoned, such as `running` or `sleeping in
    /// read`, on Linux. Returns `None` elsewhere, and in a status.
    pub fn thread_state(&self) -> Option<&str> {
        self.doing.as_deref()
    }
}
