//! The policies for runs that overlap, and for runs that were missed.

/// The policy for a run that is due while the one before it runs, or waits for a worker.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverlapPolicy {
    /// The run is skipped, and counted.
    #[default]
    Skip,
    /// One run waits for the end of the one before; further ones are skipped, and counted.
    Queue,
    /// Maximum number of runs at the same time; further ones are skipped, and counted.
    Concurrent(u32),
}

/// The policy for runs that were missed: the machine was suspended, the clock was set
/// forward, or the machine was overloaded.
///
/// A run that is late by no more than the [threshold](crate::schedule::EntryBuilder::missed_after),
/// 60 s by default, is only late, and runs. Runs that become due together are one run,
/// except with `All`: this avoids a burst. (The policies and the
/// threshold are those of Quartz's misfire instructions.)
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MisfirePolicy {
    /// One run makes up for all that were missed.
    #[default]
    Once,
    /// Each is made up for, one after the other as the [`OverlapPolicy`] says; of more than this
    /// number, or than ten thousand, only the last ones are.
    All(u32),
    /// They are skipped.
    Skip,
}
