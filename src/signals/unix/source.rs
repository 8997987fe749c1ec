//! What each signal does, and what `signal-hook` was given for it.

use super::{first, reader};
use crate::signals::error::SignalError;
use crate::signals::signal::{ALL, Signal};
use crate::sync::channel::{self, Receiver, Sender};
use signal_hook::iterator::backend::Handle;

pub(in crate::signals) type Came = Signal;

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
pub(in crate::signals) struct Source {
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
    pub(in crate::signals) const fn new() -> Source {
        Source {
            registry: None,
            roles: [const { Role::Untouched }; ALL.len()],
            receivers: 0,
        }
    }

    /// Lets these signals, and no others, stop. From then on they call `on_signal`.
    pub(in crate::signals) fn take(
        &mut self,
        stops: &Stops,
        on_signal: fn(Signal),
    ) -> Result<(), SignalError> {
        for signal in &stops.0 {
            if let Role::Received(..) = self.role(*signal) {
                return Err(SignalError::InUse(*signal));
            }
        }
        for signal in &stops.0 {
            self.register(*signal, on_signal)?;
        }
        // Only now, so that an error changes nothing but what cannot be undone.
        for signal in &stops.0 {
            *self.role(*signal) = Role::Stops;
        }
        Ok(())
    }

    /// The guard is gone.
    pub(in crate::signals) fn release(&mut self) {
        for role in &mut self.roles {
            if let Role::Stops = role {
                *role = Role::Exits;
            }
        }
    }

    /// Lets a signal go to the channel that is returned, with the number of its receiver.
    pub(in crate::signals) fn receive(
        &mut self,
        signal: Signal,
        on_signal: fn(Signal),
    ) -> Result<(u64, Receiver<Signal>), SignalError> {
        if let Role::Stops | Role::Received(..) = self.role(signal) {
            return Err(SignalError::InUse(signal));
        }
        self.register(signal, on_signal)?;
        self.receivers += 1;
        // One that is waiting to be seen stands for all that came since, as one that is
        // pending does in the kernel.
        let (sender, receiver) = channel::bounded(1);
        *self.role(signal) = Role::Received(self.receivers, sender);
        Ok((self.receivers, receiver))
    }

    /// The receiver of that number is gone.
    pub(in crate::signals) fn release_receiver(&mut self, signal: Signal, number: u64) {
        let role = self.role(signal);
        if matches!(role, Role::Received(current, _) if *current == number) {
            *role = Role::Ignored;
        }
    }

    /// A signal has come. Returns whether that is all: it goes to its receiver, or is ignored.
    pub(in crate::signals) fn deliver(&mut self, signal: Signal) -> bool {
        match self.role(signal) {
            Role::Received(_, receiver) => {
                // It is full, or it is taken.
                let _ = receiver.try_send(signal);
                true
            }
            Role::Ignored => true,
            Role::Stops | Role::Exits | Role::Untouched => false,
        }
    }

    /// Whether a signal is a request to stop.
    pub(in crate::signals) fn stops(&self, signal: Signal) -> bool {
        matches!(self.roles[signal as usize], Role::Stops)
    }

    fn role(&mut self, signal: Signal) -> &mut Role {
        &mut self.roles[signal as usize]
    }

    /// Takes the signal from the system, if that was not done before.
    fn register(&mut self, signal: Signal, on_signal: fn(Signal)) -> Result<(), SignalError> {
        let registry = match &self.registry {
            Some(registry) => registry,
            None => {
                let registry = reader::start(on_signal).map_err(SignalError::System)?;
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

/// As in `signal received (SIGTERM)`.
pub(in crate::signals) fn label(signal: Signal) -> String {
    format!(" ({signal})")
}

/// Exiting has been tried, and has not ended the process.
pub(in crate::signals) fn exit_without_cleaning_up(code: i32) -> ! {
    signal_hook::low_level::exit(code)
}
