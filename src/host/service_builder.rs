//! The terms of one service.

use super::policy::FailurePolicy;
use super::spec::Spec;
use std::fmt;
use std::time::Duration;

/// The options of a service that was added to a [`HostBuilder`](super::HostBuilder). Every
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
    /// The services that have to be up before this one is started, and that are stopped
    /// only after it. Called again, it adds to them. Without any the service is started at
    /// once, and stopped with the first.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mut host = groundcrew::Host::builder();
    /// # for name in ["db", "cache"] {
    /// #     host.background(name, |ctx| ctx.wait());
    /// # }
    /// host.background("web", |ctx| ctx.wait()).after(["db", "cache"]);
    /// # assert!(host.build()?.start()?.stop().is_clean());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn after<N: Into<String>>(self, services: impl IntoIterator<Item = N>) -> Self {
        self.spec.after.extend(services.into_iter().map(Into::into));
        self
    }

    /// It runs on the pool with this number: so it is after that, if it is a service, too.
    pub(crate) fn runs_on(self, pool: u64) -> Self {
        self.spec.runs_on = Some(pool);
        self
    }

    /// How long it may take to start; [`Duration::MAX`] means no limit. Defaults to
    /// [the host's](super::HostBuilder::start_timeout). The token of one that takes longer
    /// is cancelled, and it counts as failed. If the whole process stood still meanwhile
    /// (SIGSTOP, a paused container, a debugger), which the host finds when it wakes over
    /// 100 ms late, the limit grows by that time, so that after it there is at most as much
    /// time again as the limit.
    pub fn start_timeout(self, limit: Duration) -> Self {
        self.spec.start_timeout = Some(limit);
        self
    }

    /// How long it may take to stop, from the request. Without a limit of its own it has
    /// until the services that it needs must be stopped, so that each of them has its time:
    /// see [the order of a stop](super::Host#the-stop). [`Duration::MAX`] means no limit,
    /// where [the host](super::HostBuilder::stop_timeout) has none either.
    pub fn stop_timeout(self, limit: Duration) -> Self {
        self.spec.terms.stop_timeout = Some(limit);
        self
    }

    /// It is up when it calls [`ready`](super::ServiceContext::ready), from `start` or from
    /// `run`; otherwise when its `start` has returned. The start timeout holds until then.
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
        self.spec.terms.signals_ready = true;
        self
    }

    /// Its `run` may return by itself, when its work is done; without this that is a
    /// failure.
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
        self.spec.terms.one_shot = true;
        self
    }

    /// What is done when it fails. Defaults to [`FailurePolicy::StopHost`]. A
    /// [`Restart`](super::Restart) can be given as it is.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::host::Restart;
    /// # let mut host = groundcrew::Host::builder();
    /// host.background("mailer", |ctx| ctx.wait()).on_failure(Restart::new());
    /// # assert!(host.build()?.start()?.stop().is_clean());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn on_failure(self, policy: impl Into<FailurePolicy>) -> Self {
        self.spec.terms.policy = policy.into();
        self
    }

    /// Maximum time between two calls of [`heartbeat`](super::ServiceContext::heartbeat),
    /// from when the service is up. When it is silent for longer that is logged, shown in
    /// the status, and the host is [not alive](super::HostHandle::is_alive) until the next
    /// heartbeat.
    ///
    /// If the whole process stood still meanwhile (SIGSTOP, a paused container, a debugger),
    /// which the host finds when it wakes over 100 ms late, the silence may be longer by that
    /// time: after it the service has at most as much time again as it may be silent.
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
    pub fn heartbeat_timeout(self, silence: Duration) -> Self {
        self.spec.terms.heartbeat = Some(silence);
        self
    }

    /// A missed heartbeat is a failure: the service's token is cancelled, and its
    /// [policy](Self::on_failure) applies. One that does not end then within its time
    /// cannot be started again beside itself: the host stops.
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
        self.spec.terms.heartbeat_fails = true;
        self
    }
}

impl fmt::Debug for ServiceBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceBuilder")
            .field("terms", &self.spec.terms)
            .finish_non_exhaustive()
    }
}
