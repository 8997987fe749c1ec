//! Signals that do not stop, but go to a channel.

use super::error::SignalError;
use super::signal::Signal;
use super::target::TARGET;
use crate::sync::Arc;
use crate::sync::channel::Receiver;
use std::ops::Deref;

/// Returns a receiver that gets a signal, which then does not end the process. Requires Unix and
/// the feature `unix-signals`.
///
/// Signals that come before a thread receives them wait: a program that takes SIGHUP first
/// thing in `main` misses none while it starts. Several that wait are one, as for the
/// system.
///
/// The receiver is a [crossbeam channel](crate::channel)'s, so that it can be an arm of
/// [`select!`](crate::channel::select). It holds until its last clone is dropped. From then
/// on the signal is ignored: a reload that comes during the stop, when the service that
/// reloads has ended, must not end the process.
///
/// # Errors
///
/// Fails if the signal already has a receiver, or stops a pool or a host, as SIGINT, SIGTERM and
/// SIGHUP do after [`stop_on_signal`](super::stop_on_signal), and those that were named after
/// [`stop_on_any_of`](super::stop_on_any_of). Fails if the system refuses the handler or its
/// thread.
///
/// # Examples
///
/// A service that reloads at SIGHUP, in a host that SIGINT and SIGTERM stop:
///
/// ```
/// use groundcrew::channel::select;
/// use groundcrew::signals::{self, Signal};
/// use groundcrew::{BoxError, Host, HostReport};
///
/// fn main() -> Result<HostReport, BoxError> {
///     let hangup = signals::receiver(Signal::Hup)?;
///     let mut host = Host::builder();
///     host.background("reload", move |ctx| {
///         let stopped = ctx.token().receiver();
///         loop {
///             select! {
///                 recv(hangup) -> _ => println!("reads its configuration again"),
///                 recv(stopped) -> _ => return Ok(()),
///             }
///         }
///     });
///     # host.background("end", |ctx| Ok(ctx.request_stop("the example is over")));
///     Ok(host.build()?.run_until_any_of([Signal::Int, Signal::Term])?)
/// }
/// ```
pub fn receiver(signal: Signal) -> Result<SignalReceiver, SignalError> {
    let (number, receiver) = TARGET.lock().receive(signal)?;
    Ok(SignalReceiver {
        receiver,
        registration: Arc::new(Registration { signal, number }),
    })
}

/// Receives one kind of signal: see [`receiver`]. A clone receives from the same channel;
/// when the last one is dropped, the signal is ignored.
///
/// It dereferences to the channel's [`Receiver`], whose methods it has.
#[derive(Clone, Debug)]
#[must_use = "dropping the receiver lets the signal be ignored"]
pub struct SignalReceiver {
    receiver: Receiver<Signal>,
    registration: Arc<Registration>,
}

impl SignalReceiver {
    /// Returns the signal that it receives.
    pub fn signal(&self) -> Signal {
        self.registration.signal
    }
}

impl Deref for SignalReceiver {
    type Target = Receiver<Signal>;

    fn deref(&self) -> &Receiver<Signal> {
        &self.receiver
    }
}

#[derive(Debug)]
struct Registration {
    signal: Signal,
    number: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        TARGET.lock().release_receiver(self.signal, self.number);
    }
}
