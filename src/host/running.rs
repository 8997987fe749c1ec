//! A host, before it is started and while it runs.

use super::body;
use super::builder::HostBuilder;
use super::core::Core;
use super::error::StartError;
use super::factory::Factory;
use super::handle::HostHandle;
use super::reason::StopReason;
use super::report::HostReport;
use super::status::HostStatus;
use crate::sync::Arc;
use crate::threads;
use std::fmt;

#[doc = include_str!("guide.md")]
#[must_use = "a host does nothing until it is run or started"]
pub struct Host {
    core: Arc<Core>,
    /// `None` once it was started.
    factories: Option<Vec<Factory>>,
    stack_size: usize,
}

impl Host {
    pub(super) fn new(core: Arc<Core>, factories: Vec<Factory>, stack_size: usize) -> Host {
        Host {
            core,
            factories: Some(factories),
            stack_size,
        }
    }

    /// Returns a builder without services.
    pub fn builder() -> HostBuilder {
        HostBuilder::new()
    }

    /// A handle, to stop the host and to read its status.
    pub fn handle(&self) -> HostHandle {
        HostHandle {
            core: self.core.clone(),
        }
    }

    /// Starts the host, and blocks until every service is up. For tests, and for
    /// programs with a main loop of their own; others [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// When a service does not start, or a stop is requested meanwhile: what had
    /// started is stopped first, and so this may take as long as a start and a stop
    /// may. When the system has no thread for each service: nothing is started.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::Host;
    ///
    /// let mut host = Host::builder();
    /// host.background("web", |ctx| ctx.wait());
    /// let host = host.build()?.start()?;
    /// // the program's own main loop, and then
    /// assert!(host.stop().is_clean());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    ///
    /// A host is started once; to run it again, build another one:
    ///
    /// ```compile_fail,E0382
    /// let host = groundcrew::Host::builder().build().unwrap();
    /// let first = host.start();
    /// let second = host.start();
    /// ```
    pub fn start(mut self) -> Result<RunningHost, StartError> {
        let core = self.core.clone();
        if !self.launch() {
            return Err(StartError::new(core.wait_for_report(false)));
        }
        let driver = core.clone();
        match threads::spawn_helper("host".to_owned(), move || driver.drive()) {
            Ok(driver) => core.state.lock().driver = Some(driver),
            Err(error) => {
                let error = format!("no thread for the host: {error}");
                core.request_stop(StopReason::NoThreads(error.into()), None);
                return Err(StartError::new(core.wait_for_report(true)));
            }
        }
        match core.wait_until_up() {
            true => Ok(RunningHost {
                handle: HostHandle { core },
            }),
            false => Err(StartError::new(core.wait_for_report(false))),
        }
    }

