//! The handle of a host.

use super::core::Core;
use super::error::WaitForError;
use super::read_status;
use super::reason::StopReason;
use super::report::HostReport;
use super::status::{HostStatus, ServiceState};
use super::supervisor;
use crate::cancel::CancelToken;
use crate::clock::{Clock, Deadline};
use crate::sync::Arc;
use std::fmt;
use std::time::Duration;

/// A handle that stops a host and reads its status, from any thread and at any time. A clone refers
/// to the same host. A handle does not keep the host running.
///
/// # Several stops at once
///
/// A host stops once, and the first reason counts. A later request can only shorten the stop: the
/// earlier deadline applies. Every call that is waiting when the report is made returns the report.
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
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone)]
pub struct HostHandle {
    pub(super) core: Arc<Core>,
}

impl HostHandle {
    /// Requests the stop, and returns at once. A host that was not started yet can no longer be
    /// started.
    pub fn request_stop(&self, reason: impl Into<String>) {
        self.core.request_stop(requested(reason.into()), None);
    }

    /// Like [`request_stop`](Self::request_stop), but shortens the remaining time to `limit` if it
    /// is longer. With a limit of zero, the report is made immediately.
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
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn request_stop_within(&self, limit: Duration, reason: impl Into<String>) {
        self.core
            .request_stop(requested(reason.into()), Some(limit));
    }

    /// Stops the host, and blocks until the report is made, at most for the host's stop timeout.
    /// After the first stop, this returns the same report at once.
    ///
    /// A service that calls this on its own thread waits for all other services. It is reported as
    /// [`Stopping`](super::ServiceOutcome::Stopping), and its token is cancelled with the others.
    /// Prefer [`ServiceContext::request_stop`](super::ServiceContext::request_stop) in a service,
    /// in a task on a pool of the host, and in a queue's handler: the stop and the task would wait
    /// for each other until the deadline.
    pub fn stop(&self) -> HostReport {
        self.core.request_stop(StopReason::Stopped, None);
        supervisor::wait_for_report(&self.core, false)
    }

    /// Returns `true` if the host is ready to accept work (readiness probe): every service is up,
    /// and no stop has begun. One-shot services may have returned, and services whose failures are
    /// ignored may have failed.
    pub fn is_ready(&self) -> bool {
        self.core.is_ready()
    }

    /// Returns `true` if the host is alive (liveness probe): no required
    /// [heartbeat](super::ServiceBuilder::heartbeat_timeout) is overdue, and the host has not made
    /// its report. A failed liveness probe kills the process, so this stays `true` while services
    /// start, fail, are restarted, and stop.
    pub fn is_alive(&self) -> bool {
        self.core.is_alive()
    }

    /// Returns the current status of the host and its services.
    pub fn status(&self) -> HostStatus {
        read_status::read(&self.core)
    }

    /// Returns the clock of the host, for code of the program that goes by the same time.
    pub fn clock(&self) -> &Clock {
        &self.core.clock
    }

    /// Blocks until `is_so` returns `true` for the status, or until the host has made its report.
    /// Returns `true` if `is_so` did. `is_so` is called at once, and after each change of a service
    /// or of the host. Notes, heartbeats and items do not count as changes.
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
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn wait_until(&self, is_so: impl FnMut(&HostStatus) -> bool) -> bool {
        read_status::wait_until(&self.core, is_so)
    }

    /// Blocks until the service called `name` is in this state, for `timeout` at most. A timeout of
    /// zero looks once, and [`Duration::MAX`] means no limit. The timeout takes real time, even if
    /// the host has a manual clock.
    ///
    /// A state that the service leaves at once may pass unseen.
    ///
    /// # Errors
    ///
    /// Returns a [`WaitForError`] if there is no service of that name, if the time is over, or if
    /// the service can no longer get into this state, since the host has made its report.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::Host;
    /// use groundcrew::host::{Restart, ServiceState};
    /// use std::time::Duration;
    ///
    /// let mut host = Host::builder();
    /// let mut attempts = 1..;
    /// host.background("db", move |ctx| match attempts.next() {
    ///     Some(1) => Err("no connection")?,
    ///     _ => ctx.wait(),
    /// })
    /// .on_failure(Restart::new());
    /// let host = host.build()?.start()?;
    /// host.wait_until(|status| status.service("db").is_some_and(|db| db.restarts() == 1));
    /// host.wait_for_state("db", ServiceState::Up, Duration::from_secs(5))?;
    /// # host.stop();
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn wait_for_state(
        &self,
        name: &str,
        state: ServiceState,
        timeout: Duration,
    ) -> Result<(), WaitForError> {
        read_status::wait_for_state(&self.core, name, state, Deadline::after(timeout))
    }

    /// Returns a new token that is cancelled when the stop begins, for the program's own main loop.
    /// Cancelling the token does not stop the host.
    pub fn token(&self) -> CancelToken {
        self.core.token.child()
    }

    /// Lets signals stop the host, until the guard is dropped. See [`signals`](crate::signals) for
    /// which ones, and for what the second and the third do.
    ///
    /// If this is called before [`start`](super::Host::start), a signal also interrupts the start.
    /// [`run_until_signal`](super::Host::run_until_signal) does both.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`stop_on_signal`](crate::signals::stop_on_signal).
    #[cfg(all(feature = "signals", not(shuttle)))]
    pub fn stop_on_signal(
        &self,
    ) -> Result<crate::signals::SignalGuard, crate::signals::SignalError> {
        self.stop_on(crate::signals::Stops::default())
    }

    /// Like [`stop_on_signal`](Self::stop_on_signal), but with the given signals instead of SIGINT,
    /// SIGTERM and SIGHUP. Requires Unix and the feature `unix-signals`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`stop_on_any_of`](crate::signals::stop_on_any_of).
    #[cfg(all(unix, feature = "unix-signals"))]
    pub fn stop_on_any_of(
        &self,
        signals: impl IntoIterator<Item = crate::signals::Signal>,
    ) -> Result<crate::signals::SignalGuard, crate::signals::SignalError> {
        self.stop_on(crate::signals::Stops::new(signals))
    }

    #[cfg(all(feature = "signals", not(shuttle)))]
    fn stop_on(
        &self,
        stops: crate::signals::Stops,
    ) -> Result<crate::signals::SignalGuard, crate::signals::SignalError> {
        // The second request leaves no time, so that the report is made at once.
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
