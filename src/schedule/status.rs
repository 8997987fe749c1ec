//! The status of an entry: its runs, counted by outcome.

use crate::sync::Arc;
use crate::table::escaped;
use std::fmt;
use std::time::{Duration, SystemTime};

/// The status of an entry at one moment, returned by [`ScheduleEntry::status`] and
/// [`Scheduler::status`].
///
/// [`ScheduleEntry::status`]: crate::schedule::ScheduleEntry::status
/// [`Scheduler::status`]: crate::Scheduler::status
///
/// With the feature `serde` it can be serialized.
///
/// # Examples
///
/// ```
/// use groundcrew::{Pool, Schedule, Scheduler};
/// use groundcrew::schedule::RunOutcome;
/// use std::time::Duration;
///
/// let pool = Pool::new(1)?;
/// let scheduler = Scheduler::new(pool.submitter());
/// let entry = scheduler
///     .entry("tidy", Schedule::every(Duration::from_secs(3600)))
///     .run(|_| Err("no such folder")?)?;
/// scheduler.start()?;
/// entry.trigger();
/// pool.wait_idle();
///
/// let status = entry.status();
/// assert_eq!((status.name(), status.runs(), status.missed()), ("tidy", 1, 0));
/// assert!(status.next_due().is_some());
/// let last = status.last().unwrap();
/// assert_eq!(last.outcome(), &RunOutcome::Failed("no such folder".to_owned()));
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone, Debug)]
pub struct EntryStatus {
    pub(super) name: Arc<str>,
    pub(super) schedule: String,
    pub(super) next_due: Option<SystemTime>,
    pub(super) is_paused: bool,
    pub(super) running: u32,
    pub(super) stats: RunStats,
}

/// What an entry counts of its runs.
#[derive(Clone, Debug, Default)]
pub(super) struct RunStats {
    begun: u64,
    pub(super) missed: u64,
    pub(super) overlapped: u64,
    failed: u64,
    last: Option<LastRun>,
    last_error: Option<Arc<str>>,
    max_lateness: Duration,
}

impl RunStats {
    pub(super) fn begin(&mut self, lateness: Duration) {
        self.begun += 1;
        self.max_lateness = self.max_lateness.max(lateness);
    }

    /// Returns the error of a run that failed.
    pub(super) fn end(&mut self, last: LastRun) -> Option<Arc<str>> {
        let error: Option<Arc<str>> = last.outcome.error().map(Into::into);
        if error.is_some() {
            self.failed += 1;
            self.last_error.clone_from(&error);
        }
        self.last = Some(last);
        error
    }
}

/// The run of an entry that most recently ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRun {
    pub(super) due: SystemTime,
    pub(super) started: SystemTime,
    pub(super) ran: Duration,
    pub(super) lateness: Duration,
    pub(super) outcome: RunOutcome,
}

/// How a run of an entry ended. The outcome does not change the schedule.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunOutcome {
    /// It returned `Ok`.
    Completed,
    /// It returned this error, with its sources.
    Failed(String),
    /// It panicked. The message is in the log.
    Panicked,
    /// Its cancellation was requested, and it ended with [`Cancelled`](crate::cancel::Cancelled).
    Cancelled,
}

impl RunOutcome {
    /// The error of a run that failed.
    pub(super) fn error(&self) -> Option<&str> {
        match self {
            RunOutcome::Failed(error) => Some(error),
            RunOutcome::Panicked => Some("it panicked"),
            RunOutcome::Completed | RunOutcome::Cancelled => None,
        }
    }
}

impl RunOutcome {
    /// The outcome without the error.
    pub(super) fn word(&self) -> &'static str {
        match self {
            RunOutcome::Completed => "completed",
            RunOutcome::Failed(_) => "failed",
            RunOutcome::Panicked => "panicked",
            RunOutcome::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for RunOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            RunOutcome::Failed(error) => write!(f, ": {}", escaped(error)),
            _ => Ok(()),
        }
    }
}

impl EntryStatus {
    /// Returns the name of the entry.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its [`Schedule`](crate::Schedule) as text.
    pub fn schedule(&self) -> &str {
        &self.schedule
    }

    /// Returns when the next run is due, including jitter. Returns `None` if there is no further
    /// run, the entry is paused, its scheduler is not started, or a fixed delay has not begun.
    pub fn next_due(&self) -> Option<SystemTime> {
        self.next_due
    }

    /// Returns `true` if it is [paused](crate::schedule::ScheduleEntry::pause).
    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Returns how many of its runs are in the pool now: running, or waiting for a worker.
    pub fn running(&self) -> u32 {
        self.running
    }

    /// Returns how many of its runs have begun.
    pub fn runs(&self) -> u64 {
        self.stats.begun
    }

    /// Returns how many runs were skipped by the policy for
    /// [missed](crate::schedule::MisfirePolicy) runs. The count is not exact if a thousand or more
    /// were missed at once.
    pub fn missed(&self) -> u64 {
        self.stats.missed
    }

    /// Returns how many runs were skipped by the policy for
    /// [overlaps](crate::schedule::OverlapPolicy).
    pub fn overlapped(&self) -> u64 {
        self.stats.overlapped
    }

    /// Returns the run that ended last.
    pub fn last(&self) -> Option<&LastRun> {
        self.stats.last.as_ref()
    }

    /// Returns how many of its runs returned an error or panicked, not counting those that ended
    /// because of their token. The report of the pool's stop has the same count
    /// ([`StopReport::failed_schedules`](crate::StopReport::failed_schedules)).
    pub fn failures(&self) -> u64 {
        self.stats.failed
    }

    /// Returns the error of the latest failed run, with its sources, even if later runs succeeded.
    /// Returns `it panicked` for a panic, whose message is in the log, and `None` if no run failed.
    pub fn last_error(&self) -> Option<&str> {
        self.stats.last_error.as_deref()
    }

    /// Returns the maximum lateness of its runs.
    pub fn max_lateness(&self) -> Duration {
        self.stats.max_lateness
    }
}

impl LastRun {
    /// Returns the scheduled time of the run.
    pub fn due(&self) -> SystemTime {
        self.due
    }

    /// Returns when it began.
    pub fn started(&self) -> SystemTime {
        self.started
    }

    /// Returns how long it ran.
    pub fn ran(&self) -> Duration {
        self.ran
    }

    /// Returns how late it began.
    pub fn lateness(&self) -> Duration {
        self.lateness
    }

    /// Returns how it ended.
    pub fn outcome(&self) -> &RunOutcome {
        &self.outcome
    }
}

impl fmt::Display for EntryStatus {
    /// Formats the status, as in `tidy (every 1h): 3 runs, 0 missed, 1 overlapped, last completed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}): {} runs, ",
            self.name.escape_debug(),
            self.schedule,
            self.stats.begun
        )?;
        if self.stats.failed > 0 {
            write!(f, "{} failed, ", self.stats.failed)?;
        }
        write!(
            f,
            "{} missed, {} overlapped",
            self.stats.missed, self.stats.overlapped
        )?;
        match &self.stats.last {
            Some(last) => write!(f, ", last {}", last.outcome),
            None => Ok(()),
        }
    }
}
