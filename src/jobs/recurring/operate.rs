//! What an operator sees of recurring jobs, and does to them.

use crate::jobs::enqueue_error::EnqueueError;
use crate::jobs::way_in::Jobs;
use crate::store::{JobId, RecurringAnswer, RecurringChange, RecurringJob, StoreError};
use std::fmt;
use std::time::SystemTime;

/// A recurring job of some workers, by their name and its key. Returned by [`Jobs::recurring`].
///
/// # Examples
///
/// ```
/// use groundcrew::jobs::{Job, JobContext, Jobs};
/// use groundcrew::store::MemoryStore;
/// use groundcrew::{Host, Schedule};
/// use std::time::Duration;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Tidy {}
/// impl Job for Tidy { const KIND: &'static str = "tidy"; }
///
/// let jobs = Jobs::open(MemoryStore::new())?;
/// let (sender, tidied) = groundcrew::channel::unbounded();
/// let mut host = Host::builder();
/// host.jobs("keeper", &jobs)
///     .on(move |_: Tidy, ctx: &JobContext| Ok(sender.send(ctx.id())?))
///     .recurring("tidy", Schedule::every(Duration::from_secs(3600)), &Tidy {});
/// let host = host.build()?.start()?;
///
/// let tidy = jobs.recurring("keeper", "tidy");
/// while tidy.status()?.is_none() { // until the workers have declared it
///     std::thread::yield_now();
/// }
/// let id = tidy.trigger()?;
/// assert_eq!(tidied.recv()?, id);
///
/// tidy.pause()?;
/// let status = tidy.status()?.unwrap();
/// assert_eq!((status.schedule(), status.next()), ("every 1h", None));
/// assert!(status.is_paused());
/// host.stop();
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Recurring<'a> {
    jobs: &'a Jobs,
    owner: String,
    key: String,
}

impl Jobs {
    /// Returns the recurring job with this key of the workers with the name `owner`. Nothing is read
    /// yet.
    pub fn recurring(&self, owner: impl Into<String>, key: impl Into<String>) -> Recurring<'_> {
        Recurring {
            jobs: self,
            owner: owner.into(),
            key: key.into(),
        }
    }

    /// Returns the status of all recurring jobs in the store, by owner and key.
    ///
    /// # Errors
    ///
    /// Returns the store's error if it cannot be read.
    pub fn all_recurring(&self) -> Result<Vec<RecurringStatus>, StoreError> {
        let all = self.store().recurring(None, None)?;
        let now = self.store().now()?;
        let all = all.into_iter().map(|job| RecurringStatus { job, now });
        Ok(all.collect())
    }
}

