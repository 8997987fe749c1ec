//! The runs of an entry that have not ended, and the policy for overlaps. Pure.

use super::planned::Planned;
use super::policy::OverlapPolicy;
use std::collections::VecDeque;
use std::time::SystemTime;

pub(super) struct ActiveRuns {
    overlap: OverlapPolicy,
    /// How many are in the pool.
    in_pool: u32,
    /// Those that wait for the end of one that is in the pool.
    waiting: VecDeque<Planned>,
}

impl ActiveRuns {
    pub(super) fn new(overlap: OverlapPolicy) -> ActiveRuns {
        ActiveRuns {
            overlap,
            in_pool: 0,
            waiting: VecDeque::new(),
        }
    }

    pub(super) fn in_pool(&self) -> u32 {
        self.in_pool
    }

    /// How many have not ended, those that wait included.
    pub(super) fn count(&self) -> usize {
        self.in_pool as usize + self.waiting.len()
    }

    /// When the first of the plan was due that waits.
    pub(super) fn first_waiting(&self) -> Option<SystemTime> {
        self.waiting.iter().find_map(|run| run.on_wall)
    }

    /// How many may be in the pool.
    fn limit(&self) -> u32 {
        match self.overlap {
            OverlapPolicy::Skip | OverlapPolicy::Queue => 1,
            OverlapPolicy::Concurrent(most) => most,
        }
    }

    /// Adds runs that have become due together. Returns how many the policy leaves out.
    pub(super) fn add(&mut self, runs: Vec<Planned>) -> u64 {
        if self.in_pool < self.limit() && self.waiting.is_empty() {
            // Runs that are made up for do not overlap: they follow one another.
            self.waiting.extend(runs);
            return 0;
        }
        let mut left_out = runs.len() as u64;
        if self.overlap == OverlapPolicy::Queue && self.waiting.is_empty() {
            self.waiting.extend(runs.last());
            left_out = left_out.saturating_sub(1);
        }
        left_out
    }

    /// The next run to put into the pool, which counts as there from now on.
    pub(super) fn begin_next(&mut self) -> Option<Planned> {
        if self.in_pool >= self.limit() {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.in_pool += 1;
        Some(next)
    }

    /// One of those in the pool has ended, or never will be there.
    pub(super) fn end(&mut self) {
        self.in_pool -= 1;
    }

    pub(super) fn drop_waiting(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::timer::Due;
    use std::time::{Duration, Instant};

    fn runs(start: Instant, seconds: &[u64]) -> Vec<Planned> {
        let planned = |second: &u64| Planned {
            nominal: Due::Mono(start + Duration::from_secs(*second)),
            jitter: Duration::ZERO,
            on_wall: None,
        };
        seconds.iter().map(planned).collect()
    }

    #[test]
    fn skip_leaves_out_what_is_due_while_one_is_in_the_pool() {
        let start = clock::now();
        let mut active = ActiveRuns::new(OverlapPolicy::Skip);
        assert_eq!(active.add(runs(start, &[1])), 0);
        assert!(active.begin_next().is_some() && active.begin_next().is_none());
        assert_eq!(active.add(runs(start, &[2, 3])), 2);
        active.end();
        assert_eq!((active.count(), active.begin_next()), (0, None));
    }

    #[test]
    fn queue_keeps_the_latest_of_those_that_are_due_while_one_is_in_the_pool() {
        let start = clock::now();
        let mut active = ActiveRuns::new(OverlapPolicy::Queue);
        assert_eq!(active.add(runs(start, &[1])), 0);
        assert!(active.begin_next().is_some());
        assert_eq!(active.add(runs(start, &[2, 3])), 1);
        assert_eq!(active.add(runs(start, &[4])), 1);
        assert_eq!((active.in_pool(), active.count()), (1, 2));
        assert_eq!(active.begin_next(), None);
        active.end();
        assert_eq!(active.begin_next(), runs(start, &[3]).pop());
        assert_eq!(active.begin_next(), None);
    }

    #[test]
    fn concurrent_lets_that_many_into_the_pool_and_what_is_due_together_waits() {
        let start = clock::now();
        let mut active = ActiveRuns::new(OverlapPolicy::Concurrent(2));
        assert_eq!(active.add(runs(start, &[1, 2, 3])), 0);
        assert!(active.begin_next().is_some() && active.begin_next().is_some());
        assert_eq!((active.begin_next(), active.count()), (None, 3));
        // One waits already.
        assert_eq!(active.add(runs(start, &[4])), 1);
        active.drop_waiting();
        active.end();
        assert_eq!(active.add(runs(start, &[5])), 0);
        assert_eq!(active.begin_next(), runs(start, &[5]).pop());
    }
}
