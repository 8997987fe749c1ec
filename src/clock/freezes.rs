//! Whether a judge was frozen itself, and how much that forgives. Pure.
//!
//! A judge is a thread that finds others late: it sleeps until the next moment at which one
//! of them may be, and looks. If it wakes long after that moment, the whole process stood
//! still (SIGSTOP, a paused container or virtual machine, a debugger) or found no processor,
//! and so did, most likely, those that it judges: they could not have been in time.
//!
//! # An example
//!
//! A service has to give a sign within 1 s, and did so at 0 s; its judge sleeps until 1 s.
//! The process is stopped from 0.2 s to 3.2 s. The judge wakes at 3.2 s, 2.2 s late, and
//! that much is known to be missed: the limit grows to 3.2 s, which is now. The freeze
//! began before the judge wanted to wake, it does not know when. So the limit grows by as
//! much again, but by no more than itself: to 4.2 s. From its wake the service has 1 s.

use super::deadline::Deadline;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The freezes that a judge has noticed.
#[derive(Default)]
pub(crate) struct Freezes {
    /// The judge sleeps, and wants to wake then.
    until: Option<Instant>,
    /// The latest, in their order.
    past: VecDeque<Freeze>,
}

/// When the judge wanted to wake, and when it woke.
#[derive(Clone, Copy)]
struct Freeze {
    from: Instant,
    to: Instant,
}

/// A thread that is late by no more than this waited for its turn.
const LATE: Duration = Duration::from_millis(100);
/// The number of freezes remembered; of those before, only their total length.
const MOST: usize = 32;

impl Freezes {
    /// The judge goes to sleep, and wants to wake then at the latest. By the real clock: one
    /// that a test moves never freezes.
    pub(crate) fn sleeps(&mut self, until: Deadline) {
        self.until = until.moment();
    }

    /// The judge is awake. Returns how late, if that was a freeze.
    pub(crate) fn woke(&mut self, now: Instant) -> Option<Duration> {
        let freeze = Freeze::of(self.until.take()?, now)?;
        self.past.push_back(freeze);
        if self.past.len() > MOST {
            self.merge_oldest();
        }
        Some(freeze.since(freeze.from))
    }

    /// For how long the judge was frozen from `start` on; one that sleeps, and should be
    /// awake, is.
    pub(crate) fn since(&self, start: Instant, now: Instant) -> Duration {
        let present = self.until.and_then(|until| Freeze::of(until, now));
        let all = self.past.iter().copied().chain(present);
        all.map(|freeze| freeze.since(start)).sum()
    }

    /// The two oldest become one as long as both, which ends when the later one did.
    fn merge_oldest(&mut self) {
        if let Some(oldest) = self.past.pop_front() {
            if let Some(next) = self.past.front_mut() {
                let from = next.from.checked_sub(oldest.since(oldest.from));
                next.from = from.unwrap_or(oldest.from);
            }
        }
    }
}

impl Freeze {
    fn of(wanted: Instant, woke: Instant) -> Option<Freeze> {
        let late = woke.saturating_duration_since(wanted);
        (late > LATE).then_some(Freeze {
            from: wanted,
            to: woke,
        })
    }

    /// How much of it lies behind `start`.
    fn since(self, start: Instant) -> Duration {
        self.to.saturating_duration_since(self.from.max(start))
    }
}

/// A limit whose judge was frozen for this long since it began to count. See the example
/// [above](self).
pub(crate) fn grown(limit: Duration, frozen: Duration) -> Duration {
    limit
        .saturating_add(frozen)
        .saturating_add(frozen.min(limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// A judge that slept from freeze to freeze, each from when it wanted to wake until it
    /// woke, in milliseconds since the start.
    fn judge(start: Instant, sleeps: &[(u64, u64)]) -> Freezes {
        let mut freezes = Freezes::default();
        for (wanted, woke) in sleeps {
            freezes.sleeps(Deadline::at(start + millis(*wanted)));
            freezes.woke(start + millis(*woke));
        }
        freezes
    }

    #[test]
    fn a_judge_that_wakes_over_a_tenth_of_a_second_late_was_frozen() {
        let (start, mut freezes) = (clock::now(), Freezes::default());
        for (wanted, woke, frozen) in [
            (1000, 500, None),
            (1000, 1000, None),
            (1000, 1100, None),
            (1000, 1101, Some(millis(101))),
            (1000, 4000, Some(millis(3000))),
        ] {
            freezes.sleeps(Deadline::at(start + millis(wanted)));
            assert_eq!(freezes.woke(start + millis(woke)), frozen);
        }
        freezes.sleeps(Deadline::NEVER);
        assert_eq!(freezes.woke(start + millis(1_000_000)), None);
        assert_eq!(freezes.woke(start + millis(2_000_000)), None);
    }

    #[test]
    fn only_what_was_missed_since_a_limit_began_is_forgiven() {
        let start = clock::now();
        let freezes = judge(start, &[(1000, 3000), (4000, 4050), (5000, 6000)]);
        let since = |moment| freezes.since(start + millis(moment), start + millis(9000));
        assert_eq!(since(0), millis(3000));
        assert_eq!(since(1000), millis(3000));
        assert_eq!(since(2500), millis(1500));
        assert_eq!(since(3000), millis(1000));
        assert_eq!(since(6000), Duration::ZERO);
    }

    #[test]
    fn a_judge_that_has_not_woken_yet_is_frozen_for_those_that_ask_meanwhile() {
        let start = clock::now();
        let mut freezes = Freezes::default();
        freezes.sleeps(Deadline::at(start + millis(1000)));
        let frozen = |now| freezes.since(start, start + millis(now));
        assert_eq!(frozen(900), Duration::ZERO);
        assert_eq!(frozen(1100), Duration::ZERO);
        assert_eq!(frozen(3000), millis(2000));
    }

    #[test]
    fn a_limit_has_at_most_itself_again_from_the_wake_on_and_at_least_what_was_missed() {
        let limit = millis(1000);
        for (frozen, left) in [(0, 0), (101, 101), (1000, 1000), (3000, 1000)] {
            // It would have been over when the judge wanted to wake.
            let woke = limit + millis(frozen);
            assert_eq!(grown(limit, millis(frozen)) - woke, millis(left));
        }
        assert_eq!(grown(Duration::MAX, millis(1)), Duration::MAX);
        assert_eq!(grown(Duration::ZERO, Duration::MAX), Duration::MAX);
    }

    #[test]
    fn a_judge_that_is_always_late_judges_nevertheless() {
        let (start, limit) = (clock::now(), millis(1000));
        let mut freezes = Freezes::default();
        let (mut due, mut now, mut looks) = (start + limit, start, 0);
        while due > now {
            freezes.sleeps(Deadline::at(due));
            now = due + millis(150);
            freezes.woke(now);
            due = start + grown(limit, freezes.since(start, now));
            looks += 1;
        }
        assert_eq!(looks, 8);
        assert!(now - start < 4 * limit);
    }

    #[test]
    fn of_many_freezes_the_latest_are_remembered_and_the_length_of_all() {
        let start = clock::now();
        let sleeps: Vec<(u64, u64)> = (0..1000).map(|n| (n * 1000, n * 1000 + 200)).collect();
        let freezes = judge(start, &sleeps);
        let end = start + millis(1_000_000);
        assert_eq!(freezes.past.len(), MOST);
        assert_eq!(freezes.since(start, end), millis(200_000));
        assert_eq!(freezes.since(start + millis(990_000), end), millis(2000));
    }
}
