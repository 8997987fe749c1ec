//! The options of one service.

use super::service_names::ServiceNames;
use super::spec::Spec;
use crate::host::policy::FailurePolicy;
use std::fmt;
use std::time::Duration;

/// The options of a service that was added to a [`HostBuilder`](crate::host::HostBuilder). Every
/// method is optional.
///
/// # Examples
///
/// ```
/// use groundcrew::Host;
/// use groundcrew::host::Restart;
/// use std::time::Duration;
///
/// let mut host = Host::builder();
/// host.background("db", |ctx| ctx.wait())
///     .stop_timeout(Duration::from_secs(2));
/// host.background("web", |ctx| ctx.wait())
///     .after(["db"])
///     .start_timeout(Duration::from_secs(5))
///     .on_failure(Restart::new());
/// assert!(host.build()?.start()?.stop().is_clean());
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
pub struct ServiceBuilder<'a> {
    pub(super) spec: &'a mut Spec,
}

impl ServiceBuilder<'_> {
    /// Declares the services that this one needs. They must be up before it is started, and are
    /// stopped only after it. A further call adds more. A service that needs no other is started at
    /// once, and a service that no other needs is among the first to be stopped.
    ///
    /// `services` is one name, `"db"`, or several, such as `["db", "cache"]`: see
    /// [`ServiceNames`].
    pub fn after(self, services: impl ServiceNames) -> Self {
        self.spec.after.extend(services.into_names());
        self
    }

    /// Sets how long the service may take to start. [`Duration::MAX`] means no limit. Defaults to
    /// [the host's limit](crate::host::HostBuilder::start_timeout). If the service takes longer,
    /// its token is cancelled, and it has failed.
    ///
    /// Time in which the whole process is frozen (SIGSTOP, a paused container, a debugger) does not
    /// count. The host notices a freeze when it wakes more than 100 ms late. After it, at most the
    /// full limit remains.
    pub fn start_timeout(self, limit: Duration) -> Self {
        self.spec.start_timeout = Some(limit);
        self
    }

    /// Sets how long the service may take to stop, from the request. By default, it has an equal
    /// share of the time that the limits of other services leave: see [the order of a
    /// stop](crate::host::Host#the-stop). [`Duration::MAX`] means no limit if [the
    /// host](crate::host::HostBuilder::stop_timeout) has none either.
    pub fn stop_timeout(self, limit: Duration) -> Self {
        self.spec.options.stop_timeout = Some(limit);
        self
    }

    /// Declares that the service is up when it calls [`ready`](crate::host::ServiceContext::ready),
    /// from `start` or from `run`, instead of when its `start` has returned. The start timeout
    /// applies until then.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mut host = groundcrew::Host::builder();
    /// host.background("index", |ctx| {
    ///     // the first pass, then
    ///     ctx.ready();
    ///     ctx.wait()
    /// })
    /// .signals_ready();
    /// # assert!(host.build()?.start()?.stop().is_clean());
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn signals_ready(self) -> Self {
        self.spec.options.signals_ready = true;
        self
    }

    /// Allows `run` to return when its work is done. Otherwise, a `run` that returns before its
    /// stop was requested is a failure.
    pub fn one_shot(self) -> Self {
        self.spec.options.one_shot = true;
        self
    }

    /// Sets how the host reacts when the service fails. Defaults to [`FailurePolicy::StopHost`]. A
    /// [`Restart`](crate::host::Restart) can be passed directly.
    pub fn on_failure(self, policy: impl Into<FailurePolicy>) -> Self {
        self.spec.options.policy = policy.into();
        self
    }

    /// Sets the maximum time between two calls of
    /// [`heartbeat`](crate::host::ServiceContext::heartbeat), from when the service is up. A longer
    /// silence is logged and shown in the status, and the host is [not
    /// alive](crate::host::HostHandle::is_alive) until the next heartbeat.
    ///
    /// Time in which the whole process is frozen does not count, as for
    /// [`start_timeout`](Self::start_timeout).
    pub fn heartbeat_timeout(self, timeout: Duration) -> Self {
        self.spec.options.heartbeat_timeout = Some(timeout);
        self
    }

    /// Makes a missed heartbeat a failure: the service's token is cancelled, and its
    /// [policy](Self::on_failure) applies. If the service then does not end within its time, it
    /// cannot be restarted, since its thread is still busy, and the host stops.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::host::Restart;
    /// # use std::time::Duration;
    /// # let mut host = groundcrew::Host::builder();
    /// host.background("poller", |ctx| ctx.wait())
    ///     .heartbeat_timeout(Duration::from_millis(10))
    ///     .fail_on_missed_heartbeat();
    /// let report = host.build()?.run();
    /// assert_eq!(report.failures()[0].message(), "no heartbeat for 0.01 s");
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn fail_on_missed_heartbeat(self) -> Self {
        self.spec.options.fails_on_missed_heartbeat = true;
        self
    }
}

impl fmt::Debug for ServiceBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceBuilder")
            .field("options", &self.spec.options)
            .finish_non_exhaustive()
    }
}
