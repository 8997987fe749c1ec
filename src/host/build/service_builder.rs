//! The options of one service.

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
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub struct ServiceBuilder<'a> {
    pub(super) spec: &'a mut Spec,
}

impl ServiceBuilder<'_> {
    /// The services that this one needs: they have to be up before it is started, and are stopped
    /// only after it. Another call adds to them. A service that needs none is started at once,
    /// and one that none needs is among the first to be stopped.
    pub fn after<N: Into<String>>(self, services: impl IntoIterator<Item = N>) -> Self {
        self.spec.after.extend(services.into_iter().map(Into::into));
        self
    }

    /// How long it may take to start; [`Duration::MAX`] means no limit. Defaults to
    /// [the host's](crate::host::HostBuilder::start_timeout). If it takes longer, its
    /// token is cancelled, and it has failed. If the whole process was frozen meanwhile
    /// (SIGSTOP, a paused container, a debugger), which the host notices when it wakes more than
    /// 100 ms late, that time does not count, and after it there is at most as much time again as
    /// the limit.
    pub fn start_timeout(self, limit: Duration) -> Self {
        self.spec.start_timeout = Some(limit);
        self
    }

    /// How long it may take to stop, from the request. Without a limit of its own, it may take
    /// until the services that it needs must be stopped for each of them to have its time:
    /// see [the order of a stop](crate::host::Host#the-stop). [`Duration::MAX`] means no limit,
    /// where [the host](crate::host::HostBuilder::stop_timeout) has none either.
    pub fn stop_timeout(self, limit: Duration) -> Self {
        self.spec.options.stop_timeout = Some(limit);
        self
    }

    /// The service is up when it calls [`ready`](crate::host::ServiceContext::ready), from `start`
    /// or from `run`, and not when its `start` has returned. The start timeout applies until then.
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
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn signals_ready(self) -> Self {
        self.spec.options.signals_ready = true;
        self
    }

    /// Its `run` may return when its work is done. Without this, a `run` that returns before its
    /// stop was requested is a failure.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mut host = groundcrew::Host::builder();
    /// host.background("import", |_| Ok(())).one_shot();
    /// assert!(host.build()?.run().is_clean());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn one_shot(self) -> Self {
        self.spec.options.one_shot = true;
        self
    }

    /// How the host reacts when it fails. Defaults to [`FailurePolicy::StopHost`]. A
    /// [`Restart`](crate::host::Restart) can be given as it is.
    pub fn on_failure(self, policy: impl Into<FailurePolicy>) -> Self {
        self.spec.options.policy = policy.into();
        self
    }

    /// Maximum time between two calls of [`heartbeat`](crate::host::ServiceContext::heartbeat),
    /// from when the service is up. A longer silence is logged and shown in the status, and the
    /// host is [not alive](crate::host::HostHandle::is_alive) until the next
    /// heartbeat.
    ///
    /// If the whole process was frozen meanwhile (SIGSTOP, a paused container, a debugger), which
    /// the host notices when it wakes more than 100 ms late, that time does not
    /// count, and after it there is at most as much time again as the timeout.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let mut host = groundcrew::Host::builder();
    /// host.background("poller", |ctx| {
    ///     loop {
    ///         ctx.heartbeat();
    ///         ctx.sleep(Duration::from_secs(10))?;
    ///     }
    /// })
    /// .heartbeat_timeout(Duration::from_secs(60));
    /// # assert!(host.build()?.start()?.stop().is_clean());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn heartbeat_timeout(self, timeout: Duration) -> Self {
        self.spec.options.heartbeat_timeout = Some(timeout);
        self
    }

    /// A missed heartbeat is a failure: the service's token is cancelled, and its
    /// [policy](Self::on_failure) applies. If it does not end then within its time, it cannot be
    /// started again, since its thread is still busy: the host stops.
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
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
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
