//! Counts of the jobs that a process claimed, by what became of them; and how they are now.

use crate::store::{Fence, JobId, LaneCounts};
use crate::sync::Arc;
use std::fmt;
use std::time::Duration;

/// What became of the jobs that the workers of a service have claimed, as of the report. Returned
/// by [`HostReport::jobs`](crate::HostReport::jobs) and
/// [`Jobs::work_until_empty`](crate::jobs::Jobs::work_until_empty).
///
/// Each claim is in exactly one of the numbers: claimed = completed + failed + dead + cancelled +
/// snoozed + given back + interrupted + lease lost + unacknowledged + abandoned. A job that was
/// claimed twice, after a failure, say, counts twice.
///
/// A report is not clean, and the exit code is 75, if one of the last three is not 0: these jobs
/// run again, or may do so. With the feature `serde` it can be serialized.
///
/// # Examples
///
/// ```
/// use groundcrew::jobs::{Job, JobContext, Jobs};
/// use groundcrew::store::MemoryStore;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Divide { by: u32 }
/// impl Job for Divide { const KIND: &'static str = "divide"; }
///
/// let jobs = Jobs::open(MemoryStore::new())?;
/// jobs.enqueue_many(&[Divide { by: 1 }, Divide { by: 0 }])?;
/// let report = jobs.work_until_empty(|workers| {
///     workers.on(|job: Divide, _: &JobContext| match 1_u32.checked_div(job.by) {
///         Some(_) => Ok(()),
///         None => Err("division by zero")?,
///     })
/// })?;
/// assert_eq!((report.claimed(), report.completed(), report.failed()), (2, 1, 1));
/// assert!(report.is_clean());
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobsReport {
    pub(crate) claimed: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) dead: u64,
    pub(crate) cancelled: u64,
    pub(crate) snoozed: u64,
    pub(crate) given_back: u64,
    pub(crate) interrupted: u64,
    pub(crate) lease_lost: u64,
    pub(crate) unacknowledged: u64,
    pub(crate) abandoned: Vec<RunningJob>,
}

impl JobsReport {
    /// Returns the number of claims.
    pub fn claimed(&self) -> u64 {
        self.claimed
    }

    /// Returns how many were completed.
    pub fn completed(&self) -> u64 {
        self.completed
    }

    /// Returns how many failed, and have another attempt.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// Returns how many failed for good.
    pub fn dead(&self) -> u64 {
        self.dead
    }

    /// Returns how many were cancelled, by an operator or by their handler.
    pub fn cancelled(&self) -> u64 {
        self.cancelled
    }

    /// Returns how many were put off by their handler.
    pub fn snoozed(&self) -> u64 {
        self.snoozed
    }

    /// Returns how many were given back before they had begun.
    pub fn given_back(&self) -> u64 {
        self.given_back
    }

    /// Returns how many a stop interrupted: their handler returned an error in the last part of its
    /// time.
    pub fn interrupted(&self) -> u64 {
        self.interrupted
    }

    /// Returns how many another process has taken over, because this one did not renew its lease in
    /// time.
    /// The store has refused what their handlers returned.
    pub fn lease_lost(&self) -> u64 {
        self.lease_lost
    }

    /// Returns how many have ended without a confirmation by the store.
    pub fn unacknowledged(&self) -> u64 {
        self.unacknowledged
    }

    /// Returns the jobs that were still running at the end of the time for the stop.
    pub fn abandoned(&self) -> &[RunningJob] {
        &self.abandoned
    }

    /// Returns `true` if no job was left behind: none was abandoned, none is unacknowledged, and
    /// none was taken over.
    pub fn is_clean(&self) -> bool {
        self.left() == 0
    }

    pub(crate) fn left(&self) -> u64 {
        self.lease_lost + self.unacknowledged + self.abandoned.len() as u64
    }

