//! Signals: the first requests a graceful stop, the second makes the report at once, the
//! third exits with 130.
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
//! # One request, several signals
//!
//! One request to stop often arrives as several signals, within milliseconds: GNU
//! `timeout` signals its child and then the whole group, `npm` and `pm2` pass on what the
//! terminal has sent already, the end of a session is SIGHUP and SIGTERM. A signal within
//! 0.5 s of the last one that was counted is therefore the same request, whichever it is,
//! and does nothing more. Since the time runs from the one that was counted, a Ctrl-C
//! every 0.4 s still counts up, with every second one.
//!
//! # A choice of signals
//!
//! With the feature `unix-signals`, on Unix, the program chooses. Those that it names stop
//! it: `signals::stop_on_any_of`, `HostHandle::stop_on_any_of`, `Host::run_until_any_of`.
//! Others, SIGHUP, SIGUSR1 and SIGUSR2 mostly, it gets from a channel, with
//! `signals::receiver`: to reload, to reopen log files, to print statistics. And the lines
//! say which signal came, as does `SignalGuard::signal`.
//!
//! All signals then go through the `signal-hook` crate, those of [`stop_on_signal`], too;
//! `ctrlc` is not used.
//!
//! # What to know
//!
//! - Without `unix-signals` it is not known which of the signals came: `ctrlc`, which takes
//!   them, does not say so. It also takes a SIGHUP that was inherited as ignored, so that
//!   under `nohup` a closed terminal stops the program. Name the signals that stop, without
//!   SIGHUP, and it does not.
//! - `ctrlc` replaces a handler that is there already, and does not call it any more; and
//!   `signal-hook` accepts later registrations for a signal that it had before, and never
//!   hears of it again. On Linux [`stop_on_signal`] is therefore an error where SIGINT,
//!   SIGTERM or SIGHUP has a handler. (Under an emulator that catches every signal itself,
//!   as QEMU's user mode does, that is not known.) On other systems the handler is replaced
//!   in silence: install it after [`stop_on_signal`], with a crate that calls the one before
//!   it, as `signal-hook` does, or use the feature `unix-signals`, which does so itself.
//! - With `unix-signals`, a signal either still meets the system's default, which ends the
//!   process, or it is delivered, once, also while its handler is installed. (`signal-hook`
//!   alone loses the one that comes in between.) A signal that is ignored until then, or has
//!   a handler of other code, goes there until `signal-hook` is complete. Take signals first
//!   thing in `main`, all the same.
//! - `signal-hook` installs its handler once. So, with `unix-signals`, no other code may call
//!   `ctrlc::set_handler` afterwards: it would replace what was installed, and the signals
//!   would never arrive.
//! - A process has one place for a handler of this kind, which is why this is
//!   never installed unasked. Install it as soon as the pool is built, and only
//!   then submit: a signal before that ends the process.
//! - The third request exits by [`std::process::exit`], which flushes stdout. If that is
//!   stuck for a second, the process is ended without: with `unix-signals` the code is
//!   still 130, otherwise it is an abort (SIGABRT).
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

#[cfg(not(all(unix, feature = "unix-signals")))]
mod portable;
mod requests;
#[cfg(all(unix, feature = "unix-signals"))]
mod unix;

#[cfg(not(all(unix, feature = "unix-signals")))]
use portable as source;
#[cfg(all(unix, feature = "unix-signals"))]
use unix as source;

pub(crate) use source::Stops;
#[cfg(all(unix, feature = "unix-signals"))]
pub use unix::{Signal, SignalReceiver, receiver};

use crate::async_log::{LOG_TIMEOUT, UNCLEAN_REPORT_TIMEOUT, log_or_stderr};
use crate::causes::error_debug;
use crate::clock::{self, Deadline};
use crate::stop::{StopHandle, StopPlan};
use crate::sync::channel::{self, Receiver, Sender};
use crate::sync::{Arc, Mutex};
use crate::threads;
use requests::{Requests, SAME_REQUEST};
use source::{Came, Source};
use std::error::Error;
use std::fmt;
use std::io;
use std::process;
use std::time::Duration;

/// Where the process's signals go.
static TARGET: Mutex<Target> = Mutex::new(Target {
    source: Source::new(),
    guarded: None,
    requests: Requests::new(),
});

struct Target {
    source: Source,
    /// To the thread that acts on signals; `None` while there is no guard.
    guarded: Option<Sender<Came>>,
    requests: Requests,
}

/// The number of requests acted on; the next one exits.
const REQUESTS_ACTED_ON: usize = 2;

/// Stops the pool on a signal: see the [module](self) for which ones, and for what the
/// second and the third do.
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
    stop_on(Stops::default(), handle, plan.into())
}

/// Stops the pool on any of these signals, instead of on SIGINT, SIGTERM and SIGHUP; else as
/// [`stop_on_signal`]. With the feature `unix-signals`, on Unix.
///
/// The other signals are left as they are: one that was inherited as ignored, as SIGHUP is
/// under `nohup`, stays so. They may go to a [`receiver`].
///
/// # Errors
///
/// As [`stop_on_signal`], and when one of the signals has a receiver.
///
/// # Examples
///
/// ```
/// use groundcrew::signals::{self, Signal};
/// use groundcrew::Pool;
/// use std::time::Duration;
///
/// let pool = Pool::new(1)?;
/// let signals = [Signal::Int, Signal::Term];
/// let timeout = Duration::from_secs(8);
/// let guard = signals::stop_on_any_of(signals, &pool.stop_handle(), timeout)?;
/// assert_eq!(guard.signal(), None);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[cfg(all(unix, feature = "unix-signals"))]
pub fn stop_on_any_of(
    signals: impl IntoIterator<Item = Signal>,
    handle: &StopHandle,
    plan: impl Into<StopPlan>,
) -> Result<SignalGuard, SignalError> {
    stop_on(Stops::new(signals), handle, plan.into())
}

