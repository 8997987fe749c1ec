//! The way in: enqueuing, and the verbs of an operator.

use super::enqueue_error::EnqueueError;
use super::job::Job;
use super::job_builder::JobBuilder;
use super::new_job::NewJob;
use super::parents::Parents;
use crate::store::{
    CancelOutcome, Cursor, Enqueued, JobDetails, JobFilter, JobId, JobPage, LaneCounts, Store,
    StoreError,
};
use crate::sync::Arc;
use std::fmt;
use std::time::{Duration, SystemTime};

/// Durable jobs in a store: enqueues them, shows them, and lets an operator cancel, retry and
/// delete them. [`HostBuilder::jobs`](crate::HostBuilder::jobs) and
/// [`work_until_empty`](Self::work_until_empty) handle them.
///
/// Clones share the store. Methods that return a `Result` block for as long as the store takes,
/// which is some seconds at most.
///
/// See [the module](super) for what is promised, and for an example.
#[derive(Clone)]
pub struct Jobs {
    store: Arc<dyn Store>,
    parents: Arc<Parents>,
}

impl Jobs {
    /// Opens the jobs of a store.
    ///
    /// # Errors
    ///
    /// Returns the store's error if it does not answer.
    pub fn open(store: impl Store) -> Result<Jobs, StoreError> {
        store.now()?;
        Ok(Jobs {
            store: Arc::new(store),
            parents: Arc::default(),
        })
    }

    pub(super) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub(super) fn parents(&self) -> &Parents {
        &self.parents
    }

    /// Enqueues a job without options. When it returns `Ok`, the job is durable.
    ///
    /// # Errors
    ///
    /// As [`JobBuilder::enqueue`].
    pub fn enqueue<J: Job>(&self, job: &J) -> Result<JobId, EnqueueError> {
        Ok(self.job(job).enqueue()?.id)
    }

    /// Returns a builder for the options of a job, whose last method enqueues it.
    pub fn job<J: Job>(&self, job: &J) -> JobBuilder<'_> {
        JobBuilder::new(self, NewJob::of(job))
    }

    /// Enqueues jobs, all or none, in one transaction. Returns for each, in order, its id and
    /// whether it is new.
    ///
    /// # Errors
    ///
    /// As [`JobBuilder::enqueue`].
    pub fn enqueue_many<N: Into<NewJob>>(
        &self,
        jobs: impl IntoIterator<Item = N>,
    ) -> Result<Vec<Enqueued>, EnqueueError> {
        let specs = jobs.into_iter().map(|job| job.into().into_spec());
        let specs = specs.collect::<Result<Vec<_>, _>>()?;
        match specs.is_empty() {
            true => Ok(Vec::new()),
            false => Ok(self.parents.enqueue(|| self.store.enqueue(specs))?),
        }
    }

    /// Makes the workers of this process look into the store at once: after the commit of a
    /// transaction in which a job was enqueued.
    pub fn wake(&self) {
        self.store.wake();
    }

    /// Returns all that the store has of a job; `None` if it has none with this id.
    ///
    /// # Errors
    ///
    /// Returns the store's error if it cannot be read.
    pub fn get(&self, id: JobId) -> Result<Option<JobDetails>, StoreError> {
        self.store.get(id)
    }

    /// Cancels a job. If it runs, its token is cancelled: within 0.2 s on the same machine, within
    /// about a second elsewhere. It then ends as cancelled if its handler returns an error, and as
    /// completed if that returns `Ok`.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::NotFound`], or [`StoreError::WrongState`] if it has ended.
    pub fn cancel(&self, id: JobId) -> Result<CancelOutcome, StoreError> {
        self.store.cancel(id)
    }

    /// Makes a dead or cancelled job available again, with all its attempts.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::NotFound`]; [`StoreError::WrongState`] if it is neither dead nor
    /// cancelled; [`StoreError::UniqueKeyHeld`] if another job has its unique key now.
    pub fn retry(&self, id: JobId) -> Result<(), StoreError> {
        self.store.retry(id)
    }

    /// Removes a job with all that belongs to it.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::NotFound`], or [`StoreError::WrongState`] if it runs.
    pub fn delete(&self, id: JobId) -> Result<(), StoreError> {
        self.store.delete(id)
    }

    /// Returns the jobs that fit `filter`, in its order, after the place of `after`: `most` of them
    /// at once.
    ///
    /// # Errors
    ///
    /// Returns the store's error if it cannot be read.
    pub fn list(
        &self,
        filter: &JobFilter,
        after: Option<Cursor>,
        most: usize,
    ) -> Result<JobPage, StoreError> {
        self.store.list(filter, after, most)
    }

    /// Returns the numbers of jobs by queue, kind and state.
    ///
    /// # Errors
    ///
    /// Returns the store's error if it cannot be read.
    pub fn counts(&self) -> Result<Vec<LaneCounts>, StoreError> {
        self.store.counts()
    }

    /// Returns the due time of the oldest available job of a queue; `None` if none is available.
    ///
    /// # Errors
    ///
    /// Returns the store's error if it cannot be read.
    pub fn oldest_available(&self, queue: &str) -> Result<Option<SystemTime>, StoreError> {
        self.store.oldest_available(queue)
    }

    /// Returns by how much the workers of a queue lag behind: for how long its oldest available job
    /// has been due. It is zero if none is available.
    ///
    /// # Errors
    ///
    /// Returns the store's error if it cannot be read.
    pub fn lag(&self, queue: &str) -> Result<Duration, StoreError> {
        let Some(since) = self.store.oldest_available(queue)? else {
            return Ok(Duration::ZERO);
        };
        let now = self.store.now()?;
        Ok(now.duration_since(since).unwrap_or_default())
    }
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").finish_non_exhaustive()
    }
}
