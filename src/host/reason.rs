//! Why a host stopped.

use super::failure::ServiceFailure;
use crate::sync::Arc;
use crate::table::escaped;
use std::fmt;

/// The reason for the stop of a host. The first reason counts. Later failures are in
/// [`failures`](super::HostReport::failures).
///
/// # Examples
///
/// ```
/// use groundcrew::Host;
/// use groundcrew::host::StopReason;
///
/// let mut host = Host::builder();
/// host.background("once", |ctx| {
///     ctx.request_stop("nothing left to do");
///     Ok(())
/// });
/// let report = host.build()?.run();
/// assert_eq!(report.reason().to_string(), "service \"once\" requested it: nothing left to do");
/// assert!(matches!(report.reason(), StopReason::Requested { .. }));
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum StopReason {
    /// The stop was requested by [`request_stop`](super::HostHandle::request_stop).
    Requested {
        /// The service that requested it, if a service did.
        by: Option<Arc<str>>,
        /// The given reason.
        reason: Arc<str>,
    },
    /// `stop` was called.
    Stopped,
    /// A signal was received.
    Signal,
    /// A service did not start.
    StartFailed(ServiceFailure),
    /// A service failed, and its policy stops the host.
    Failed(ServiceFailure),
    /// Every service had returned, and nothing was left to wait for.
    AllReturned,
    /// The owner of the host was dropped.
    Dropped,
    /// The system could not create a thread for every service. No service was started.
    NoThreads(Arc<str>),
}

impl StopReason {
    /// Returns the failure that was the reason, if any.
    pub fn failure(&self) -> Option<&ServiceFailure> {
        match self {
            StopReason::StartFailed(failure) | StopReason::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StopReason::Requested { by: None, reason } => {
                write!(f, "requested: {}", escaped(reason))
            }
            StopReason::Requested {
                by: Some(service),
                reason,
            } => write!(f, "service {service:?} requested it: {}", escaped(reason)),
            StopReason::Stopped => f.write_str("stop was called"),
            StopReason::Signal => f.write_str("signal received"),
            StopReason::StartFailed(failure) | StopReason::Failed(failure) => failure.fmt(f),
            StopReason::AllReturned => f.write_str("every service had returned"),
            StopReason::Dropped => f.write_str("the host was dropped"),
            StopReason::NoThreads(error) => write!(f, "nothing was started: {error}"),
        }
    }
}
