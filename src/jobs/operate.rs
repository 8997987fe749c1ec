//! What an operator does to queues.

use super::way_in::Jobs;
use crate::store::{PausedQueue, StoreError};

impl Jobs {
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
