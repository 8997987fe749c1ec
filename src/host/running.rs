//! A host, before it is started and while it runs.

use super::build::{Factory, HostBuilder};
use super::core::Core;
use super::error::StartError;
use super::handle::HostHandle;
use super::reason::StopReason;
use super::report::HostReport;
use super::service_thread;
use super::supervisor;
use crate::async_log::log_or_stderr_in_time;
use crate::clock::Clock;
use crate::record;
use crate::sync::Arc;
use crate::threads;
use std::fmt;
use std::ops::Deref;

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

    /// Returns a handle to stop the host and to read its status.
    pub fn handle(&self) -> HostHandle {
        HostHandle {
            core: self.core.clone(),
        }
    }

    /// Returns the clock of the host, for code of the program that goes by the same time.
    pub fn clock(&self) -> &Clock {
        &self.core.clock
    }

    /// Starts the host, and blocks until every service is up. Use this in tests, and in programs
    /// that have their own main loop. Other programs call [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// Fails if a service does not start, or if a stop is requested meanwhile. The services that
    /// had started are stopped first, so this may take as long as a start and a stop together. If
    /// the system cannot create a thread for every service, no service is started.
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
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    ///
    /// A host can be started only once. To run it again, build another one:
    ///
    /// ```compile_fail,E0382
    /// let host = groundcrew::Host::builder().build().unwrap();
    /// let first = host.start();
    /// let second = host.start();
    /// ```
    pub fn start(mut self) -> Result<RunningHost, StartError> {
        let core = self.core.clone();
        if !self.launch() {
            return Err(StartError::new(supervisor::wait_for_report(&core, false)));
        }
        let driver = core.clone();
        match threads::spawn_helper("host".to_owned(), move || supervisor::drive(&driver)) {
            Ok(driver) => core.state.lock().driver = Some(driver),
            // The threads of the services wait to be begun: this thread ends them.
            Err(error) => {
                let error = format!("no thread for the host: {error}");
                core.request_stop(StopReason::NoThreads(error.into()), None);
                return Err(StartError::new(supervisor::wait_for_report(&core, true)));
            }
        }
        match supervisor::wait_until_up(&core) {
            true => Ok(RunningHost {
                handle: HostHandle { core },
            }),
            false => Err(StartError::new(supervisor::wait_for_report(&core, false))),
        }
    }

    /// Starts the host, and blocks until it has stopped: after a
    /// [`request_stop`](HostHandle::request_stop), the failure of a service, or the return of every
    /// service. The report also shows a failed start.
    ///
    /// This does not handle signals: Ctrl-C ends the process. See
    /// [`run_until_signal`](Self::run_until_signal).
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{BoxError, Host, HostReport};
    ///
    /// fn main() -> Result<HostReport, BoxError> {
    ///     let mut host = Host::builder();
    ///     host.background("import", |_| Ok(())).one_shot();
    ///     Ok(host.build()?.run()) // exit code 0, 1 or 75
    /// }
    /// ```
    pub fn run(mut self) -> HostReport {
        let core = self.core.clone();
        end_with_services(&core);
        let drives = self.launch();
        supervisor::wait_for_report(&core, drives)
    }

    /// Like [`run`](Self::run), but also stops the host on Ctrl-C, SIGTERM and SIGHUP, even during
    /// the start. The first signal requests the stop, the second one makes the report immediately,
    /// and the third one exits with code 130. See [`signals`](crate::signals).
    ///
    /// The signals are handled until the last clone of the report is dropped. The second signal
    /// therefore does not interrupt what `main` does with the report. Only the third one exits.
    ///
    /// After a clean stop by a signal, the exit code is 0. A program that has to exit with 130 when
    /// it was interrupted checks [`reason`](HostReport::reason).
    ///
    /// # Errors
    ///
    /// Returns the errors of [`stop_on_signal`](crate::signals::stop_on_signal). Nothing was
    /// started then.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{BoxError, Host, HostReport};
    ///
    /// fn main() -> Result<HostReport, BoxError> {
    ///     let mut host = Host::builder();
    ///     host.background("web", |ctx| ctx.wait());
    ///     # host.background("signal", |ctx| Ok(ctx.request_stop("so that this ends")));
    ///     Ok(host.build()?.run_until_signal()?)
    /// }
    /// ```
    #[cfg(all(feature = "signals", not(shuttle)))]
    pub fn run_until_signal(self) -> Result<HostReport, crate::signals::SignalError> {
        let guard = self.handle().stop_on_signal()?;
        Ok(self.run().holding(guard))
    }

    /// Like [`run_until_signal`](Self::run_until_signal), but with the given signals instead of
    /// SIGINT, SIGTERM and SIGHUP. Requires Unix and the feature `unix-signals`. Other signals keep
    /// their effect, or go to a [`receiver`](crate::signals::receiver).
    ///
    /// # Errors
    ///
    /// Returns the errors of [`stop_on_any_of`](crate::signals::stop_on_any_of). Nothing was
    /// started then.
    ///
    /// # Examples
    ///
    /// SIGHUP does not stop this daemon:
    ///
    /// ```
    /// use groundcrew::signals::Signal;
    /// use groundcrew::{BoxError, Host, HostReport};
    ///
    /// fn main() -> Result<HostReport, BoxError> {
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

    /// Starts the threads, which wait until their services are begun. `false`: the host was
    /// stopped before.
    fn launch(&mut self) -> bool {
        let core = &self.core;
        let factories = self.factories.take().unwrap_or_default();
        let mut factories = factories.into_iter().enumerate();
        if !supervisor::claim(core) {
            factories.for_each(|(index, factory)| service_thread::close(core, index, factory));
            return false;
        }
        // `spawn_all` asks once for each name, in order, so that each thread gets its factory.
        let spawned = threads::spawn_all("service", &core.names, self.stack_size, |index| {
            let (core, factory) = (core.clone(), factories.next());
            move || {
                if let Some((_, factory)) = factory {
                    service_thread::serve(&core, index, factory);
                }
            }
        });
        match spawned {
            Ok(threads) => {
                let mut state = core.state.lock();
                for (slot, thread) in state.slots.iter_mut().zip(threads) {
                    slot.thread = Some(thread);
                }
            }
            Err(error) => {
                let error = error.to_string();
                core.request_stop(StopReason::NoThreads(error.into()), None);
                factories.for_each(|(index, factory)| service_thread::close(core, index, factory));
            }
        }
        true
    }
}