impl Recurring<'_> {
    fn read(&self) -> Result<Option<RecurringJob>, StoreError> {
        let store = self.jobs.store();
        Ok(store.recurring(Some(&self.owner), Some(&self.key))?.pop())
    }

    fn find(&self) -> Result<RecurringJob, StoreError> {
        self.read()?.ok_or_else(|| StoreError::NoRecurringJob {
            owner: self.owner.clone(),
            key: self.key.clone(),
        })
    }

    /// Returns its status; `None` if the store does not have it: workers that declare it put it
    /// there shortly after their start.
    ///
    /// # Errors
    ///
    /// Returns the store's error if it cannot be read.
    pub fn status(&self) -> Result<Option<RecurringStatus>, StoreError> {
        let Some(job) = self.read()? else {
            return Ok(None);
        };
        let now = self.jobs.store().now()?;
        Ok(Some(RecurringStatus { job, now }))
    }

    /// Pauses it: nothing is enqueued at its instants, in no process, until it is
    /// [resumed](Self::resume). Jobs that were enqueued before are not affected. Does nothing if it is
    /// paused.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::NoRecurringJob`] if the store does not have it, and its other errors.
    pub fn pause(&self) -> Result<(), StoreError> {
        self.change(|job, now| {
            let is_new = job.paused_at.is_none();
            job.paused_at.get_or_insert(now);
            is_new
        })
    }

    /// Resumes it: it is due at the next instant from now on. Those that came in the pause are not made
    /// up for. Does nothing if it is not paused.
    ///
    /// # Errors
    ///
    /// As [`pause`](Self::pause).
    pub fn resume(&self) -> Result<(), StoreError> {
        self.change(|job, now| {
            job.had_until = job.had_until.max(Some(now));
            job.paused_at.take().is_some()
        })
    }

    /// Enqueues its job now, also if it is paused, and whether or not workers run. Its instants stay
    /// as they are.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::NoRecurringJob`] if the store does not have it, and the errors of
    /// [`JobBuilder::enqueue`](super::super::JobBuilder::enqueue).
    pub fn trigger(&self) -> Result<JobId, EnqueueError> {
        let job = self.find()?.job;
        let store = self.jobs.store();
        let enqueued = self.jobs.parents().enqueue(|| store.enqueue(vec![job]))?;
        Ok(enqueued[0].id)
    }

    /// Makes a change, unless `change` returns `false`. Another process may make one in between; it
    /// is then read again.
    fn change(
        &self,
        change: impl Fn(&mut RecurringJob, SystemTime) -> bool,
    ) -> Result<(), StoreError> {
        let store = self.jobs.store();
        loop {
            let mut job = self.find()?;
            if !change(&mut job, store.now()?) {
                return Ok(());
            }
            let answers = store.change_recurring(&[RecurringChange::set(job)])?;
            if answers != [RecurringAnswer::Outdated] {
                return Ok(());
            }
        }
    }
}

/// The status of a recurring job at one moment. Returned by [`Recurring::status`] and
/// [`Jobs::all_recurring`].
#[derive(Clone, Debug)]
pub struct RecurringStatus {
    job: RecurringJob,
    now: SystemTime,
}

impl RecurringStatus {
    /// Returns the name of the workers that declare it.
    pub fn owner(&self) -> &str {
        &self.job.owner
    }

    /// Returns its key.
    pub fn key(&self) -> &str {
        &self.job.key
    }

    /// Returns the kind of its job.
    pub fn kind(&self) -> &str {
        &self.job.job.kind
    }

    /// Returns its [`Schedule`](crate::Schedule) as text.
    pub fn schedule(&self) -> &str {
        &self.job.schedule
    }

    /// Returns the next instant at which it is due. Returns `None` if there is no further one, or if
    /// it is paused or undeclared.
    pub fn next(&self) -> Option<SystemTime> {
        self.job
            .next
            .filter(|_| !self.is_paused() && !self.is_undeclared())
    }

    /// Returns the last instant for which a job was enqueued.
    pub fn last(&self) -> Option<SystemTime> {
        self.job.last
    }

    /// Returns the job that was enqueued for that instant. It may have been removed since.
    pub fn last_job(&self) -> Option<JobId> {
        self.job.last_job
    }

    /// Returns `true` if it is [paused](Recurring::pause).
    pub fn is_paused(&self) -> bool {
        self.job.paused_at.is_some()
    }

    /// Returns `true` if no process has declared it for ten minutes: a newer release of the program
    /// does not have it, or none runs. It is removed when no process has declared it for 30 days.
    pub fn is_undeclared(&self) -> bool {
        self.job.is_undeclared(self.now)
    }
}

impl fmt::Display for RecurringStatus {
    /// Formats the status, as in `keeper/tidy (every 1h): undeclared`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (owner, key) = (self.owner().escape_debug(), self.key().escape_debug());
        write!(f, "{owner}/{key} ({})", self.schedule())?;
        match self.next() {
            _ if self.is_undeclared() => f.write_str(": undeclared"),
            _ if self.is_paused() => f.write_str(": paused"),
            Some(next) => write!(f, ": next at {}", crate::schedule::utc(next)),
            None => f.write_str(": no further instant"),
        }
    }
}
