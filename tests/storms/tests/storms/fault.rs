//! What becomes of one start.

use crate::common::{LONG, within};
use crate::disk::Disk;
use crate::tally::{Count, Tally};
use fastrand::Rng;
use std::process::{Child, Command, Output};
use std::thread;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It is left alone, and ends by itself.
    None,
    Once,
    /// The second one is another request, not the same once more.
    Twice,
    Kill,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    None,
    Full,
    ReadOnly,
}

#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) stop: Stop,
    /// When the disk gets into trouble, and when the first signal comes.
    pub(crate) trouble: Trouble,
    trouble_after: Duration,
    stop_after: Duration,
    /// How long after the first the second signal comes.
    again_after: Duration,
    /// For how long it is frozen before the stop, so long before the signal.
    frozen_before: Option<Duration>,
    /// How long after the signal it is frozen, and for how long.
    frozen_inside: Option<(Duration, Duration)>,
}

impl Fault {
    pub(crate) fn none() -> Fault {
        Fault {
            stop: Stop::None,
            trouble: Trouble::None,
            trouble_after: Duration::ZERO,
            stop_after: Duration::ZERO,
            again_after: Duration::ZERO,
            frozen_before: None,
            frozen_inside: None,
        }
    }

    /// Stops that come any moment until `latest`, in milliseconds.
    pub(crate) fn draw(rng: &mut Rng, latest: u64, has_disk: bool) -> Fault {
        let mut milliseconds = |range| Duration::from_millis(rng.u64(range));
        let mut fault = Fault {
            stop_after: milliseconds(0..latest),
            // Two within half a second count as one.
            again_after: milliseconds(550..700),
            trouble_after: milliseconds(0..latest),
            ..Fault::none()
        };
        let (frozen_before, short) = (milliseconds(50..900), milliseconds(0..60));
        let (moment, frozen_inside) = (milliseconds(0..400), milliseconds(50..1200));
        fault.stop = [Stop::Once, Stop::Once, Stop::Twice, Stop::Kill][rng.usize(..4)];
        if rng.u8(..5) == 0 {
            fault.frozen_before = Some(frozen_before);
        }
        if matches!(fault.stop, Stop::Once | Stop::Twice) && rng.u8(..3) == 0 {
            let moment = if rng.bool() { short } else { moment };
            fault.frozen_inside = Some((moment, frozen_inside));
        }
        if has_disk {
            fault.trouble = [Trouble::None, Trouble::Full, Trouble::ReadOnly][rng.usize(..3)];
            fault.trouble_after = fault.trouble_after.min(fault.stop_after);
        }
        fault
    }

    pub(crate) fn tally(&self, tally: &mut Tally) {
        tally.count(Count::Starts, 1);
        let counts = [
            (self.stop == Stop::Once, Count::Once),
            (self.stop == Stop::Twice, Count::Twice),
            (self.stop == Stop::Kill, Count::Killed),
            (self.frozen_before.is_some(), Count::FrozenBefore),
            (self.frozen_inside.is_some(), Count::FrozenInside),
            (self.trouble == Trouble::Full, Count::Full),
            (self.trouble == Trouble::ReadOnly, Count::ReadOnly),
        ];
        for (_, count) in counts.into_iter().filter(|(is_so, _)| *is_so) {
            tally.count(count, 1);
        }
    }

    /// Starts the example, lets it happen, and waits for the end.
    pub(crate) fn happen(&self, command: &mut Command, disk: &mut Disk, rng: &mut Rng) -> Output {
        let child = Running(Some(command.spawn().unwrap()));
        if self.stop != Stop::None {
            thread::sleep(self.trouble_after);
            match self.trouble {
                Trouble::None => {}
                Trouble::Full => disk.fill(),
                Trouble::ReadOnly => drop(disk.protect()),
            }
            thread::sleep(self.stop_after.saturating_sub(self.trouble_after));
            if let Some(time) = self.frozen_before {
                child.freeze(time);
            }
            let signal = ["INT", "TERM", "HUP"][rng.usize(..3)];
            child.send(if self.stop == Stop::Kill {
                "KILL"
            } else {
                signal
            });
            let mut waited = Duration::ZERO;
            if let Some((moment, time)) = self.frozen_inside {
                thread::sleep(moment);
                child.freeze(time);
                waited = moment + time;
            }
            if self.stop == Stop::Twice {
                thread::sleep(self.again_after.saturating_sub(waited));
                child.send("TERM");
            }
        }
        child.finish()
    }
}

/// Killed with the test, frozen or not.
struct Running(Option<Child>);

impl Running {
    /// It may have ended by itself, and then there is nobody to be sent a signal: nobody else
    /// either, since it was not waited for.
    fn send(&self, signal: &str) {
        let pid = self.0.as_ref().unwrap().id().to_string();
        let kill = Command::new("kill")
            .args([&format!("-{signal}"), &pid])
            .output();
        kill.unwrap();
    }

    fn freeze(&self, time: Duration) {
        self.send("STOP");
        thread::sleep(time);
        self.send("CONT");
    }

    fn finish(mut self) -> Output {
        let child = self.0.take().unwrap();
        within(LONG, "an example", || child.wait_with_output().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
