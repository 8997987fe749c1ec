//! The signals by way of the `signal-hook` crate: each does what the program says.

mod first;
mod reader;

use super::{SignalError, TARGET};
use crate::sync::Arc;
use crate::sync::channel::{self, Receiver, Sender};
use signal_hook::consts;
use signal_hook::iterator::backend::Handle;
use std::ffi::c_int;
use std::fmt;
use std::ops::Deref;

/// A signal that a program can choose to be stopped by, or to [receive](super::receiver).
/// With the feature `unix-signals`, on Unix.
///
/// # Examples
///
/// ```
/// use groundcrew::signals::Signal;
///
/// assert_eq!(Signal::Hup.to_string(), "SIGHUP");
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// SIGHUP: the terminal or session was closed; for daemons, by convention, a request
    /// to reload the configuration or to reopen log files.
    Hup,
    /// SIGINT: Ctrl-C.
    Int,
    /// SIGQUIT: Ctrl-\\. Without a handler it ends the process with a core dump.
    Quit,
    /// SIGTERM: the request to stop of `kill`, Docker, Kubernetes and systemd.
    Term,
    /// SIGUSR1: free for the program's own use.
    Usr1,
    /// SIGUSR2: free for the program's own use.
    Usr2,
}

const ALL: [Signal; 6] = [
    Signal::Hup,
    Signal::Int,
    Signal::Quit,
    Signal::Term,
    Signal::Usr1,
    Signal::Usr2,
];

impl Signal {
    fn number(self) -> c_int {
        match self {
            Signal::Hup => consts::SIGHUP,
            Signal::Int => consts::SIGINT,
            Signal::Quit => consts::SIGQUIT,
            Signal::Term => consts::SIGTERM,
            Signal::Usr1 => consts::SIGUSR1,
            Signal::Usr2 => consts::SIGUSR2,
        }
    }

    fn of(number: c_int) -> Option<Signal> {
        ALL.into_iter().find(|signal| signal.number() == number)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Signal::Hup => "SIGHUP",
            Signal::Int => "SIGINT",
            Signal::Quit => "SIGQUIT",
            Signal::Term => "SIGTERM",
            Signal::Usr1 => "SIGUSR1",
            Signal::Usr2 => "SIGUSR2",
        })
    }
}

pub(super) type Came = Signal;

/// Which signals stop.
pub(crate) struct Stops(Vec<Signal>);

impl Stops {
    pub(crate) fn new(signals: impl IntoIterator<Item = Signal>) -> Stops {
        Stops(signals.into_iter().collect())
    }
}

/// Those that `ctrlc` takes.
impl Default for Stops {
    fn default() -> Stops {
        Stops::new([Signal::Int, Signal::Term, Signal::Hup])
    }
}

/// What each signal does. What `signal-hook` was given once it never gives back to the
/// system, so that a signal that was taken is ours to answer from then on.
pub(super) struct Source {
    /// `None` until the first signal is taken.
    registry: Option<Handle>,
    roles: [Role; ALL.len()],
    /// How many receivers there have been.
    receivers: u64,
}

enum Role {
    /// Not taken yet: the system does what it always does.
    Untouched,
    /// It is a request to stop.
    Stops,
    /// It was one, and its guard is gone.
    Exits,
    /// It goes to the receiver of that number.
    Received(u64, Sender<Signal>),
    /// It went to one that is gone.
    Ignored,
}

impl Source {
    pub(super) const fn new() -> Source {
        Source {
            registry: None,
            roles: [const { Role::Untouched }; ALL.len()],
            receivers: 0,
        }
    }

    /// Lets these signals, and no others, stop.
    pub(super) fn take(&mut self, stops: &Stops) -> Result<(), SignalError> {
        for signal in &stops.0 {
            if let Role::Received(..) = self.role(*signal) {
                return Err(SignalError::InUse(*signal));
            }
        }
        for signal in &stops.0 {
            self.register(*signal)?;
        }
        // Only now, so that an error changes nothing but what cannot be undone.
        for signal in &stops.0 {
            *self.role(*signal) = Role::Stops;
        }
        Ok(())
    }

    /// The guard is gone.
    pub(super) fn release(&mut self) {
        for role in &mut self.roles {
            if let Role::Stops = role {
                *role = Role::Exits;
            }
        }
    }

