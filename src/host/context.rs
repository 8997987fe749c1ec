//! The context of a service: its link to the host.

use super::core::Core;
use super::error::WaitForError;
use super::failure::ServiceResult;
use super::handle::HostHandle;
use super::liveness::Liveness;
use super::reason::StopReason;
use crate::cancel::{CancelToken, Cancelled};
use crate::clock::{Clock, Deadline};
use crate::sync::Arc;
use crate::unwind::Payload;
use std::fmt;
use std::time::Duration;

/// The context passed to a service's methods, with its token and with methods to report progress
/// and to wait.
///
/// # Examples
///
/// ```
/// use groundcrew::Host;
/// use std::time::Duration;
///
/// let mut host = Host::builder();
/// host.background("sweeper", |ctx| {
///     for round in 1.. {
///         ctx.note(format!("round {round}"));
///         ctx.heartbeat();
///         ctx.sleep(Duration::from_secs(60))?; // ends at once when the stop is requested
///     }
///     Ok(())
/// })
/// .heartbeat_timeout(Duration::from_secs(90));
/// assert!(host.build()?.start()?.stop().is_clean());
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
pub struct ServiceContext {
    core: Arc<Core>,
    index: usize,
    token: CancelToken,
    /// The same, except in another thread of the service.
    stopping: CancelToken,
    liveness: Arc<Liveness>,
}

impl ServiceContext {
    pub(super) fn new(
        core: Arc<Core>,
        index: usize,
        token: CancelToken,
        liveness: Arc<Liveness>,
    ) -> ServiceContext {
        ServiceContext {
            core,
            index,
            stopping: token.clone(),
            token,
            liveness,
        }
    }

    /// For another thread of the same service, with a token and notes of its own.
    pub(crate) fn fork(&self, thread: &str, token: CancelToken) -> ServiceContext {
        ServiceContext {
            core: self.core.clone(),
            index: self.index,
            token,
            stopping: self.stopping.clone(),
            liveness: self.core.liveness[self.index].add(thread),
        }
    }

    /// Some of the service's code panicked in its drop, on the current thread.
    pub(super) fn drop_panicked(&self, payload: Payload) {
        self.core.drop_panicked(self.index, payload);
    }

    /// Whether the host stops, and not this service alone, for a restart.
    pub(crate) fn is_last_stop(&self) -> bool {
        self.core().is_stopping()
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    pub(super) fn index(&self) -> usize {
        self.index
    }

    pub(super) fn shared_name(&self) -> &Arc<str> {
        &self.core.names[self.index]
    }

    /// When the last part of its time to stop begins.
    pub(super) fn grace(&self) -> Deadline {
        self.core.grace(self.index)
    }

    /// See [`Core::wait_until_grace`].
    pub(crate) fn wait_until_grace(&self, is_done: impl Fn() -> bool) -> bool {
        self.core.wait_until_grace(self.index, is_done)
    }

    /// See [`Core::wait_until_last`].
    #[cfg(feature = "jobs")]
    pub(crate) fn wait_until_last(&self, is_done: impl Fn() -> bool) -> bool {
        self.core.wait_until_last(self.index, is_done)
    }

    /// See [`Core::wait_until`].
    #[cfg(feature = "jobs")]
    pub(crate) fn wait_until(&self, is_so: impl Fn() -> bool) {
        self.core.wait_until(is_so);
    }

    /// For another thread: the host looks again.
    #[cfg(feature = "jobs")]
    pub(crate) fn notifier(&self) -> impl Fn() + Send + Sync + 'static {
        let core = self.core.clone();
        move || core.notify()
    }

    /// From now on the thread that calls this is the one reported.
    pub(crate) fn enter(&self) {
        self.liveness.enter();
    }

    /// The reported thread is gone.
    pub(crate) fn leave(&self) {
        self.liveness.leave();
    }

    /// Returns the name of the service.
    pub fn name(&self) -> &str {
        self.shared_name()
    }

    /// Returns the token that is cancelled when the service's stop is requested: in its turn when
    /// the host stops, or after a start timeout or a missed heartbeat. A restarted service has a
    /// new token.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::channel::select;
    /// # let (sender, work) = groundcrew::channel::unbounded::<u32>();
    /// # let mut host = groundcrew::Host::builder();
    /// host.background("worker", move |ctx| {
    ///     let stopped = ctx.token().receiver();
    ///     loop {
    ///         select! {
    ///             recv(work) -> item => drop(item?),
    ///             recv(stopped) -> _ => return Ok(()),
    ///         }
    ///     }
    /// });
    /// # assert!(host.build()?.start()?.stop().is_clean());
    /// # drop(sender);
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn token(&self) -> &CancelToken {
        &self.token
    }

    /// Returns the token that is cancelled as soon as the service's stop is requested.
    ///
    /// This is the [`token`](Self::token), except for the handlers of a
    /// [`WorkQueue`](super::WorkQueue): they have until the last part of the time of the stop, when
    /// their `token` is cancelled, and can use this one to notice the stop earlier, for example to
    /// end a wait for a client that says nothing.
    pub fn stopping(&self) -> &CancelToken {
        &self.stopping
    }

