//! When the tasks of a worker began, and how long they take.
//!
//! A read of the clock is the most expensive step of a short task. So it is done after each
//! task while they are long, and less and less often while they are short, down to every
//! eighth: the first long ones after that may seem to have begun up to seven tasks too early,
//! never too late. One that is run in place may seem to have begun with the task below it.

use crate::clock;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// Never leaves the worker's thread.
pub(crate) struct TaskClock {
    /// When the clock was read last.
    stamp: Cell<Instant>,
    /// Tasks that ended since `stamp`.
    since_stamp: Cell<u32>,
    /// How long a task took on the average, between the last two stamps.
    nanos: Cell<u64>,
    /// The number of tasks after which the clock is read again.
    interval: Cell<u32>,
}

/// Tasks at least this long on the average are long.
const LONG: Duration = Duration::from_micros(10);
/// Between short tasks the clock is read after this number of them at the latest.
const SHORT_TASKS_A_STAMP: u32 = 8;

impl TaskClock {
    pub(crate) fn new() -> TaskClock {
        TaskClock {
            stamp: Cell::new(clock::now()),
            since_stamp: Cell::new(0),
            nanos: Cell::new(0),
            interval: Cell::new(1),
        }
    }

    /// How long the tasks that ended last took on the average, as far as it looked. In
    /// nanoseconds.
    pub(crate) fn task_nanos(&self) -> u64 {
        #[cfg(shuttle)]
        return crate::sync::model::chance::one_of(&[0, 1_000_000]);
        #[cfg(not(shuttle))]
        self.nanos.get()
    }

    /// The time of the last read.
    #[inline]
    pub(crate) fn last(&self) -> Instant {
        self.stamp.get()
    }

    /// The time now.
    pub(crate) fn read(&self) -> Instant {
        let now = clock::now();
        let ended = self.since_stamp.replace(0);
        let passed = now.duration_since(self.stamp.replace(now));
        if ended > 0 {
            let nanos = u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX) / u64::from(ended);
            self.nanos.set(nanos);
            self.interval.set(next_interval(nanos, self.interval.get()));
        }
        now
    }

    /// A task has ended.
    #[inline]
    pub(crate) fn task_ended(&self) {
        self.since_stamp.set(self.since_stamp.get() + 1);
        if self.since_stamp.get() >= self.interval.get() {
            self.read();
        }
    }

    /// A task has ended whose end has to be known; returns it.
    pub(crate) fn task_ended_at(&self) -> Instant {
        self.since_stamp.set(self.since_stamp.get() + 1);
        self.read()
    }

    /// The worker was asleep: its stamp is old, and what comes may be long.
    pub(crate) fn woke_up(&self) {
        self.read();
        self.interval.set(1);
    }
}

fn next_interval(nanos: u64, interval: u32) -> u32 {
    match nanos >= LONG.as_nanos() as u64 {
        true => 1,
        false => SHORT_TASKS_A_STAMP.min(2 * interval),
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_read_for_each_long_task_and_for_every_eighth_short_one() {
        let short = |interval| next_interval(9_999, interval);
        assert_eq!([1, 2, 4, 8].map(short), [2, 4, 8, 8]);
        assert_eq!(next_interval(10_000, 8), 1);
    }
}
