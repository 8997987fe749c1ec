//! The host's own options, and what is added to it.

use super::factory::Closure;
use super::graph::{Graph, check_name};
use super::into_service::IntoService;
use super::parts::{Kind, Parts};
use super::service_builder::ServiceBuilder;
use super::spec::{Spec, claim_items, times_to_stop};
use crate::clock::Clock;
#[cfg(feature = "testing")]
use crate::clock::ManualClock;
use crate::host::context::ServiceContext;
use crate::host::core::Core;
use crate::host::error::HostBuildError;
use crate::host::failure::ServiceResult;
use crate::host::machine::{Entry, Machine, Options, StopLimits};
use crate::host::running::Host;
use crate::host::service::Service;
use crate::threads;
use std::fmt;
use std::time::Duration;

/// Builds a [`Host`]: its services, and how it starts and stops.
///
/// # Examples
///
/// ```
/// use groundcrew::Host;
/// use std::time::Duration;
///
/// let mut host = Host::builder();
/// host.name("blog").stop_timeout(Duration::from_secs(25));
/// host.background("db", |ctx| ctx.wait());
/// host.background("web", |ctx| ctx.wait()).after(["db"]);
/// let host = host.build()?;
/// # drop(host);
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
pub struct HostBuilder {
    name: String,
    start_timeout: Duration,
    stop_timeout: Duration,
    stop_delay: Duration,
    stack_size: usize,
    clock: Clock,
    specs: Vec<Spec>,
}

/// Less than the 10 s after which `docker stop` kills.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);

impl HostBuilder {
    pub(in crate::host) fn new() -> HostBuilder {
        HostBuilder {
            name: "groundcrew".to_owned(),
            start_timeout: Options::START_TIMEOUT,
            stop_timeout: STOP_TIMEOUT,
            stop_delay: Duration::ZERO,
            stack_size: threads::default_stack_size(),
            clock: Clock::default(),
            specs: Vec::new(),
        }
    }

