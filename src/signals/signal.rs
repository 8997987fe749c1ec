//! The signals that a program can choose.

use signal_hook::consts;
use std::ffi::c_int;
use std::fmt;

/// A signal that a program can choose to be stopped by, or to [receive](super::receiver).
/// With the feature `unix-signals`, on Unix.
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

pub(super) const ALL: [Signal; 6] = [
    Signal::Hup,
    Signal::Int,
    Signal::Quit,
    Signal::Term,
    Signal::Usr1,
    Signal::Usr2,
];

impl Signal {
    pub(super) fn number(self) -> c_int {
        match self {
            Signal::Hup => consts::SIGHUP,
            Signal::Int => consts::SIGINT,
            Signal::Quit => consts::SIGQUIT,
            Signal::Term => consts::SIGTERM,
            Signal::Usr1 => consts::SIGUSR1,
            Signal::Usr2 => consts::SIGUSR2,
        }
    }

    pub(super) fn of(number: c_int) -> Option<Signal> {
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
