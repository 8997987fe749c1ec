//! How many jobs there are.

use super::state::JobState;
use std::ops::{Index, IndexMut};

/// The numbers of jobs of one kind in one queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneCounts {
    /// The queue.
    pub queue: String,
    /// The name of their type.
    pub kind: String,
    /// Those in the store.
    pub states: StateCounts,
    /// Those that were deleted by hand, ever.
    pub deleted: u64,
    /// Those that were pruned, ever.
    pub pruned: u64,
}

impl LaneCounts {
    /// The number of jobs that were enqueued, ever: each is in one of the other numbers.
    pub fn enqueued(&self) -> u64 {
        self.states.total() + self.deleted + self.pruned
    }
}

/// The number of jobs in each state: `counts[JobState::Dead]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateCounts([u64; JobState::ALL.len()]);

impl StateCounts {
    /// The number of jobs in all states.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl Index<JobState> for StateCounts {
    type Output = u64;

    fn index(&self, state: JobState) -> &u64 {
        &self.0[state as usize]
    }
}

impl IndexMut<JobState> for StateCounts {
    fn index_mut(&mut self, state: JobState) -> &mut u64 {
        &mut self.0[state as usize]
    }
}
