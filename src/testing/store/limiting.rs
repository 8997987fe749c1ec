//! Limits: how many jobs with one key are available or run (J16).

use super::checks;
use super::probe::{HOUR, MS, Probe, a, cancelled, dead, failed, ids, of, requested, with};
use crate::store::{
    Answer, ClaimRequest, Due, JobId, JobSpec, JobState, Limit, Operation, Outcome, StoreError,
};

checks![
    no_more_jobs_of_a_key_than_its_limit_are_available_or_run,
    whatever_leaves_gives_its_place_to_a_blocked_job,
    the_best_blocked_job_gets_the_place_over_all_queues_and_kinds,
    a_job_takes_no_place_before_it_is_due,
    a_limit_belongs_to_its_key_and_the_last_enqueue_sets_it,
    a_limited_job_of_a_paused_queue_leaves_its_place_to_others,
    a_blocked_job_is_cancelled_deleted_and_expires_like_one_that_waits,
    what_a_claim_finds_expired_leaves_its_place_and_the_claim_says_so,
    a_retried_job_takes_a_place_only_if_there_is_one,
    the_jobs_of_a_lost_process_leave_their_places,
    blocked_jobs_are_listed_in_the_order_of_their_places,
    a_limit_without_a_key_or_of_0_is_refused,
    threads_that_finish_and_claim_at_once_keep_to_the_limit,
];

fn limited(job: JobSpec, max: u32) -> JobSpec {
    with(job, |job| {
        let key = "smtp".to_owned();
        job.limit = Some(Limit { key, max });
    })
}

/// The jobs that are available or run, in the order of their ids.
fn placed(probe: &Probe) -> Vec<JobId> {
    let mut placed = probe.listed(JobState::Available);
    placed.extend(probe.listed(JobState::Running));
    placed.sort();
    placed
}

fn no_more_jobs_of_a_key_than_its_limit_are_available_or_run(probe: &Probe) {
    let worker = probe.worker();
    let all = probe.add_all(vec![limited(a(), 2); 5]);
    let free = probe.add(a());
    assert_eq!(placed(probe), [all[0], all[1], free]);
    assert_eq!(probe.listed(JobState::Blocked), all[2..]);
    let info = probe.info(all[2]);
    assert_eq!((info.limit_key.as_deref(), info.attempt), (Some("smtp"), 0));
    let claimed = probe.claim_some(worker, 100);
    assert_eq!(ids(&claimed), [all[0], all[1], free]);
    assert!(probe.claim_some(worker, 100).is_empty());
    probe.end(claimed[1].attempt_id(), Outcome::Completed);
    assert_eq!(ids(&probe.claim_some(worker, 100)), [all[2]]);
    let late = probe.add(limited(of("r", "b"), 2));
    assert_eq!(probe.state(late), JobState::Blocked);
    let counts = probe.counts().unwrap();
    assert_eq!(counts[0].states[JobState::Blocked], 2);
    assert_eq!(counts[1].states[JobState::Blocked], 1);
}

fn whatever_leaves_gives_its_place_to_a_blocked_job(probe: &Probe) {
    let worker = probe.worker();
    let mut next = probe.add(limited(a(), 1));
    let ends = [
        Outcome::Completed,
        dead(),
        cancelled(),
        failed(Due::After(HOUR)),
        Outcome::Snoozed {
            due: Due::After(HOUR),
        },
    ];
    for outcome in ends {
        let blocked = probe.add(limited(a(), 1));
        assert_eq!(probe.state(blocked), JobState::Blocked);
        let job = probe.claim_one(worker);
        assert_eq!(job.id, next);
        probe.end(job.attempt_id(), outcome.clone());
        assert_eq!(probe.state(blocked), JobState::Available, "{outcome:?}");
        next = blocked;
    }
    // What comes back is in its place again.
    for outcome in [
        failed(Due::Now),
        Outcome::GivenBack,
        Outcome::Interrupted { error: None },
    ] {
        let blocked = probe.add(with(limited(a(), 1), |job| job.priority = -1));
        let job = probe.claim_one(worker);
        let answer = probe.end(job.attempt_id(), outcome.clone());
        assert_eq!(answer, Answer::Accepted(JobState::Available), "{outcome:?}");
        assert_eq!(placed(probe), [next]);
        probe.delete(blocked).unwrap();
    }
    let better = probe.add(with(limited(a(), 1), |job| job.priority = 1));
    assert_eq!(probe.state(better), JobState::Blocked);
    let job = probe.claim_one(worker);
    let answer = probe.end(job.attempt_id(), Outcome::GivenBack);
    assert_eq!(answer, Answer::Accepted(JobState::Blocked));
    assert_eq!(placed(probe), [better]);
    probe.cancel(better).unwrap();
    assert_eq!(placed(probe), [next]);
    let last = probe.add(limited(a(), 1));
    probe.delete(next).unwrap();
    assert_eq!(placed(probe), [last]);
}

