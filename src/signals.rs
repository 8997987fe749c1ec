//! Signals: the first stops, the second insists, the third exits.
//!
//! Nothing is installed before [`stop_on_signal`] is called. From then on
//! SIGINT (Ctrl-C), SIGTERM and SIGHUP, or Ctrl-C and Ctrl-Break on Windows,
//! mean the same:
//!
//! 1. the first requests the stop, with the plan given;
//! 2. the second moves its deadline to now: what still runs is abandoned, and
//!    the report is made all the same;
//! 3. the third exits at once with code 130.
//!
//! The first two say, in one line to the log, or to stderr where no logger is
//! enabled, what the next one does.
//!
//! # What to know
//!
//! - Which of the signals came is not told: the `ctrlc` crate, that takes them,
//!   does not tell. It also takes a SIGHUP that was inherited as ignored, so
//!   that under `nohup` a closed terminal stops the program.
//! - A process has one place for a handler of this kind, which is why this is
//!   never installed unasked. Install it as soon as the pool is built, and only
//!   then submit: a signal before that ends the process.
//! - SIGQUIT (Ctrl-\\) is left alone, for when nothing else helps.
//! - As the first process of a container (PID 1) a program without a handler
//!   ignores SIGTERM; with this one it stops. Docker kills 10 s after that.
//!
//! # Examples
//!
//! ```no_run
//! use groundcrew::{Pool, StopReport, signals};
//! use std::error::Error;
//! use std::time::Duration;
//!
//! fn main() -> Result<StopReport, Box<dyn Error + Send + Sync>> {
//!     let pool = Pool::new(2)?;
//!     let guard = signals::stop_on_signal(&pool.stop_handle(), Duration::from_secs(8))?;
//!     for number in 0..1_000_000_u64 {
//!         if pool.execute(move || number.pow(2)).is_err() {
//!             break; // a signal closed the pool
//!         }
//!     }
//!     let report = pool.stop(Duration::from_secs(60));
//!     if guard.received() {
//!         eprintln!("interrupted");
//!         eprintln!("{report}");
//!         std::process::exit(130);
//!     }
//!     Ok(report) // exit code 0, or 75 if work was left behind
//! }
//! ```

use crate::clock::Deadline;
use crate::journal::TIME_TO_TELL;
use crate::stop::{StopHandle, StopPlan, say};
use crate::sync::channel::{self, Receiver, Sender};
use crate::sync::{Acquire, Arc, AtomicBool, Mutex, Release};
use crate::threads;
use std::error::Error;
use std::fmt;
use std::io;
use std::process;
use std::time::Duration;

/// Where the process's one handler sends its signals; `None` while nobody
/// wants them.
static TARGET: Mutex<Target> = Mutex::new(Target {
    handler_installed: false,
    signals: None,
    count: 0,
});

struct Target {
    /// The handler was given to `ctrlc`, which never takes it back.
    handler_installed: bool,
    signals: Option<Sender<()>>,
    /// How many signals have come since the guard was made.
    count: usize,
}

/// So many signals are acted on; the next one exits.
const SIGNALS_ACTED_ON: usize = 2;

/// Stops the pool on a signal: see the [module](self) for which ones, and for
/// what the second and the third do. Does not block.
///
/// It holds until the [`SignalGuard`] is dropped. The handler itself stays
/// installed after that, and exits with code 130, whichever signal it was; it
/// can be taken again with another call.
///
/// # Errors
///
/// When signals already stop a pool, when some other code of the program has
/// installed a handler with `ctrlc`, or when the system refuses the handler or
/// its thread.
///
/// # Examples
///
/// ```
/// use groundcrew::{Pool, signals};
/// use std::time::Duration;
///
/// let pool = Pool::new(1)?;
/// let guard = signals::stop_on_signal(&pool.stop_handle(), Duration::from_secs(8))?;
/// assert!(!guard.received());
///
/// let second = signals::stop_on_signal(&pool.stop_handle(), Duration::from_secs(8));
/// assert!(second.unwrap_err().to_string().contains("already"));
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub fn stop_on_signal(
    handle: &StopHandle,
    plan: impl Into<StopPlan>,
) -> Result<SignalGuard, SignalError> {
    let (plan, first, second) = (plan.into(), handle.clone(), handle.clone());
    take(
        move || first.request(plan),
        move || second.request(StopPlan::cancel(Duration::ZERO)),
    )
}

