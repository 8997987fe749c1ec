//! Signals that stop: the first requests the stop, the second makes the report at once.

use super::error::SignalError;
use super::guard::SignalGuard;
use super::requests::SAME_REQUEST;
#[cfg(all(unix, feature = "unix-signals"))]
use super::signal::Signal;
use super::source::{Came, Stops, label};
use super::target::{REQUESTS_ACTED_ON, TARGET};
use crate::async_log::{LOG_TIMEOUT, log_or_stderr};
use crate::clock::Deadline;
use crate::record;
use crate::stop::{StopHandle, StopPlan};
use crate::sync::channel::{self, Receiver};
use crate::sync::{Arc, Mutex};
use crate::threads;
use std::time::Duration;

/// Stops the pool on a signal. See the [module](super) for which ones, and for what the second
/// and the third do.
///
/// The signals stop the pool until the [`SignalGuard`] is dropped. The handler stays installed
/// after that: a signal then exits with code 130, until another call takes the signals.
///
/// # Errors
///
/// Fails if signals already stop a pool or a host, if other code of the program has installed a
/// handler, or if the system refuses the handler or its thread.
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
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
pub fn stop_on_signal(
    handle: &StopHandle,
    plan: impl Into<StopPlan>,
) -> Result<SignalGuard, SignalError> {
    stop_on(Stops::default(), handle, plan.into())
}

/// Like [`stop_on_signal`], but with the given signals instead of SIGINT, SIGTERM and SIGHUP.
/// Requires Unix and the feature `unix-signals`.
///
/// Other signals keep their effect: one that was inherited as ignored, as SIGHUP is under
/// `nohup`, stays ignored. They may go to a [`receiver`](super::receiver).
///
/// # Errors
///
/// Fails like [`stop_on_signal`], and if one of the signals has a receiver.
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
/// # Ok::<(), groundcrew::BoxError>(())
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
    // Room for all requests that are acted on: the thread that takes signals never waits.
    let (sender, requests) = channel::bounded(REQUESTS_ACTED_ON);
    let mut target = TARGET.lock();
    if target.is_guarded() {
        return Err(SignalError::AlreadyTaken);
    }
    let came = Arc::new(Mutex::new(None));
    let noted = came.clone();
    // Before the handler, which cannot be taken back; without one it ends with its sender.
    threads::spawn_helper("signals".to_owned(), move || {
        act(&requests, first, second, &noted);
    })
    .map_err(SignalError::System)?;
    target.guard(&stops, sender)?;
    Ok(SignalGuard { came })
}

/// Acts on the requests, until the guard is dropped.
fn act(
    requests: &Receiver<Came>,
    first: impl FnOnce(),
    second: impl FnOnce(),
    noted: &Mutex<Option<Came>>,
) {
    if let Ok(came) = requests.recv() {
        *noted.lock() = Some(came);
        let label = label(came);
        announce(format!(
            "signal received{label}, stopping; the next one reports at once what still runs {}",
            same_request()
        ));
        first();
    }
    if let Ok(came) = requests.recv() {
        let label = label(came);
        announce(format!(
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

/// Logs a line before the program may be gone. Waits for a stuck logger for [`LOG_TIMEOUT`].
fn announce(line: String) {
    threads::run_until("signals-log", Deadline::after(LOG_TIMEOUT), move || {
        log_or_stderr(record::SIGNALS, log::Level::Warn, &line);
    });
}
