//! What an operator does to many jobs, and to queues.

use super::operated::Operated;
use super::way_in::Jobs;
use crate::store::{JobFilter, JobId, Operation, PausedQueue, StoreError};

/// In one transaction, which other writers wait for.
const AT_ONCE: usize = 500;

impl Jobs {
    /// Cancels all jobs that fit `filter`, one by one as [`cancel`](Self::cancel) does. What comes
    /// in meanwhile may be among them or not.
    ///
    /// # Errors
    ///
    /// Returns the store's error if it cannot be used. Then it is done for some of the jobs, and
    /// can be repeated for the rest.
    pub fn cancel_all(&self, filter: &JobFilter) -> Result<Operated, StoreError> {
        self.operate(Operation::Cancel, filter)
    }

    /// Makes all jobs that fit `filter` available again, one by one as [`retry`](Self::retry) does:
    /// one that is refused, since another job has its unique key now, keeps no other from it.
    ///
    /// # Errors
    ///
    /// As [`cancel_all`](Self::cancel_all).
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::jobs::{Job, Jobs};
    /// use groundcrew::store::{JobFilter, JobState, MemoryStore};
    ///
    /// #[derive(serde::Serialize)]
    /// struct Import { path: String }
    /// impl Job for Import { const KIND: &'static str = "import"; }
    ///
    /// let jobs = Jobs::open(MemoryStore::new())?;
    /// let import = Import { path: "a.csv".to_owned() };
    /// let mut ids = Vec::new();
    /// for _ in 0..2 {
    ///     ids.push(jobs.job(&import).unique("a.csv").enqueue()?.id);
    ///     jobs.cancel(ids[ids.len() - 1])?;
    /// }
    ///
    /// let cancelled = JobFilter::new(JobState::Cancelled).of_kind("import");
    /// let retried = jobs.retry_all(&cancelled)?;
    /// assert_eq!((retried.done, retried.refused), (1, 1));
    /// assert!(ids.contains(&retried.refusals[0].job));
    /// assert!(retried.refusals[0].error.to_string().contains("has the unique key \"a.csv\""));
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn retry_all(&self, filter: &JobFilter) -> Result<Operated, StoreError> {
        self.operate(Operation::Retry, filter)
    }

    /// Removes all jobs that fit `filter`, one by one as [`delete`](Self::delete) does.
    ///
    /// # Errors
    ///
    /// As [`cancel_all`](Self::cancel_all).
    pub fn delete_all(&self, filter: &JobFilter) -> Result<Operated, StoreError> {
        self.operate(Operation::Delete, filter)
    }

    /// Page by page. A job that leaves the list, or comes to its beginning again, is behind the
    /// place of the next page.
    fn operate(&self, operation: Operation, filter: &JobFilter) -> Result<Operated, StoreError> {
        let mut operated = Operated::default();
        let mut place = None;
        loop {
            let page = self.store().list(filter, place, AT_ONCE)?;
            let ids: Vec<JobId> = page.jobs.iter().map(|job| job.id).collect();
            if ids.is_empty() {
                return Ok(operated);
            }
            let answers = self.store().operate(operation, &ids)?;
            for (id, answer) in ids.into_iter().zip(answers) {
                operated.add(id, answer);
            }
            place = page.next;
            if place.is_none() {
                return Ok(operated);
            }
        }
    }

    /// Pauses a queue: no worker of any process claims from it, until it is
    /// [resumed](Self::resume). It is durable, so that a restart does not end it. What runs goes on,
    /// and what was claimed just before begins; jobs still come in and become due.
    ///
    /// Returns whether that is new: a queue that is paused already stays as it is.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::InvalidQueue`] if no queue can have this name.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::jobs::{Job, JobContext, Jobs};
    /// use groundcrew::store::MemoryStore;
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct SendWelcome { user: u64 }
    /// impl Job for SendWelcome { const KIND: &'static str = "send-welcome"; }
    ///
    /// let jobs = Jobs::open(MemoryStore::new())?;
    /// jobs.job(&SendWelcome { user: 7 }).queue("mail").enqueue()?;
    /// let work = || {
    ///     let handler = |_: SendWelcome, _: &JobContext| ();
    ///     jobs.work_until_empty(|workers| workers.queues(["mail"]).on(handler))
    /// };
    ///
    /// jobs.pause("mail")?; // the mail server is down
    /// assert_eq!(work()?.claimed(), 0);
    /// assert_eq!(jobs.paused()?[0].queue, "mail");
    ///
    /// jobs.resume("mail")?;
    /// assert_eq!(work()?.completed(), 1);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn pause(&self, queue: &str) -> Result<bool, StoreError> {
        self.store().pause(queue)
    }

    /// Ends the pause of a queue. Returns whether it was paused.
    ///
    /// # Errors
    ///
    /// Returns the store's error if it cannot be written to.
    pub fn resume(&self, queue: &str) -> Result<bool, StoreError> {
        self.store().resume(queue)
    }

    /// Returns the queues that are paused, in the order of their names.
    ///
    /// # Errors
    ///
    /// Returns the store's error if it cannot be read.
    pub fn paused(&self) -> Result<Vec<PausedQueue>, StoreError> {
        self.store().paused()
    }
}
