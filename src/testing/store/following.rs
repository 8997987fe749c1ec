//! Jobs that wait for others (J17).

use super::checks;
use super::probe::{HOUR, MS, Probe, a, cancelled, dead, failed, with};
use crate::store::{
    Due, JobId, JobSpec, JobState, Limit, Operation, Outcome, StoreError, WorkerId,
};
use std::time::Duration;

checks![
    a_job_waits_until_all_that_it_was_enqueued_after_are_completed,
    a_job_cannot_wait_for_one_that_is_unknown_or_cancelled_nor_does_it_for_one_that_is_completed,
    a_dead_job_is_waited_for_and_may_still_be_completed,
    a_job_that_is_cancelled_deleted_or_pruned_cancels_those_that_wait_for_it_to_any_depth,
    what_does_not_wait_any_more_is_due_and_limited_like_others,
    a_waiting_job_is_cancelled_deleted_and_expires_and_waits_again_when_it_is_retried,
    a_lost_job_is_waited_for_until_its_last_attempt,
    many_followers_of_one_job_all_go_on_or_are_all_cancelled,
];

fn after(parents: &[JobId]) -> JobSpec {
    with(a(), |job| job.after = parents.to_vec())
}

fn complete(probe: &Probe, worker: WorkerId, id: JobId) {
    let jobs = probe.claim_some(worker, 1);
    assert_eq!(jobs[0].id, id);
    probe.end(jobs[0].attempt_id(), Outcome::Completed);
}

fn a_job_waits_until_all_that_it_was_enqueued_after_are_completed(probe: &Probe) {
    let worker = probe.worker();
    let parents = probe.add_all(vec![a(), a()]);
    let twice = [parents[0], parents[1], parents[0]];
    let child = probe.add(after(&twice));
    let grandchild = probe.add(after(&[child]));
    let job = probe.other().get(child).unwrap().unwrap();
    assert_eq!((job.info.state, job.info.waits), (JobState::Waiting, 2));
    assert_eq!(job.waits_for, parents);
    assert_eq!(job.followers, [grandchild]);
    assert_eq!(probe.job(parents[1]).followers, [child]);
    assert_eq!(probe.listed(JobState::Waiting), [child, grandchild]);
    complete(probe, worker, parents[0]);
    assert_eq!(probe.state(child), JobState::Waiting);
    assert_eq!(probe.job(child).waits_for, parents[1..]);
    complete(probe, worker, parents[1]);
    assert_eq!(probe.state(child), JobState::Available);
    assert_eq!(probe.state(grandchild), JobState::Waiting);
    complete(probe, worker, child);
    complete(probe, worker, grandchild);
    let job = probe.job(child);
    assert_eq!((job.info.waits, job.waits_for), (0, vec![]));
    assert_eq!(job.followers, []);
}

fn a_job_cannot_wait_for_one_that_is_unknown_or_cancelled_nor_does_it_for_one_that_is_completed(
    probe: &Probe,
) {
    let worker = probe.worker();
    let unknown = JobId::new(987_654);
    let gone = probe.add(a());
    probe.delete(gone).unwrap();
    let completed = probe.ended(worker, Outcome::Completed, JobState::Completed);
    let ended = probe.ended(worker, cancelled(), JobState::Cancelled);
    let total = probe.total();
    for (parent, state) in [
        (unknown, None),
        (gone, None),
        (ended, Some(JobState::Cancelled)),
    ] {
        let refused = probe.enqueue(vec![a(), after(&[completed, parent])]);
        assert_eq!(refused, Err(StoreError::CannotFollow { parent, state }));
    }
    assert_eq!(probe.total(), total);
    let child = probe.add(after(&[completed]));
    let job = probe.job(child);
    assert_eq!((job.info.state, job.info.waits), (JobState::Available, 0));
    assert_eq!(job.waits_for, []);
    // A known client id is no new job, whatever else it says.
    let known = |parents: &[JobId]| {
        with(after(parents), |job| {
            job.client_id = Some("order-7".to_owned());
        })
    };
    probe.add(known(&[]));
    assert!(!probe.enqueue(vec![known(&[unknown])]).unwrap()[0].is_new);
}