    fn register(&mut self, name: impl Into<String>, parts: Parts) -> ServiceBuilder<'_> {
        let index = self.specs.len();
        self.specs.push(Spec::new(name.into(), parts));
        ServiceBuilder {
            spec: &mut self.specs[index],
        }
    }

    /// Adds a pool, the workers of a queue, a batcher, a scheduler, or another value that
    /// implements [`IntoService`]. Before adding it, take from it what the rest of the program
    /// needs, such as a [`Submitter`](crate::Submitter) of the pool.
    ///
    /// A service is started after those that it was declared [after](ServiceBuilder::after), and
    /// stopped before them. A batcher or a scheduler is implicitly after its pool if the pool is a
    /// service of this host. If tasks of a pool use a service, declare the pool after that service.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Batcher, Host, Pool, Scheduler, ServiceContext, WorkQueue};
    ///
    /// let pool = Pool::builder().threads(1).name("render").build()?;
    /// let render = pool.submitter();
    /// let scheduler = Scheduler::new(pool.submitter());
    /// let events = Batcher::builder("events").build(pool.submitter(), |_: &mut Vec<u32>, _| Ok(()))?;
    /// let emails = WorkQueue::new(100);
    ///
    /// let mut host = Host::builder();
    /// host.add("render", pool);
    /// host.add("schedules", &scheduler); // implicitly after "render"
    /// host.add("events", &events);
    /// host.add("emails", emails.workers(2, || {
    ///     |email, _| Ok(println!("{email}"))
    /// }));
    /// host.background("web", move |ctx| {
    ///     render.execute(|| ())?; // for each request
    ///     events.submit(1)?;
    ///     ctx.wait()
    /// })
    /// .after(["render", "events"]);
    ///
    /// let host = host.build()?.start()?;
    /// emails.submit("Dear reader".to_owned())?;
    /// let report = host.stop();
    /// assert!(report.is_clean());
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn add(
        &mut self,
        name: impl Into<String>,
        service: impl IntoService,
    ) -> ServiceBuilder<'_> {
        let parts = service.into_parts(self.stack_size);
        self.register(name, parts)
    }

    /// Adds a service that the program implements. `factory` makes its value on the service's own
    /// thread, once for the start and once for each restart. The value never leaves that thread.
    pub fn service<S: Service + 'static>(
        &mut self,
        name: impl Into<String>,
        factory: impl FnMut() -> S + Send + 'static,
    ) -> ServiceBuilder<'_> {
        self.register(name, Parts::from_factory(factory))
    }

    /// Adds a closure as a service. The closure is the service's [`run`](Service::run), and is
    /// called again in each restart.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::Host;
    /// # use std::time::Duration;
    /// # let mut host = Host::builder();
    /// host.background("sweeper", |ctx| {
    ///     loop {
    ///         // sweep, then
    ///         ctx.sleep(Duration::from_secs(60))?;
    ///     }
    /// });
    /// assert!(host.build()?.start()?.stop().is_clean());
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn background(
        &mut self,
        name: impl Into<String>,
        run: impl FnMut(&ServiceContext) -> ServiceResult + Send + 'static,
    ) -> ServiceBuilder<'_> {
        self.register(name, Parts::new(Closure::background(run)))
    }

    /// Adds a closure that is called once, at the start. Services declared
    /// [after](ServiceBuilder::after) it wait until it has returned.
    pub fn startup_task(
        &mut self,
        name: impl Into<String>,
        task: impl FnMut(&ServiceContext) -> ServiceResult + Send + 'static,
    ) -> ServiceBuilder<'_> {
        let parts = Parts::new(Closure::startup_task(task));
        self.register(
            name,
            parts.with_options(|options| options.only_starts = true),
        )
    }

    /// Sets the name of the host, for the log and the report. Defaults to `groundcrew`.
    pub fn name(&mut self, name: impl Into<String>) -> &mut HostBuilder {
        self.name = name.into();
        self
    }

    /// Sets how long each service may take to start. [`Duration::MAX`] means no limit, and zero is
    /// refused. Defaults to 30 s.
    pub fn start_timeout(&mut self, limit: Duration) -> &mut HostBuilder {
        self.start_timeout = limit;
        self
    }

    /// Sets how long the whole stop may take, including the [delay](Self::stop_delay).
    /// [`Duration::MAX`] means no limit. Defaults to 8 s. See [how long the stop may
    /// take](Host#how-long-the-stop-may-take) for values.
    pub fn stop_timeout(&mut self, limit: Duration) -> &mut HostBuilder {
        self.stop_timeout = limit;
        self
    }

    /// Sets how long the host, once it is no longer ready, waits before it stops the first service,
    /// so that load balancers notice. Defaults to 0. There is no delay if the host was not up yet,
    /// or if its stop was [shortened](crate::HostHandle::request_stop_within). With
    /// [`Duration::MAX`], which needs a stop timeout without limit, the delay ends only when the
    /// stop is shortened.
    pub fn stop_delay(&mut self, delay: Duration) -> &mut HostBuilder {
        self.stop_delay = delay;
        self
    }

    /// Sets the stack size of each service's thread, in bytes. Defaults to that of the standard
    /// library. The minimum is 64 KiB, which a panic needs. The workers of a queue get the size
    /// that is set when the queue is added.
    pub fn stack_size(&mut self, bytes: usize) -> &mut HostBuilder {
        self.stack_size = bytes;
        self
    }

    /// Uses a manual clock, for tests. Requires the feature `testing`.
    #[cfg(feature = "testing")]
    pub fn clock(&mut self, clock: &ManualClock) -> &mut HostBuilder {
        self.clock.manual = Some(clock.clone());
        self
    }

    /// Builds the host, without starting it. Afterwards the builder has no services.
    ///
    /// # Errors
    ///
    /// Returns a [`HostBuildError`] if a name is used twice, unknown or empty, if services wait for
    /// each other, if limits cannot be met, or if a stack is too small. The builder is then
    /// unchanged.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::Host;
    /// use groundcrew::host::HostBuildError;
    ///
    /// let mut host = Host::builder();
    /// host.background("a", |ctx| ctx.wait()).after(["b"]);
    /// host.background("b", |ctx| ctx.wait()).after(["a"]);
    /// let error = host.build().unwrap_err();
    /// assert!(error.to_string().contains("\"a\" after \"b\" after \"a\""));
    /// ```
    pub fn build(&mut self) -> Result<Host, HostBuildError> {
        check_name(&self.name)?;
        if self.stack_size < threads::LEAST_STACK {
            return Err(HostBuildError::SmallStack(self.stack_size));
        }
        let graph = self.graph()?;
        for spec in &self.specs {
            spec.check(self.start_timeout)?;
        }
        let stop = StopLimits {
            total: self.stop_timeout,
            delay: self.stop_delay,
        };
        let below = times_to_stop(&self.specs, &graph, stop)?;
        // Last, since nothing may fail once the items are claimed.
        claim_items(&self.specs)?;
        let now = self.clock.now();
        let (mut factories, mut pools, mut stores) = (Vec::new(), Vec::new(), Vec::new());
        let mut entries = Vec::new();
        for (index, spec) in std::mem::take(&mut self.specs).into_iter().enumerate() {
            let mut options = spec.options;
            options.start_timeout = spec.start_timeout.unwrap_or(self.start_timeout);
            let mut entry = Entry::new(spec.name.into(), options, now);
            entry.needs.clone_from(&graph.needs[index]);
            entry.below = below[index];
            entries.push(entry);
            factories.push(spec.factory);
            match spec.kind {
                Kind::Plain => {}
                Kind::Pool(pool, report) => pools.push((index, pool, report)),
                Kind::Items(store) | Kind::Queue(store, _) => stores.push((index, store)),
            }
        }
        let core = Core::new(
            self.name.as_str().into(),
            self.clock.clone(),
            Machine::new(entries, stop),
            pools,
            stores,
        );
        Ok(Host::new(core, factories, self.stack_size))
    }

    fn graph(&self) -> Result<Graph, HostBuildError> {
        let needs = self.specs.iter().map(|spec| spec.needs(&self.specs));
        let needs: Vec<Vec<String>> = needs.collect();
        let names = self.specs.iter().map(|spec| spec.name.as_str());
        let services: Vec<(&str, &[String])> = names
            .zip(&needs)
            .map(|(name, needs)| (name, needs.as_slice()))
            .collect();
        Graph::new(&services)
    }
}

impl fmt::Debug for HostBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.specs.iter().map(|spec| spec.name.as_str()).collect();
        f.debug_struct("HostBuilder")
            .field("name", &self.name)
            .field("services", &names)
            .finish_non_exhaustive()
    }
}