    /// Adds the account of another incarnation.
    pub(crate) fn add(&mut self, other: JobsReport) {
        self.claimed += other.claimed;
        self.completed += other.completed;
        self.failed += other.failed;
        self.dead += other.dead;
        self.cancelled += other.cancelled;
        self.snoozed += other.snoozed;
        self.given_back += other.given_back;
        self.interrupted += other.interrupted;
        self.lease_lost += other.lease_lost;
        self.unacknowledged += other.unacknowledged;
        self.abandoned.extend(other.abandoned);
    }

    /// The sum that is the number of claims.
    #[cfg(test)]
    pub(crate) fn sum(&self) -> u64 {
        let ended = self.completed + self.failed + self.dead + self.cancelled + self.snoozed;
        ended + self.given_back + self.interrupted + self.left()
    }
}

impl fmt::Display for JobsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "claimed {}  completed {}  failed {}  dead {}",
            self.claimed, self.completed, self.failed, self.dead
        )?;
        let others = [
            ("cancelled", self.cancelled),
            ("snoozed", self.snoozed),
            ("given back", self.given_back),
            ("interrupted", self.interrupted),
            ("lease lost", self.lease_lost),
            ("unacknowledged", self.unacknowledged),
            ("abandoned", self.abandoned.len() as u64),
        ];
        for (what, count) in others.iter().filter(|(_, count)| *count > 0) {
            write!(f, "  {what} {count}")?;
        }
        Ok(())
    }
}

/// A job that this process runs, or ran at the moment of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningJob {
    pub(crate) id: JobId,
    pub(crate) kind: String,
    pub(crate) queue: String,
    pub(crate) attempt: u32,
    pub(crate) fence: Fence,
    pub(crate) age: Duration,
    pub(crate) note: Option<Arc<str>>,
    pub(crate) progress: Option<(u64, u64)>,
}

impl RunningJob {
    /// Returns its id.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Returns its kind.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Returns its queue.
    pub fn queue(&self) -> &str {
        &self.queue
    }

    /// Returns the number of the attempt, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns the fence of the attempt.
    pub fn fence(&self) -> Fence {
        self.fence
    }

    /// Returns for how long the attempt has run.
    pub fn age(&self) -> Duration {
        self.age
    }

    /// Returns the last note of its handler.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Returns how much is done, and of how much, as its handler last reported.
    pub fn progress(&self) -> Option<(u64, u64)> {
        self.progress
    }
}

/// How the jobs of a service are at one moment, in a
/// [status](crate::host::ServiceStatus::jobs).
#[derive(Clone, Debug, Default)]
pub struct JobsStatus {
    pub(crate) report: JobsReport,
    pub(crate) running: Vec<RunningJob>,
    pub(crate) waiting: usize,
    pub(crate) rate: f64,
    pub(crate) trouble: Option<String>,
    pub(crate) lanes: Vec<LaneCounts>,
    pub(crate) lags: Vec<(String, Duration)>,
}

impl JobsStatus {
    /// Returns what became of the jobs that this process has claimed so far. Those that run are
    /// among the abandoned ones.
    pub fn report(&self) -> &JobsReport {
        &self.report
    }

    /// Returns the jobs that run in this process.
    pub fn running(&self) -> &[RunningJob] {
        &self.running
    }

    /// Returns the number of jobs that this process has claimed, and that have not begun.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Returns how many attempts ended in a second, on average over the last minute.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Returns what is wrong with the store, if it cannot be used. The host is not ready then.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Returns the numbers of jobs in the store by queue, kind and state, of the queues of this
    /// service. They are empty if the store does not answer.
    pub fn lanes(&self) -> &[LaneCounts] {
        &self.lanes
    }

    /// Returns for how long the available job that has waited the longest in this queue has been
    /// due; `None` if none is available.
    pub fn lag(&self, queue: &str) -> Option<Duration> {
        let lag = self.lags.iter().find(|(name, _)| name == queue);
        lag.map(|(_, lag)| *lag)
    }

    /// The lags of all queues.
    #[cfg(feature = "serde")]
    pub(crate) fn lags(&self) -> &[(String, Duration)] {
        &self.lags
    }
}
