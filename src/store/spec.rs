//! What is enqueued.

use super::due::Due;
use super::error::StoreError;
use super::ids::JobId;
use super::limit::Limit;
use std::collections::BTreeMap;
use std::time::Duration;

/// A job as it is given to a store: its kind, its payload and its options.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobSpec {
    /// The name of the job's type.
    pub kind: String,
    /// The queue. The default is [`DEFAULT_QUEUE`](Self::DEFAULT_QUEUE).
    pub queue: String,
    /// What the handler gets; the store does not read it.
    pub payload: Vec<u8>,
    /// What the program wants to find with the job, such as the id of a trace.
    pub meta: BTreeMap<String, String>,
    /// Higher ones are claimed first within a queue. The default is 0.
    pub priority: i32,
    /// When it is due.
    pub due: Due,
    /// The maximum number of attempts; `None` leaves it to the handler
    /// ([`KindRequest::max_attempts`](super::KindRequest::max_attempts)).
    pub max_attempts: Option<u32>,
    /// How long one attempt may take. The store keeps it for the worker, which watches over it.
    pub timeout: Option<Duration>,
    /// After this, from the moment of enqueuing, it is not claimed any more but cancelled.
    pub expires: Option<Duration>,
    /// Only one job that has not ended may have this key.
    pub unique_key: Option<String>,
    /// Keeps it back while as many jobs with the same key as may are available or run.
    pub limit: Option<Limit>,
    /// The jobs that are to be completed first. If one of them is cancelled, deleted or pruned, the
    /// job is cancelled.
    pub after: Vec<JobId>,
    /// Makes enqueuing repeatable: as long as a job with this id is in the store, enqueuing
    /// another one returns that job.
    pub client_id: Option<String>,
}

impl JobSpec {
    /// The queue of a job that names none.
    pub const DEFAULT_QUEUE: &str = "default";

    /// The longest name of a kind or of a queue, unique key, client id, key of a limit, or key of
    /// the meta data, in bytes.
    pub const MAX_NAME: usize = 1024;

    /// A job with the default options, due at once.
    pub fn new(kind: impl Into<String>, payload: impl Into<Vec<u8>>) -> JobSpec {
        JobSpec {
            kind: kind.into(),
            queue: JobSpec::DEFAULT_QUEUE.to_owned(),
            payload: payload.into(),
            meta: BTreeMap::new(),
            priority: 0,
            due: Due::Now,
            max_attempts: None,
            timeout: None,
            expires: None,
            unique_key: None,
            limit: None,
            after: Vec::new(),
            client_id: None,
        }
    }

    /// Checks what every store refuses; `max_payload` is the store's limit, in bytes.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::PayloadTooLarge`] if the payload and the meta data together are larger
    /// than the limit, and [`StoreError::InvalidJob`] if a name is empty, too long or has control
    /// characters, or if no attempt, or none at once, is allowed.
    pub fn check(&self, max_payload: usize) -> Result<(), StoreError> {
        let named = [("kind", &self.kind), ("queue", &self.queue)];
        let keys = [
            ("unique key", self.unique_key.as_ref()),
            ("client id", self.client_id.as_ref()),
            ("limit's key", self.limit.as_ref().map(|limit| &limit.key)),
        ];
        let keys = keys.iter().filter_map(|(what, key)| Some((*what, (*key)?)));
        let meta = self.meta.keys().map(|key| ("key of the meta data", key));
        for (what, name) in named.into_iter().chain(keys).chain(meta) {
            check_name(what, name).map_err(|problem| self.invalid(problem))?;
        }
        if self.max_attempts == Some(0) {
            return Err(self.invalid("it allows no attempt; allow at least 1".to_owned()));
        }
        if self.limit.as_ref().is_some_and(|limit| limit.max == 0) {
            return Err(self.invalid("its limit is 0; allow at least 1".to_owned()));
        }
        let size = self.size();
        if size > max_payload {
            return Err(StoreError::PayloadTooLarge {
                kind: self.kind.clone(),
                size,
                limit: max_payload,
            });
        }
        Ok(())
    }

    /// The size of the payload and the meta data, in bytes.
    pub(super) fn size(&self) -> usize {
        let meta = self.meta.iter().map(|(key, value)| key.len() + value.len());
        self.payload.len() + meta.sum::<usize>()
    }

    fn invalid(&self, problem: String) -> StoreError {
        StoreError::InvalidJob {
            kind: self.kind.clone(),
            problem,
        }
    }
}

/// Checks the name of a queue by itself.
pub(super) fn check_queue(queue: &str) -> Result<(), StoreError> {
    check_name("name", queue).map_err(|problem| StoreError::InvalidQueue {
        queue: queue.to_owned(),
        problem,
    })
}

/// What is wrong with a name, and what to do about it.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err(format!("its {what} is empty; give it a name"));
    }
    if name.len() > JobSpec::MAX_NAME {
        return Err(format!(
            "its {what} has {} bytes; shorten it to {}",
            name.len(),
            JobSpec::MAX_NAME
        ));
    }
    if name.chars().any(char::is_control) {
        return Err(format!(
            "its {what} {name:?} has control characters; leave them out"
        ));
    }
    Ok(())
}

/// What enqueuing a job returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enqueued {
    /// The job.
    pub id: JobId,
    /// Whether it is new. If not, its client id was known; the stored job is unchanged.
    pub is_new: bool,
}
