//! The policies for runs that overlap, and for runs that were missed.

use std::time::Duration;

/// The policy for a run that is due while the previous one is running, or waits for a worker.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverlapPolicy {
    /// The run is skipped and counted.
    #[default]
    Skip,
    /// One run waits for the end of the previous one. Further runs are skipped and counted.
    Queue,
    /// Up to this number of runs are in progress at the same time. Further runs are skipped and
    /// counted.
    Concurrent(u32),
}

/// The policy for missed runs. Runs are missed when the machine is suspended or overloaded, or when
/// the clock is set forward; and, if the scheduler [remembers](crate::Scheduler::remember) its runs,
/// while the program does not run.
///
/// A run that is late by no more than the [threshold](crate::schedule::EntryBuilder::missed_after),
/// 60 s by default, runs and does not count as missed. Except with `All`, runs that become due
/// together are combined into one, which avoids a burst. (The policies and the threshold are those
/// of Quartz's misfire instructions.)
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MisfirePolicy {
    /// One run makes up for all missed runs.
    #[default]
    Once,
    /// Each missed run is made up for, subject to the [`OverlapPolicy`]. If there are more than
    /// this number, or than ten thousand, only the last ones are.
    All(u32),
    /// Missed runs are skipped.
    Skip,
}

/// The upper limit of [`MisfirePolicy::All`]: runs that are made up for are kept one by one.
const MOST_MADE_UP: u32 = 10_000;

impl MisfirePolicy {
    /// How many of the runs that are due together can be run.
    pub(super) fn most(self) -> usize {
        match self {
            MisfirePolicy::All(cap) => cap.min(MOST_MADE_UP) as usize,
            MisfirePolicy::Once | MisfirePolicy::Skip => 1,
        }
    }

    /// How many of them are run, of `due` that can be, if the last one is late by `lateness`.
    pub(super) fn made_up(self, due: usize, lateness: Duration, threshold: Duration) -> usize {
        match self {
            MisfirePolicy::All(_) | MisfirePolicy::Once => self.most().min(due),
            MisfirePolicy::Skip => usize::from(lateness <= threshold).min(due),
        }
    }
}
