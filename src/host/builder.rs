//! How a host is put together.

use super::context::ServiceContext;
use super::core::Core;
use super::entry::{Entry, Terms};
use super::error::HostBuildError;
use super::factory::{BackgroundMake, Factory, Make, ServiceMake, StartupMake};
use super::graph::{Graph, check_name};
use super::machine::Machine;
use super::queue::{Hosted, ItemOutcome, QueueService, WorkQueue};
use super::running::Host;
use super::service::{PoolService, PoolSlot, Service, ServiceResult};
use super::service_builder::ServiceBuilder;
use super::spec::{Kind, Spec, claim_queues, times_to_stop};
use crate::causes::BoxError;
use crate::clock::Clock;
#[cfg(feature = "testing")]
use crate::clock::ManualClock;
use crate::pool::Pool;
use crate::sync::Arc;
use crate::threads;
use std::error::Error;
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
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
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
    pub(super) fn new() -> HostBuilder {
        HostBuilder {
            name: "groundcrew".to_owned(),
            start_timeout: Terms::START_TIMEOUT,
            stop_timeout: STOP_TIMEOUT,
            stop_delay: Duration::ZERO,
            stack_size: threads::default_stack_size(),
            clock: Clock::default(),
            specs: Vec::new(),
        }
    }

    fn add(&mut self, name: String, make: impl Make + 'static, kind: Kind) -> ServiceBuilder<'_> {
        let index = self.specs.len();
        let factory = Factory::new(&name, make);
        self.specs.push(Spec {
            name,
            after: Vec::new(),
            runs_on: None,
            start_timeout: None,
            terms: Terms::new(),
            factory,
            kind,
        });
        ServiceBuilder {
            spec: &mut self.specs[index],
        }
    }

    /// Adds a service whose value may borrow from what makes it.
    #[cfg(feature = "watch")]
    pub(crate) fn made(&mut self, name: String, make: impl Make + 'static) -> ServiceBuilder<'_> {
        self.add(name, make, Kind::Plain)
    }

    /// Adds a service with items of its own, of which what is left goes into the report.
    pub(crate) fn hosted<S: Service + 'static>(
        &mut self,
        name: String,
        queue: Arc<dyn Hosted>,
        factory: impl FnMut() -> S + Send + 'static,
    ) -> ServiceBuilder<'_> {
        let has_room = true;
        let kind = Kind::Queue {
            queue,
            has_room,
            stack_size: self.stack_size,
        };
        self.add(name, ServiceMake(factory), kind)
    }

    /// Adds a service. `factory` makes its value, on the service's own thread, once for the
    /// start and once for each restart; the value never leaves that thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Host, Service, ServiceContext};
    /// use groundcrew::host::ServiceResult;
    ///
    /// struct Web {
    ///     port: u16,
    /// }
    ///
    /// impl Service for Web {
    ///     fn start(&mut self, ctx: &ServiceContext) -> ServiceResult {
    ///         ctx.note(format!("listening on {}", self.port));
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let mut host = Host::builder();
    /// host.service("web", || Web { port: 8080 });
    /// assert!(host.build()?.start()?.stop().is_clean());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn service<S: Service + 'static>(
        &mut self,
        name: impl Into<String>,
        factory: impl FnMut() -> S + Send + 'static,
    ) -> ServiceBuilder<'_> {
        self.add(name.into(), ServiceMake(factory), Kind::Plain)
    }

    /// Adds a closure as a service: its [`run`](Service::run), and that of each restart.
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
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn background(
        &mut self,
        name: impl Into<String>,
        run: impl FnMut(&ServiceContext) -> ServiceResult + Send + 'static,
    ) -> ServiceBuilder<'_> {
        self.add(name.into(), BackgroundMake(run), Kind::Plain)
    }

    /// Adds a closure that is called once, at the start: services declared
    /// [after](ServiceBuilder::after) it wait until it has returned.
    pub fn startup_task(
        &mut self,
        name: impl Into<String>,
        task: impl FnMut(&ServiceContext) -> ServiceResult + Send + 'static,
    ) -> ServiceBuilder<'_> {
        let added = self.add(name.into(), StartupMake(task), Kind::Plain);
        added.spec.terms.only_starts = true;
        added
    }

    /// Adds a pool, which is stopped in its turn: its workers run already, and services
    /// declared [after](ServiceBuilder::after) it are stopped before it. It drains within
    /// the service's time. Its report becomes part of the host's.
    ///
    /// A pool that runs tasks that use a service should be declared after that service.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Host, Pool};
    ///
    /// let pool = Pool::builder().threads(1).name("render").build()?;
    /// let render = pool.submitter();
    /// let mut host = Host::builder();
    /// host.pool("render", pool);
    /// host.background("web", move |ctx| {
    ///     render.execute(|| ())?; // for each request
    ///     ctx.wait()
    /// })
    /// .after(["render"]);
    /// let report = host.build()?.start()?.stop();
    /// assert_eq!(report.pools()[0].completed(), 1);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn pool(&mut self, name: impl Into<String>, pool: Pool) -> ServiceBuilder<'_> {
        let (stop, report) = (pool.stop_handle(), PoolSlot::default());
        let kind = Kind::Pool(pool, report.clone());
        let make = ServiceMake(move || PoolService {
            pool: stop.clone(),
            report: report.clone(),
        });
        let added = self.add(name.into(), make, kind);
        added.spec.terms.serves = true;
        added
    }

    /// Adds a service of `workers` threads that handle the items of `queue`.
    ///
    /// `factory` is called by each worker, on the worker's own thread, and gives the
    /// handler that the worker keeps: a connection goes there. The service is up when
    /// every worker has its handler. After a panic the worker makes itself a new one; a panic in
    /// the drop of a handler is a [failure](super::ServiceFailure) of the service, which goes on.
    ///
    /// The handler returns `Ok(())` for an item that it has handled, or says with an
    /// [`ItemOutcome`] that it puts or hands it back. An error is logged and counted, the
    /// item is kept for [`WorkQueue::take_failed`], and the worker goes on. The handler's
    /// [token](ServiceContext::token) is cancelled in the last part of the service's
    /// time to stop, not before: until then the queue is drained. See
    /// [which items come back](WorkQueue#which-items-come-back).
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Host, WorkQueue, ServiceContext};
    ///
    /// let lines = WorkQueue::new(100);
    /// let mut host = Host::builder();
    /// host.queue("lines", &lines, 2, || {
    ///     let mut length = 0; // of this worker
    ///     move |line: &mut String, ctx: &ServiceContext| {
    ///         length += line.len();
    ///         ctx.note(format!("{length} bytes so far"));
    ///         Ok::<(), String>(())
    ///     }
    /// });
    /// let host = host.build()?.start()?;
    /// lines.submit("one".to_owned())?;
    /// assert_eq!(host.stop().services()[0].queue().unwrap().handled(), 1);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn queue<T, F, H, R, E>(
        &mut self,
        name: impl Into<String>,
        queue: &WorkQueue<T>,
        workers: usize,
        factory: F,
    ) -> ServiceBuilder<'_>
    where
        T: Send + 'static,
        F: Fn() -> H + Send + Sync + 'static,
        H: FnMut(&mut T, &ServiceContext) -> Result<R, E> + 'static,
        R: Into<ItemOutcome> + 'static,
        E: Into<BoxError> + 'static,
    {
        self.queue_fallible(name, queue, workers, move || Ok(factory()))
    }

    /// As [`queue`](Self::queue), with a factory that may fail, as one does that opens a
    /// connection.
    ///
    /// Its error is one of the service: of its start, or, where a worker needs a new handler
    /// after a panic, of its run. The service's [policy](ServiceBuilder::on_failure) says what
    /// follows; items stay in the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Host, WorkQueue, ServiceContext};
    /// use std::fs::File;
    /// use std::io::Write;
    ///
    /// let lines = WorkQueue::new(100);
    /// let mut host = Host::builder();
    /// host.queue_fallible("lines", &lines, 2, || {
    ///     let mut file = File::options().append(true).open("no/such/file")?;
    ///     Ok(move |line: &mut String, _: &ServiceContext| file.write_all(line.as_bytes()))
    /// });
    /// let report = host.build()?.run();
    /// assert!(report.reason().to_string().starts_with("service \"lines\" failed in start: "));
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn queue_fallible<T, F, H, R, E>(
        &mut self,
        name: impl Into<String>,
        queue: &WorkQueue<T>,
        workers: usize,
        factory: F,
    ) -> ServiceBuilder<'_>
    where
        T: Send + 'static,
        F: Fn() -> Result<H, Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
        H: FnMut(&mut T, &ServiceContext) -> Result<R, E> + 'static,
        R: Into<ItemOutcome> + 'static,
        E: Into<BoxError> + 'static,
    {
        let store = queue.store().clone();
        let kind = Kind::Queue {
            queue: store.clone(),
            has_room: queue.capacity() > 0 && workers > 0,
            stack_size: self.stack_size,
        };
        let (factory, stack_size) = (Arc::new(factory), self.stack_size);
        let make = ServiceMake(move || {
            let factory = factory.clone();
            let factory = move || factory();
            QueueService::new(store.clone(), factory, workers, stack_size)
        });
        let added = self.add(name.into(), make, kind);
        added.spec.terms.serves = true;
        added.spec.terms.one_shot = true;
        added
    }

    /// The name of the host, for the log and the report. Defaults to `groundcrew`.
    pub fn name(&mut self, name: impl Into<String>) -> &mut HostBuilder {
        self.name = name.into();
        self
    }

    /// How long each service may take to start; [`Duration::MAX`] means no limit. Defaults
    /// to 30 s.
    pub fn start_timeout(&mut self, limit: Duration) -> &mut HostBuilder {
        self.start_timeout = limit;
        self
    }

    /// How long the whole stop may take, the [delay](Self::stop_delay) included;
    /// [`Duration::MAX`] means no limit. Defaults to 8 s. Which values to set is described
    /// [at the host](Host#how-long-the-stop-may-take).
    pub fn stop_timeout(&mut self, limit: Duration) -> &mut HostBuilder {
        self.stop_timeout = limit;
        self
    }

    /// How long the host waits, no longer ready, before it stops the first service: the
    /// time that load balancers take to notice. Defaults to 0. A host that had not come up
    /// yet does not wait, and neither does one whose stop is to take less than its
    /// [limit](Self::stop_timeout).
    pub fn stop_delay(&mut self, delay: Duration) -> &mut HostBuilder {
        self.stop_delay = delay;
        self
    }

    /// The stack of each service's thread, in bytes. Defaults to what the standard library
    /// takes; at least 64 KiB, which a panic needs. Queues take what is set when they are
    /// added.
    pub fn stack_size(&mut self, bytes: usize) -> &mut HostBuilder {
        self.stack_size = bytes;
        self
    }

    /// Uses a manual clock, for tests, with the feature `testing`.
    #[cfg(feature = "testing")]
    pub fn clock(&mut self, clock: &ManualClock) -> &mut HostBuilder {
        self.clock.manual = Some(clock.clone());
        self
    }

    /// Builds the host, without starting it. The builder is left without services.
    ///
    /// # Errors
    ///
    /// [`HostBuildError`], which spells out what was wrong: a name that is double, unknown
    /// or none; services that wait for each other; limits that cannot be kept; a stack that
    /// is too small. The builder is as it was.
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
        let specs = &self.specs;
        let needs: Vec<Vec<String>> = specs.iter().map(|spec| spec.needs(specs)).collect();
        let services: Vec<(&str, &[String])> = specs
            .iter()
            .zip(&needs)
            .map(|(spec, needs)| (spec.name.as_str(), needs.as_slice()))
            .collect();
        check_name(&self.name)?;
        if self.stack_size < threads::LEAST_STACK {
            return Err(HostBuildError::SmallStack(self.stack_size));
        }
        let graph = Graph::new(&services)?;
        self.specs.iter().try_for_each(Spec::check)?;
        let below = times_to_stop(&self.specs, &graph, self.stop_timeout, self.stop_delay)?;
        claim_queues(&self.specs)?;
        let now = self.clock.now();
        let (mut factories, mut pools, mut queues) = (Vec::new(), Vec::new(), Vec::new());
        let mut entries = Vec::new();
        for (index, spec) in std::mem::take(&mut self.specs).into_iter().enumerate() {
            let mut terms = spec.terms;
            terms.start_timeout = spec.start_timeout.unwrap_or(self.start_timeout);
            entries.push(Entry {
                needs: graph.needs[index].clone(),
                below: below[index],
                ..Entry::new(spec.name.into(), terms, now)
            });
            factories.push(spec.factory);
            match spec.kind {
                Kind::Plain => {}
                Kind::Pool(pool, report) => pools.push((index, pool, report)),
                Kind::Queue { queue, .. } => queues.push((index, queue)),
            }
        }
        let machine = Machine::new(entries, self.stop_timeout, self.stop_delay);
        let core = Core::new(
            self.name.as_str().into(),
            self.clock.clone(),
            machine,
            pools,
            queues,
        );
        Ok(Host::new(core, factories, self.stack_size))
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
