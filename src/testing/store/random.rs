//! Random verbs by several processes, beside a plain model.

use super::plain::Plain;
use super::plain_job::PlainJob;
use super::probe::{HOUR, MS, Probe, a};
use super::subject::Subject;
use crate::store::{
    ClaimRequest, ClaimedJob, Due, Finish, JobId, JobSpec, JobState, KindRequest, Limit, LostJob,
    Operation, Outcome, StoreError, WorkerId,
};
use crate::unwind;
use std::time::{Duration, SystemTime};

/// How [`check_random`] runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RandomRun {
    seed: u64,
    steps: u32,
}

impl RandomRun {
    /// A run of 300 steps. The same seed gives the same steps.
    pub fn new(seed: u64) -> RandomRun {
        RandomRun { seed, steps: 300 }
    }

    /// Sets the number of steps.
    #[must_use]
    pub fn steps(mut self, steps: u32) -> RandomRun {
        self.steps = steps;
        self
    }
}

/// Lets several processes do random things with a store, and a plain model do the same. After each
/// step both have to have answered the same, and to have the same jobs in the same lists.
///
/// With a manual clock in the subject time passes at random as well, and all times are compared.
///
/// # Panics
///
/// If the store and the model differ; the message has the seed and the step.
pub fn check_random(make: impl Fn() -> Subject, run: RandomRun) {
    let probe = Probe::new(make());
    let mut steps = 0;
    let result = unwind::catch(|| {
        let mut walk = Walk::new(&probe, run.seed);
        while steps < run.steps {
            steps += 1;
            walk.step();
            walk.plain.compare(&probe);
        }
        walk.drain();
    });
    if let Err(payload) = result {
        let text = unwind::text(&*payload).to_owned();
        unwind::drop_payload(payload);
        panic!("seed {}, step {steps}: {text}", run.seed);
    }
}

struct Walk<'a> {
    probe: &'a Probe,
    plain: Plain,
    random: Random,
    workers: Vec<WorkerId>,
    /// What processes believe to run; some of it is no longer theirs.
    claimed: Vec<ClaimedJob>,
}

const QUEUES: [&str; 2] = ["q", "r"];
const KINDS: [&str; 3] = ["a", "b", "c"];

