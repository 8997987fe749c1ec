//! Deadline arithmetic that cannot overflow, and the one reader of clocks.

mod freezes;
#[cfg(feature = "testing")]
mod manual;

pub(crate) use freezes::{Freezes, grown};

#[cfg(feature = "testing")]
pub use manual::ManualClock;
#[cfg(feature = "testing")]
pub(crate) use manual::Watcher;

#[cfg(feature = "testing")]
use crate::sync::channel;
use crate::sync::channel::{Receiver, RecvTimeoutError};
use crate::sync::{Condvar, MutexGuard};
use std::convert::Infallible;
use std::time::{Duration, Instant, SystemTime};

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

/// Both hands of a clock, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Now {
    /// Never goes back. On Linux it stands while the machine is suspended.
    pub(crate) mono: Instant,
    /// The time of day, which may be set, both ways.
    pub(crate) wall: SystemTime,
}

impl Now {
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

/// The system's clocks, or one that a test moves by hand.
#[derive(Clone, Default)]
pub(crate) struct Clock {
    #[cfg(feature = "testing")]
    pub(crate) manual: Option<ManualClock>,
}

impl Clock {
    pub(crate) fn now(&self) -> Instant {
        #[cfg(feature = "testing")]
        if let Some(manual) = &self.manual {
            return manual.now();
        }
        now()
    }

    /// Both hands.
    pub(crate) fn read(&self) -> Now {
        #[cfg(feature = "testing")]
        if let Some(manual) = &self.manual {
            return manual.read();
        }
        Now {
            mono: now(),
            wall: SystemTime::now(),
        }
    }

    /// Which clock this is: the same number for the same one.
    pub(crate) fn id(&self) -> usize {
        #[cfg(feature = "testing")]
        if let Some(manual) = &self.manual {
            return manual.id();
        }
        0
    }

    /// Whether a test moves it.
    pub(crate) fn is_manual(&self) -> bool {
        self.id() != 0
    }

    /// A wait by this clock without a thread begins or ends: for
    /// `ManualClock::wait_for_sleepers`.
    pub(crate) fn count_waiting(&self, _more: bool) {
        #[cfg(feature = "testing")]
        if let Some(manual) = &self.manual {
            manual.count_waiting(_more);
        }
    }

    /// Waits on `changed` until it is notified, or this clock's `deadline` has come. A
    /// manual clock notifies its watchers.
    pub(crate) fn wait<T>(
        &self,
        deadline: Deadline,
        changed: &Condvar,
        guard: &mut MutexGuard<'_, T>,
    ) {
        #[cfg(feature = "testing")]
        if self.manual.is_some() {
            if !deadline.has_passed(self.now()) {
                changed.wait(guard);
            }
            return;
        }
        deadline.wait(changed, guard);
    }

    /// Blocks for `duration` by this clock, or until `woken` is disconnected;
    /// returns whether it is.
    pub(crate) fn sleep(&self, duration: Duration, woken: &Receiver<Infallible>) -> bool {
        #[cfg(feature = "testing")]
        if let Some(manual) = &self.manual {
            let sleep = manual.sleep(duration);
            let mut either = channel::Select::new();
            let first = either.recv(woken);
            either.recv(&sleep.over);
            return either.ready() == first || is_disconnected(woken);
        }
        let slept = Deadline::after(duration).receive(woken);
        slept.is_err_and(|end| end.is_disconnected())
    }
}

#[cfg(feature = "testing")]
fn is_disconnected(receiver: &Receiver<Infallible>) -> bool {
    receiver.try_recv().is_err_and(|end| end.is_disconnected())
}

/// A moment to wait for, or never. "Never" is what an addition that would
/// overflow gives, so no duration is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    pub(crate) const NEVER: Deadline = Deadline(None);

    pub(crate) fn at(moment: Instant) -> Deadline {
        Deadline(Some(moment))
    }

    /// `wait` from now on. `Duration::MAX` and other sums that no clock can
    /// show are [`NEVER`](Self::NEVER).
    pub(crate) fn after(wait: Duration) -> Deadline {
        Deadline::after_from(now(), wait)
    }

    pub(crate) fn after_from(start: Instant, wait: Duration) -> Deadline {
        Deadline(start.checked_add(wait))
    }

    pub(crate) fn moment(self) -> Option<Instant> {
        self.0
    }

    pub(crate) fn has_passed(self, now: Instant) -> bool {
        self.0.is_some_and(|moment| moment <= now)
    }

    pub(crate) fn earlier(self, other: Deadline) -> Deadline {
        match (self.0, other.0) {
            (Some(a), Some(b)) => Deadline(Some(a.min(b))),
            (a, b) => Deadline(a.or(b)),
        }
    }

    pub(crate) fn later(self, other: Deadline) -> Deadline {
        match (self.0, other.0) {
            (Some(a), Some(b)) => Deadline(Some(a.max(b))),
            _ => Deadline::NEVER,
        }
    }

    /// This deadline moved forward by `by`, but not before `floor`.
    pub(crate) fn minus(self, by: Duration, floor: Instant) -> Deadline {
        Deadline(
            self.0
                .map(|moment| moment.checked_sub(by).unwrap_or(floor).max(floor)),
        )
    }

    /// Receives from `channel`; waits for that until this deadline has come.
    pub(crate) fn receive<T>(self, channel: &Receiver<T>) -> Result<T, RecvTimeoutError> {
        match self.0 {
            Some(moment) => channel.recv_deadline(moment),
            None => channel.recv().map_err(RecvTimeoutError::from),
        }
    }

    /// Waits on `changed` until it is notified or this deadline has come;
    /// returns whether the deadline has come.
    pub(crate) fn wait<T>(self, changed: &Condvar, guard: &mut MutexGuard<'_, T>) -> bool {
        match self.0 {
            Some(moment) => changed.wait_until(guard, moment).timed_out(),
            None => {
                changed.wait(guard);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_too_far_for_the_clock_is_never() {
        assert_eq!(Deadline::after(Duration::MAX), Deadline::NEVER);
        assert!(!Deadline::NEVER.has_passed(now()));
    }

    #[test]
    fn the_earlier_of_two_deadlines_wins_and_never_loses() {
        let start = now();
        let soon = Deadline::at(start);
        let late = Deadline::after_from(start, Duration::from_secs(1));
        assert_eq!(soon.earlier(late), soon);
        assert_eq!(Deadline::NEVER.earlier(late), late);
        assert_eq!(late.earlier(Deadline::NEVER), late);
        assert_eq!(soon.later(late), late);
        assert_eq!(late.later(Deadline::NEVER), Deadline::NEVER);
    }

    #[test]
    fn subtracting_more_than_there_is_stops_at_the_floor() {
        let start = now();
        let late = Deadline::after_from(start, Duration::from_secs(1));
        assert_eq!(late.minus(Duration::MAX, start), Deadline::at(start));
        assert_eq!(
            late.minus(Duration::from_secs(2), start),
            Deadline::at(start)
        );
        assert_eq!(
            Deadline::NEVER.minus(Duration::ZERO, start),
            Deadline::NEVER
        );
    }
}