/// Takes the signals: the first two call what is given, on a thread of their
/// own.
pub(crate) fn take(
    first: impl FnOnce() + Send + 'static,
    second: impl FnOnce() + Send + 'static,
) -> Result<SignalGuard, SignalError> {
    let (sender, signals) = channel::bounded(SIGNALS_ACTED_ON);
    let mut target = TARGET.lock();
    if target.signals.is_some() {
        return Err(SignalError::AlreadyTaken);
    }
    if !target.handler_installed {
        ctrlc::set_handler(on_signal).map_err(|error| match error {
            ctrlc::Error::MultipleHandlers => SignalError::ForeignHandler,
            ctrlc::Error::NoSuchSignal(_) => {
                SignalError::System(io::Error::other("no such signal"))
            }
            ctrlc::Error::System(error) => SignalError::System(error),
        })?;
        target.handler_installed = true;
    }
    let received = Arc::new(AtomicBool::new(false));
    let heard = received.clone();
    threads::spawn_helper("signals".to_owned(), move || {
        act(&signals, first, second, &heard);
    })
    .map_err(SignalError::System)?;
    target.signals = Some(sender);
    target.count = 0;
    Ok(SignalGuard { received })
}

/// Called by ctrlc's thread, once a signal, one after the other: so it never
/// waits, but sends. It also counts, so that the third signal exits even if the
/// thread that acts on them is stuck in the program's logger.
fn on_signal() {
    let mut target = TARGET.lock();
    target.count += 1;
    let acted_on = target.count <= SIGNALS_ACTED_ON
        && target
            .signals
            .as_ref()
            .is_some_and(|signals| signals.try_send(()).is_ok());
    drop(target);
    if !acted_on {
        process::exit(INTERRUPTED);
    }
}

const INTERRUPTED: i32 = 130;

/// Acts on the signals, until the guard is dropped.
fn act(signals: &Receiver<()>, first: impl FnOnce(), second: impl FnOnce(), heard: &AtomicBool) {
    if signals.recv().is_ok() {
        heard.store(true, Release);
        tell("signal received, stopping; the next one reports at once what still runs");
        first();
    }
    if signals.recv().is_ok() {
        tell("second signal received, reporting what still runs; the next one exits");
        second();
    }
}

/// Says a line before the program may be gone, but not at any price.
fn tell(line: &'static str) {
    threads::run_until("signals-log", Deadline::after(TIME_TO_TELL), move || {
        say(log::Level::Warn, line);
    });
}

/// Keeps a signal handler of [`stop_on_signal`] in force; dropping it releases
/// the signals.
///
/// # Examples
///
/// ```
/// use groundcrew::{Pool, signals};
/// use std::time::Duration;
///
/// let pool = Pool::new(1)?;
/// let guard = signals::stop_on_signal(&pool.stop_handle(), Duration::from_secs(8))?;
/// drop(guard);
/// // and so it can be taken again
/// let _guard = signals::stop_on_signal(&pool.stop_handle(), Duration::from_secs(8))?;
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug)]
#[must_use = "dropping the guard releases the signals"]
pub struct SignalGuard {
    /// Written by the thread that acts on signals, before it does.
    received: Arc<AtomicBool>,
}

impl SignalGuard {
    /// Whether a signal has come. Does not block.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Pool, signals};
    /// use std::time::Duration;
    ///
    /// let pool = Pool::new(1)?;
    /// let guard = signals::stop_on_signal(&pool.stop_handle(), Duration::from_secs(8))?;
    /// assert!(!guard.received());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn received(&self) -> bool {
        self.received.load(Acquire)
    }
}

impl Drop for SignalGuard {
    fn drop(&mut self) {
        TARGET.lock().signals = None;
    }
}

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
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[non_exhaustive]
#[derive(Debug)]
pub enum SignalError {
    /// Signals already stop a pool or a host.
    AlreadyTaken,
    /// Other code of the program has installed a handler with `ctrlc`.
    ForeignHandler,
    /// The system refused the handler, or the thread it needs.
    System(io::Error),
}

impl fmt::Display for SignalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SignalError::AlreadyTaken => f.write_str(
                "signals already stop a pool or a host; drop that guard first, or, to stop several \
                 pools, call StopHandle::request on the others when guard.received() is true",
            ),
            SignalError::ForeignHandler => f.write_str(
                "this process already has a handler for Ctrl-C; call StopHandle::request, or \
                 HostHandle::request_stop, in it",
            ),
            SignalError::System(error) => {
                write!(f, "the system refused a handler for Ctrl-C: {error}")
            }
        }
    }
}

impl Error for SignalError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SignalError::AlreadyTaken | SignalError::ForeignHandler => None,
            SignalError::System(error) => Some(error),
        }
    }
}