fn the_best_blocked_job_gets_the_place_over_all_queues_and_kinds(probe: &Probe) {
    let worker = probe.worker();
    let now = probe.time();
    let job = |queue, kind, priority, ago: u32| {
        with(limited(of(queue, kind), 1), |job| {
            job.priority = priority;
            job.due = Due::At(now - ago * MS);
        })
    };
    let first = probe.add(job("q", "a", 0, 0));
    let all = probe.add_all(vec![
        job("q", "a", 0, 10),
        job("r", "b", 0, 20),
        job("r", "a", 7, 0),
        job("q", "b", 7, 5),
        job("q", "a", 0, 10),
        job("r", "a", -7, 90),
    ]);
    let mut order = vec![first];
    order.extend([3, 2, 1, 0, 4, 5].map(|index| all[index]));
    for id in order {
        let claimed = probe.claim_of(worker, &["q", "r"], &["a", "b"], 100);
        assert_eq!(ids(&claimed), [id]);
        probe.end(claimed[0].attempt_id(), Outcome::Completed);
    }
}

fn a_job_takes_no_place_before_it_is_due(probe: &Probe) {
    let worker = probe.worker();
    let later = |priority| {
        with(limited(a(), 1), |job| {
            job.due = Due::After(5 * MS);
            job.priority = priority;
        })
    };
    let later = probe.add_all(vec![later(0), later(1)]);
    let now = probe.add(limited(a(), 1));
    assert_eq!(placed(probe), [now]);
    let job = probe.claim_one(worker);
    probe.advance(10 * MS);
    assert_eq!(probe.promote_due(100).unwrap().count, 2);
    assert_eq!(probe.listed(JobState::Blocked), [later[1], later[0]]);
    probe.end(job.attempt_id(), Outcome::Completed);
    assert_eq!(placed(probe), [later[1]]);
}

fn a_limit_belongs_to_its_key_and_the_last_enqueue_sets_it(probe: &Probe) {
    let worker = probe.worker();
    let all = probe.add_all(vec![limited(a(), 1); 6]);
    assert_eq!(placed(probe), all[..1]);
    let more = probe.add(limited(a(), 3));
    assert_eq!(placed(probe), all[..3]);
    let running = probe.claim_some(worker, 2);
    let fewer = probe.other().enqueue(vec![limited(a(), 1)]).unwrap()[0].id;
    // What runs goes on; what is available is blocked again.
    assert_eq!(placed(probe), all[..2]);
    probe.end(running[0].attempt_id(), Outcome::Completed);
    assert_eq!(placed(probe), all[1..2]);
    probe.end(running[1].attempt_id(), Outcome::Completed);
    assert_eq!(placed(probe), all[2..3]);
    let refused = with(limited(a(), 9), |job| job.max_attempts = Some(0));
    assert!(probe.enqueue(vec![refused]).is_err());
    assert_eq!(placed(probe), all[2..3]);
    assert_eq!(
        probe.listed(JobState::Blocked),
        [all[3], all[4], all[5], more, fewer]
    );
}

fn a_limited_job_of_a_paused_queue_leaves_its_place_to_others(probe: &Probe) {
    let worker = probe.worker();
    let settle = || while probe.unblock().unwrap() {};
    let paused = probe.add_all(vec![limited(of("r", "a"), 1); 2]);
    let first = probe.add(limited(a(), 1));
    assert_eq!(placed(probe), paused[..1]);
    probe.pause("r").unwrap();
    settle();
    assert_eq!(placed(probe), [first]);
    let second = probe.add(limited(a(), 1));
    let job = probe.claim_one(worker);
    probe.end(job.attempt_id(), Outcome::Completed);
    assert_eq!(placed(probe), [second]);
    probe.cancel(second).unwrap();
    // Nothing else wants the place, and the queue is still paused.
    assert_eq!(probe.listed(JobState::Blocked), paused);
    probe.resume("r").unwrap();
    settle();
    assert_eq!(placed(probe), paused[..1]);
}

fn a_blocked_job_is_cancelled_deleted_and_expires_like_one_that_waits(probe: &Probe) {
    let blocked = |option: fn(&mut JobSpec)| probe.add(with(limited(a(), 1), option));
    let first = probe.add(limited(a(), 1));
    let cancelled = blocked(|_| ());
    let deleted = blocked(|_| ());
    let expired = blocked(|job| job.expires = Some(MS));
    let unique = blocked(|job| job.unique_key = Some("seven".to_owned()));
    probe.cancel(cancelled).unwrap();
    probe.delete(deleted).unwrap();
    probe.advance(5 * MS);
    assert_eq!(probe.cancel_expired(100).unwrap().count, 1);
    let states = [cancelled, expired].map(|id| probe.state(id));
    assert_eq!(states, [JobState::Cancelled; 2]);
    assert_eq!(probe.info(expired).reason.as_deref(), Some("expired"));
    let (id, state, verb) = (unique, JobState::Blocked, "retry");
    let refused = Err(StoreError::WrongState { id, state, verb });
    assert_eq!(probe.retry(unique), refused);
    let again = with(a(), |job| job.unique_key = Some("seven".to_owned()));
    assert!(probe.enqueue(vec![again]).is_err());
    assert_eq!(placed(probe), [first]);
    assert_eq!(probe.listed(JobState::Blocked), [unique]);
}

