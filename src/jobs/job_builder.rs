//! The options of one job.

use super::enqueue_error::EnqueueError;
use super::new_job::{NewJob, options};
use super::way_in::Jobs;
use crate::store::{Enqueued, JobSpec, Statement, StoreError, Transaction};
use std::time::{Duration, SystemTime};

/// Builds a job, and enqueues it. Returned by [`Jobs::job`].
///
/// # Examples
///
/// ```
/// use groundcrew::jobs::{Job, Jobs};
/// use groundcrew::store::{JobState, MemoryStore};
/// use std::time::Duration;
///
/// #[derive(serde::Serialize)]
/// struct SendWelcome { user: u64 }
/// impl Job for SendWelcome { const KIND: &'static str = "send-welcome"; }
///
/// let jobs = Jobs::open(MemoryStore::new())?;
/// let enqueued = jobs
///     .job(&SendWelcome { user: 7 })
///     .queue("mail")
///     .delay(Duration::from_secs(3600))
///     .client_id("order-7")
///     .meta("trace", "4bf92f35")
///     .enqueue()?;
/// assert!(enqueued.is_new);
/// let job = jobs.get(enqueued.id)?.unwrap();
/// assert_eq!((job.info.state, &job.payload[..]), (JobState::Scheduled, &br#"{"user":7}"#[..]));
/// assert_eq!(job.meta["trace"], "4bf92f35");
///
/// let again = jobs.job(&SendWelcome { user: 7 }).client_id("order-7").enqueue()?;
/// assert_eq!((again.id, again.is_new), (enqueued.id, false));
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is enqueued yet"]
pub struct JobBuilder<'a> {
    jobs: &'a Jobs,
    new: NewJob,
}

impl<'a> JobBuilder<'a> {
    pub(super) fn new(jobs: &'a Jobs, new: NewJob) -> JobBuilder<'a> {
        JobBuilder { jobs, new }
    }

    options!(self => self.new);

    /// Enqueues the job. When it returns `Ok`, the job is durable. Blocks until then, for some
    /// seconds at most.
    ///
    /// # Errors
    ///
    /// Returns an [`EnqueueError`] if the job cannot be written as JSON, or if the store refuses
    /// it or cannot take it.
    pub fn enqueue(self) -> Result<Enqueued, EnqueueError> {
        let spec = self.new.into_spec()?;
        let (store, parents) = (self.jobs.store(), self.jobs.parents());
        Ok(parents.enqueue(|| store.enqueue(vec![spec]))?[0])
    }

    /// Enqueues the job in a transaction of the program's own: the job is there if and when that
    /// commits. Workers of this process then notice it within 0.1 s, or at once after
    /// [`Jobs::wake`].
    ///
    /// # Errors
    ///
    /// As [`enqueue`](Self::enqueue). The transaction stays open.
    pub fn enqueue_in(self, transaction: impl Transaction) -> Result<Enqueued, EnqueueError> {
        let parents = self.jobs.parents();
        let spec = self.checked()?;
        Ok(parents.enqueue(|| Ok::<_, StoreError>(vec![transaction.enqueue(&spec)?]))?[0])
    }

    /// Returns a statement in the SQL of the store that enqueues the job, for a driver that this
    /// crate does not know.
    ///
    /// # Errors
    ///
    /// Returns an [`EnqueueError`] if the job cannot be written as JSON, if the store would refuse
    /// it, or if the store has no SQL.
    pub fn statement(self) -> Result<Statement, EnqueueError> {
        let jobs = self.jobs;
        Ok(jobs.store().statement(&self.checked()?)?)
    }

    /// A transaction of the program's does not know the limit of the store.
    fn checked(self) -> Result<JobSpec, EnqueueError> {
        let spec = self.new.into_spec()?;
        spec.check(self.jobs.store().max_payload())?;
        Ok(spec)
    }
}

impl From<JobBuilder<'_>> for NewJob {
    fn from(builder: JobBuilder<'_>) -> NewJob {
        builder.new
    }
}