impl Drop for Host {
    /// Stops the queues and the pools of a host that was never started. Tasks and items that are
    /// left in them are logged at level error.
    fn drop(&mut self) {
        if let Some(factories) = self.factories.take() {
            self.core.request_stop(StopReason::Dropped, None);
            let factories = factories.into_iter().enumerate();
            factories
                .for_each(|(index, factory)| service_thread::close(&self.core, index, factory));
            stop_dropped(&self.core);
        }
    }
}

/// The host is to stop when every service has returned.
fn end_with_services(core: &Core) {
    core.change(|state, _| state.machine.ends_with_services = true);
}

/// The stop of an owner that is dropped. Its report, if no call has received it, is logged where
/// it is not clean.
fn stop_dropped(core: &Core) {
    let state = core.state.lock();
    // Read before this call fetches it.
    let is_fetched = state.report.as_ref().is_some_and(|it| it.is_fetched());
    drop(state);
    core.request_stop(StopReason::Dropped, None);
    let report = supervisor::wait_for_report(core, false);
    if !is_fetched && !report.is_clean() {
        let text = format!("host {} was dropped: {report}", core.name);
        log_or_stderr_in_time(record::HOST, log::Level::Error, text);
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

/// A host that was started, with the methods of [`HostHandle`].
///
/// It owns the host, and cannot be cloned. Dropping it stops the host, and blocks until it has
/// stopped. A report that is not clean is logged at level error, or written to stderr if no logger
/// is enabled.
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
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[must_use = "dropping it stops the host"]
pub struct RunningHost {
    handle: HostHandle,
}

impl RunningHost {
    /// Returns a handle, which can be cloned and sent to other threads.
    pub fn handle(&self) -> &HostHandle {
        &self.handle
    }

    /// Blocks until the host has stopped: after a request, the failure of a service, or the
    /// return of every service.
    pub fn wait(&self) -> HostReport {
        end_with_services(&self.handle.core);
        supervisor::wait_for_report(&self.handle.core, false)
    }
}

/// Provides the methods of its handle, such as [`stop`](HostHandle::stop) and
/// [`status`](HostHandle::status).
impl Deref for RunningHost {
    type Target = HostHandle;

    fn deref(&self) -> &HostHandle {
        &self.handle
    }
}

impl Drop for RunningHost {
    fn drop(&mut self) {
        stop_dropped(&self.handle.core);
    }
}

impl fmt::Debug for RunningHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningHost")
            .field("handle", &self.handle)
            .finish()
    }
}