fn what_a_claim_finds_expired_leaves_its_place_and_the_claim_says_so(probe: &Probe) {
    let worker = probe.worker();
    let expires = with(limited(a(), 1), |job| job.expires = Some(MS));
    probe.add(expires);
    let blocked = probe.add(limited(a(), 1));
    probe.advance(5 * MS);
    let claim = || {
        let claim = probe.claim(&ClaimRequest {
            worker,
            queues: &["q"],
            kinds: &[requested("a")],
            budget: HOUR,
            most: 100,
        });
        let claim = claim.expect("claim failed");
        (ids(&claim.jobs), claim.has_more)
    };
    assert_eq!(claim(), (vec![], true));
    assert_eq!(claim(), (vec![blocked], false));
}

fn a_retried_job_takes_a_place_only_if_there_is_one(probe: &Probe) {
    let all = probe.add_all(vec![limited(a(), 1); 3]);
    for id in &all {
        probe.cancel(*id).unwrap();
    }
    let retried = probe.operate(Operation::Retry, &all);
    assert_eq!(retried, Ok(vec![Ok(()); 3]));
    assert_eq!(placed(probe).len(), 1);
    assert_eq!(probe.listed(JobState::Blocked).len(), 2);
}

fn the_jobs_of_a_lost_process_leave_their_places(probe: &Probe) {
    let (lost, other) = (probe.worker(), probe.worker());
    let all = probe.add_all(vec![limited(a(), 2); 3]);
    let claimed = probe.claim_some(lost, 100);
    for job in &claimed {
        probe.mark_begun(lost, job.attempt_id());
    }
    let later = |_: &_| failed(Due::After(HOUR));
    let beat = probe.beat(lost);
    let taken_over = probe.take_over(lost, beat, &later).unwrap().unwrap();
    assert_eq!(taken_over.len(), 2);
    assert_eq!(ids(&probe.claim_some(other, 100)), all[2..]);

    let last = probe.add(with(limited(a(), 1), |job| job.priority = 1));
    let beat = probe.beat(other);
    let back = |_: &_| Outcome::GivenBack;
    let taken_over = probe.take_over(other, beat, &back).unwrap().unwrap();
    assert_eq!(taken_over[0].state, JobState::Blocked);
    assert_eq!(placed(probe), [last]);
}

fn blocked_jobs_are_listed_in_the_order_of_their_places(probe: &Probe) {
    probe.add(limited(a(), 1));
    let job = |kind, priority| with(limited(of("q", kind), 1), |job| job.priority = priority);
    let all = probe.add_all(vec![job("a", 0), job("b", 1), job("a", 1), job("b", 0)]);
    let order = [1, 2, 0, 3].map(|index| all[index]);
    assert_eq!(probe.listed(JobState::Blocked), order);
    let filter = crate::store::JobFilter::new(JobState::Blocked);
    let mut pages = Vec::new();
    let mut place = None;
    loop {
        let page = probe.other().list(&filter, place, 1).unwrap();
        pages.extend(page.jobs.iter().map(|job| job.id));
        place = page.next;
        if place.is_none() {
            break;
        }
    }
    assert_eq!(pages, order);
}

fn a_limit_without_a_key_or_of_0_is_refused(probe: &Probe) {
    let with_limit = |key: &str, max| {
        with(a(), |job| {
            let key = key.to_owned();
            job.limit = Some(Limit { key, max });
        })
    };
    for job in [with_limit("", 1), with_limit("a\n", 1), with_limit("a", 0)] {
        let refused = probe.enqueue(vec![job]).unwrap_err();
        assert!(matches!(refused, StoreError::InvalidJob { .. }));
    }
    assert_eq!(probe.total(), 0);
}

fn threads_that_finish_and_claim_at_once_keep_to_the_limit(probe: &Probe) {
    const JOBS: usize = 40;
    let [store, other] = probe.handles();
    let workers = [probe.worker(), probe.worker()];
    probe.add_all(vec![limited(a(), 2); JOBS]);
    let done = super::probe::at_once(2, |thread| {
        let (store, worker) = ([&store, &other][thread], workers[thread]);
        let mut done = 0;
        while store.counts().unwrap()[0].states[JobState::Completed] < JOBS as u64 {
            let claim = super::probe::claim_from(&**store, worker, &["q"], &["a"], 100);
            for job in claim.unwrap() {
                let counts = store.counts().unwrap()[0].states;
                let held = counts[JobState::Available] + counts[JobState::Running];
                assert!(held <= 2, "{held} at once");
                let end = crate::store::Finish {
                    attempt: job.attempt_id(),
                    outcome: Outcome::Completed,
                };
                store.finish(&[end]).unwrap();
                done += 1;
            }
        }
        done
    });
    assert_eq!(done.iter().sum::<usize>(), JOBS);
}
