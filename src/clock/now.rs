//! The one reader of clocks.

#[cfg(feature = "jobs")]
use crate::sync::PureOnceLock;
use std::time::{Duration, Instant, SystemTime};
#[cfg(feature = "jobs")]
use std::{fs::File, io::Read};

/// Reads the monotonic clock. Nothing else in the crate does.
#[cfg(not(any(loom, shuttle)))]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// In a model the scheduler moves the clock.
#[cfg(any(loom, shuttle))]
pub(crate) fn now() -> Instant {
    crate::sync::model::time::now(Instant::now)
}

/// How long the machine has run, the time in which it was suspended included; since some moment
/// before the first call where the system does not say it. The readings of two processes must not
/// be compared: they may live in different namespaces of time.
#[cfg(feature = "jobs")]
pub(super) fn since_boot() -> Duration {
    static BEGINNING: PureOnceLock<Instant> = PureOnceLock::new();
    let of_system = || {
        // One read, since workers ask for it ten times a second.
        let mut text = [0; 64];
        let length = File::open("/proc/uptime").ok()?.read(&mut text).ok()?;
        let text = std::str::from_utf8(&text[..length]).ok()?;
        let seconds = text.split(' ').next()?.parse().ok()?;
        Duration::try_from_secs_f64(seconds).ok()
    };
    of_system().unwrap_or_else(|| BEGINNING.get_or_init(now).elapsed())
}

/// Both times of a clock, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Now {
    /// Never goes back. On Linux it stands while the machine is suspended.
    pub(crate) mono: Instant,
    /// The time of day, which may be set, both ways.
    pub(crate) wall: SystemTime,
}

impl Now {
    /// Reads both of the system's clocks.
    pub(super) fn of_system() -> Now {
        Now {
            mono: now(),
            wall: SystemTime::now(),
        }
    }

    /// By how much the wall clock is ahead of the monotonic one, which counts from `beginning`.
    pub(crate) fn offset(self, beginning: Instant) -> Offset {
        let wall = match self.wall.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => nanos(since),
            Err(before) => -nanos(before.duration()),
        };
        let mono = match self.mono.checked_duration_since(beginning) {
            Some(since) => nanos(since),
            None => -nanos(beginning.duration_since(self.mono)),
        };
        Offset(wall - mono)
    }

    /// Whether the wall clock was set since then, either way: by more than a clock drifts.
    /// Small corrections that come to more than that together count as well.
    pub(crate) fn was_set(self, before: Now) -> bool {
        let beginning = before.mono;
        self.offset(beginning).was_set(before.offset(beginning))
    }

    /// By how much the wall clock was set back since then.
    pub(crate) fn set_back(self, before: Now) -> Duration {
        let beginning = before.mono;
        let back = before.offset(beginning).0 - self.offset(beginning).0;
        // Negative where the clock was set forward, which is no way back at all.
        let seconds = u64::try_from(back / NANOS).unwrap_or_default();
        Duration::new(seconds, (back.max(0) % NANOS) as u32)
    }
}

/// By how much a wall clock is ahead of a monotonic one, in nanoseconds. It stays the same as
/// long as neither is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Offset(i128);

impl Offset {
    /// See [`Now::was_set`].
    pub(crate) fn was_set(self, before: Offset) -> bool {
        self.0.abs_diff(before.0) > DRIFT.as_nanos()
    }
}

const NANOS: i128 = 1_000_000_000;

fn nanos(duration: Duration) -> i128 {
    i128::from(duration.as_secs()) * NANOS + i128::from(duration.subsec_nanos())
}

/// The wall clock may be ahead or behind by this, and was not set.
const DRIFT: Duration = Duration::from_secs(1);
