//! Why signals could not be taken.

#[cfg(all(unix, feature = "unix-signals"))]
use super::signal::Signal;
use crate::causes::error_debug;
use std::error::Error;
use std::fmt;
use std::io;

/// Why signals could not be taken.
///
/// # Examples
///
/// ```
/// use groundcrew::{Pool, signals};
/// use groundcrew::signals::SignalError;
/// use std::time::Duration;
///
/// let pool = Pool::new(1)?;
/// let _guard = signals::stop_on_signal(&pool.stop_handle(), Duration::from_secs(8))?;
/// let second = signals::stop_on_signal(&pool.stop_handle(), Duration::from_secs(8));
/// assert!(matches!(second, Err(SignalError::AlreadyTaken)));
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[non_exhaustive]
pub enum SignalError {
    /// Signals already stop a pool or a host.
    AlreadyTaken,
    /// Other code of the program has installed a handler for the signals that stop: with
    /// `ctrlc`, or, where the system says so (Linux), in any way.
    ForeignHandler,
    /// The signal is already in use: it has a [`receiver`](super::receiver), or it stops a pool or a host.
    #[cfg(all(unix, feature = "unix-signals"))]
    InUse(Signal),
    /// The system refused the handler, or the thread it needs.
    System(io::Error),
}

impl fmt::Display for SignalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SignalError::AlreadyTaken => f.write_str(
                "signals already stop a pool or a host; drop that guard first, or, to stop several \
                 pools, call StopHandle::request_stop on the others when guard.received() is true",
            ),
            SignalError::ForeignHandler => f.write_str(
                "this process already has a handler for Ctrl-C, SIGTERM or SIGHUP, which would \
                 be replaced; call StopHandle::request_stop, or HostHandle::request_stop, in it, or, \
                 on Unix, let groundcrew's feature `unix-signals` call both",
            ),
            #[cfg(all(unix, feature = "unix-signals"))]
            SignalError::InUse(signal) => write!(
                f,
                "{signal} is already in use: it either stops this program, or goes to one \
                 signals::receiver; name those that stop with stop_on_any_of or \
                 run_until_any_of, and clone the receiver to share it"
            ),
            SignalError::System(error) => {
                write!(f, "the system refused a handler for Ctrl-C: {error}")
            }
        }
    }
}

error_debug!(
    enum SignalError {
        AlreadyTaken,
        ForeignHandler,
        #[cfg(all(unix, feature = "unix-signals"))]
        InUse(signal),
        System(error),
    }
);

impl Error for SignalError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SignalError::System(error) => Some(error),
            _ => None,
        }
    }
}
