//! The store in memory, with a fault.

use crate::store::{
    Answer, AttemptId, Beat, CancelOutcome, Claim, ClaimRequest, Cursor, Due, DueRecurring,
    Enqueued, Finish, HeldJob, JobDetails, JobFilter, JobId, JobPage, JobSpec, JobState,
    LaneCounts, LostJob, MemoryStore, Operation, Outcome, PausedQueue, ProcessInfo, Promoted,
    RecurringAnswer, RecurringChange, RecurringJob, Store, StoreError, Swept, TakenOver, Version,
    WorkerId, WorkerInfo,
};
use crate::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// What a store may get wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    ClientIdForgotten,
    UniqueKeyForgotten,
    EachJobCommitsAlone,
    PayloadUnlimited,
    DueEarly,
    ExpiryIgnored,
    ExpiredKept,
    AllExpiredAtOnce,
    OutcomeByIdAlone,
    RepeatedOutcomeLost,
    SnoozeCounts,
    InterruptionCounts,
    GivenBackIsInterrupted,
    AbandonedEndsAtOnce,
    TakeoverWithoutBeat,
    BegunForgotten,
    BegunSupposed,
    BegunOverwritten,
    BegunLimited,
    BeatStandsStill,
    WithdrawLeavesJobs,
    QueuesInAnyOrder,
    BudgetIgnored,
    KindsIgnored,
    CancelEndsTheRunning,
    CancelMarkHidden,
    PruneIgnoresAge,
    PruneIgnoresLimit,
    PageIgnoresCursor,
    LastPageUnknown,
    ListIgnoresKind,
    CountsForgetTheDead,
    DeletedNotCounted,
    PromotionUnseen,
    NextDueUnknown,
    HeldKeyRefusesAll,
    InstantForgotten,
    PauseForgotten,
    PausedIsDue,
    RefusalEndsTheRest,
    LimitIgnored,
    LimitOfEachQueue,
    ParentsIgnored,
    RevisionIgnored,
    TouchForgotten,
}

#[derive(Clone)]
pub(super) struct Faulty {
    pub(super) inner: MemoryStore,
    pub(super) fault: Fault,
    /// What has begun, in order.
    pub(super) begun: Arc<Mutex<Vec<AttemptId>>>,
}

impl Faulty {
    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// How many of the attempts are known to have begun, of the last ones.
    fn kept(&self) -> usize {
        match self.fault {
            Fault::BegunForgotten => 0,
            Fault::BegunOverwritten => 1,
            Fault::BegunLimited => 1000,
            _ => usize::MAX,
        }
    }

    /// The attempt that the job has now.
    fn current(&self, attempt: AttemptId) -> AttemptId {
        let job = self.inner.get(attempt.job).unwrap();
        let fence = job.and_then(|job| job.info.fence).unwrap_or(attempt.fence);
        AttemptId { fence, ..attempt }
    }

    fn outcome(&self, outcome: &Outcome) -> Outcome {
        let error = "failed".to_owned();
        match (self.fault, outcome) {
            (Fault::SnoozeCounts, Outcome::Snoozed { due }) => {
                Outcome::Failed { error, retry: *due }
            }
            (Fault::InterruptionCounts, Outcome::Interrupted { .. }) => Outcome::Failed {
                error,
                retry: Due::Now,
            },
            (Fault::GivenBackIsInterrupted, Outcome::GivenBack)
            | (Fault::AbandonedEndsAtOnce, Outcome::Abandoned) => {
                Outcome::Interrupted { error: None }
            }
            _ => outcome.clone(),
        }
    }

    fn end(&self, end: &Finish) -> Answer {
        let mut attempt = end.attempt;
        let state = |job: JobDetails| job.info.state;
        let before = self.inner.get(attempt.job).unwrap().map(state);
        if self.has(Fault::OutcomeByIdAlone) {
            attempt = self.current(attempt);
        }
        if self.has(Fault::RepeatedOutcomeLost) && before != Some(JobState::Running) {
            return Answer::Lost;
        }
        let outcome = self.outcome(&end.outcome);
        self.inner.finish(&[Finish { attempt, outcome }]).unwrap()[0]
    }

    fn spec(&self, mut job: JobSpec) -> JobSpec {
        match self.fault {
            Fault::ClientIdForgotten => job.client_id = None,
            Fault::UniqueKeyForgotten => job.unique_key = None,
            Fault::ExpiryIgnored => job.expires = None,
            Fault::LimitIgnored => job.limit = None,
            Fault::ParentsIgnored => job.after.clear(),
            Fault::LimitOfEachQueue => {
                if let Some(limit) = &mut job.limit {
                    limit.key += &job.queue;
                }
            }
            Fault::DueEarly => {
                if let Due::After(wait) = job.due {
                    job.due = Due::After(wait.saturating_sub(Duration::from_millis(1)));
                }
            }
            _ => {}
        }
        job
    }
}

