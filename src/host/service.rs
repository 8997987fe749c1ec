//! The trait of services.

use super::context::ServiceContext;
use super::failure::ServiceResult;

/// A long-running service with its own thread, run by a [`Host`](super::Host).
///
/// # The contract
///
/// The three methods are called one after another, on the service's own thread, which has the
/// service's name. They never run at the same time, and none is called after `stop`.
///
/// 1. [`start`](Self::start) prepares the service: it opens, connects, loads. It may block;
///    services that need this one wait until it has returned. If it fails, no other method is
///    called.
/// 2. [`run`](Self::run) works until its stop is requested: until
///    [`ctx.token()`](ServiceContext::token) is cancelled. It is not called if the stop of the host
///    began before `start` had returned.
/// 3. [`stop`](Self::stop) cleans up. It is called after `run` returned, failed or panicked, and
///    has [`ctx.time_left()`](ServiceContext::time_left) to finish.
///
/// Then the value is dropped. For a [restart](super::Restart), the factory makes a new value. Both
/// happen on the same thread.
///
/// # When it ignores the stop
///
/// A thread cannot be killed. A service whose `run` does not return in time is *abandoned*: its
/// `stop` is not called, its thread is left running until the process ends, and the report shows
/// its last note, its last heartbeat, and what its thread is doing. It takes no time from other
/// services: see [the order of a stop](super::Host#the-stop).
///
/// # How errors are treated
///
/// - After the stop of the service or of the host was requested, an error that is, or is caused by,
///   [`Cancelled`](crate::cancel::Cancelled) is not a failure. A service can therefore end with
///   `ctx.sleep(pause)?`.
/// - Other errors that are due to the stop of the host are not failures either: the refusal of a
///   pool, a queue or a batcher of the same host that has already stopped, a task that such a pool
///   did not start or abandoned, or [`WaitForError::Over`](super::WaitForError::Over). If the
///   service should have been declared [after](super::ServiceBuilder::after) the other one, a
///   warning with both names is logged once.
/// - After an error that is, or is caused by, [`PermanentError`](crate::retry::PermanentError), the
///   service is not restarted.
/// - `Ok` from a `run` whose stop was not requested is also a failure, unless the service is
///   [one-shot](super::ServiceBuilder::one_shot).
/// - A panic is a failure with its message.
///
/// # Examples
///
/// A service with the default `run`, which waits for the stop:
///
/// ```
/// use groundcrew::{Host, Service, ServiceContext, channel};
/// use groundcrew::host::ServiceResult;
///
/// struct Bell(channel::Sender<&'static str>);
///
/// impl Service for Bell {
///     fn start(&mut self, _: &ServiceContext) -> ServiceResult {
///         Ok(self.0.send("hung up")?)
///     }
///     fn stop(&mut self, _: &ServiceContext) -> ServiceResult {
///         Ok(self.0.send("taken down")?)
///     }
/// }
///
/// let (rings, heard) = channel::unbounded();
/// let mut host = Host::builder();
/// host.service("bell", move || Bell(rings.clone()));
/// let host = host.build()?.start()?;
/// assert!(host.stop().is_clean());
/// assert_eq!(heard.iter().collect::<Vec<_>>(), ["hung up", "taken down"]);
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
pub trait Service {
    /// Prepares the service. It may block for the [start
    /// timeout](super::ServiceBuilder::start_timeout), 30 s by default. The default implementation
    /// does nothing.
    ///
    /// # Errors
    ///
    /// After an error, the service does not run. During the start of the host, an error stops the
    /// host.
    fn start(&mut self, ctx: &ServiceContext) -> ServiceResult {
        let _ = ctx;
        Ok(())
    }

    /// Does the work of the service, and blocks until its stop is requested. The default
    /// implementation only waits for the request.
    ///
    /// # Errors
    ///
    /// An error is a failure, to which the host reacts according to the
    /// [policy](super::FailurePolicy). For exceptions, see [how errors are
    /// treated](Self#how-errors-are-treated).
    fn run(&mut self, ctx: &ServiceContext) -> ServiceResult {
        ctx.wait()
    }

    /// Cleans up, within the time that is [left](ServiceContext::time_left). The default
    /// implementation does nothing.
    ///
    /// # Errors
    ///
    /// An error is a failure. The other services are still stopped.
    fn stop(&mut self, ctx: &ServiceContext) -> ServiceResult {
        let _ = ctx;
        Ok(())
    }
}
