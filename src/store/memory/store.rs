//! The handle, its lock, and its clock.

use super::model::Model;
use crate::clock::Clock;
#[cfg(feature = "testing")]
use crate::clock::ManualClock;
use crate::store::changes::Changes;
use crate::store::lost::{TRIES, judged};
use crate::store::spec::check_queue;
use crate::store::{
    Answer, AttemptId, Beat, CancelOutcome, Claim, ClaimRequest, Cursor, Due, DueRecurring,
    Enqueued, Finish, HeldJob, JobDetails, JobFilter, JobId, JobPage, JobSpec, JobState,
    LaneCounts, LostJob, Operation, Outcome, PausedQueue, ProcessInfo, Promoted, RecurringAnswer,
    RecurringChange, RecurringJob, Store, StoreError, Swept, TakenOver, Version, WorkerId,
    WorkerInfo,
};
use crate::sync::{Arc, Mutex};
use std::fmt;
use std::time::{Duration, SystemTime};

/// Jobs in memory: they end with the process. It keeps all contracts of a [`Store`] but
/// durability, and is for tests and for programs that want jobs as long as they run.
///
/// Clones share the jobs.
///
/// # Examples
///
/// ```
/// use groundcrew::store::{JobSpec, MemoryStore, Store, StoreError};
///
/// let store = MemoryStore::new().limit_payload(16);
/// let mut job = JobSpec::new("send-welcome", r#"{"user":7}"#);
/// job.unique_key = Some("welcome-7".to_owned());
/// let first = store.enqueue(vec![job.clone()])?;
/// assert!(first[0].is_new);
///
/// let refused = store.enqueue(vec![job]).unwrap_err();
/// let holder = Some(first[0].id);
/// assert_eq!(refused, StoreError::UniqueKeyHeld { key: "welcome-7".to_owned(), holder });
///
/// let large = JobSpec::new("send-welcome", vec![b' '; 17]);
/// assert!(matches!(store.enqueue(vec![large]), Err(StoreError::PayloadTooLarge { .. })));
/// # Ok::<(), StoreError>(())
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    max_payload: usize,
    clock: Clock,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Each verb is one hold of this lock, but for a takeover: the program, which judges, is not
    /// called under it.
    model: Mutex<Model>,
    /// Changed after `model` is released.
    changes: Changes,
}

impl MemoryStore {
    /// A store without jobs. It takes payloads of up to 1 MiB.
    pub fn new() -> MemoryStore {
        MemoryStore {
            max_payload: 1 << 20,
            clock: Clock::default(),
            shared: Arc::default(),
        }
    }

    /// Sets the maximum size of the payload and the meta data of a job, in bytes.
    #[must_use]
    pub fn limit_payload(mut self, bytes: usize) -> MemoryStore {
        self.max_payload = bytes;
        self
    }

    /// Uses a manual clock (tests).
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn clock(mut self, clock: &ManualClock) -> MemoryStore {
        self.clock.manual = Some(clock.clone());
        self
    }

    fn read_clock(&self) -> SystemTime {
        Due::reading(self.clock.read().wall)
    }

    /// The clock is read under the lock: what happens later is not earlier by the clock.
    fn at_once<R>(&self, verb: impl FnOnce(&mut Model, SystemTime) -> R) -> R {
        let mut model = self.shared.model.lock();
        let now = self.read_clock();
        let result = verb(&mut model, now);
        let has_news = model.settle(now);
        drop(model);
        if has_news {
            self.wake();
        }
        result
    }
}

/// The number that is shown of a job.
const MOST_FOLLOWERS: usize = 100;

impl Default for MemoryStore {
    fn default() -> MemoryStore {
        MemoryStore::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("max_payload", &self.max_payload)
            .finish_non_exhaustive()
    }
}

impl Store for MemoryStore {
    fn enqueue(&self, jobs: Vec<JobSpec>) -> Result<Vec<Enqueued>, StoreError> {
        for job in &jobs {
            job.check(self.max_payload)?;
        }
        let enqueued = self.at_once(|model, now| model.enqueue(jobs, now))?;
        if enqueued.iter().any(|job| job.is_new) {
            self.wake();
        }
        Ok(enqueued)
    }

    fn max_payload(&self) -> usize {
        self.max_payload
    }

    fn register(&self, process: &ProcessInfo) -> Result<WorkerId, StoreError> {
        Ok(self.at_once(|model, now| model.workers.register(process.clone(), now)))
    }

    fn renew(&self, worker: WorkerId) -> Result<(), StoreError> {
        self.at_once(|model, now| model.workers.renew(worker, now))
    }

    fn withdraw(&self, worker: WorkerId) -> Result<usize, StoreError> {
        Ok(self.shared.model.lock().withdraw(worker))
    }

    fn workers(&self) -> Result<Vec<WorkerInfo>, StoreError> {
        Ok(self.shared.model.lock().workers.all())
    }

    fn take_over(
        &self,
        worker: WorkerId,
        seen: Beat,
        judge: &dyn Fn(&LostJob) -> Outcome,
    ) -> Result<Option<Vec<TakenOver>>, StoreError> {
        for _ in 0..TRIES {
            let lost = self.shared.model.lock().lost_jobs(worker, seen);
            let Some(lost) = lost else {
                return Ok(None);
            };
            let judged = judged(lost, judge);
            let taken_over = self.at_once(|model, now| model.take_over(worker, seen, &judged, now));
            if let Some(jobs) = taken_over {
                if !jobs.is_empty() {
                    self.wake();
                }
                return Ok(Some(jobs));
            }
        }
        Ok(None)
    }

