//! A run that is planned. Pure: the clock is read by others.

use crate::clock::Now;
use crate::timer::Due;
use std::time::{Duration, SystemTime};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Planned {
    /// When the schedule has it.
    pub(super) nominal: Due,
    /// How much later it is due.
    pub(super) jitter: Duration,
}

impl Planned {
    pub(super) fn due(self) -> Due {
        match self.nominal {
            Due::Mono(at) => Due::Mono(at.checked_add(self.jitter).unwrap_or(at)),
            Due::Wall(at) => Due::Wall(at.checked_add(self.jitter).unwrap_or(at)),
        }
    }

    /// How late it is, jitter not counted.
    pub(super) fn lateness(self, now: Now) -> Duration {
        match self.due() {
            Due::Mono(at) => now.mono.saturating_duration_since(at),
            Due::Wall(at) => now.wall.duration_since(at).unwrap_or_default(),
        }
    }

    pub(super) fn has_come(self, now: Now) -> bool {
        self.due().has_come(now)
    }
}

/// A moment on the wall clock, as that shows it now.
pub(super) fn wall(due: Due, now: Now) -> SystemTime {
    match due {
        Due::Wall(at) => at,
        Due::Mono(at) => match at.checked_duration_since(now.mono) {
            Some(left) => now.wall.checked_add(left),
            None => now.wall.checked_sub(now.mono.duration_since(at)),
        }
        .unwrap_or(now.wall),
    }
}
