//! Jobs that are enqueued by a schedule. The store keeps the next instant of each; what comes after
//! it, the processes that declare the job compute.

use super::error::StoreError;
use super::ids::{JobId, WorkerId};
use super::spec::JobSpec;
use std::time::{Duration, SystemTime};

/// A recurring job as a store keeps it. Its name is its owner and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecurringJob {
    /// The workers that declare it, by their name.
    pub owner: String,
    /// Its name among those of the owner.
    pub key: String,
    /// The schedule, as text. The store only compares it.
    pub schedule: String,
    /// The policy for missed instants, as text. The store only compares it.
    pub missed: String,
    /// What is enqueued at each instant. When this one says that it is due does not count.
    pub job: JobSpec,
    /// The next instant; `None` if there is no further one.
    pub next: Option<SystemTime>,
    /// No instant up to this one is due any more, whatever `next` says.
    pub had_until: Option<SystemTime>,
    /// The last instant for which a job was enqueued.
    pub last: Option<SystemTime>,
    /// The last job that was enqueued for an instant. It may have been removed since.
    pub last_job: Option<JobId>,
    /// Since when no instant is due, if it is paused.
    pub paused_at: Option<SystemTime>,
    /// When a process that runs declared it last.
    pub declared_at: SystemTime,
    /// The process whose declaration this is.
    pub declared_by: WorkerId,
    /// Grows with each change; the store sets it. None is used twice, also if the recurring job is
    /// removed and comes back.
    pub revision: u64,
}

const UNDECLARED: Duration = Duration::from_secs(10 * 60);
const FORGOTTEN: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl RecurringJob {
    /// One that is not due before its first change, by a process that declares it now.
    pub fn new(
        owner: impl Into<String>,
        key: impl Into<String>,
        job: JobSpec,
        declared_by: WorkerId,
        now: SystemTime,
    ) -> RecurringJob {
        RecurringJob {
            owner: owner.into(),
            key: key.into(),
            schedule: String::new(),
            missed: String::new(),
            job,
            next: None,
            had_until: None,
            last: None,
            last_job: None,
            paused_at: None,
            declared_at: now,
            declared_by,
            revision: 0,
        }
    }

    /// Whether no process has declared it for ten minutes.
    pub fn is_undeclared(&self, now: SystemTime) -> bool {
        self.is_declared_before(now, UNDECLARED)
    }

    /// Whether no process has declared it for 30 days. The workers of any owner remove it then.
    pub fn is_forgotten(&self, now: SystemTime) -> bool {
        self.is_declared_before(now, FORGOTTEN)
    }

    fn is_declared_before(&self, now: SystemTime, age: Duration) -> bool {
        let since = now.duration_since(self.declared_at);
        since.is_ok_and(|since| since >= age)
    }

    /// Whether it is neither paused nor without a next instant, and that has come.
    pub fn is_due(&self, now: SystemTime) -> bool {
        self.paused_at.is_none() && self.next.is_some_and(|next| next <= now)
    }
}

/// A change of one recurring job, and what is enqueued with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecurringChange {
    /// The owner of the recurring job.
    pub owner: String,
    /// Its key.
    pub key: String,
    /// The revision that was seen; `None`: there was none. If it is another one now, nothing
    /// happens.
    pub seen: Option<u64>,
    /// What it becomes; `None` removes it. Owner and key stay as they are.
    pub to: Option<RecurringJob>,
    /// The jobs that are enqueued. One whose unique key is held is left out.
    pub jobs: Vec<JobSpec>,
}

impl RecurringChange {
    /// The recurring job, which is not in the store, gets into it.
    pub fn add(job: RecurringJob) -> RecurringChange {
        RecurringChange {
            seen: None,
            ..RecurringChange::set(job)
        }
    }

    /// The recurring job, which was read from the store, becomes this.
    pub fn set(to: RecurringJob) -> RecurringChange {
        RecurringChange {
            owner: to.owner.clone(),
            key: to.key.clone(),
            seen: Some(to.revision),
            to: Some(to),
            jobs: Vec::new(),
        }
    }

    /// The recurring job, which was read from the store, is removed.
    pub fn remove(job: &RecurringJob) -> RecurringChange {
        RecurringChange {
            owner: job.owner.clone(),
            key: job.key.clone(),
            seen: Some(job.revision),
            to: None,
            jobs: Vec::new(),
        }
    }

    /// Checks what every store refuses; `max_payload` is the store's limit, in bytes.
    ///
    /// # Errors
    ///
    /// The same as [`JobSpec::check`], of the recurring job and of those to enqueue.
    pub fn check(&self, max_payload: usize) -> Result<(), StoreError> {
        let declared = self.to.iter().map(|to| &to.job);
        let mut all = declared.chain(&self.jobs);
        all.try_for_each(|job| job.check(max_payload))
    }

    /// Enqueues this with the change.
    #[must_use]
    pub fn enqueue(mut self, job: JobSpec) -> RecurringChange {
        self.jobs.push(job);
        self
    }
}

/// What became of a [`RecurringChange`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecurringAnswer {
    /// It is made, and its jobs are enqueued: their ids in order, `None` for one whose unique key
    /// is held.
    Changed(Vec<Option<JobId>>),
    /// The recurring job has been changed since it was seen. Nothing has happened.
    Outdated,
}

/// The recurring jobs of an owner that are due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DueRecurring {
    /// Those that are not paused and whose next instant has come, the earliest first, then by key.
    pub jobs: Vec<RecurringJob>,
    /// How long until the next one after them.
    pub next: Option<Duration>,
}
