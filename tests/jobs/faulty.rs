//! A store that fails when it is told to, over the store of the tests.

use crate::common::{Entrance, Gate};
use crate::parts::wait_until;
use crate::setup::TestStore;
use groundcrew::store::{
    Answer, AttemptId, Beat, CancelOutcome, Claim, ClaimRequest, Cursor, DueRecurring, Enqueued,
    Finish, HeldJob, JobDetails, JobFilter, JobId, JobPage, JobSpec, JobState, LaneCounts, LostJob,
    Operation, Outcome, PausedQueue, ProcessInfo, Promoted, RecurringAnswer, RecurringChange,
    RecurringJob, Store, StoreError, Swept, TakenOver, Version, WorkerId, WorkerInfo,
};
use groundcrew::testing::ManualClock;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

#[derive(Clone, Default)]
pub(crate) struct FaultyStore {
    pub(crate) inner: TestStore,
    faults: Arc<Mutex<Faults>>,
}

#[derive(Default)]
struct Faults {
    /// These verbs fail, and do nothing.
    down: HashSet<&'static str>,
    /// The next answer of these verbs is lost: what was asked for is done.
    unanswered: HashSet<&'static str>,
    /// Calls of these verbs wait at a gate before they do anything.
    held: HashMap<&'static str, Entrance>,
    /// The verbs that have come to a gate.
    arrivals: Vec<&'static str>,
    /// The ends of these jobs cannot be stored, nor their processes be taken over.
    damaged: HashSet<JobId>,
    /// Each call, when it began.
    calls: Vec<&'static str>,
    /// How long the thread that looks at processes was ready to wait for a change, each time.
    pauses: Vec<Duration>,
    /// Each call that was answered by the store below.
    answers: Vec<&'static str>,
}

impl FaultyStore {
    pub(crate) fn over(store: &TestStore) -> FaultyStore {
        FaultyStore {
            inner: store.clone(),
            faults: Arc::default(),
        }
    }

    /// With a clock of the test.
    pub(crate) fn by(clock: &ManualClock) -> FaultyStore {
        FaultyStore {
            inner: TestStore::new().clock(clock),
            ..FaultyStore::default()
        }
    }

    /// Drops `others`, and blocks until nothing has the store any more, abandoned threads neither:
    /// only then does a store in a file remove that.
    pub(crate) fn outlive<T>(self, others: T) {
        drop(others);
        wait_until(|| Arc::strong_count(&self.faults) == 1);
    }

