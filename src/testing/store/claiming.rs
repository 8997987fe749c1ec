//! Which jobs a claim gets (J4, J8).

use super::checks;
use super::probe::{MS, Probe, a, at_once, claim_from, failed, ids, of, requested, with};
use crate::store::{
    Answer, ClaimRequest, ClaimedJob, Due, Finish, JobId, JobState, KindRequest, Outcome,
    StoreError, WorkerId,
};
use std::collections::BTreeSet;
use std::time::Duration;

checks![
    a_claimed_job_runs_in_the_name_of_its_process,
    only_the_lanes_that_were_asked_for_are_claimed,
    a_queue_is_claimed_by_priority_then_by_due_then_by_id_over_all_its_kinds,
    the_queues_are_claimed_in_the_order_of_the_request,
    a_claim_ends_at_its_budget_and_takes_one_in_any_case,
    nothing_is_claimed_where_nothing_was_asked_for,
    fences_grow_with_every_claim_of_every_process,
    an_attempt_counts_at_its_claim,
    the_first_claim_decides_how_many_attempts_there_are,
    without_a_lease_nothing_is_claimed,
    threads_of_two_processes_claim_each_job_once,
];

fn a_claimed_job_runs_in_the_name_of_its_process(probe: &Probe) {
    let worker = probe.worker();
    let before = probe.time();
    let id = probe.add(with(a(), |job| {
        job.payload = b"seven".to_vec();
        job.meta.insert("trace".to_owned(), "17".to_owned());
        job.timeout = Some(60 * MS);
    }));
    let job = probe.claim_one(worker);
    let info = probe.other().get(id).unwrap().unwrap().info;
    assert_eq!(info.state, JobState::Running);
    assert_eq!(info.worker, Some(worker));
    assert_eq!(info.fence, Some(job.fence));
    assert!(info.claimed_at.is_some_and(|at| at >= before));
    assert_eq!((job.id, job.attempt), (id, 1));
    assert_eq!((job.queue.as_str(), job.kind.as_str()), ("q", "a"));
    assert_eq!(job.payload, b"seven");
    assert_eq!(job.meta["trace"], "17");
    assert_eq!(job.timeout, Some(60 * MS));
    assert_eq!(job.enqueued_at, info.enqueued_at);
    assert_eq!((job.lost, job.interrupted), (0, 0));
    assert!(probe.claim_some(worker, 100).is_empty());
}

fn only_the_lanes_that_were_asked_for_are_claimed(probe: &Probe) {
    let worker = probe.worker();
    let lanes = ["q", "r"].map(|queue| ["a", "b", "c"].map(|kind| of(queue, kind)));
    let all = probe.add_all(lanes.into_iter().flatten().collect());
    let claimed = probe.claim_of(worker, &["q", "none"], &["a", "c", "none"], 100);
    assert_eq!(ids(&claimed), [all[0], all[2]]);
    for id in [all[1], all[3], all[4], all[5]] {
        let info = probe.info(id);
        assert_eq!((info.state, info.attempt), (JobState::Available, 0));
    }
    assert_eq!(
        probe.counts().unwrap().len(),
        6,
        "to ask for a lane does not make one"
    );
}

fn a_queue_is_claimed_by_priority_then_by_due_then_by_id_over_all_its_kinds(probe: &Probe) {
    let worker = probe.worker();
    let now = probe.time();
    let job = |kind: &str, priority, ago: u32| {
        with(of("q", kind), |job| {
            job.priority = priority;
            job.due = Due::At(now - ago * MS);
        })
    };
    let all = probe.add_all(vec![
        job("a", 0, 10),
        job("b", 0, 20),
        job("b", 0, 10),
        job("a", 7, 0),
        job("b", -7, 90),
        job("a", 7, 5),
        job("a", 0, 10),
    ]);
    let order = [5, 3, 1, 0, 2, 6, 4].map(|index| all[index]);
    assert_eq!(ids(&probe.claim_some(worker, 3)), order[..3]);
    assert_eq!(ids(&probe.claim_some(worker, 100)), order[3..]);
}

fn the_queues_are_claimed_in_the_order_of_the_request(probe: &Probe) {
    let worker = probe.worker();
    let low = |queue| with(of(queue, "a"), |job| job.priority = -1);
    let all = probe.add_all(vec![of("r", "a"), low("q"), of("s", "a"), low("q")]);
    let claimed = probe.claim_of(worker, &["q", "s", "r"], &["a"], 3);
    assert_eq!(ids(&claimed), [all[1], all[3], all[2]]);
    assert_eq!(
        ids(&probe.claim_of(worker, &["s", "r"], &["a"], 3)),
        [all[0]]
    );
}

fn a_claim_ends_at_its_budget_and_takes_one_in_any_case(probe: &Probe) {
    let worker = probe.worker();
    let jobs = |kind: &str| vec![of("q", kind); 6];
    probe.add_all([jobs("a"), jobs("b")].concat());
    let claim = |kind: &str, expected: Duration, budget: Duration| {
        let kinds = [KindRequest {
            expected,
            ..requested(kind)
        }];
        let request = ClaimRequest {
            worker,
            queues: &["q"],
            kinds: &kinds,
            budget,
            most: 100,
        };
        probe.claim(&request).unwrap().jobs.len()
    };
    assert_eq!(claim("a", 20 * MS, 50 * MS), 3);
    assert_eq!(claim("a", 50 * MS, 50 * MS), 1);
    assert_eq!(claim("a", Duration::MAX, Duration::ZERO), 1);
    assert_eq!(claim("a", Duration::ZERO, 50 * MS), 1); // the last one
    assert_eq!(claim("b", Duration::ZERO, 50 * MS), 6);
}