impl Walk<'_> {
    fn new(probe: &Probe, seed: u64) -> Walk<'_> {
        Walk {
            probe,
            plain: Plain::new(probe.has_manual_clock()),
            random: Random(seed),
            workers: Vec::new(),
            claimed: Vec::new(),
        }
    }

    fn step(&mut self) {
        match self.random.below(28) {
            0..=5 => self.enqueue(),
            6..=10 => self.claim(),
            11..=15 => self.finish(),
            16 => self.take_over(),
            17 => self.withdraw_or_renew(),
            18 => self.cancel(),
            19 => self.retry(),
            20 => self.delete(),
            21 => self.prune(),
            22 => self.promote(),
            23 => self.cancel_expired(),
            24 => self.pause(),
            25 => self.resume(),
            26 => self.operate(),
            _ => self.pass_time(),
        }
    }

    fn now(&self) -> SystemTime {
        self.probe.time()
    }

    /// By a real clock what is due later is due in an hour, which does not come.
    fn due(&mut self) -> Due {
        let wait = match self.probe.has_manual_clock() {
            true => self.random.below(20) * MS,
            false => HOUR,
        };
        match self.random.below(4) {
            0 => Due::After(wait),
            1 => Due::At(self.now() + wait),
            2 => Due::At(self.now() - HOUR),
            _ => Due::Now,
        }
    }

    fn spec(&mut self) -> JobSpec {
        let mut job = a();
        job.queue = self.random.of(&QUEUES).to_owned();
        job.kind = self.random.of(&KINDS).to_owned();
        job.payload = self.random.next().to_le_bytes().to_vec();
        job.priority = self.random.below(3) as i32 - 1;
        job.due = self.due();
        let rarely = |random: &mut Random| random.below(4) == 0;
        let number = self.random.below(6);
        if rarely(&mut self.random) {
            job.unique_key = Some(format!("key {number}"));
        }
        if rarely(&mut self.random) {
            job.client_id = Some(format!("client {}", self.random.below(20)));
        }
        // By a real clock it is not known which is due first.
        if rarely(&mut self.random) && self.probe.has_manual_clock() {
            let key = format!("limit {}", self.random.below(2));
            let max = 1 + self.random.below(3);
            job.limit = Some(Limit { key, max });
        }
        if rarely(&mut self.random) {
            let number = 1 + self.random.below(2);
            job.after = (0..number).map(|_| self.some_job()).collect();
        }
        if rarely(&mut self.random) {
            job.max_attempts = Some(1 + self.random.below(3));
        }
        if rarely(&mut self.random) && self.probe.has_manual_clock() {
            job.expires = Some(self.random.below(40) * MS);
        }
        job
    }

    fn enqueue(&mut self) {
        let count = 1 + self.random.below(4);
        let jobs: Vec<JobSpec> = (0..count).map(|_| self.spec()).collect();
        let now = self.now();
        let answer = self.probe.enqueue(jobs.clone());
        let expected = self
            .plain
            .enqueue(&jobs, now, answer.as_deref().unwrap_or(&[]));
        assert_eq!(answer, expected, "enqueue {jobs:?}");
    }

    fn worker(&mut self) -> WorkerId {
        if self.workers.len() < 3 {
            self.workers.push(self.probe.worker());
        }
        self.random.of(&self.workers)
    }

    fn claim(&mut self) {
        let worker = self.worker();
        let mut queues = QUEUES;
        if self.random.below(2) == 0 {
            queues.reverse();
        }
        let queues = &queues[..1 + self.random.below(2) as usize];
        let kinds = KINDS.map(|kind| KindRequest {
            kind,
            expected: self.random.below(30) * MS,
            max_attempts: 1 + self.random.below(4),
        });
        let kinds = &kinds[..1 + self.random.below(3) as usize];
        let request = ClaimRequest {
            worker,
            queues,
            kinds,
            budget: self.random.below(60) * MS,
            most: self.random.below(5) as usize,
        };
        let now = self.now();
        let claim = self.probe.claim(&request).expect("claim failed");
        let ids: Vec<JobId> = claim.jobs.iter().map(|job| job.id).collect();
        assert_eq!(ids, self.plain.next_claim(&request, now), "{request:?}");
        for job in claim.jobs {
            let policy = kinds.iter().find(|kind| kind.kind == job.kind);
            let policy = policy.expect("the kind was asked for").max_attempts;
            self.plain.claimed(&job, worker, policy, now);
            if self.random.below(3) > 0 {
                self.probe.mark_begun(worker, job.attempt_id());
                self.plain.begun(job.attempt_id());
            }
            self.claimed.push(job);
        }
    }

    fn outcome(&mut self) -> Outcome {
        let error = || "failed".to_owned();
        match self.random.below(9) {
            0..=2 => Outcome::Completed,
            3 => Outcome::Failed {
                error: error(),
                retry: self.due(),
            },
            4 => Outcome::Dead { error: error() },
            5 => Outcome::Cancelled { reason: error() },
            6 => Outcome::Snoozed { due: self.due() },
            7 => match self.random.below(2) {
                0 => Outcome::GivenBack,
                _ => Outcome::Interrupted { error: None },
            },
            _ => Outcome::Abandoned,
        }
    }

    /// Some outcomes come twice, and some of attempts that were taken over.
    fn finish(&mut self) {
        let mut ends = Vec::new();
        for _ in 0..self.random.below(4).min(self.claimed.len() as u32) {
            let index = self.random.below(self.claimed.len() as u32) as usize;
            let attempt = match self.random.below(3) {
                0 => self.claimed[index].attempt_id(),
                _ => self.claimed.swap_remove(index).attempt_id(),
            };
            let outcome = self.outcome();
            ends.push(Finish { attempt, outcome });
            if self.claimed.is_empty() {
                break;
            }
        }
        let now = self.now();
        let answers = self.probe.finish(&ends).expect("finish failed");
        let expected = self.plain.finish(&ends, now);
        assert_eq!(answers, expected, "finish {ends:?}");
    }

    fn take_over(&mut self) {
        let Some(worker) = self.some_worker() else {
            return;
        };
        let now = self.now();
        let backoff = match self.probe.has_manual_clock() {
            true => 7 * MS,
            false => HOUR,
        };
        let judge = |lost: &LostJob| lost.outcome(backoff, 2);
        let beat = self.probe.beat(worker);
        let taken_over = self.probe.take_over(worker, beat, &judge);
        let taken_over = taken_over.expect("take_over failed");
        let taken_over = taken_over.expect("the beat is the same");
        self.plain
            .take_over(worker, &taken_over, &judge, now, |id| {
                self.probe.info(id).fence.expect("a takeover gives a fence")
            });
        self.workers.retain(|other| *other != worker);
    }

    fn some_worker(&mut self) -> Option<WorkerId> {
        match self.workers.is_empty() {
            true => None,
            false => Some(self.random.of(&self.workers)),
        }
    }

    fn withdraw_or_renew(&mut self) {
        let Some(worker) = self.some_worker() else {
            return;
        };
        if self.random.below(2) == 0 {
            let before = self.probe.beat(worker);
            self.probe.renew(worker).expect("renew failed");
            assert_ne!(self.probe.beat(worker), before);
            return;
        }
        let running = self.probe.withdraw(worker).expect("withdraw failed");
        assert_eq!(running, self.plain.running(worker).len());
        if running == 0 {
            self.workers.retain(|other| *other != worker);
            let gone = Err(StoreError::LeaseLost { worker });
            assert_eq!(self.probe.renew(worker), gone);
        }
    }

    /// One of the jobs, or one that never was.
    fn some_job(&mut self) -> JobId {
        let jobs: Vec<JobId> = self.plain.jobs.keys().copied().collect();
        match jobs.is_empty() || self.random.below(20) == 0 {
            true => JobId::new(987_654),
            false => self.random.of(&jobs),
        }
    }

    fn cancel(&mut self) {
        let (id, now) = (self.some_job(), self.now());
        assert_eq!(
            self.probe.cancel(id),
            self.plain.cancel(id, now),
            "cancel {id}"
        );
    }

    fn retry(&mut self) {
        let ended = |job: &&PlainJob| matches!(job.state, JobState::Dead | JobState::Cancelled);
        let ended: Vec<JobId> = self
            .plain
            .jobs
            .values()
            .filter(ended)
            .map(|job| job.id)
            .collect();
        let id = match ended.is_empty() || self.random.below(4) == 0 {
            true => self.some_job(),
            false => self.random.of(&ended),
        };
        let now = self.now();
        assert_eq!(
            self.probe.retry(id),
            self.plain.retry(id, now),
            "retry {id}"
        );
    }

    fn delete(&mut self) {
        let id = self.some_job();
        assert_eq!(self.probe.delete(id), self.plain.delete(id), "delete {id}");
    }

    fn prune(&mut self) {
        let state = self.random.of(&JobState::ALL);
        let age = match self.probe.has_manual_clock() {
            true => self.random.below(30) * MS,
            false => Duration::ZERO,
        };
        let most = self.random.below(4) as usize;
        let now = self.now();
        let before = self.plain.jobs.clone();
        let pruned = self.probe.prune(state, age, most).expect("prune failed");
        let gone = before.keys().filter(|id| self.probe.get(**id) == Ok(None));
        let gone: Vec<JobId> = gone.copied().collect();
        assert_eq!(pruned.count, gone.len());
        let has_more = self.plain.prune(state, age, most, now, &gone);
        assert_eq!(pruned.has_more, has_more);
    }

    fn cancel_expired(&mut self) {
        let (most, now) = (self.random.below(4) as usize, self.now());
        let swept = self.probe.cancel_expired(most);
        assert_eq!(swept, Ok(self.plain.cancel_expired(most, now)));
    }

    fn promote(&mut self) {
        let (most, now) = (self.random.below(6) as usize, self.now());
        let promoted = self.probe.promote_due(most).expect("promote failed");
        let expected = self.plain.promote(most, now);
        assert_eq!(promoted.count, expected.count);
        assert_eq!(promoted.next.is_some(), expected.next.is_some());
        if self.probe.has_manual_clock() {
            assert_eq!(promoted.next, expected.next);
        }
    }

    fn operate(&mut self) {
        use Operation::{Cancel, Delete, Retry};
        let operation = self.random.of(&[Cancel, Retry, Delete]);
        let number = self.random.below(4);
        let jobs: Vec<JobId> = (0..number).map(|_| self.some_job()).collect();
        let now = self.now();
        let answers = self.probe.operate(operation, &jobs);
        let expected = jobs.iter().map(|id| match operation {
            Cancel => self.plain.cancel(*id, now).map(drop),
            Retry => self.plain.retry(*id, now),
            Delete => self.plain.delete(*id),
        });
        let expected = expected.collect();
        assert_eq!(answers, Ok(expected), "{operation:?} {jobs:?}");
    }

    fn pause(&mut self) {
        let queue = self.random.of(&QUEUES);
        assert_eq!(self.probe.pause(queue), Ok(self.plain.pause(queue)));
    }

    fn resume(&mut self) {
        let queue = self.random.of(&QUEUES);
        assert_eq!(self.probe.resume(queue), Ok(self.plain.resume(queue)));
    }

    fn pass_time(&mut self) {
        if self.probe.has_manual_clock() {
            let by = self.random.below(12) * MS;
            self.probe.advance(by);
        }
    }

    /// Nothing is paused, all processes are lost, and a last one runs what is left: nothing stays running, and each
    /// job that is or becomes due ends.
    fn drain(&mut self) {
        for queue in QUEUES {
            self.probe.resume(queue).expect("resume failed");
            self.plain.resume(queue);
            self.plain.compare(self.probe);
        }
        while self.some_worker().is_some() {
            self.take_over();
            self.plain.compare(self.probe);
        }
        assert!(self.probe.listed(JobState::Running).is_empty());
        if self.probe.has_manual_clock() {
            self.probe.advance(HOUR);
        }
        let worker = self.probe.worker();
        self.probe.promote_due(10_000).expect("promote failed");
        while !self.probe.listed(JobState::Available).is_empty() {
            for job in self.probe.claim_of(worker, &QUEUES, &KINDS, 100) {
                self.probe.end(job.attempt_id(), Outcome::Completed);
            }
        }
        let left = self.probe.total();
        let ended = [JobState::Completed, JobState::Dead, JobState::Cancelled];
        let ended = ended.map(|state| self.probe.listed(state).len() as u64);
        let scheduled = self.probe.listed(JobState::Scheduled).len() as u64;
        // For what is dead, directly or not, or scheduled.
        let waiting = self.probe.listed(JobState::Waiting).len() as u64;
        assert_eq!(left, ended.iter().sum::<u64>() + scheduled + waiting);
        assert!(scheduled == 0 || !self.probe.has_manual_clock());
        let counts = self.probe.counts().expect("counts failed");
        let enqueued: u64 = counts.iter().map(|lane| lane.enqueued()).sum();
        assert_eq!(enqueued, self.plain.enqueued);
    }
}

/// SplitMix64: random enough for tests, and the same on all machines.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    pub(super) fn below(&mut self, limit: u32) -> u32 {
        (self.next() % u64::from(limit)) as u32
    }

    pub(super) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u32) as usize]
    }
}