    pub(crate) fn break_down(&self, verbs: &[&'static str]) {
        self.faults.lock().unwrap().down.extend(verbs);
    }

    pub(crate) fn come_back(&self) {
        self.faults.lock().unwrap().down.clear();
    }

    pub(crate) fn lose_answer(&self, verb: &'static str) {
        self.faults.lock().unwrap().unanswered.insert(verb);
    }

    pub(crate) fn is_answer_lost(&self, verb: &'static str) -> bool {
        !self.faults.lock().unwrap().unanswered.contains(verb)
    }

    /// Calls of the verb wait until the gate is open.
    pub(crate) fn hold(&self, verb: &'static str) -> Gate {
        let gate = Gate::new();
        let entrance = gate.entrance();
        self.faults.lock().unwrap().held.insert(verb, entrance);
        gate
    }

    /// How many calls have come to a gate.
    pub(crate) fn arrivals(&self, verb: &'static str) -> usize {
        let faults = self.faults.lock().unwrap();
        faults.arrivals.iter().filter(|it| **it == verb).count()
    }

    pub(crate) fn damage(&self, job: JobId) {
        self.faults.lock().unwrap().damaged.insert(job);
    }

    pub(crate) fn repair(&self) {
        self.faults.lock().unwrap().damaged.clear();
    }

    pub(crate) fn calls(&self, verb: &'static str) -> usize {
        let faults = self.faults.lock().unwrap();
        faults.calls.iter().filter(|call| **call == verb).count()
    }

    /// How long the thread that looks at processes was ready to wait for a change, each time.
    pub(crate) fn pauses(&self) -> Vec<Duration> {
        self.faults.lock().unwrap().pauses.clone()
    }

    /// How many calls have done what they were to.
    pub(crate) fn answers(&self, verb: &'static str) -> usize {
        let faults = self.faults.lock().unwrap();
        faults.answers.iter().filter(|call| **call == verb).count()
    }

    fn call<T>(
        &self,
        verb: &'static str,
        call: impl FnOnce(&TestStore) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let (is_down, is_unanswered, held) = {
            let mut faults = self.faults.lock().unwrap();
            faults.calls.push(verb);
            let is_down = faults.down.contains(verb);
            let is_unanswered = !is_down && faults.unanswered.remove(verb);
            let held = faults.held.get(verb).cloned();
            faults.arrivals.extend(held.as_ref().map(|_| verb));
            (is_down, is_unanswered, held)
        };
        if let Some(entrance) = held {
            entrance.pass();
        }
        let detail = format!("no {verb} in this test");
        if is_down {
            return Err(StoreError::Unavailable { detail });
        }
        let result = call(&self.inner);
        if result.is_ok() {
            self.faults.lock().unwrap().answers.push(verb);
        }
        match is_unanswered {
            true => Err(StoreError::OutcomeUnknown { detail }),
            false => result,
        }
    }
}

fn damaged_row() -> StoreError {
    StoreError::Corrupt {
        detail: "a damaged row in this test".to_owned(),
    }
}

impl Store for FaultyStore {
    fn enqueue(&self, jobs: Vec<JobSpec>) -> Result<Vec<Enqueued>, StoreError> {
        self.call("enqueue", |store| store.enqueue(jobs))
    }
    fn max_payload(&self) -> usize {
        self.inner.max_payload()
    }
    fn register(&self, process: &ProcessInfo) -> Result<WorkerId, StoreError> {
        self.call("register", |store| store.register(process))
    }
    fn renew(&self, worker: WorkerId) -> Result<(), StoreError> {
        self.call("renew", |store| store.renew(worker))
    }
    fn withdraw(&self, worker: WorkerId) -> Result<usize, StoreError> {
        self.call("withdraw", |store| store.withdraw(worker))
    }
    fn workers(&self) -> Result<Vec<WorkerInfo>, StoreError> {
        self.call("workers", |store| store.workers())
    }
    fn take_over(
        &self,
        worker: WorkerId,
        seen: Beat,
        judge: &dyn Fn(&LostJob) -> Outcome,
    ) -> Result<Option<Vec<TakenOver>>, StoreError> {
        self.call("take_over", |store| {
            let damaged = self.faults.lock().unwrap().damaged.clone();
            let held = match damaged.is_empty() {
                true => Vec::new(),
                false => store.held(worker)?,
            };
            match held.iter().any(|job| damaged.contains(&job.attempt.job)) {
                true => Err(damaged_row()),
                false => store.take_over(worker, seen, judge),
            }
        })
    }
    fn claim(&self, request: &ClaimRequest<'_>) -> Result<Claim, StoreError> {
        self.call("claim", |store| store.claim(request))
    }
    fn mark_begun(&self, worker: WorkerId, attempt: AttemptId) {
        self.inner.mark_begun(worker, attempt);
    }
    fn finish(&self, ends: &[Finish]) -> Result<Vec<Answer>, StoreError> {
        self.call("finish", |store| {
            let damaged = &self.faults.lock().unwrap().damaged;
            match ends.iter().any(|end| damaged.contains(&end.attempt.job)) {
                true => Err(damaged_row()),
                false => store.finish(ends),
            }
        })
    }
    fn held(&self, worker: WorkerId) -> Result<Vec<HeldJob>, StoreError> {
        self.call("held", |store| store.held(worker))
    }
    fn promote_due(&self, most: usize) -> Result<Promoted, StoreError> {
        self.call("promote_due", |store| store.promote_due(most))
    }
    fn unblock(&self) -> Result<bool, StoreError> {
        self.call("unblock", |store| store.unblock())
    }
    fn cancel_expired(&self, most: usize) -> Result<Swept, StoreError> {
        self.call("cancel_expired", |store| store.cancel_expired(most))
    }
    fn prune(&self, state: JobState, age: Duration, most: usize) -> Result<Swept, StoreError> {
        self.call("prune", |store| store.prune(state, age, most))
    }
    fn get(&self, id: JobId) -> Result<Option<JobDetails>, StoreError> {
        self.call("get", |store| store.get(id))
    }
    fn cancel(&self, id: JobId) -> Result<CancelOutcome, StoreError> {
        self.call("cancel", |store| store.cancel(id))
    }
    fn retry(&self, id: JobId) -> Result<(), StoreError> {
        self.call("retry", |store| store.retry(id))
    }
    fn delete(&self, id: JobId) -> Result<(), StoreError> {
        self.call("delete", |store| store.delete(id))
    }
    fn operate(
        &self,
        operation: Operation,
        jobs: &[JobId],
    ) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        self.call("operate", |store| store.operate(operation, jobs))
    }
    fn pause(&self, queue: &str) -> Result<bool, StoreError> {
        self.call("pause", |store| store.pause(queue))
    }
    fn resume(&self, queue: &str) -> Result<bool, StoreError> {
        self.call("resume", |store| store.resume(queue))
    }
    fn paused(&self) -> Result<Vec<PausedQueue>, StoreError> {
        self.call("paused", |store| store.paused())
    }
    fn list(
        &self,
        filter: &JobFilter,
        after: Option<Cursor>,
        most: usize,
    ) -> Result<JobPage, StoreError> {
        self.call("list", |store| store.list(filter, after, most))
    }
    fn counts(&self) -> Result<Vec<LaneCounts>, StoreError> {
        self.call("counts", |store| store.counts())
    }
    fn oldest_available(&self, queue: &str) -> Result<Option<SystemTime>, StoreError> {
        self.call("oldest_available", |store| store.oldest_available(queue))
    }
    fn recurring(
        &self,
        owner: Option<&str>,
        key: Option<&str>,
    ) -> Result<Vec<RecurringJob>, StoreError> {
        self.call("recurring", |store| store.recurring(owner, key))
    }
    fn due_recurring(&self, owner: &str) -> Result<DueRecurring, StoreError> {
        self.call("due_recurring", |store| store.due_recurring(owner))
    }
    fn change_recurring(
        &self,
        changes: &[RecurringChange],
    ) -> Result<Vec<RecurringAnswer>, StoreError> {
        self.call("change_recurring", |store| store.change_recurring(changes))
    }
    fn touch_recurring(&self, owner: &str, keys: &[&str]) -> Result<(), StoreError> {
        self.call("touch_recurring", |store| {
            store.touch_recurring(owner, keys)
        })
    }
    fn version(&self) -> Version {
        self.inner.version()
    }
    fn wait_for_change(&self, seen: Version, timeout: Duration) -> Version {
        let thread = std::thread::current();
        if thread.name().is_some_and(|name| name.ends_with("-keep")) {
            self.faults.lock().unwrap().pauses.push(timeout);
        }
        self.inner.wait_for_change(seen, timeout)
    }
    fn wake(&self) {
        self.inner.wake();
    }
    fn now(&self) -> Result<SystemTime, StoreError> {
        self.call("now", |store| store.now())
    }
}
