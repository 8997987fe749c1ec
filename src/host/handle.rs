//! The handle of a host.

use super::core::Core;
use super::read_status;
use super::reason::StopReason;
use super::report::HostReport;
use super::status::HostStatus;
use super::supervisor;
use crate::cancel::CancelToken;
use crate::sync::Arc;
use std::fmt;
use std::time::Duration;

/// Stops a host, and reads its status, from any thread and at any time. A clone is the same
/// handle. It does not keep the host running.
///
/// # Several stops at once
///
/// One stop happens, and its first reason counts. A later call can only tighten it: the
/// earlier deadline holds. Every call that waits when the report is made returns it.
///
/// # Examples
///
/// ```
/// use groundcrew::Host;
///
/// let mut host = Host::builder();
/// host.background("web", |ctx| ctx.wait());
/// let host = host.build()?;
/// let handle = host.handle();
/// let other = std::thread::spawn(move || handle.request_stop("midnight"));
/// let report = host.run();
/// assert_eq!(report.reason().to_string(), "requested: midnight");
/// # other.join().unwrap();
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone)]
pub struct HostHandle {
    pub(super) core: Arc<Core>,
}

impl HostHandle {
    /// Requests the stop, and returns at once. A host that was not started yet never will be.
    pub fn request_stop(&self, reason: impl Into<String>) {
        self.core.request_stop(requested(reason.into()), None);
    }

    /// As [`request_stop`](Self::request_stop), and limits the rest of the stop to `limit`, if it
    /// has more time than that. With 0 the report is made now.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// let (open, gate) = groundcrew::channel::bounded::<()>(0);
    /// let mut host = groundcrew::Host::builder();
    /// host.background("deaf", move |_| Ok(gate.recv().unwrap_or_default()));
    /// let host = host.build()?.start()?;
    /// host.handle().request_stop("midnight"); // it has 8 s
    /// host.handle().request_stop_within(Duration::ZERO, "no more time");
    /// let report = host.wait();
    /// assert_eq!(report.exit_code(), 75);
    /// assert_eq!(report.reason().to_string(), "requested: midnight");
    /// # drop(open);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn request_stop_within(&self, limit: Duration, reason: impl Into<String>) {
        self.core
            .request_stop(requested(reason.into()), Some(limit));
    }

    /// Stops the host, and blocks until the report is made, at most for the time that the host's
    /// stop may take. After the first stop it returns the same report at once.
    ///
    /// Called by a service, on its own thread, it waits for all others: that service is
    /// reported as [`Caller`](super::ServiceOutcome::Caller), and its token is cancelled with the
    /// others'. Prefer [`ServiceContext::request_stop`](super::ServiceContext::request_stop)
    /// there, and also in a task on a pool of the host or in a queue's handler: the stop would
    /// wait for the task, and the task for the stop, until the deadline.
    pub fn stop(&self) -> HostReport {
        self.core.request_stop(StopReason::Stopped, None);
        supervisor::wait_for_report(&self.core, false)
    }

    /// Whether the host is ready to accept work (readiness probe): every service is up,
    /// one-shot ones may have returned, ones that are ignored may have failed, and no stop
    /// has begun.
    pub fn is_ready(&self) -> bool {
        self.core.is_ready()
    }

    /// Whether the host is live (liveness probe): no required
    /// [heartbeat](super::ServiceBuilder::heartbeat_timeout) is overdue, and the host has
    /// not made its report. Since a failed liveness probe kills the process, it stays
    /// `true` while services start, fail, are restarted, and stop.
    pub fn is_alive(&self) -> bool {
        self.core.is_alive()
    }

    /// The current status of the host and its services.
    pub fn status(&self) -> HostStatus {
        read_status::read(&self.core)
    }

    /// Blocks until `is_so` returns `true` for the status, or until the host has made its
    /// report; returns whether `is_so` did. It is called at once, and after each change of a
    /// service or of the host; notes, heartbeats and items are no change.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mut host = groundcrew::Host::builder();
    /// host.background("web", |ctx| ctx.wait());
    /// let host = host.build()?;
    /// let handle = host.handle();
    /// let waiter = std::thread::spawn(move || handle.wait_until(|status| status.is_ready()));
    /// let host = host.start()?;
    /// assert!(waiter.join().unwrap());
    /// # host.stop();
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn wait_until(&self, is_so: impl FnMut(&HostStatus) -> bool) -> bool {
        read_status::wait_until(&self.core, is_so)
    }

    /// A new token that is cancelled when the stop begins, for the program's own main loop.
    /// Cancelling it does not stop the host.
    ///
    /// # Examples
    ///
    /// ```
    /// # let host = groundcrew::Host::builder().build()?.start()?;
    /// let token = host.handle().token();
    /// host.handle().request_stop("midnight");
    /// token.wait();
    /// # host.stop();
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn token(&self) -> CancelToken {
        self.core.token.child()
    }

    /// Lets signals stop the host, until the guard is dropped. The first signal requests the
    /// stop, the second makes the report now, the third exits with 130. A signal within 0.5 s of
    /// the one before is the same request. See [`signals`](crate::signals).
    ///
    /// Called before [`start`](super::Host::start), this lets a signal interrupt the start, too.
    /// [`run_until_signal`](super::Host::run_until_signal) does all that.
    ///
    /// # Errors
    ///
    /// As [`stop_on_signal`](crate::signals::stop_on_signal).
    ///
    /// # Examples
    ///
    /// ```
    /// # let host = groundcrew::Host::builder().build()?;
    /// let guard = host.handle().stop_on_signal()?;
    /// let running = host.start()?;
    /// assert!(!guard.received());
    /// # running.stop();
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    #[cfg(feature = "signals")]
    pub fn stop_on_signal(
        &self,
    ) -> Result<crate::signals::SignalGuard, crate::signals::SignalError> {
        self.stop_on(crate::signals::Stops::default())
    }

    /// As [`stop_on_signal`](Self::stop_on_signal), with these signals instead of SIGINT, SIGTERM
    /// and SIGHUP. With the feature `unix-signals`, on Unix.
    ///
    /// # Errors
    ///
    /// As [`stop_on_any_of`](crate::signals::stop_on_any_of).
    #[cfg(all(unix, feature = "unix-signals"))]
    pub fn stop_on_any_of(
        &self,
        signals: impl IntoIterator<Item = crate::signals::Signal>,
    ) -> Result<crate::signals::SignalGuard, crate::signals::SignalError> {
        self.stop_on(crate::signals::Stops::new(signals))
    }

    #[cfg(feature = "signals")]
    fn stop_on(
        &self,
        stops: crate::signals::Stops,
    ) -> Result<crate::signals::SignalGuard, crate::signals::SignalError> {
        let (first, second) = (self.core.clone(), self.core.clone());
        crate::signals::take(
            stops,
            move || first.request_stop(StopReason::Signal, None),
            move || second.request_stop(StopReason::Signal, Some(Duration::ZERO)),
        )
    }
}

fn requested(reason: String) -> StopReason {
    StopReason::Requested {
        by: None,
        reason: reason.into(),
    }
}

impl fmt::Debug for HostHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostHandle")
            .field("host", &self.core.name)
            .field("phase", &self.status().phase())
            .finish_non_exhaustive()
    }
}
