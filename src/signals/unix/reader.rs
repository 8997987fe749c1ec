//! The thread that reads signals, for as long as the process lives.

use super::first;
use crate::signals::signal::{ALL, Signal};
use crate::threads;
use signal_hook::iterator::backend::{Handle, SignalDelivery};
use signal_hook::iterator::exfiltrator::SignalOnly;
use std::io::{self, ErrorKind, Read};
use std::os::unix::net::UnixStream;

/// Starts it. It calls `on_signal` for each signal.
pub(super) fn start(on_signal: fn(Signal)) -> io::Result<Handle> {
    let (read, write) = UnixStream::pair()?;
    // Also that of `signal-hook`, which does not block anyway.
    write.set_nonblocking(true)?;
    let wakes = write.try_clone()?;
    let mut delivery = SignalDelivery::with_pipe(read, write, SignalOnly, [0; 0])?;
    let registry = delivery.handle();
    threads::spawn_helper("signals-reader".to_owned(), move || {
        let mut arrivals = Arrivals::default();
        while wait_for_a_byte(delivery.get_read_mut()) {
            // Invariant 4 of `first`: all of these before the first note.
            let mut heard = [false; ALL.len()];
            for signal in delivery.pending().filter_map(Signal::of) {
                heard[signal as usize] = true;
            }
            for signal in ALL {
                let noted = first::take_note(signal);
                if arrivals.is_new(signal, noted, heard[signal as usize]) {
                    on_signal(signal);
                }
            }
        }
    })?;
    first::wake_by(wakes.into());
    Ok(registry)
}

/// Returns `false` if there will be none, which does not happen: the other end stays open.
fn wait_for_a_byte(pipe: &mut UnixStream) -> bool {
    loop {
        match pipe.read(&mut [0]) {
            Ok(read) => return read > 0,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

/// Tells signals that have come from those that were delivered already.
#[derive(Default)]
struct Arrivals {
    /// Which signals are noted when they come.
    are_noted: [bool; ALL.len()],
}

impl Arrivals {
    /// Whether to deliver a signal: whether it was noted, and whether `signal-hook` has said
    /// that it came.
    fn is_new(&mut self, signal: Signal, noted: bool, heard: bool) -> bool {
        let is_noted = &mut self.are_noted[signal as usize];
        *is_noted |= noted;
        noted || heard && !*is_noted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem;

    #[test]
    fn a_signal_that_is_noted_is_not_delivered_again_when_signal_hook_says_so() {
        let mut arrivals = Arrivals::default();
        let mut is_new = |noted, heard| arrivals.is_new(Signal::Term, noted, heard);
        assert!(is_new(true, false)); // before signal-hook, or in its gap
        assert!(is_new(true, true));
        assert!(is_new(true, false)); // woken by the note
        assert!(!is_new(false, true)); // and then by signal-hook
        assert!(!is_new(false, false)); // what woke it was another signal
    }

    #[test]
    fn a_signal_that_is_never_noted_counts_when_signal_hook_says_so() {
        let mut arrivals = Arrivals::default();
        assert!(arrivals.is_new(Signal::Term, true, false));
        for _ in 0..3 {
            assert!(arrivals.is_new(Signal::Hup, false, true));
            assert!(!arrivals.is_new(Signal::Hup, false, false));
        }
    }

    /// Two signals of three steps each (the note, the byte, what `signal-hook` says) and the
    /// reader's two steps in every order; either signal may come before `signal-hook` speaks.
    #[test]
    fn no_order_of_steps_loses_or_doubles_a_signal() {
        const STEPS: u32 = 11;
        let mut orders = 0;
        for order in 0..3_u32.pow(STEPS) {
            let steps = (0..STEPS).map(|place| order as usize / 3_usize.pow(place) % 3);
            let steps: Vec<_> = steps.collect();
            let count = |who| steps.iter().filter(|step| **step == who).count();
            if count(0) != 3 || count(1) != 3 {
                continue;
            }
            orders += 1;
            for speaks in [[true, true], [false, true], [false, false]] {
                let mut process = Process {
                    speaks,
                    ..Process::default()
                };
                for step in &steps {
                    match step {
                        2 => process.read(),
                        signal => process.signal(*signal),
                    }
                    assert!(process.delivered <= process.came, "doubled: {steps:?}");
                }
                while process.woken || process.heard.is_some() {
                    process.read();
                }
                assert!(process.delivered <= process.came, "doubled: {steps:?}");
                assert!(!process.is_owed, "lost: {steps:?}");
            }
        }
        assert_eq!(orders, 9_240); // 11! / (3! 3! 5!)
    }

    #[derive(Default)]
    struct Process {
        arrivals: Arrivals,
        /// Whether `signal-hook` has registered the signal by then.
        speaks: [bool; 2],
        /// Steps done of each signal, and whether it has to write the byte.
        done: [(usize, bool); 2],
        noted: bool,
        said: bool,
        woken: bool,
        /// What the reader has heard, between its two steps.
        heard: Option<bool>,
        came: usize,
        /// A signal has come since the last delivery.
        is_owed: bool,
        delivered: usize,
    }

    impl Process {
        fn signal(&mut self, signal: usize) {
            let (done, writes) = &mut self.done[signal];
            match *done {
                0 => {
                    self.came += 1;
                    self.is_owed = true;
                    *writes = !self.noted;
                    self.noted = true;
                }
                1 => self.woken |= *writes,
                _ => {
                    self.said |= self.speaks[signal];
                    self.woken |= self.speaks[signal];
                }
            }
            *done += 1;
        }

        fn read(&mut self) {
            match self.heard.take() {
                None if !self.woken => {}
                None => {
                    self.woken = false;
                    self.heard = Some(mem::take(&mut self.said));
                }
                Some(heard) => {
                    let noted = mem::take(&mut self.noted);
                    if self.arrivals.is_new(Signal::Term, noted, heard) {
                        self.delivered += 1;
                        self.is_owed = false;
                    }
                }
            }
        }
    }
}
