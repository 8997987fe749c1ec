//! The short forms in which the checks are written. What fails without being expected to panics.

use super::subject::Subject;
use crate::Pool;
use crate::clock::Clock;
use crate::store::{
    Answer, AttemptId, Beat, ClaimRequest, ClaimedJob, Due, Fence, Finish, JobDetails, JobFilter,
    JobId, JobInfo, JobSpec, JobState, KindRequest, LostJob, Outcome, ProcessInfo, Store,
    StoreError, TakenOver, WorkerId,
};
use crate::sync::{Arc, channel};
use std::convert::Infallible;
use std::ops::Deref;
use std::time::{Duration, SystemTime};

pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// A store under check. Its methods are those of the store, and those below.
pub(super) struct Probe(Subject);

impl Deref for Probe {
    type Target = dyn Store;

    fn deref(&self) -> &dyn Store {
        &*self.0.store
    }
}

/// A job of kind "a" in queue "q".
pub(super) fn a() -> JobSpec {
    of("q", "a")
}

pub(super) fn of(queue: &str, kind: &str) -> JobSpec {
    let mut job = JobSpec::new(kind, "payload");
    job.queue = queue.to_owned();
    job
}

pub(super) fn with(mut job: JobSpec, option: impl FnOnce(&mut JobSpec)) -> JobSpec {
    option(&mut job);
    job
}

pub(super) fn failed(retry: Due) -> Outcome {
    Outcome::Failed {
        error: "no route".to_owned(),
        retry,
    }
}

pub(super) fn dead() -> Outcome {
    Outcome::Dead {
        error: "no such user".to_owned(),
    }
}

pub(super) fn cancelled() -> Outcome {
    Outcome::Cancelled {
        reason: "not needed".to_owned(),
    }
}

/// What a process decides over the jobs of another: no backoff, dead at 3 interruptions.
pub(super) fn judge(lost: &LostJob) -> Outcome {
    lost.outcome(Duration::ZERO, 3)
}

pub(super) fn ids(jobs: &[ClaimedJob]) -> Vec<JobId> {
    jobs.iter().map(|job| job.id).collect()
}

impl Probe {
    pub(super) fn new(subject: Subject) -> Probe {
        Probe(subject)
    }

    /// As another process sees it.
    pub(super) fn other(&self) -> &dyn Store {
        &*self.0.other
    }

    /// The first and the other handle, for threads.
    pub(super) fn handles(&self) -> [Arc<dyn Store>; 2] {
        [self.0.store.clone(), self.0.other.clone()]
    }

    pub(super) fn has_manual_clock(&self) -> bool {
        self.0.clock.is_some()
    }

    /// Lets time pass, which is short enough to wait for, or is on a manual clock.
    pub(super) fn advance(&self, by: Duration) {
        match &self.0.clock {
            Some(clock) => clock.advance(by),
            None => {
                let (_sender, never) = channel::bounded::<Infallible>(0);
                Clock::default().sleep(by, &never);
            }
        }
    }

    pub(super) fn time(&self) -> SystemTime {
        self.now().expect("the store has no time")
    }

    pub(super) fn add(&self, job: JobSpec) -> JobId {
        self.add_all(vec![job])[0]
    }

    pub(super) fn add_all(&self, jobs: Vec<JobSpec>) -> Vec<JobId> {
        let enqueued = self.enqueue(jobs).expect("enqueue failed");
        enqueued.iter().map(|job| job.id).collect()
    }

    /// How many jobs there are, in all states.
    pub(super) fn total(&self) -> u64 {
        let counts = self.counts().expect("counts failed");
        counts.iter().map(|lane| lane.states.total()).sum()
    }

    pub(super) fn job(&self, id: JobId) -> JobDetails {
        let job = self.get(id).expect("get failed");
        job.unwrap_or_else(|| panic!("job {id} is gone"))
    }

    pub(super) fn info(&self, id: JobId) -> JobInfo {
        self.job(id).info
    }

    pub(super) fn state(&self, id: JobId) -> JobState {
        self.info(id).state
    }

    pub(super) fn worker(&self) -> WorkerId {
        let process = ProcessInfo {
            host: "machine".to_owned(),
            pid: 17,
            boot: "boot".to_owned(),
        };
        self.register(&process).expect("register failed")
    }