fn a_dead_job_is_waited_for_and_may_still_be_completed(probe: &Probe) {
    let worker = probe.worker();
    let parent = probe.ended(worker, dead(), JobState::Dead);
    let child = probe.add(after(&[parent]));
    assert_eq!(probe.state(child), JobState::Waiting);
    assert_eq!(probe.job(parent).followers, [child]);
    probe.retry(parent).unwrap();
    assert_eq!(probe.state(child), JobState::Waiting);
    let job = probe.claim_one(worker);
    probe.end(job.attempt_id(), failed(Due::Now));
    assert_eq!(probe.state(child), JobState::Waiting);
    complete(probe, worker, parent);
    complete(probe, worker, child);
}

fn a_job_that_is_cancelled_deleted_or_pruned_cancels_those_that_wait_for_it_to_any_depth(
    probe: &Probe,
) {
    let worker = probe.worker();
    type Way = (&'static str, fn(&Probe, WorkerId, JobId));
    let ways: [Way; 6] = [
        ("cancelled", |probe, _, id| {
            probe.cancel(id).unwrap();
        }),
        ("cancelled", |probe, worker, id| {
            let job = probe.claim_some(worker, 1).remove(0);
            assert_eq!(job.id, id);
            probe.end(job.attempt_id(), cancelled());
        }),
        ("deleted", |probe, _, id| probe.delete(id).unwrap()),
        ("deleted", |probe, _, id| {
            let deleted = probe.operate(Operation::Delete, &[id]);
            assert_eq!(deleted, Ok(vec![Ok(())]));
        }),
        ("pruned", |probe, worker, id| {
            let job = probe.claim_some(worker, 1).remove(0);
            assert_eq!(job.id, id);
            probe.end(job.attempt_id(), dead());
            assert_eq!(probe.pruned(JobState::Dead, Duration::ZERO, 1), 1);
        }),
        ("cancelled", |probe, _, id| {
            probe.advance(20 * MS);
            assert_eq!(probe.cancel_expired(100).unwrap().count, 1);
            assert_eq!(probe.state(id), JobState::Cancelled);
        }),
    ];
    for (how, end) in ways {
        let parent = with(a(), |job| {
            // By a claim it would be cancelled as well.
            job.priority = 1;
            job.expires = Some(10 * MS).filter(|_| how == "cancelled");
        });
        let expires = parent.expires.is_some();
        let first = probe.add(with(parent, |job| {
            job.expires = job.expires.filter(|_| probe.has_manual_clock());
        }));
        if expires && !probe.has_manual_clock() {
            // Time passes by itself there.
            probe.delete(first).unwrap();
            continue;
        }
        let mut chain = vec![first];
        for _ in 0..5 {
            chain.push(probe.add(after(&chain[chain.len() - 1..])));
        }
        let free = probe.add(a());
        end(probe, worker, first);
        for (parent, child) in chain.iter().zip(&chain[1..]) {
            let info = probe.info(*child);
            assert_eq!(info.state, JobState::Cancelled, "{how}");
            let how = if *parent == first { how } else { "cancelled" };
            let reason = format!("job {parent}, for which it waited, was {how}");
            assert_eq!(info.reason, Some(reason));
            assert!(info.ended_at.is_some());
            assert_eq!((info.waits, probe.job(*child).followers), (0, vec![]));
        }
        assert_eq!(probe.state(free), JobState::Available);
        probe.delete(free).unwrap();
    }
}

fn what_does_not_wait_any_more_is_due_and_limited_like_others(probe: &Probe) {
    let worker = probe.worker();
    let parent = probe.add(with(a(), |job| job.priority = 1));
    let limited = |max| {
        with(after(&[parent]), |job| {
            let key = "smtp".to_owned();
            job.limit = Some(Limit { key, max });
        })
    };
    let later = probe.add(with(after(&[parent]), |job| job.due = Due::After(HOUR)));
    let children = probe.add_all(vec![limited(1), limited(1)]);
    let due = probe.info(later).due;
    complete(probe, worker, parent);
    let info = probe.info(later);
    assert_eq!((info.state, info.due), (JobState::Scheduled, due));
    let states = [children[0], children[1]].map(|id| probe.state(id));
    assert_eq!(states, [JobState::Available, JobState::Blocked]);
    complete(probe, worker, children[0]);
    complete(probe, worker, children[1]);
}

fn a_waiting_job_is_cancelled_deleted_and_expires_and_waits_again_when_it_is_retried(
    probe: &Probe,
) {
    let worker = probe.worker();
    let parent = probe.add(a());
    let child = || probe.add(after(&[parent]));
    let (first, deleted) = (child(), child());
    let expired = probe.add(with(after(&[parent]), |job| job.expires = Some(MS)));
    let (id, state, verb) = (first, JobState::Waiting, "retry");
    let refused = Err(StoreError::WrongState { id, state, verb });
    assert_eq!(probe.retry(first), refused);
    probe.cancel(first).unwrap();
    probe.delete(deleted).unwrap();
    probe.advance(5 * MS);
    assert_eq!(probe.cancel_expired(100).unwrap().count, 1);
    assert_eq!(probe.job(parent).followers, [first, expired]);
    probe.retry(first).unwrap();
    assert_eq!(probe.state(first), JobState::Waiting);
    complete(probe, worker, parent);
    assert_eq!(probe.state(first), JobState::Available);
    // That one did not wait when its parent was completed.
    probe.retry(expired).unwrap();
    assert_eq!(probe.state(expired), JobState::Available);

    // It was cancelled with its parent, and is wanted nevertheless.
    let parent = probe.add(a());
    let child = probe.add(after(&[parent]));
    probe.cancel(parent).unwrap();
    probe.retry(child).unwrap();
    assert_eq!(probe.state(child), JobState::Available);
}

fn a_lost_job_is_waited_for_until_its_last_attempt(probe: &Probe) {
    let worker = probe.worker();
    let parent = probe.running(worker);
    let child = probe.add(after(&[parent.id]));
    probe.mark_begun(worker, parent.attempt_id());
    probe.lose(worker);
    assert_eq!(probe.state(child), JobState::Waiting);
    let worker = probe.worker();
    complete(probe, worker, parent.id);
    assert_eq!(probe.state(child), JobState::Available);
}

const MANY: usize = 350;

fn many_followers_of_one_job_all_go_on_or_are_all_cancelled(probe: &Probe) {
    let worker = probe.worker();
    let settle = || while probe.other().unblock().unwrap() {};
    let parent = probe.add(with(a(), |job| job.priority = 1));
    let children = probe.add_all(vec![after(&[parent]); MANY]);
    let last = probe.add(after(&children));
    complete(probe, worker, parent);
    settle();
    assert_eq!(probe.listed(JobState::Available), children);
    assert_eq!(probe.info(last).waits, MANY as u32);
    let mut claimed = Vec::new();
    while claimed.len() < MANY {
        claimed.extend(probe.claim_some(worker, 1000));
    }
    for job in &claimed {
        probe.end(job.attempt_id(), Outcome::Completed);
    }
    settle();
    complete(probe, worker, last);

    let parent = probe.add(a());
    let children = probe.add_all(vec![after(&[parent]); MANY]);
    let last = probe.add(after(&children[..3]));
    probe.cancel(parent).unwrap();
    settle();
    assert_eq!(probe.listed(JobState::Cancelled).len(), MANY + 2);
    assert_eq!(probe.state(last), JobState::Cancelled);
    // Those that were cancelled with it are retried by themselves.
    probe.retry(parent).unwrap();
    assert_eq!(probe.listed(JobState::Available), [parent]);
    complete(probe, worker, parent);
    assert!(probe.listed(JobState::Available).is_empty());
}