impl Store for Faulty {
    fn enqueue(&self, jobs: Vec<JobSpec>) -> Result<Vec<Enqueued>, StoreError> {
        let jobs: Vec<JobSpec> = jobs.into_iter().map(|job| self.spec(job)).collect();
        if self.has(Fault::EachJobCommitsAlone) {
            let each = jobs.into_iter().map(|job| self.inner.enqueue(vec![job]));
            return each.map(|one| Ok(one?[0])).collect();
        }
        self.inner.enqueue(jobs)
    }

    fn max_payload(&self) -> usize {
        match self.fault {
            Fault::PayloadUnlimited => 1000,
            _ => self.inner.max_payload(),
        }
    }

    fn register(&self, process: &ProcessInfo) -> Result<WorkerId, StoreError> {
        self.inner.register(process)
    }

    fn renew(&self, worker: WorkerId) -> Result<(), StoreError> {
        match self.fault {
            Fault::BeatStandsStill => self.inner.held(worker).map(drop),
            _ => self.inner.renew(worker),
        }
    }

    fn withdraw(&self, worker: WorkerId) -> Result<usize, StoreError> {
        match self.fault {
            Fault::WithdrawLeavesJobs => Ok(0),
            _ => self.inner.withdraw(worker),
        }
    }

    fn workers(&self) -> Result<Vec<WorkerInfo>, StoreError> {
        self.inner.workers()
    }

    fn take_over(
        &self,
        worker: WorkerId,
        seen: Beat,
        judge: &dyn Fn(&LostJob) -> Outcome,
    ) -> Result<Option<Vec<TakenOver>>, StoreError> {
        if self.has(Fault::BegunSupposed) {
            for job in self.inner.held(worker)? {
                self.inner.mark_begun(worker, job.attempt);
            }
        }
        let begun = self.begun.lock();
        for attempt in &begun[begun.len().saturating_sub(self.kept())..] {
            self.inner.mark_begun(worker, *attempt);
        }
        let workers = self.inner.workers()?;
        let current = workers.iter().find(|other| other.id == worker);
        match current {
            Some(current) if self.has(Fault::TakeoverWithoutBeat) => {
                self.inner.take_over(worker, current.beat, judge)
            }
            _ => self.inner.take_over(worker, seen, judge),
        }
    }

    fn claim(&self, request: &ClaimRequest<'_>) -> Result<Claim, StoreError> {
        let mut request = request.clone();
        let mut queues = request.queues.to_vec();
        let mut kinds = request.kinds.to_vec();
        match self.fault {
            Fault::QueuesInAnyOrder => queues.sort_unstable(),
            Fault::BudgetIgnored => request.budget = Duration::MAX,
            Fault::KindsIgnored => {
                for name in ["a", "b", "c"] {
                    if let Some(mut kind) = kinds.first().copied() {
                        kind.kind = name;
                        let is_new = kinds.iter().all(|other| other.kind != name);
                        kinds.extend(is_new.then_some(kind));
                    }
                }
            }
            _ => {}
        }
        request.queues = &queues;
        request.kinds = &kinds;
        loop {
            let claim = self.inner.claim(&request)?;
            if !claim.has_more || !self.has(Fault::AllExpiredAtOnce) {
                return Ok(claim);
            }
        }
    }

    fn mark_begun(&self, _: WorkerId, attempt: AttemptId) {
        self.begun.lock().push(attempt);
    }

    fn finish(&self, ends: &[Finish]) -> Result<Vec<Answer>, StoreError> {
        Ok(ends.iter().map(|end| self.end(end)).collect())
    }

    fn held(&self, worker: WorkerId) -> Result<Vec<HeldJob>, StoreError> {
        let mut held = self.inner.held(worker)?;
        if self.has(Fault::CancelMarkHidden) {
            held.iter_mut().for_each(|job| job.cancel_requested = false);
        }
        Ok(held)
    }

    fn promote_due(&self, most: usize) -> Result<Promoted, StoreError> {
        let mut promoted = self.inner.promote_due(most)?;
        if self.has(Fault::NextDueUnknown) {
            promoted.next = None;
        }
        Ok(promoted)
    }

    fn unblock(&self) -> Result<bool, StoreError> {
        self.inner.unblock()
    }

    fn cancel_expired(&self, most: usize) -> Result<Swept, StoreError> {
        match self.fault {
            Fault::ExpiredKept => Ok(Swept::default()),
            _ => self.inner.cancel_expired(most),
        }
    }

    fn prune(&self, state: JobState, age: Duration, most: usize) -> Result<Swept, StoreError> {
        match self.fault {
            Fault::PruneIgnoresAge => self.inner.prune(state, Duration::ZERO, most),
            Fault::PruneIgnoresLimit => self.inner.prune(state, age, usize::MAX),
            _ => self.inner.prune(state, age, most),
        }
    }

    fn get(&self, id: JobId) -> Result<Option<JobDetails>, StoreError> {
        self.inner.get(id)
    }

