//! What a handler can ask and report.

use super::attempt::{Attempt, Progress, shortened};
use crate::cancel::{CancelToken, Cancelled};
use crate::clock::Clock;
use crate::host::ServiceContext;
use crate::store::{Fence, JobId};
use crate::sync::Arc;
use std::fmt;
use std::time::{Duration, SystemTime};

/// The context passed to the handler of a job.
///
/// # Examples
///
/// ```
/// use groundcrew::jobs::{Job, JobContext, JobResult, Jobs};
/// use groundcrew::store::MemoryStore;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Import { rows: u64 }
/// impl Job for Import { const KIND: &'static str = "import"; }
///
/// fn import(job: Import, ctx: &JobContext) -> JobResult {
///     for row in 0..job.rows {
///         ctx.token().check()?; // a stop, a timeout, or an operator
///         ctx.progress(row + 1, job.rows);
///     }
///     ctx.note(format!("imported for {}", ctx.meta("customer").unwrap_or("all")));
///     Ok(())
/// }
///
/// let jobs = Jobs::open(MemoryStore::new())?;
/// jobs.job(&Import { rows: 3 }).meta("customer", "7").enqueue()?;
/// let report = jobs.work_until_empty(|workers| workers.on(import))?;
/// assert_eq!(report.completed(), 1);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub struct JobContext {
    attempt: Arc<Attempt>,
    /// Cancelled when a stop is requested.
    stopping: CancelToken,
    clock: Clock,
    /// For the notes of the thread, in a host.
    service: Option<Arc<ServiceContext>>,
}

impl JobContext {
    pub(super) fn new(
        attempt: Arc<Attempt>,
        stopping: CancelToken,
        clock: Clock,
        service: Option<Arc<ServiceContext>>,
    ) -> JobContext {
        JobContext {
            attempt,
            stopping,
            clock,
            service,
        }
    }

    /// Returns the id of the job.
    pub fn id(&self) -> JobId {
        self.attempt.id.job
    }

    /// Returns the name of the queue that the job is in.
    pub fn queue(&self) -> &str {
        &self.attempt.queue
    }

    /// Returns the kind of the job, which may be an alias.
    pub fn kind(&self) -> &str {
        &self.attempt.kind
    }

    /// Returns the number of this attempt, from 1. Attempts that were interrupted, snoozed or given
    /// back do not count.
    pub fn attempt(&self) -> u32 {
        self.attempt.number
    }

    /// Returns the maximum number of attempts.
    pub fn max_attempts(&self) -> u32 {
        self.attempt.max_attempts
    }

    /// Returns the fence of this attempt: a number that is higher than that of each earlier attempt
    /// of this job. A resource that keeps the highest number it has seen of a job, and refuses lower
    /// ones, is safe from an attempt whose lease was lost while it was frozen. Of different jobs
    /// the fences say nothing: those that were claimed together may share one.
    pub fn fence(&self) -> Fence {
        self.attempt.id.fence
    }

    /// Returns when the job was due at first, before any attempt, by the wall clock of the store.
    #[expect(
        clippy::misnamed_getters,
        reason = "the due time of the job, not of the attempt"
    )]
    pub fn due(&self) -> SystemTime {
        self.attempt.first_due
    }

    /// Returns the token of this attempt. It is cancelled when an operator cancels the job, after
    /// its timeout, in the last part of the time of a stop, and when the lease of the process is
    /// lost. See [what ends an attempt](super#what-an-error-means) for what an error means then.
    pub fn token(&self) -> &CancelToken {
        &self.attempt.token
    }

    /// Returns a token that is cancelled when a stop is requested, earlier than
    /// [`token`](Self::token). A handler may ignore it, or complete the step that it has begun and
    /// return [`Snooze`](super::Snooze) to continue later without the use of an attempt: any other
    /// error before the token is cancelled is a failed attempt.
    pub fn stopping(&self) -> &CancelToken {
        &self.stopping
    }

    /// Returns `true` if the [token](Self::token) is cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.attempt.token.is_cancelled()
    }

    /// Blocks for `duration`, or until the [token](Self::token) is cancelled.
    ///
    /// # Errors
    ///
    /// Returns [`Cancelled`] when the token is cancelled, at once if it already was.
    pub fn sleep(&self, duration: Duration) -> Result<(), Cancelled> {
        match self.clock.sleep(duration, &self.attempt.token.receiver()) {
            true => Err(Cancelled),
            false => Ok(()),
        }
    }

    /// Returns the clock of the host, which a test can move.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Records a note on the job's progress. The status of the host shows the latest one, and so
    /// does the report if the job is abandoned. Allocates memory. Of a longer one, the first 8 KiB
    /// are kept.
    pub fn note(&self, text: impl Into<String>) {
        let text = shortened(text.into());
        if let Some(service) = &self.service {
            service.note(text.clone());
        }
        self.attempt.set_note(text.into());
    }

    /// Records how much is done, which the status of the host shows.
    pub fn progress(&self, done: u64, of: u64) {
        self.attempt.set_progress(Progress { done, of });
    }

    /// Returns the value that the job was enqueued with under this key of its meta data.
    pub fn meta(&self, key: &str) -> Option<&str> {
        self.attempt.meta.get(key).map(String::as_str)
    }
}

impl fmt::Debug for JobContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobContext")
            .field("id", &self.id())
            .field("kind", &self.kind())
            .field("attempt", &self.attempt())
            .field("fence", &self.fence())
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}