    /// Starts the host, and blocks until it has stopped: for a
    /// [`request_stop`](HostHandle::request_stop), for the failure of a service, or
    /// because every service has returned. A start that fails is in the report, too.
    ///
    /// It takes no signals: Ctrl-C ends the process. See
    /// [`run_until_signal`](Self::run_until_signal).
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Host, HostReport};
    ///
    /// fn main() -> Result<HostReport, Box<dyn std::error::Error + Send + Sync>> {
    ///     let mut host = Host::builder();
    ///     host.background("import", |_| Ok(())).one_shot();
    ///     Ok(host.build()?.run()) // exit code 0, 1 or 75
    /// }
    /// ```
    pub fn run(mut self) -> HostReport {
        let core = self.core.clone();
        core.end_with_services();
        let drives = self.launch();
        core.wait_for_report(drives)
    }

    /// As [`run`](Self::run), which blocks until the host has stopped, and Ctrl-C, SIGTERM
    /// and SIGHUP stop the host, from before the first service is started: the first one
    /// stops, the second makes the report now, the third exits with 130; one within 0.5 s
    /// of the one before is the same request. See [`signals`](crate::signals).
    ///
    /// The signals are held as long as the report, or a clone of it: so the second one does
    /// not cut off what `main` does with the report, and only the third exits.
    ///
    /// A clean stop by a signal exits with 0. A program that has to report that it was
    /// interrupted checks [`reason`](HostReport::reason), and exits with 130.
    ///
    /// # Errors
    ///
    /// As [`stop_on_signal`](crate::signals::stop_on_signal); nothing was started.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Host, HostReport};
    ///
    /// fn main() -> Result<HostReport, Box<dyn std::error::Error + Send + Sync>> {
    ///     let mut host = Host::builder();
    ///     host.background("web", |ctx| ctx.wait());
    ///     # host.background("signal", |ctx| Ok(ctx.request_stop("so that this ends")));
    ///     Ok(host.build()?.run_until_signal()?)
    /// }
    /// ```
    #[cfg(feature = "signals")]
    pub fn run_until_signal(self) -> Result<HostReport, crate::signals::SignalError> {
        let guard = self.handle().stop_on_signal()?;
        Ok(self.run().holding(guard))
    }

    /// As [`run_until_signal`](Self::run_until_signal), with the same blocking, and the
    /// host is stopped by these signals, instead of by SIGINT, SIGTERM and SIGHUP. With the
    /// feature `unix-signals`, on Unix. The others are left alone, or go to a
    /// [`receiver`](crate::signals::receiver).
    ///
    /// # Errors
    ///
    /// As [`stop_on_any_of`](crate::signals::stop_on_any_of); nothing was started.
    ///
    /// # Examples
    ///
    /// A daemon that SIGHUP does not stop:
    ///
    /// ```
    /// use groundcrew::signals::Signal;
    /// use groundcrew::{Host, HostReport};
    ///
    /// fn main() -> Result<HostReport, Box<dyn std::error::Error + Send + Sync>> {
    ///     let mut host = Host::builder();
    ///     host.background("web", |ctx| ctx.wait());
    ///     # host.background("signal", |ctx| Ok(ctx.request_stop("so that this ends")));
    ///     Ok(host.build()?.run_until_any_of([Signal::Int, Signal::Term])?)
    /// }
    /// ```
    #[cfg(all(unix, feature = "unix-signals"))]
    pub fn run_until_any_of(
        self,
        signals: impl IntoIterator<Item = crate::signals::Signal>,
    ) -> Result<HostReport, crate::signals::SignalError> {
        let guard = self.handle().stop_on_any_of(signals)?;
        Ok(self.run().holding(guard))
    }

    /// Starts the threads, which wait until they may begin. `false`: the host was stopped
    /// before.
    fn launch(&mut self) -> bool {
        let core = &self.core;
        let factories = self.factories.take().unwrap_or_default();
        let mut factories = factories.into_iter().enumerate();
        if !core.claim() {
            factories.for_each(|(index, factory)| core.close(index, factory));
            return false;
        }
        let spawned = threads::spawn_all("service", &core.names, self.stack_size, |index| {
            let (core, factory) = (core.clone(), factories.next());
            move || {
                if let Some((_, factory)) = factory {
                    body::serve(&core, index, factory);
                }
            }
        });
        match spawned {
            Ok(threads) => {
                let mut state = core.state.lock();
                for (seat, thread) in state.seats.iter_mut().zip(threads) {
                    seat.thread = Some(thread);
                }
            }
            Err(error) => {
                let error = error.to_string();
                core.request_stop(StopReason::NoThreads(error.into()), None);
                factories.for_each(|(index, factory)| core.close(index, factory));
            }
        }
        true
    }
}

impl Drop for Host {
    /// A host that was never started gives up its queues and its pools: they are
    /// stopped, and what is left in them is logged at error.
    fn drop(&mut self) {
        if let Some(factories) = self.factories.take() {
            self.core.request_stop(StopReason::Dropped, None);
            let factories = factories.into_iter().enumerate();
            factories.for_each(|(index, factory)| self.core.close(index, factory));
            drop_host(&self.core);
        }
    }
}

/// The stop of an owner that is dropped.
fn drop_host(core: &Arc<Core>) {
    let is_fetched = core.is_fetched();
    core.request_stop(StopReason::Dropped, None);
    let report = core.wait_for_report(false);
    if !is_fetched {
        core.tell_of_drop(&report);
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("name", &self.core.name)
            .field("services", &self.core.names)
            .finish_non_exhaustive()
    }
}

/// A host that was started. Its owner: not `Clone`. Dropping it is a stop, whose report
/// is logged at error, or written to stderr where no logger is enabled, if it is not
/// clean; it blocks for as long as the host's stop may take.
///
/// # Examples
///
/// ```
/// use groundcrew::Host;
///
/// let mut host = Host::builder();
/// host.background("web", |ctx| ctx.wait());
/// let host = host.build()?.start()?;
/// assert!(host.is_ready());
/// assert!(host.stop().is_clean());
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[must_use = "dropping it stops the host"]
pub struct RunningHost {
    handle: HostHandle,
}

impl RunningHost {
    /// A handle, which can be cloned and sent to other threads.
    pub fn handle(&self) -> &HostHandle {
        &self.handle
    }

    /// Stops the host, and blocks until the report is made; see [`HostHandle::stop`].
    pub fn stop(&self) -> HostReport {
        self.handle.stop()
    }

    /// Blocks until the host has stopped: for a request, for the failure of a service, or
    /// because every service has returned.
    pub fn wait(&self) -> HostReport {
        self.handle.core.end_with_services();
        self.handle.core.wait_for_report(false)
    }

    /// See [`HostHandle::is_ready`].
    pub fn is_ready(&self) -> bool {
        self.handle.is_ready()
    }

    /// See [`HostHandle::is_alive`].
    pub fn is_alive(&self) -> bool {
        self.handle.is_alive()
    }

    /// See [`HostHandle::status`].
    pub fn status(&self) -> HostStatus {
        self.handle.status()
    }
}

impl Drop for RunningHost {
    fn drop(&mut self) {
        drop_host(&self.handle.core);
    }
}

impl fmt::Debug for RunningHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningHost")
            .field("handle", &self.handle)
            .finish()
    }
}