    fn cancel(&self, id: JobId) -> Result<CancelOutcome, StoreError> {
        let outcome = self.inner.cancel(id)?;
        if self.has(Fault::CancelEndsTheRunning) && outcome == CancelOutcome::Requested {
            let job = self.inner.get(id)?.unwrap();
            let (job, fence) = (id, job.info.fence.unwrap());
            self.inner.finish(&[Finish {
                attempt: AttemptId { job, fence },
                outcome: Outcome::GivenBack,
            }])?;
        }
        Ok(outcome)
    }

    fn retry(&self, id: JobId) -> Result<(), StoreError> {
        self.inner.retry(id)
    }

    fn delete(&self, id: JobId) -> Result<(), StoreError> {
        self.inner.delete(id)
    }

    fn operate(
        &self,
        operation: Operation,
        jobs: &[JobId],
    ) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        if self.has(Fault::RefusalEndsTheRest) {
            let each = jobs.iter().map(|id| self.inner.operate(operation, &[*id]));
            let first = each.map(|answer| answer.unwrap().remove(0));
            let mut refused = None;
            let cut = first.map(|answer| {
                refused = refused.take().or_else(|| answer.clone().err());
                refused.clone().map_or(answer, Err)
            });
            return Ok(cut.collect());
        }
        self.inner.operate(operation, jobs)
    }

    fn pause(&self, queue: &str) -> Result<bool, StoreError> {
        match self.fault {
            Fault::PauseForgotten => Ok(true),
            _ => self.inner.pause(queue),
        }
    }

    fn resume(&self, queue: &str) -> Result<bool, StoreError> {
        self.inner.resume(queue)
    }

    fn paused(&self) -> Result<Vec<PausedQueue>, StoreError> {
        self.inner.paused()
    }

    fn list(
        &self,
        filter: &JobFilter,
        after: Option<Cursor>,
        most: usize,
    ) -> Result<JobPage, StoreError> {
        let mut filter = filter.clone();
        if self.has(Fault::ListIgnoresKind) {
            filter.kind = None;
        }
        let after = after.filter(|_| !self.has(Fault::PageIgnoresCursor));
        let mut page = self.inner.list(&filter, after, most)?;
        if self.has(Fault::LastPageUnknown) {
            page.next = page.jobs.last().map(Cursor::of);
        }
        Ok(page)
    }

    fn counts(&self) -> Result<Vec<LaneCounts>, StoreError> {
        let mut counts = self.inner.counts()?;
        for lane in &mut counts {
            match self.fault {
                Fault::CountsForgetTheDead => lane.states[JobState::Dead] = 0,
                Fault::DeletedNotCounted => lane.deleted = 0,
                _ => {}
            }
        }
        Ok(counts)
    }

    fn oldest_available(&self, queue: &str) -> Result<Option<SystemTime>, StoreError> {
        self.inner.oldest_available(queue)
    }

    fn recurring(
        &self,
        owner: Option<&str>,
        key: Option<&str>,
    ) -> Result<Vec<RecurringJob>, StoreError> {
        self.inner.recurring(owner, key)
    }

    fn due_recurring(&self, owner: &str) -> Result<DueRecurring, StoreError> {
        let mut due = self.inner.due_recurring(owner)?;
        if self.has(Fault::PausedIsDue) {
            let all = self.inner.recurring(Some(owner), None)?;
            let paused = all.into_iter().filter(|job| job.paused_at.is_some());
            due.jobs.extend(paused);
        }
        Ok(due)
    }

    fn change_recurring(
        &self,
        changes: &[RecurringChange],
    ) -> Result<Vec<RecurringAnswer>, StoreError> {
        let mut changes = changes.to_vec();
        for change in &mut changes {
            match self.fault {
                Fault::RevisionIgnored => {
                    let key = (Some(&*change.owner), Some(&*change.key));
                    let now = self.inner.recurring(key.0, key.1)?.pop();
                    change.seen = now.map(|job| job.revision);
                }
                Fault::InstantForgotten => {
                    for job in &mut change.jobs {
                        job.due = Due::Now;
                    }
                }
                Fault::HeldKeyRefusesAll => {
                    for job in &change.jobs {
                        self.inner.enqueue(vec![job.clone()])?;
                    }
                }
                _ => {}
            }
        }
        self.inner.change_recurring(&changes)
    }

    fn touch_recurring(&self, owner: &str, keys: &[&str]) -> Result<(), StoreError> {
        match self.fault {
            Fault::TouchForgotten => Ok(()),
            _ => self.inner.touch_recurring(owner, keys),
        }
    }

    fn version(&self) -> Version {
        match self.fault {
            Fault::PromotionUnseen => Version::new(0),
            _ => self.inner.version(),
        }
    }

    fn wait_for_change(&self, seen: Version, timeout: Duration) -> Version {
        self.inner.wait_for_change(seen, timeout)
    }

    fn wake(&self) {
        self.inner.wake();
    }

    fn now(&self) -> Result<SystemTime, StoreError> {
        self.inner.now()
    }
}