fn stop_on(stops: Stops, handle: &StopHandle, plan: StopPlan) -> Result<SignalGuard, SignalError> {
    let (first, second) = (handle.clone(), handle.clone());
    take(
        stops,
        move || first.request_stop(plan),
        move || second.request_stop(StopPlan::cancel(Duration::ZERO)),
    )
}

/// Takes the signals: the first two requests call what is given, on a thread of their own.
pub(crate) fn take(
    stops: Stops,
    first: impl FnOnce() + Send + 'static,
    second: impl FnOnce() + Send + 'static,
) -> Result<SignalGuard, SignalError> {
    let (sender, requests) = channel::bounded(REQUESTS_ACTED_ON);
    let mut target = TARGET.lock();
    if target.guarded.is_some() {
        return Err(SignalError::AlreadyTaken);
    }
    let came = Arc::new(Mutex::new(None));
    let noted = came.clone();
    // Before the handler, which cannot be taken back; without one it ends with its sender.
    threads::spawn_helper("signals".to_owned(), move || {
        act(&requests, first, second, &noted);
    })
    .map_err(SignalError::System)?;
    target.source.take(&stops)?;
    target.guarded = Some(sender);
    target.requests.start_over();
    Ok(SignalGuard { came })
}

/// Called by the thread that takes signals from the system, once a signal, one after the
/// other: so it never waits, but sends. It also counts, so that the third request exits even
/// if the thread that acts on them is stuck in the program's logger.
fn on_signal(came: Came, stops: bool) {
    let mut target = TARGET.lock();
    // Also without a guard: the second signal of one request may come when the program
    // has already stopped.
    let Some(number) = target.requests.count(clock::now()) else {
        return;
    };
    let acted_on = stops
        && number as usize <= REQUESTS_ACTED_ON
        && target
            .guarded
            .as_ref()
            .is_some_and(|requests| requests.try_send(came).is_ok());
    drop(target);
    if !acted_on {
        exit();
    }
}

/// Exits with 130. An exit flushes stdout and calls what was registered for it, all of which
/// may be stuck, also in the thread that has left `main`: so it is not waited for without
/// end.
fn exit() -> ! {
    let deadline = Deadline::after(UNCLEAN_REPORT_TIMEOUT);
    threads::run_until("signals-exit", deadline, || process::exit(INTERRUPTED));
    source::exit_without_cleaning_up()
}

const INTERRUPTED: i32 = 130;

/// Acts on the requests, until the guard is dropped.
fn act(
    requests: &Receiver<Came>,
    first: impl FnOnce(),
    second: impl FnOnce(),
    noted: &Mutex<Option<Came>>,
) {
    if let Ok(came) = requests.recv() {
        *noted.lock() = Some(came);
        let label = source::label(came);
        tell(format!(
            "signal received{label}, stopping; the next one reports at once what still runs {}",
            same_request()
        ));
        first();
    }
    if let Ok(came) = requests.recv() {
        let label = source::label(came);
        tell(format!(
            "second signal received{label}, reporting what still runs; the next one exits {}",
            same_request()
        ));
        second();
    }
}

/// What both lines say of the next signal.
fn same_request() -> String {
    let seconds = SAME_REQUEST.as_secs_f64();
    format!("(within {seconds} s it is the same request)")
}

/// Says a line before the program may be gone, but not at any price.
fn tell(line: String) {
    threads::run_until("signals-log", Deadline::after(LOG_TIMEOUT), move || {
        log_or_stderr(log::Level::Warn, &line);
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
    /// The first signal. Written by the thread that acts on signals, before it does.
    came: Arc<Mutex<Option<Came>>>,
}

impl SignalGuard {
    /// Whether a signal has come.
    pub fn received(&self) -> bool {
        self.came.lock().is_some()
    }

    /// The signal that came first. With the feature `unix-signals`, on Unix.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::{Pool, signals};
    /// # use std::time::Duration;
    /// # let pool = Pool::new(1)?;
    /// let guard = signals::stop_on_signal(&pool.stop_handle(), Duration::from_secs(8))?;
    /// assert_eq!(guard.signal(), None);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    #[cfg(all(unix, feature = "unix-signals"))]
    pub fn signal(&self) -> Option<Signal> {
        *self.came.lock()
    }
}

impl Drop for SignalGuard {
    fn drop(&mut self) {
        let mut target = TARGET.lock();
        target.guarded = None;
        target.source.release();
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
pub enum SignalError {
    /// Signals already stop a pool or a host.
    AlreadyTaken,
    /// Other code of the program has installed a handler for the signals that stop: with
    /// `ctrlc`, or, where the system says so (Linux), in any way.
    ForeignHandler,
    /// The signal is already in use: it has a [`receiver`], or it stops a pool or a host.
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
                 pools, call StopHandle::request on the others when guard.received() is true",
            ),
            SignalError::ForeignHandler => f.write_str(
                "this process already has a handler for Ctrl-C, SIGTERM or SIGHUP, which would \
                 be replaced; call StopHandle::request, or HostHandle::request_stop, in it, or, \
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
