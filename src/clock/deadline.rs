//! Deadline arithmetic that cannot overflow, and waits by a deadline.

use super::now::now;
use crate::sync::channel::{Receiver, RecvTimeoutError};
use crate::sync::{Condvar, MutexGuard};
use std::time::{Duration, Instant};

/// A moment to wait for, or never. "Never" is what an addition that would
/// overflow gives, so no duration is too long.
///
/// This is the one place that gives a meaning to the durations of a program, and the crate's
/// documentation has the rule: [`Duration::MAX`] is no limit, and zero is over at once. A builder
/// refuses the zeros with which nothing could ever happen.
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

    /// Waits on `changed` for as long as `goes_on`, until this deadline has come; returns
    /// whether it still goes on.
    pub(crate) fn wait_while<T>(
        self,
        changed: &Condvar,
        guard: &mut MutexGuard<'_, T>,
        mut goes_on: impl FnMut(&mut T) -> bool,
    ) -> bool {
        let mut is_over = false;
        // After the deadline it is looked at once more: it may have ended at that moment.
        while goes_on(guard) {
            if is_over {
                return true;
            }
            is_over = self.wait(changed, guard);
        }
        false
    }
}

/// The last part of a stop, or of a task's time, in which what runs is to end by itself, its
/// token being cancelled: a quarter of the whole, capped at 3 s.
pub(crate) fn default_grace(whole: Duration) -> Duration {
    (whole / 4).min(LONGEST_GRACE)
}

const LONGEST_GRACE: Duration = Duration::from_secs(3);

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

    #[cfg(not(any(loom, shuttle)))]
    #[test]
    fn a_wait_ends_with_its_reason_or_with_its_deadline() {
        let (state, changed) = (crate::sync::Mutex::new(3), Condvar::new());
        let mut state = state.lock();
        let now = Deadline::at(now());
        assert!(now.wait_while(&changed, &mut state, |left| *left > 0));
        let counts_down = |left: &mut u32| {
            *left -= 1;
            *left > 0
        };
        assert!(!now.wait_while(&changed, &mut state, |left| *left > 3));
        assert!(now.wait_while(&changed, &mut state, counts_down));
        assert!(!Deadline::NEVER.wait_while(&changed, &mut state, counts_down));
    }

    #[test]
    fn the_grace_is_a_quarter_capped_at_three_seconds() {
        assert_eq!(default_grace(Duration::ZERO), Duration::ZERO);
        assert_eq!(
            default_grace(Duration::from_secs(4)),
            Duration::from_secs(1)
        );
        assert_eq!(default_grace(Duration::from_secs(60)), LONGEST_GRACE);
        assert_eq!(default_grace(Duration::MAX), LONGEST_GRACE);
    }
}
