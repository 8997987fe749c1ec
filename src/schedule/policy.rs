//! What an entry does about runs that overlap, and about runs that were missed.

/// What is done when a run is due while the one before it still runs, or waits for a
/// worker.
///
/// # Examples
///
/// ```
/// use groundcrew::{Pool, Schedule, Scheduler};
/// use groundcrew::schedule::OverlapPolicy;
/// use std::time::Duration;
///
/// let pool = Pool::new(4)?;
/// let scheduler = Scheduler::new(pool.submitter());
/// scheduler
///     .entry("probe", Schedule::every(Duration::from_secs(1)))
///     .overlap(OverlapPolicy::Concurrent(3))
///     .run(|_| Ok(()))?;
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverlapPolicy {
    /// It is left out, and counted.
    #[default]
    Skip,
    /// One waits for the end of the one before; more are left out, and counted.
    Queue,
    /// Maximum number of runs at the same time; further ones are left out, and counted.
    Concurrent(u32),
}

/// What is done about runs that were missed, since the machine was suspended, the clock was
/// set forward, or it was too busy to look.
///
/// A run that is late by no more than the [threshold](crate::schedule::EntryBuilder::missed_after),
/// 60 s by default, is only late, and runs. But whatever the rule, runs that become due
/// together are one run, unless it is `All`: this avoids a burst. (The rules and the
/// threshold are those of Quartz's misfire instructions.)
///
/// # Examples
///
/// ```
/// use groundcrew::{Pool, Schedule, Scheduler};
/// use groundcrew::schedule::MisfirePolicy;
/// use std::time::Duration;
///
/// let pool = Pool::new(1)?;
/// let scheduler = Scheduler::new(pool.submitter());
/// scheduler
///     .entry("billing", Schedule::every(Duration::from_secs(86_400)))
///     .misfire(MisfirePolicy::All(31))
///     .run(|_| Ok(()))?;
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MisfirePolicy {
    /// One run makes up for all that were missed.
    #[default]
    Once,
    /// Each is made up for, one after the other as the [`OverlapPolicy`] says; of more than this
    /// number, or than ten thousand, only the last ones are.
    All(u32),
    /// They are left out.
    Skip,
}
