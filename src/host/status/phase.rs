//! Where a host is, and where a service is.

use std::fmt;

/// The phase of a host. A host only moves to later phases, and phases are ordered accordingly.
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
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
pub enum HostPhase {
    /// The host was not started yet.
    Built,
    /// Services are starting.
    Starting,
    /// Every service has been up.
    Running,
    /// The stop has begun. The host is no longer ready, but no service's stop was requested yet.
    Delaying,
    /// Services are being stopped.
    Stopping,
    /// The report was made.
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

/// The state of a service.
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
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
pub enum ServiceState {
    /// It waits for the services that it needs, or for the start of the host.
    Waiting,
    /// Its `start` runs, or it has not called `ready` yet.
    Starting,
    /// It is up and running.
    Up,
    /// It is ending because it failed, or because its one-shot work is done.
    Ending,
    /// It failed, and waits to be started again.
    Restarting,
    /// Its stop was requested.
    Stopping,
    /// It has ended, without a failure.
    Stopped,
    /// It has ended with a failure.
    Failed,
    /// The stop began before it was started.
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
