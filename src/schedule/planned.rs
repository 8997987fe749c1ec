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
    /// The same on the wall clock, as that was when it became due; `None`: it has not, or was
    /// triggered, and is of no plan.
    pub(super) on_wall: Option<SystemTime>,
}

/// What an earlier start of an entry, mostly in another process, has left of its plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    /// The first moment whose run has not ended; `None`: there is none, or nothing is made up for.
    pub(super) next: Option<SystemTime>,
    /// What the clock showed when that was noted.
    #[cfg_attr(
        not(feature = "cron"),
        allow(dead_code, reason = "a clock that was set back matters to cron alone")
    )]
    pub(super) noted: SystemTime,
    /// The schedule is the one that it was then.
    pub(super) is_same: bool,
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

/// A moment of the wall clock, as the monotonic clock has it now.
pub(super) fn mono(at: SystemTime, now: Now) -> Due {
    let moment = match at.duration_since(now.wall) {
        Ok(left) => now.mono.checked_add(left),
        Err(passed) => now.mono.checked_sub(passed.duration()),
    };
    Due::Mono(moment.unwrap_or(now.mono))
}
