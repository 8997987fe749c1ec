//! The trait of services.

use super::context::ServiceContext;
use super::failure::ServiceResult;

/// A long-lived body with a thread of its own, run by a [`Host`](super::Host).
///
/// # The contract
///
/// The three parts are called one after another, on the service's own thread,
/// which has the service's name. None of them is ever called while another
/// one runs, and none after `stop`.
///
/// 1. [`start`](Self::start) prepares: it opens, connects, loads. It may block; services
///    that need this one wait until it has returned. After a failed `start` nothing else is
///    called.
/// 2. [`run`](Self::run) works until its stop is requested: until
///    [`ctx.token()`](ServiceContext::token) is cancelled. It is not called when the stop
///    of the host began before `start` had returned.
/// 3. [`stop`](Self::stop) cleans up. It is called after `run` returned, failed or
///    panicked, and has [`ctx.time_left()`](ServiceContext::time_left) for that.
///
/// Then the value is dropped, on the same thread. A [restart](super::Restart) gets a
/// new value from the factory, on the same thread.
///
/// # When it ignores the stop
///
/// No thread can be killed. A service whose `run` does not return in time is *abandoned*:
/// its `stop` is not called, its thread is left behind until the process ends, and the
/// report names it with its last note, its last heartbeat, and what its thread is doing. No
/// other service is cut short by it: see [the order of a stop](super::Host#the-stop).
///
/// # Errors that mean more
///
/// - An error that is, or is caused by, [`Cancelled`](crate::cancel::Cancelled), after the
///   stop of the service or of the host was requested, is no failure: `ctx.sleep(pause)?` is
///   a good way to leave.
/// - Nor is another error that is due to the stop of the host: the refusal of a pool, a queue
///   or a batcher of the same host that has stopped already, a task that such a pool did not
///   start or abandoned, or [`WaitForError::Over`](super::WaitForError::Over). Where the service
///   should have been declared [after](super::ServiceBuilder::after) the other one, so as to stop
///   before it, that is logged at warn, once, with both names.
/// - An error that is, or is caused by, [`PermanentError`](crate::retry::PermanentError) is not
///   answered by a restart.
/// - `Ok` from a `run` whose stop was not requested is a failure, too, unless the service
///   is [one-shot](super::ServiceBuilder::one_shot).
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
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub trait Service {
    /// Prepares the service. May block, up to the
    /// [start timeout](super::ServiceBuilder::start_timeout), 30 s by default. Does nothing by
    /// default.
    ///
    /// # Errors
    ///
    /// The service does not run. During the start of the host, this stops the host.
    fn start(&mut self, ctx: &ServiceContext) -> ServiceResult {
        let _ = ctx;
        Ok(())
    }

    /// Does the work of the service, and blocks until its stop is requested. By default it only
    /// waits for that.
    ///
    /// # Errors
    ///
    /// A failure, to which the host reacts by the [policy](super::FailurePolicy). See the
    /// [errors that mean more](Self#errors-that-mean-more).
    fn run(&mut self, ctx: &ServiceContext) -> ServiceResult {
        ctx.wait()
    }

    /// Cleans up, with the time that is [left](ServiceContext::time_left). Does
    /// nothing by default.
    ///
    /// # Errors
    ///
    /// A failure. The others are still stopped.
    fn stop(&mut self, ctx: &ServiceContext) -> ServiceResult {
        let _ = ctx;
        Ok(())
    }
}
