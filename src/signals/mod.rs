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
//! use groundcrew::{BoxError, Pool, StopReport, signals};
//! use std::time::Duration;
//!
//! fn main() -> Result<StopReport, BoxError> {
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

// From the bottom up:
//
// - `signal`: the signals that a program can choose, with `unix-signals`.
// - `error`: why signals could not be taken.
// - `requests`: which of the signals that come are requests; pure.
// - `portable`, `unix`: the sources of signals. `source`: the one that is used.
// - `target`: where the process's signals go: the source, the guard's thread, the requests.
// - `guard`: what keeps the handler in force. `stop`: the thread that acts on the requests.
// - `signal_receiver`: the signals that do not stop, with `unix-signals`.

mod error;
mod guard;
#[cfg(not(all(unix, feature = "unix-signals")))]
mod portable;
mod requests;
#[cfg(all(unix, feature = "unix-signals"))]
mod signal;
#[cfg(all(unix, feature = "unix-signals"))]
mod signal_receiver;
mod source;
mod stop;
mod target;
#[cfg(all(unix, feature = "unix-signals"))]
mod unix;

pub use error::SignalError;
pub use guard::SignalGuard;
#[cfg(all(unix, feature = "unix-signals"))]
pub use signal::Signal;
#[cfg(all(unix, feature = "unix-signals"))]
pub use signal_receiver::{SignalReceiver, receiver};
pub(crate) use source::Stops;
#[cfg(all(unix, feature = "unix-signals"))]
pub use stop::stop_on_any_of;
pub use stop::stop_on_signal;
pub(crate) use stop::take;