    fn claim(&self, request: &ClaimRequest<'_>) -> Result<Claim, StoreError> {
        self.at_once(|model, now| model.claim(request, now))
    }

    fn mark_begun(&self, worker: WorkerId, attempt: AttemptId) {
        let mut model = self.shared.model.lock();
        model.workers.mark_begun(worker, attempt);
    }

    fn finish(&self, ends: &[Finish]) -> Result<Vec<Answer>, StoreError> {
        let (answers, has_returned) = self.at_once(|model, now| model.finish(ends, now));
        if has_returned {
            self.wake();
        }
        Ok(answers)
    }

    fn held(&self, worker: WorkerId) -> Result<Vec<HeldJob>, StoreError> {
        self.shared.model.lock().held(worker)
    }

    fn promote_due(&self, most: usize) -> Result<Promoted, StoreError> {
        let promoted = self.at_once(|model, now| model.promote_due(most, now));
        if promoted.count > 0 {
            self.wake();
        }
        Ok(promoted)
    }

    /// What was touched is always settled.
    fn unblock(&self) -> Result<bool, StoreError> {
        Ok(false)
    }

    fn cancel_expired(&self, most: usize) -> Result<Swept, StoreError> {
        Ok(self.at_once(|model, now| model.cancel_expired(most, now)))
    }

    fn prune(&self, state: JobState, age: Duration, most: usize) -> Result<Swept, StoreError> {
        Ok(self.at_once(|model, now| model.prune(state, age, most, now)))
    }

    fn get(&self, id: JobId) -> Result<Option<JobDetails>, StoreError> {
        let model = self.shared.model.lock();
        Ok(model.table.get(id).map(|row| {
            let followers = &model.table.followers;
            let mut job = row.job.clone();
            job.waits_for = followers.parents(id).collect();
            job.followers = followers.children(id).take(MOST_FOLLOWERS).collect();
            job
        }))
    }

    fn cancel(&self, id: JobId) -> Result<CancelOutcome, StoreError> {
        let outcome = self.at_once(|model, now| model.cancel(id, now))?;
        if outcome == CancelOutcome::Requested {
            self.wake();
        }
        Ok(outcome)
    }

    fn retry(&self, id: JobId) -> Result<(), StoreError> {
        self.at_once(|model, now| model.retry(id, now))?;
        self.wake();
        Ok(())
    }

    fn delete(&self, id: JobId) -> Result<(), StoreError> {
        self.at_once(|model, _| model.delete(id))
    }

    fn operate(
        &self,
        operation: Operation,
        jobs: &[JobId],
    ) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let answers = self.at_once(|model, now| model.operate(operation, jobs, now));
        if answers.iter().any(Result::is_ok) {
            self.wake();
        }
        Ok(answers)
    }

    fn pause(&self, queue: &str) -> Result<bool, StoreError> {
        check_queue(queue)?;
        Ok(self.at_once(|model, now| {
            let is_new = model.pause(queue, now);
            model.table.touch_all();
            is_new
        }))
    }

    fn resume(&self, queue: &str) -> Result<bool, StoreError> {
        let is_new = self.at_once(|model, _| {
            model.table.touch_all();
            model.resume(queue)
        });
        if is_new {
            self.wake();
        }
        Ok(is_new)
    }

    fn paused(&self) -> Result<Vec<PausedQueue>, StoreError> {
        Ok(self.shared.model.lock().paused())
    }

    fn list(
        &self,
        filter: &JobFilter,
        after: Option<Cursor>,
        most: usize,
    ) -> Result<JobPage, StoreError> {
        Ok(self.shared.model.lock().table.list(filter, after, most))
    }

    fn counts(&self) -> Result<Vec<LaneCounts>, StoreError> {
        Ok(self.shared.model.lock().table.counts())
    }

    fn oldest_available(&self, queue: &str) -> Result<Option<SystemTime>, StoreError> {
        Ok(self.shared.model.lock().table.oldest_available(queue))
    }

    fn recurring(
        &self,
        owner: Option<&str>,
        key: Option<&str>,
    ) -> Result<Vec<RecurringJob>, StoreError> {
        Ok(self.shared.model.lock().recurring(owner, key))
    }

    fn due_recurring(&self, owner: &str) -> Result<DueRecurring, StoreError> {
        Ok(self.at_once(|model, now| model.due_recurring(owner, now)))
    }

    fn change_recurring(
        &self,
        changes: &[RecurringChange],
    ) -> Result<Vec<RecurringAnswer>, StoreError> {
        for change in changes {
            change.check(self.max_payload)?;
        }
        let (answers, has_news) = self.at_once(|model, now| model.change_recurring(changes, now));
        if has_news {
            self.wake();
        }
        Ok(answers)
    }

    fn touch_recurring(&self, owner: &str, keys: &[&str]) -> Result<(), StoreError> {
        self.at_once(|model, now| model.touch_recurring(owner, keys, now));
        Ok(())
    }

    fn version(&self) -> Version {
        self.shared.changes.version()
    }

    fn wait_for_change(&self, seen: Version, timeout: Duration) -> Version {
        self.shared.changes.wait(seen, timeout)
    }

    fn wake(&self) {
        self.shared.changes.change();
    }

    fn now(&self) -> Result<SystemTime, StoreError> {
        Ok(self.read_clock())
    }
}