    /// Claims up to `most` jobs of kinds "a" and "b" in queue "q".
    pub(super) fn claim_some(&self, worker: WorkerId, most: usize) -> Vec<ClaimedJob> {
        self.claim_of(worker, &["q"], &["a", "b"], most)
    }

    pub(super) fn claim_of(
        &self,
        worker: WorkerId,
        queues: &[&str],
        kinds: &[&str],
        most: usize,
    ) -> Vec<ClaimedJob> {
        let claim = claim_from(&*self.0.store, worker, queues, kinds, most);
        claim.expect("claim failed")
    }

    /// Claims the one job that there is to claim.
    pub(super) fn claim_one(&self, worker: WorkerId) -> ClaimedJob {
        let mut jobs = self.claim_some(worker, 100);
        assert_eq!(jobs.len(), 1, "one job should have been claimed");
        jobs.remove(0)
    }

    /// Enqueues a job of kind "a", and claims it.
    pub(super) fn running(&self, worker: WorkerId) -> ClaimedJob {
        let id = self.add(a());
        let job = self.claim_one(worker);
        assert_eq!(job.id, id);
        job
    }

    pub(super) fn end(&self, attempt: AttemptId, outcome: Outcome) -> Answer {
        let answers = self.finish(&[Finish { attempt, outcome }]);
        let answers = answers.expect("finish failed");
        assert_eq!(answers.len(), 1, "each outcome has one answer");
        answers[0]
    }

    /// Enqueues a job of kind "a", and ends it in `state`.
    pub(super) fn ended(&self, worker: WorkerId, outcome: Outcome, state: JobState) -> JobId {
        let job = self.running(worker);
        assert_eq!(self.end(job.attempt_id(), outcome), Answer::Accepted(state));
        job.id
    }

    pub(super) fn beat(&self, worker: WorkerId) -> Beat {
        let workers = self.workers().expect("workers failed");
        let found = workers.iter().find(|other| other.id == worker);
        found.expect("the process has no lease").beat
    }

    pub(super) fn lose(&self, worker: WorkerId) -> Vec<TakenOver> {
        let taken_over = self.take_over(worker, self.beat(worker), &judge);
        taken_over
            .expect("take_over failed")
            .expect("the beat is the same")
    }

    /// Prunes, and returns how many jobs that removed.
    pub(super) fn pruned(&self, state: JobState, age: Duration, most: usize) -> usize {
        self.prune(state, age, most).expect("prune failed").count
    }

    /// The jobs in a state, in the order of their list.
    pub(super) fn listed(&self, state: JobState) -> Vec<JobId> {
        let page = self.list(&JobFilter::new(state), None, 1000);
        let page = page.expect("list failed");
        page.jobs.iter().map(|job| job.id).collect()
    }
}

/// Calls `work` on as many threads, each with its number.
pub(super) fn at_once<T: Send>(threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let pool = Pool::new(threads).expect("no threads");
    let work = &work;
    pool.scope(|scope| {
        let each = (0..threads).map(|thread| scope.submit(move || work(thread)));
        let handles: Vec<_> = each.collect();
        let results = handles.into_iter().map(|handle| handle.join());
        results
            .map(|result| result.expect("a thread failed"))
            .collect()
    })
}

/// Claims with a budget that does not limit.
pub(super) fn claim_from(
    store: &dyn Store,
    worker: WorkerId,
    queues: &[&str],
    kinds: &[&str],
    most: usize,
) -> Result<Vec<ClaimedJob>, StoreError> {
    let kinds: Vec<KindRequest<'_>> = kinds.iter().map(|kind| requested(kind)).collect();
    let request = ClaimRequest {
        worker,
        queues,
        kinds: &kinds,
        budget: HOUR,
        most,
    };
    Ok(store.claim(&request)?.jobs)
}

/// A kind whose jobs take 1 ms, and have 3 attempts.
pub(super) fn requested(kind: &str) -> KindRequest<'_> {
    KindRequest {
        kind,
        expected: MS,
        max_attempts: 3,
    }
}

/// An attempt that no claim has made.
pub(super) fn unknown_attempt(job: JobId) -> AttemptId {
    AttemptId {
        job,
        fence: Fence::new(u64::from(u32::MAX)),
    }
}
