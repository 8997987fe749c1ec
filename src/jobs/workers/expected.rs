//! How long a job is expected to take. Pure.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// The last runs of each kind.
#[derive(Default)]
pub(super) struct RunTimes {
    kinds: HashMap<String, LastRuns>,
}

#[derive(Default)]
struct LastRuns {
    runs: VecDeque<Duration>,
    sum: Duration,
}

/// The number of runs whose mean is taken.
const RUNS: usize = 100;

impl RunTimes {
    pub(super) fn add(&mut self, kind: &str, took: Duration) {
        if !self.kinds.contains_key(kind) {
            self.kinds.insert(kind.to_owned(), LastRuns::default());
        }
        let Some(last) = self.kinds.get_mut(kind) else {
            return;
        };
        if last.runs.len() == RUNS {
            last.sum = last
                .sum
                .saturating_sub(last.runs.pop_front().unwrap_or_default());
        }
        // So that the sum cannot overflow.
        let took = took.min(Duration::from_secs(u32::MAX.into()));
        last.runs.push_back(took);
        last.sum += took;
    }

    /// The mean of the last runs; `None` if there was none.
    pub(super) fn mean(&self, kind: &str) -> Option<Duration> {
        let last = self.kinds.get(kind)?;
        Some(last.sum / last.runs.len() as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_that_of_the_last_hundred_runs_of_the_kind() {
        let mut times = RunTimes::default();
        assert_eq!(times.mean("a"), None);
        times.add("a", Duration::from_secs(10));
        assert_eq!(times.mean("a"), Some(Duration::from_secs(10)));
        for _ in 0..99 {
            times.add("a", Duration::ZERO);
        }
        assert_eq!(times.mean("a"), Some(Duration::from_millis(100)));
        times.add("a", Duration::from_secs(1));
        assert_eq!(times.mean("a"), Some(Duration::from_millis(10)));
        assert_eq!(times.mean("b"), None);
    }

    #[test]
    fn runs_of_any_length_have_a_mean() {
        let mut times = RunTimes::default();
        for _ in 0..300 {
            times.add("a", Duration::MAX);
        }
        assert_eq!(times.mean("a"), Some(Duration::from_secs(u32::MAX.into())));
    }
}
