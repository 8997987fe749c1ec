//! Where the process's signals go: to a receiver, to the thread that acts on them, or to the
//! process's exit.

use super::error::SignalError;
use super::requests::Requests;
#[cfg(all(unix, feature = "unix-signals"))]
use super::signal::Signal;
use super::source::{Came, Source, Stops, exit_without_cleaning_up};
use crate::async_log::UNCLEAN_REPORT_TIMEOUT;
use crate::clock::{self, Deadline};
use crate::sync::Mutex;
#[cfg(all(unix, feature = "unix-signals"))]
use crate::sync::channel::Receiver;
use crate::sync::channel::Sender;
use crate::threads;
use std::process;

/// Where the process's signals go.
pub(super) static TARGET: Mutex<Target> = Mutex::new(Target {
    source: Source::new(),
    guarded: None,
    requests: Requests::new(),
});

pub(super) struct Target {
    source: Source,
    /// To the thread that acts on signals; `None` while there is no guard.
    guarded: Option<Sender<Came>>,
    requests: Requests,
}

/// The number of requests acted on; the next one exits.
pub(super) const REQUESTS_ACTED_ON: usize = 2;

impl Target {
    pub(super) fn is_guarded(&self) -> bool {
        self.guarded.is_some()
    }

    /// Lets these signals, and no others, stop, and sends their requests to `guarded`.
    pub(super) fn guard(
        &mut self,
        stops: &Stops,
        guarded: Sender<Came>,
    ) -> Result<(), SignalError> {
        self.source.take(stops, on_signal)?;
        self.guarded = Some(guarded);
        self.requests.start_over();
        Ok(())
    }

    /// The guard is gone.
    pub(super) fn release(&mut self) {
        self.guarded = None;
        self.source.release();
    }
}

#[cfg(all(unix, feature = "unix-signals"))]
impl Target {
    /// Lets a signal go to the channel that is returned, with the number of its receiver.
    pub(super) fn receive(
        &mut self,
        signal: Signal,
    ) -> Result<(u64, Receiver<Signal>), SignalError> {
        self.source.receive(signal, on_signal)
    }

    /// The receiver of that number is gone.
    pub(super) fn release_receiver(&mut self, signal: Signal, number: u64) {
        self.source.release_receiver(signal, number);
    }
}

/// Called by the thread that takes signals from the system, once a signal, one after the
/// other: so it never waits, but sends. It also counts, so that the third request exits even
/// if the thread that acts on them is stuck in the program's logger.
fn on_signal(came: Came) {
    let mut target = TARGET.lock();
    if target.source.deliver(came) {
        return;
    }
    // Also without a guard: the second signal of one request may come when the program
    // has already stopped.
    let Some(number) = target.requests.count(clock::now()) else {
        return;
    };
    let acted_on = target.source.stops(came)
        && number as usize <= REQUESTS_ACTED_ON
        && target
            .guarded
            .as_ref()
            .is_some_and(|requests| requests.try_send(came).is_ok());
    // Not under the lock: an exit calls the program's code, and may take its time.
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
    exit_without_cleaning_up(INTERRUPTED)
}

const INTERRUPTED: i32 = 130;
