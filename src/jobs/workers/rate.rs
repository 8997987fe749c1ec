//! How many attempts end in a second. Pure.

use std::collections::VecDeque;
use std::time::Instant;

/// Counts events by the second, for the last minute.
#[derive(Default)]
pub(super) struct Rate {
    began: Option<Instant>,
    /// Seconds since the beginning, and the number of events in each; the oldest first.
    seconds: VecDeque<(u64, u64)>,
}

const WINDOW: u64 = 60;

impl Rate {
    pub(super) fn start(&mut self, now: Instant) {
        self.began.get_or_insert(now);
    }

    pub(super) fn add(&mut self, now: Instant) {
        let second = self.second(now);
        match self.seconds.back_mut() {
            Some((last, count)) if *last == second => *count += 1,
            _ => self.seconds.push_back((second, 1)),
        }
        while self
            .seconds
            .front()
            .is_some_and(|it| it.0 + WINDOW < second)
        {
            self.seconds.pop_front();
        }
    }

    /// The mean of the last minute, or of the time since the start if that is less.
    pub(super) fn a_second(&self, now: Instant) -> f64 {
        let second = self.second(now);
        let recent = self.seconds.iter().filter(|it| it.0 + WINDOW > second);
        let count: u64 = recent.map(|it| it.1).sum();
        let age = self.began.map(|began| now.saturating_duration_since(began));
        let span = age.unwrap_or_default().as_secs_f64();
        count as f64 / span.clamp(1.0, WINDOW as f64)
    }

    fn second(&self, now: Instant) -> u64 {
        let began = self.began.unwrap_or(now);
        now.saturating_duration_since(began).as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use std::time::Duration;

    #[test]
    fn the_rate_is_the_mean_of_the_last_minute_or_of_the_time_since_the_start() {
        let (mut rate, start) = (Rate::default(), clock::now());
        rate.start(start);
        assert_eq!(rate.a_second(start), 0.0);
        for second in 0..10 {
            (0..20).for_each(|_| rate.add(start + Duration::from_secs(second)));
        }
        let at = |second| rate.a_second(start + Duration::from_secs(second));
        assert_eq!(at(10), 20.0);
        assert_eq!(at(40), 5.0);
        assert_eq!(at(1000), 0.0);
    }
}
