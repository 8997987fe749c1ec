//! A job before it is enqueued.

use super::enqueue_error::EnqueueError;
use super::job::Job;
use crate::store::{JobSpec, StoreError};
use std::time::{Duration, SystemTime};

/// A job with its options, for [`Jobs::enqueue_many`](super::Jobs::enqueue_many), which takes jobs
/// of several types. `&job` is one without options.
///
/// The job is written as JSON at once. If that fails, enqueuing it returns the error.
///
/// # Examples
///
/// ```
/// use groundcrew::jobs::{Job, Jobs, NewJob};
/// use groundcrew::store::{JobState, MemoryStore};
///
/// #[derive(serde::Serialize)]
/// struct SendWelcome { user: u64 }
/// impl Job for SendWelcome { const KIND: &'static str = "send-welcome"; }
///
/// #[derive(serde::Serialize)]
/// struct Resize<'a> { path: &'a str }
/// impl Job for Resize<'_> { const KIND: &'static str = "resize"; }
///
/// let jobs = Jobs::open(MemoryStore::new())?;
/// let enqueued = jobs.enqueue_many([
///     NewJob::of(&SendWelcome { user: 7 }).queue("mail").priority(10),
///     NewJob::of(&Resize { path: "beach.png" }),
/// ])?;
/// assert_eq!(jobs.get(enqueued[0].id)?.unwrap().info.queue, "mail");
///
/// jobs.enqueue_many((0..1000).map(|user| NewJob::of(&SendWelcome { user })))?;
/// jobs.enqueue_many(&[SendWelcome { user: 1 }, SendWelcome { user: 2 }])?;
/// let available = jobs.counts()?.iter().map(|lane| lane.states[JobState::Available]).sum::<u64>();
/// assert_eq!(available, 1004);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is enqueued yet"]
pub struct NewJob {
    spec: JobSpec,
    /// Why it cannot be enqueued as it is.
    problem: Option<EnqueueError>,
}

/// The options of a job, once for [`NewJob`] and once for the builder that has one.
macro_rules! options {
    ($self:ident => $new:expr) => {
        /// Puts the job into this queue. The default is
        /// [`default`](crate::store::JobSpec::DEFAULT_QUEUE).
        pub fn queue(mut $self, queue: impl Into<String>) -> Self {
            $new.spec_mut().queue = queue.into();
            $self
        }

        /// Sets the priority: higher ones are claimed first within a queue. The default is 0.
        ///
        /// As long as there are jobs of a higher priority, those of a lower one wait. To give
        /// each its share, use queues with [weights](crate::jobs::Workers::queues).
        pub fn priority(mut $self, priority: i32) -> Self {
            $new.spec_mut().priority = priority;
            $self
        }

        /// Makes the job due after `delay`. The store keeps the moment, not the delay.
        pub fn delay(mut $self, delay: Duration) -> Self {
            $new.spec_mut().due = crate::store::Due::After(delay);
            $self
        }

        /// Makes the job due at `moment` of the store's wall clock; at once if it has passed.
        pub fn at(mut $self, moment: impl Into<SystemTime>) -> Self {
            $new.spec_mut().due = crate::store::Due::At(moment.into());
            $self
        }

        /// Sets the maximum number of attempts, including the first, instead of the number in the
        /// handler's [retry policy](crate::jobs::Workers::retry).
        pub fn attempts(mut $self, attempts: u32) -> Self {
            $new.spec_mut().max_attempts = Some(attempts);
            $self
        }

        /// Limits how long an attempt may take. Then its token is cancelled; its thread is taken
        /// until the handler returns. If that is an error, the attempt has failed with "timed
        /// out"; if it is `Ok`, the job is completed.
        pub fn timeout(mut $self, timeout: Duration) -> Self {
            $new.spec_mut().timeout = Some(timeout);
            $self
        }

        /// Cancels the job if it was not claimed within `age` of being enqueued.
        pub fn expires(mut $self, age: Duration) -> Self {
            $new.spec_mut().expires = Some(age);
            $self
        }

        /// Allows one job with this key at a time: until that has ended, retries included,
        /// enqueuing another one is an error that names it.
        pub fn unique(mut $self, key: impl Into<String>) -> Self {
            $new.spec_mut().unique_key = Some(key.into());
            $self
        }

        /// Allows `most` jobs with this key to be available or to run at once, of all queues, kinds
        /// and processes: the others are *blocked*, whichever workers are free. When one leaves, the
        /// best of them is available: by priority, then by when it is due, then by its id.
        ///
        /// The number belongs to the key. The job that was enqueued last sets it for all; what runs
        /// already goes on. An attempt that waits for a retry has no place.
        pub fn limit(mut $self, key: impl Into<String>, most: u32) -> Self {
            $new.spec_mut().limit = Some(crate::store::Limit {
                key: key.into(),
                max: most,
            });
            $self
        }

        /// Lets the job wait until these jobs are completed. What is completed already does not
        /// count; one that is cancelled, or not in the store, is an error that names it.
        ///
        /// A dead job is still waited for, since it can be [retried](crate::jobs::Jobs::retry). If
        /// one is cancelled, deleted or pruned, so is the job cancelled, with a reason that says so,
        /// and what waits for that.
        ///
        /// Called again, it adds to those before.
        pub fn after(mut $self, jobs: impl IntoIterator<Item = crate::store::JobId>) -> Self {
            $new.spec_mut().after.extend(jobs);
            $self
        }

        /// Makes enqueuing repeatable, after an error that leaves open whether it happened: as
        /// long as a job with this id is in the store, enqueuing another one returns that job, and
        /// [`is_new`](crate::store::Enqueued::is_new) is `false`.
        pub fn client_id(mut $self, id: impl Into<String>) -> Self {
            $new.spec_mut().client_id = Some(id.into());
            $self
        }

        /// Keeps a value with the job, such as the id of a trace, under a key of the program's.
        pub fn meta(mut $self, key: impl Into<String>, value: impl Into<String>) -> Self {
            $new.spec_mut().meta.insert(key.into(), value.into());
            $self
        }
    };
}
pub(super) use options;

impl NewJob {
    /// A job without options.
    pub fn of<J: Job>(job: &J) -> NewJob {
        let (payload, problem) = match serde_json::to_vec(job) {
            Ok(payload) => (payload, None),
            Err(error) => (Vec::new(), Some(unserializable(J::KIND, &error))),
        };
        NewJob {
            spec: JobSpec::new(J::KIND, payload),
            problem,
        }
    }

    options!(self => self);

    pub(super) fn spec_mut(&mut self) -> &mut JobSpec {
        &mut self.spec
    }

    /// What the store is given.
    pub(super) fn into_spec(self) -> Result<JobSpec, EnqueueError> {
        match self.problem {
            Some(problem) => Err(problem),
            None if self.spec.timeout == Some(Duration::ZERO) => Err(StoreError::InvalidJob {
                kind: self.spec.kind,
                problem: "its timeout is zero; leave it out, or allow some time".to_owned(),
            }
            .into()),
            None => Ok(self.spec),
        }
    }
}

fn unserializable(kind: &str, error: &serde_json::Error) -> EnqueueError {
    EnqueueError::Unserializable {
        kind: kind.to_owned(),
        problem: error.to_string(),
    }
}

impl<J: Job> From<&J> for NewJob {
    fn from(job: &J) -> NewJob {
        NewJob::of(job)
    }
}
