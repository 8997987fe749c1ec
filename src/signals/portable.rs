//! The signals by way of the `ctrlc` crate: all that stop, and not which one came.

use super::error::SignalError;
use std::io;

/// Which signal came is not known.
pub(super) type Came = ();

/// Which signals stop is not to be chosen.
#[derive(Default)]
pub(crate) struct Stops(());

/// What `ctrlc` was given, which it never takes back.
pub(super) struct Source {
    is_installed: bool,
    /// `ctrlc` was called, and may have installed its handler without a thread to call it.
    was_tried: bool,
}

impl Source {
    pub(super) const fn new() -> Source {
        Source {
            is_installed: false,
            was_tried: false,
        }
    }

    /// Lets signals call `on_signal`.
    pub(super) fn take(&mut self, _: &Stops, on_signal: fn(Came)) -> Result<(), SignalError> {
        if self.is_installed {
            return Ok(());
        }
        // `ctrlc` would replace it, and say nothing.
        if !self.was_tried && has_foreign_handler() {
            return Err(SignalError::ForeignHandler);
        }
        self.was_tried = true;
        ctrlc::set_handler(move || on_signal(())).map_err(|error| match error {
            ctrlc::Error::MultipleHandlers => SignalError::ForeignHandler,
            ctrlc::Error::NoSuchSignal(_) => {
                SignalError::System(io::Error::other("no such signal"))
            }
            ctrlc::Error::System(error) => SignalError::System(error),
        })?;
        self.is_installed = true;
        Ok(())
    }

    /// The handler stays, and exits.
    pub(super) fn release(&mut self) {}

    /// None has a receiver, and none is ignored.
    pub(super) fn deliver(&mut self, (): Came) -> bool {
        false
    }

    /// All do.
    pub(super) fn stops(&self, (): Came) -> bool {
        true
    }
}

/// As in `signal received`.
pub(super) fn label((): Came) -> String {
    String::new()
}

/// Exiting has been tried, and has not ended the process.
pub(super) fn exit_without_cleaning_up(_: i32) -> ! {
    std::process::abort()
}

/// Whether other code has a handler for one of the signals that `ctrlc` takes. Only Linux
/// says so.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn has_foreign_handler() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    caught(&status).is_some_and(|caught| caught & TAKEN != 0 && !is_everything(caught))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn has_foreign_handler() -> bool {
    false
}

/// SIGHUP, SIGINT and SIGTERM: 1, 2 and 15.
#[cfg(any(target_os = "linux", target_os = "android"))]
const TAKEN: u64 = 1 << 0 | 1 << 1 | 1 << 14;

/// The signals that have a handler: the bit `n - 1` is signal `n`.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn caught(status: &str) -> Option<u64> {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

/// QEMU's user mode catches every signal itself and does not show what the program handles:
/// then nothing is known. SIGRTMIN is 34.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_everything(caught: u64) -> bool {
    caught >> 33 == u64::MAX >> 33
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_caught_signals_is_read_as_linux_writes_it() {
        let status = "SigIgn:\t0000000000001000\nSigCgt:\t0000000100004443\nCapInh:\t0\n";
        let mask = caught(status).unwrap();
        assert_eq!((mask, mask & TAKEN), (0x1_0000_4443, TAKEN));
        assert!(!is_everything(mask));
        assert_eq!(caught("SigCgt:\tsecret\n"), None);
        assert_eq!(caught(""), None);
    }

    #[test]
    fn an_emulator_that_catches_every_signal_is_no_foreign_handler() {
        let mask = caught("SigCgt:\tffffffff7780eeff\n").unwrap();
        assert!(is_everything(mask));
    }
}