    /// Returns `true` if the [token](Self::token) is cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Blocks until the service's stop is requested, and returns `Ok`. It can be the last line of a
    /// `run` that has nothing else to do.
    ///
    /// # Errors
    ///
    /// This never fails. It returns a [`ServiceResult`] so that `run` can return it.
    pub fn wait(&self) -> ServiceResult {
        self.token.wait();
        Ok(())
    }

    /// Blocks for `duration`, or until the service's stop is requested.
    ///
    /// # Errors
    ///
    /// Returns [`Cancelled`] when the service's stop is requested, at once if it already was.
    pub fn sleep(&self, duration: Duration) -> Result<(), Cancelled> {
        match self.core.clock.sleep(duration, &self.token.receiver()) {
            true => Err(Cancelled),
            false => Ok(()),
        }
    }

    /// Returns the time left until the services that it needs are stopped, or until it is
    /// abandoned. This is [`Duration::MAX`] before its stop is requested, and if there is no limit.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::{Host, Service, ServiceContext};
    /// # use groundcrew::host::ServiceResult;
    /// # use std::time::Duration;
    /// struct Flusher;
    ///
    /// impl Service for Flusher {
    ///     fn stop(&mut self, ctx: &ServiceContext) -> ServiceResult {
    ///         let left = ctx.time_left(); // to flush what is left
    ///         assert!(left <= Duration::from_secs(8));
    ///         Ok(())
    ///     }
    /// }
    /// # let mut host = Host::builder();
    /// host.service("flusher", || Flusher);
    /// assert!(host.build()?.start()?.stop().is_clean());
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn time_left(&self) -> Duration {
        self.core.time_left(self.index)
    }

    /// Returns the clock of the host, for code of the program that goes by the same time. Heartbeats
    /// and [`sleep`](Self::sleep) go by it.
    pub fn clock(&self) -> &Clock {
        &self.core.clock
    }

    /// Returns a handle of the service's host, for example to answer probes.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mut host = groundcrew::Host::builder();
    /// host.background("probes", |ctx| {
    ///     let host = ctx.host();
    ///     // for each request
    ///     let code = if host.is_ready() { 200 } else { 503 };
    ///     # assert!(code == 200 || code == 503);
    ///     ctx.wait()
    /// });
    /// # assert!(host.build()?.start()?.stop().is_clean());
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn host(&self) -> HostHandle {
        HostHandle {
            core: self.core.clone(),
        }
    }

    /// Reports the service as ready. Services that need it are then started, now or when its
    /// `start` has returned. Does nothing if the service was not declared with
    /// [`signals_ready`](super::ServiceBuilder::signals_ready), or on a second call.
    pub fn ready(&self) {
        self.core.ready(self.index);
    }

    /// Blocks until the service called `name` is up, or has done its work if it is one-shot.
    /// [`after`](super::ServiceBuilder::after) is not required. With it, there is nothing to wait
    /// for, unless `name` is being restarted.
    ///
    /// Two services that wait for each other in their `start` block until their start timeout.
    ///
    /// # Errors
    ///
    /// Returns a [`WaitForError`] if there is no service of that name, if that service has ended
    /// without being up, or when the stop of the calling service is requested.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mut host = groundcrew::Host::builder();
    /// host.background("search", |ctx| {
    ///     ctx.wait_for("index")?; // meanwhile this one is up
    ///     ctx.token().wait();
    ///     Ok(())
    /// });
    /// host.background("index", |ctx| ctx.wait());
    /// # assert!(host.build()?.start()?.stop().is_clean());
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn wait_for(&self, name: &str) -> Result<(), WaitForError> {
        self.core.wait_for(name, &self.token)
    }

    /// Records a note on the service's progress. The host's status shows the latest note, and so
    /// does the report if the service is abandoned. Allocates memory.
    pub fn note(&self, text: impl Into<String>) {
        self.liveness.note(text.into());
    }

    /// Records a heartbeat. The status shows the latest one. A service with a [heartbeat
    /// timeout](super::ServiceBuilder::heartbeat_timeout) must call this. Reads the clock.
    pub fn heartbeat(&self) {
        self.liveness.beat(self.core.clock.now());
    }

    /// Requests the stop of the host, and returns at once. The service itself is stopped in its
    /// turn. The report shows the reason of the first request.
    ///
    /// Use this to stop the host from inside a service.
    /// [`HostHandle::stop`](super::HostHandle::stop) would wait for the report.
    pub fn request_stop(&self, reason: impl Into<String>) {
        let reason = StopReason::Requested {
            by: Some(self.shared_name().clone()),
            reason: reason.into().into(),
        };
        self.core.request_stop(reason, None);
    }
}

impl fmt::Debug for ServiceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceContext")
            .field("name", &self.name())
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}