    fn receive(&mut self, signal: Signal) -> Result<SignalReceiver, SignalError> {
        if let Role::Stops | Role::Received(..) = self.role(signal) {
            return Err(SignalError::InUse(signal));
        }
        self.register(signal)?;
        self.receivers += 1;
        // One that is waiting to be seen stands for all that came since, as one that is
        // pending does in the kernel.
        let (sender, receiver) = channel::bounded(1);
        *self.role(signal) = Role::Received(self.receivers, sender);
        Ok(SignalReceiver {
            receiver,
            registration: Arc::new(Registration {
                signal,
                number: self.receivers,
            }),
        })
    }

    fn role(&mut self, signal: Signal) -> &mut Role {
        &mut self.roles[signal as usize]
    }

    /// Takes the signal from the system, if that was not done before.
    fn register(&mut self, signal: Signal) -> Result<(), SignalError> {
        let registry = match &self.registry {
            Some(registry) => registry,
            None => {
                let registry = reader::start(deliver).map_err(SignalError::System)?;
                self.registry.insert(registry)
            }
        };
        let role = &mut self.roles[signal as usize];
        if !matches!(role, Role::Untouched) {
            return Ok(());
        }
        first::replace_default(signal).map_err(SignalError::System)?;
        if let Err(error) = registry.add_signal(signal.number()) {
            // What it returns is of no more interest than the error that led here.
            let _ = first::restore_default(signal);
            return Err(SignalError::System(error));
        }
        *role = Role::Exits;
        Ok(())
    }
}

/// Called by the reader, once a signal.
fn deliver(signal: Signal) {
    let stops = match TARGET.lock().source.role(signal) {
        Role::Received(_, receiver) => {
            // It is full, or it is taken.
            let _ = receiver.try_send(signal);
            return;
        }
        Role::Ignored => return,
        Role::Stops => true,
        Role::Exits | Role::Untouched => false,
    };
    super::on_signal(signal, stops);
}

/// Sends a signal to the receiver that is returned, instead of ending the process. With the
/// feature `unix-signals`, on Unix.
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
/// When the signal already has a receiver, or stops a pool or a host: SIGINT, SIGTERM and
/// SIGHUP do after [`stop_on_signal`](super::stop_on_signal), and those that were named
/// after [`stop_on_any_of`](super::stop_on_any_of). When the system refuses the handler or
/// its thread.
///
/// # Examples
///
/// A service that reloads at SIGHUP, in a host that SIGINT and SIGTERM stop:
///
/// ```
/// use groundcrew::channel::select;
/// use groundcrew::signals::{self, Signal};
/// use groundcrew::{Host, HostReport};
///
/// fn main() -> Result<HostReport, Box<dyn std::error::Error + Send + Sync>> {
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
    TARGET.lock().source.receive(signal)
}

/// Receives one kind of signal: see [`receiver`]. A clone receives from the same channel;
/// when the last one is dropped, the signal is ignored.
///
/// It dereferences to the channel's [`Receiver`], whose methods it has.
///
/// # Examples
///
/// ```
/// use groundcrew::signals::{self, Signal};
///
/// let usr1 = signals::receiver(Signal::Usr1)?;
/// if usr1.try_recv().is_ok() {
///     println!("the statistics are requested");
/// }
/// # Ok::<(), signals::SignalError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "dropping the receiver lets the signal be ignored"]
pub struct SignalReceiver {
    receiver: Receiver<Signal>,
    registration: Arc<Registration>,
}

impl SignalReceiver {
    /// The signal that it receives.
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
        let mut target = TARGET.lock();
        let role = target.source.role(self.signal);
        if matches!(role, Role::Received(number, _) if *number == self.number) {
            *role = Role::Ignored;
        }
    }
}

/// As in `signal received (SIGTERM)`.
pub(super) fn label(signal: Signal) -> String {
    format!(" ({signal})")
}

/// Exiting has been tried, and has not ended the process.
pub(super) fn exit_without_cleaning_up() -> ! {
    signal_hook::low_level::exit(super::INTERRUPTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_has_its_own_place_and_number() {
        for (place, signal) in ALL.into_iter().enumerate() {
            assert_eq!(signal as usize, place);
            assert_eq!(Signal::of(signal.number()), Some(signal));
        }
        assert_eq!(Signal::of(consts::SIGCHLD), None);
    }
}