fn nothing_is_claimed_where_nothing_was_asked_for(probe: &Probe) {
    let worker = probe.worker();
    probe.add(a());
    assert!(probe.claim_of(worker, &["q"], &["a"], 0).is_empty());
    assert!(probe.claim_of(worker, &[], &["a"], 9).is_empty());
    assert!(probe.claim_of(worker, &["q"], &[], 9).is_empty());
    assert_eq!(probe.claim_some(worker, 9).len(), 1);
}

fn fences_grow_with_every_claim_of_every_process(probe: &Probe) {
    let workers = [probe.worker(), probe.worker()];
    let mut last = None;
    for round in 0..4 {
        let (store, worker) = (&probe.handles()[round % 2], workers[round % 2]);
        probe.add(a());
        let job = claim_from(&**store, worker, &["q"], &["a"], 9)
            .unwrap()
            .remove(0);
        assert!(Some(job.fence) > last, "{} after {last:?}", job.fence);
        probe.end(job.attempt_id(), Outcome::Completed);
        probe.delete(job.id).unwrap(); // the sequence does not rest on the jobs
        last = Some(job.fence);
    }
    let lost = probe.running(workers[0]);
    probe.lose(workers[0]);
    let fence = probe.info(lost.id).fence;
    assert!(
        fence > Some(lost.fence),
        "a takeover has a fence of its own"
    );
    probe.delete(lost.id).unwrap();
    assert!(Some(probe.running(workers[1]).fence) > fence);
}

fn an_attempt_counts_at_its_claim(probe: &Probe) {
    let worker = probe.worker();
    let id = probe.add(a());
    for attempt in 1..=2 {
        let job = probe.claim_one(worker);
        assert_eq!(job.attempt, attempt);
        assert_eq!(probe.info(id).attempt, attempt);
        probe.end(job.attempt_id(), failed(Due::Now));
        assert_eq!(probe.info(id).attempt, attempt);
    }
}

fn the_first_claim_decides_how_many_attempts_there_are(probe: &Probe) {
    let worker = probe.worker();
    let of_handler = probe.add(a());
    let own = probe.add(with(of("q", "b"), |job| job.max_attempts = Some(9)));
    for job in probe.claim_some(worker, 100) {
        let expected = if job.id == own { 9 } else { 3 };
        assert_eq!(job.max_attempts, expected);
        assert_eq!(probe.info(job.id).max_attempts, Some(expected));
        probe.end(job.attempt_id(), failed(Due::Now));
    }
    let changed = [KindRequest {
        max_attempts: 50,
        ..requested("a")
    }];
    let request = ClaimRequest {
        worker,
        queues: &["q"],
        kinds: &changed,
        budget: MS,
        most: 1,
    };
    let jobs = probe.claim(&request).unwrap().jobs;
    assert_eq!((jobs[0].id, jobs[0].max_attempts), (of_handler, 3));
}

fn without_a_lease_nothing_is_claimed(probe: &Probe) {
    let id = probe.add(a());
    let gone = probe.worker();
    assert_eq!(probe.withdraw(gone), Ok(0));
    for worker in [gone, WorkerId::new(987_654)] {
        let refused = claim_from(probe.other(), worker, &["q"], &["a"], 9);
        assert_eq!(refused, Err(StoreError::LeaseLost { worker }));
    }
    let info = probe.info(id);
    assert_eq!((info.state, info.attempt), (JobState::Available, 0));
}

const JOBS: usize = 400;
const THREADS: usize = 4;

fn threads_of_two_processes_claim_each_job_once(probe: &Probe) {
    let handles = probe.handles();
    let workers = [probe.worker(), probe.worker()];
    let all: BTreeSet<JobId> = probe.add_all(vec![a(); JOBS]).into_iter().collect();
    let claimed = at_once(THREADS, |thread| {
        let (store, worker) = (&handles[thread % 2], workers[thread % 2]);
        let mut done: Vec<ClaimedJob> = Vec::new();
        loop {
            let jobs = claim_from(&**store, worker, &["q"], &["a"], 7).unwrap();
            if jobs.is_empty() {
                return done;
            }
            let end = |job: &ClaimedJob| Finish {
                attempt: job.attempt_id(),
                outcome: Outcome::Completed,
            };
            let ends: Vec<Finish> = jobs.iter().map(end).collect();
            let answers = store.finish(&ends).unwrap();
            let is_completed = |answer: &Answer| *answer == Answer::Accepted(JobState::Completed);
            assert!(answers.iter().all(is_completed));
            done.extend(jobs);
        }
    });
    let claimed: Vec<ClaimedJob> = claimed.into_iter().flatten().collect();
    assert_eq!(claimed.len(), JOBS, "each job once");
    let distinct: BTreeSet<JobId> = claimed.iter().map(|job| job.id).collect();
    assert_eq!(distinct, all);
    assert_eq!(
        probe.counts().unwrap()[0].states[JobState::Completed],
        JOBS as u64
    );
}
