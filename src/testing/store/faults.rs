//! Stores with a fault each: the suite has to find it, by the check that names it.

use super::{RandomRun, Subject, all, check_random, run};
use crate::clock::ManualClock;
use crate::store::{
    Answer, AttemptId, Beat, CancelOutcome, Claim, ClaimRequest, Cursor, Due, Enqueued, Finish,
    HeldJob, JobDetails, JobFilter, JobId, JobPage, JobSpec, JobState, LaneCounts, LostJob,
    MemoryStore, Outcome, ProcessInfo, Promoted, Store, StoreError, Swept, TakenOver, Version,
    WorkerId, WorkerInfo,
};
use crate::sync::{Arc, Mutex};
use crate::unwind;
use std::time::{Duration, SystemTime};

/// What a store may get wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
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
}

/// Each fault, the check that finds it, and whether random verbs do as well.
const FAULTS: &[(Fault, &str, bool)] = &[
    (
        Fault::ClientIdForgotten,
        "a_known_client_id_returns_its_job_and_changes_nothing",
        true,
    ),
    (
        Fault::UniqueKeyForgotten,
        "of_many_threads_one_gets_the_unique_key",
        true,
    ),
    (
        Fault::EachJobCommitsAlone,
        "a_refused_call_enqueues_none_of_its_jobs",
        true,
    ),
    (
        Fault::PayloadUnlimited,
        "a_payload_over_the_limit_is_refused_and_one_of_the_limit_is_taken",
        false,
    ),
    (
        Fault::DueEarly,
        "a_job_is_there_with_all_that_it_was_given",
        true,
    ),
    (
        Fault::ExpiryIgnored,
        "an_expired_job_is_cancelled_by_a_claim_and_not_claimed",
        true,
    ),
    (
        Fault::ExpiredKept,
        "what_has_expired_is_cancelled_where_nobody_claims_as_well",
        true,
    ),
    (
        Fault::AllExpiredAtOnce,
        "a_claim_cancels_a_limited_number_of_expired_jobs_and_says_that_there_are_more",
        false,
    ),
    (
        Fault::OutcomeByIdAlone,
        "an_outcome_of_an_attempt_that_was_taken_over_is_refused_and_the_new_one_stands",
        true,
    ),
    (
        Fault::RepeatedOutcomeLost,
        "an_outcome_that_was_accepted_is_accepted_again_and_changes_nothing",
        true,
    ),
    (
        Fault::SnoozeCounts,
        "an_attempt_that_is_snoozed_given_back_or_interrupted_does_not_count",
        true,
    ),
    (
        Fault::InterruptionCounts,
        "an_attempt_that_is_snoozed_given_back_or_interrupted_does_not_count",
        true,
    ),
    (
        Fault::GivenBackIsInterrupted,
        "an_attempt_that_is_snoozed_given_back_or_interrupted_does_not_count",
        true,
    ),
    (
        Fault::AbandonedEndsAtOnce,
        "an_abandoned_attempt_keeps_its_job_and_may_still_end",
        true,
    ),
    (
        Fault::TakeoverWithoutBeat,
        "a_takeover_needs_the_beat_that_was_seen",
        false,
    ),
    (
        Fault::BegunForgotten,
        "a_lost_attempt_counts_and_the_next_is_claimed_alone",
        true,
    ),
    (
        Fault::BegunSupposed,
        "a_lost_attempt_that_had_not_begun_is_given_back",
        true,
    ),
    (
        Fault::BegunOverwritten,
        "what_has_ended_without_a_record_had_begun",
        true,
    ),
    (
        Fault::BegunLimited,
        "a_long_attempt_had_begun_however_many_begin_after_it",
        false,
    ),
    (
        Fault::BeatStandsStill,
        "a_renewal_changes_the_beat_of_its_process_alone",
        true,
    ),
    (
        Fault::WithdrawLeavesJobs,
        "a_lease_is_withdrawn_unless_jobs_run_in_its_name",
        true,
    ),
    (
        Fault::QueuesInAnyOrder,
        "the_queues_are_claimed_in_the_order_of_the_request",
        true,
    ),
    (
        Fault::BudgetIgnored,
        "a_claim_ends_at_its_budget_and_takes_one_in_any_case",
        true,
    ),
    (
        Fault::KindsIgnored,
        "only_the_lanes_that_were_asked_for_are_claimed",
        true,
    ),
    (
        Fault::CancelEndsTheRunning,
        "the_worker_of_a_running_job_is_asked_to_cancel_it",
        true,
    ),
    (
        Fault::CancelMarkHidden,
        "a_process_finds_what_runs_in_its_name",
        false,
    ),
    (
        Fault::PruneIgnoresAge,
        "pruning_takes_what_ended_in_that_state_long_ago",
        true,
    ),
    (
        Fault::PruneIgnoresLimit,
        "pruning_takes_the_earliest_first_and_no_more_than_asked_for",
        true,
    ),
    (
        Fault::PageIgnoresCursor,
        "a_page_begins_where_the_last_one_ended_also_if_that_job_has_left",
        false,
    ),
    (Fault::LastPageUnknown, "the_last_page_says_so", false),
    (
        Fault::ListIgnoresKind,
        "a_list_shows_the_queue_and_the_kind_that_it_was_asked_for",
        false,
    ),
    (
        Fault::CountsForgetTheDead,
        "the_counts_are_those_of_a_recount",
        true,
    ),
    (
        Fault::DeletedNotCounted,
        "what_was_deleted_or_pruned_is_counted",
        true,
    ),
    (
        Fault::PromotionUnseen,
        "what_makes_work_changes_the_version_of_its_process_at_once",
        false,
    ),
    (
        Fault::NextDueUnknown,
        "the_earliest_due_are_promoted_first_and_no_more_than_asked_for",
        true,
    ),
];

#[derive(Clone)]
struct Faulty {
    inner: MemoryStore,
    fault: Fault,
    /// What has begun, in order.
    begun: Arc<Mutex<Vec<AttemptId>>>,
}

fn subject(fault: Fault) -> Subject {
    let clock = ManualClock::new();
    let inner = MemoryStore::new().clock(&clock);
    let begun = Arc::default();
    let store = Faulty {
        inner,
        fault,
        begun,
    };
    Subject::new(store.clone()).other(store).clock(&clock)
}

#[test]
fn each_fault_of_a_store_is_found_by_the_check_that_names_it() {
    for (fault, name, _) in FAULTS {
        let check = all().find(|check| check.0 == *name);
        let check = check.unwrap_or_else(|| panic!("there is no check {name}"));
        assert!(
            run(check, subject(*fault)).is_err(),
            "{fault:?} passed {name}"
        );
    }
}

#[test]
fn random_verbs_find_most_faults_as_well() {
    for (fault, _, _) in FAULTS.iter().filter(|(_, _, at_random)| *at_random) {
        let is_found = |seed| {
            let result = unwind::catch(|| check_random(|| subject(*fault), RandomRun::new(seed)));
            result.map_err(unwind::drop_payload).is_err()
        };
        assert!((0..8).any(is_found), "{fault:?} passed 8 random runs");
    }
}

#[test]
fn each_check_has_a_name_of_its_own() {
    let mut names: Vec<&str> = all().map(|(name, _)| *name).collect();
    names.sort_unstable();
    assert!(names.is_sorted_by(|first, second| first < second));
    assert!(names.len() > 70, "{}", names.len());
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
