//! The calls of the last while, counted in little memory. Pure.

use std::time::{Duration, Instant};

/// So finely the window moves on: what was counted is forgotten a tenth of the window
/// at a time.
const BUCKETS: usize = 10;

/// How many calls ended within a window of time, and how many of them failed.
#[derive(Clone, Debug)]
pub(super) struct Window {
    start: Instant,
    /// Of one bucket, in nanoseconds; at least 1.
    width: u128,
    /// Buckets are numbered from the start on; the newest is at its number modulo their
    /// count.
    newest: u128,
    buckets: [Tally; BUCKETS],
    total: Tally,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) calls: u64,
    pub(super) failures: u64,
}

impl Window {
    pub(super) fn new(length: Duration, now: Instant) -> Window {
        Window {
            start: now,
            width: (length.as_nanos() / BUCKETS as u128).max(1),
            newest: 0,
            buckets: [Tally::default(); BUCKETS],
            total: Tally::default(),
        }
    }

    pub(super) fn record(&mut self, failed: bool, now: Instant) {
        self.move_to(now);
        let newest = self.place(self.newest);
        for tally in [&mut self.buckets[newest], &mut self.total] {
            tally.calls += 1;
            tally.failures += u64::from(failed);
        }
    }

    /// What ended in the last nine to ten tenths of the window.
    pub(super) fn total(&mut self, now: Instant) -> Tally {
        self.move_to(now);
        self.total
    }

    /// A `now` from before the newest bucket, of a thread that came late to the lock,
    /// counts as that bucket's.
    fn move_to(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.start).as_nanos();
        let number = passed / self.width;
        let steps = number.saturating_sub(self.newest).min(BUCKETS as u128);
        // The oldest are those that come after the newest, all around.
        for step in 1..=steps {
            let place = self.place(self.newest + step);
            let old = std::mem::take(&mut self.buckets[place]);
            self.total.calls -= old.calls;
            self.total.failures -= old.failures;
        }
        self.newest = self.newest.max(number);
    }

    fn place(&self, number: u128) -> usize {
        (number % BUCKETS as u128) as usize
    }
}

impl Tally {
    /// From 0 to 1.
    pub(super) fn share(self) -> f64 {
        self.failures as f64 / self.calls.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const SECOND: Duration = Duration::from_secs(1);

    fn tally(calls: u64, failures: u64) -> Tally {
        Tally { calls, failures }
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten_a_tenth_at_a_time() {
        let start = clock::now();
        let mut window = Window::new(10 * SECOND, start);
        for second in 0..10 {
            window.record(second % 2 == 0, start + second * SECOND);
        }
        assert_eq!(window.total(start + 9 * SECOND), tally(10, 5));
        assert_eq!(window.total(start + 10 * SECOND), tally(9, 4));
        assert_eq!(window.total(start + 11 * SECOND), tally(8, 4));
        assert_eq!(window.total(start + 18 * SECOND), tally(1, 0));
        assert_eq!(window.total(start + 19 * SECOND), tally(0, 0));
    }

    #[test]
    fn a_long_silence_forgets_everything() {
        for silence in [20 * SECOND, Duration::from_secs(1 << 40)] {
            let start = clock::now();
            let mut window = Window::new(10 * SECOND, start);
            (0..100).for_each(|_| window.record(true, start));
            window.record(false, start + silence);
            assert_eq!(window.total(start + silence), tally(1, 0));
        }
    }

    #[test]
    fn a_thread_that_comes_late_counts_in_the_newest_tenth() {
        let start = clock::now();
        let mut window = Window::new(10 * SECOND, start);
        window.record(true, start + 5 * SECOND);
        window.record(true, start);
        assert_eq!(window.total(start), tally(2, 2));
        assert_eq!(window.total(start + 14 * SECOND), tally(2, 2));
        assert_eq!(window.total(start + 15 * SECOND), tally(0, 0));
    }

    #[test]
    fn the_shortest_and_the_longest_window_count() {
        let start = clock::now();
        for length in [Duration::from_nanos(1), Duration::MAX] {
            let mut window = Window::new(length, start);
            window.record(true, start);
            window.record(false, start);
            assert_eq!(window.total(start), tally(2, 1));
            assert_eq!(window.total(start).share(), 0.5);
        }
        let mut endless = Window::new(Duration::MAX, start);
        endless.record(true, start);
        assert_eq!(endless.total(start + (1 << 30) * SECOND), tally(1, 1));
    }

    #[test]
    fn as_a_count_of_every_call_would_have_it() {
        let start = clock::now();
        let mut window = Window::new(10 * SECOND, start);
        let (mut calls, mut at) = (Vec::new(), 0_u64);
        let mut seed = 1_u64;
        for _ in 0..10_000 {
            // Knuth's MMIX numbers.
            seed = seed.wrapping_mul(6_364_136_223_846_793_005);
            seed = seed.wrapping_add(1_442_695_040_888_963_407);
            at += (seed >> 33) % 3_000;
            let failed = seed >> 63 == 1;
            window.record(failed, start + Duration::from_millis(at));
            calls.push((at / 1_000, failed));
            let newest = at / 1_000;
            calls.retain(|(bucket, _)| bucket + 10 > newest);
            let failures = calls.iter().filter(|(_, failed)| *failed).count();
            assert_eq!(window.total, tally(calls.len() as u64, failures as u64));
        }
    }
}
