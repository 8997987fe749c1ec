//! What a program holds to ask a host, and to stop it.

use super::core::Core;
use super::reason::StopReason;
use super::report::HostReport;
use super::status::HostStatus;
use crate::cancel::CancelToken;
use crate::sync::Arc;
use std::fmt;
use std::time::Duration;

/// Stops a host and returns its status: from any thread, before the start, during it and
/// afterwards. A clone is the same handle. It does not keep the host running.
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
    /// Begins the stop, and returns at once. Before the start: nothing will be started.
    ///
    /// # Examples
    ///
    /// ```
    /// # let host = groundcrew::Host::builder().build()?;
    /// let handle = host.handle();
    /// handle.request_stop("never mind");
    /// assert!(host.start().is_err());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn request_stop(&self, reason: impl Into<String>) {
        self.core.request_stop(requested(reason.into()), None);
    }

    /// As [`request_stop`](Self::request_stop), and the stop may take `limit` from now on,
    /// if that is less than it has: with 0 the report is made now.
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

    /// Stops the host, and blocks until the report is made: for as long as the host's
    /// stop may take, and no longer. After the first stop it returns the same report at
    /// once.
    ///
    /// Called by a service, on its own thread, it waits for all others: that service is
    /// reported as [`Caller`](super::ServiceOutcome::Caller), and its token is cancelled with the
    /// others'. It is better off with
    /// [`ServiceContext::request_stop`](super::ServiceContext::request_stop), and so is
    /// what runs in a pool of the host or in a queue's handler: the stop waits for that,
    /// and that for the stop, until the deadline.
    pub fn stop(&self) -> HostReport {
        self.core.request_stop(StopReason::Stopped, None);
        self.core.wait_for_report(false)
    }

    /// Whether the host is ready to accept work (readiness probe): every service is up,
    /// one-shot ones may have returned, ones that are ignored may have failed, and no stop
    /// has begun.
    ///
    /// # Examples
    ///
    /// ```
    /// # let host = groundcrew::Host::builder().build()?;
    /// let handle = host.handle();
    /// assert!(!handle.is_ready());
    /// let running = host.start()?;
    /// assert!(handle.is_ready());
    /// running.stop();
    /// assert!(!handle.is_ready());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
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
        self.core.status()
    }

    /// Blocks until `is_so` returns `true` for the status, or until the host has made its
    /// report; returns whether it was the former. `is_so` is called at once and after each
    /// change of a service or of the host; notes, heartbeats and items are no change.
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
        self.core.wait_until(is_so)
    }

    /// A new token that is cancelled when the stop begins, for a main loop of the program's
    /// own. Cancelling it does not stop the host.
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

    /// Lets signals stop the host: the first requests the stop, the second makes the report
    /// now, the third exits with 130; one within 0.5 s of the one before is the same
    /// request. See [`signals`](crate::signals). It holds until the guard is dropped.
    ///
    /// Called before [`start`](super::Host::start), it lets a signal interrupt the start,
    /// too. [`run_until_signal`](super::Host::run_until_signal) does all that.
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

    /// Lets any of these signals stop the host, instead of SIGINT, SIGTERM and SIGHUP; else
    /// as [`stop_on_signal`](Self::stop_on_signal). With the feature `unix-signals`, on Unix.
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
