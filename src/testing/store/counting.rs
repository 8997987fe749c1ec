//! Counts and pruning (J2, J13).

use super::checks;
use super::probe::{HOUR, MS, Probe, a, cancelled, dead, failed, of, with};
use crate::store::{Due, JobFilter, JobState, Outcome, Swept};
use std::time::Duration;

checks![
    the_counts_are_those_of_a_recount,
    what_was_deleted_or_pruned_is_counted,
    pruning_takes_what_ended_in_that_state_long_ago,
    pruning_takes_the_earliest_first_and_no_more_than_asked_for,
    pruned_jobs_leave_nothing_behind,
    the_oldest_available_job_of_a_queue_is_known_whatever_its_priority,
];

/// Compares the counts with the lists, lane by lane.
fn recount(probe: &Probe) {
    let counts = probe.other().counts().unwrap();
    let lanes = counts.iter().map(|lane| (&lane.queue, &lane.kind));
    assert!(lanes.is_sorted(), "not in the order of their names");
    for lane in &counts {
        for state in JobState::ALL {
            let mut filter = JobFilter::new(state);
            filter.queue = Some(lane.queue.clone());
            filter.kind = Some(lane.kind.clone());
            let listed = probe.list(&filter, None, 1000).unwrap().jobs.len();
            assert_eq!(lane.states[state], listed as u64, "{state} in {lane:?}");
        }
    }
    let listed = JobState::ALL.map(|state| probe.listed(state).len());
    assert_eq!(probe.total(), listed.iter().sum::<usize>() as u64);
}

fn the_counts_are_those_of_a_recount(probe: &Probe) {
    let worker = probe.worker();
    for (queue, kind) in [("r", "a"), ("q", "b"), ("q", "a")] {
        probe.add_all(vec![of(queue, kind); 6]);
        let later = with(of(queue, kind), |job| job.due = Due::After(5 * MS));
        probe.add_all(vec![later; 2]);
        recount(probe);
    }
    probe.advance(10 * MS);
    probe.promote_due(3).unwrap();
    recount(probe);
    let jobs = probe.claim_of(worker, &["q", "r"], &["a", "b"], 100);
    recount(probe);
    let ends = [
        Outcome::Completed,
        failed(Due::Now),
        failed(Due::After(HOUR)),
        dead(),
        cancelled(),
        Outcome::GivenBack,
    ];
    for (job, outcome) in jobs.iter().zip(ends.iter().cycle()).take(14) {
        probe.end(job.attempt_id(), outcome.clone());
        recount(probe);
    }
    probe.cancel(probe.listed(JobState::Available)[0]).unwrap();
    recount(probe);
    probe.retry(probe.listed(JobState::Dead)[0]).unwrap();
    recount(probe);
    probe.delete(probe.listed(JobState::Completed)[0]).unwrap();
    recount(probe);
    probe.lose(worker);
    recount(probe);
    probe.pruned(JobState::Completed, Duration::ZERO, 1);
    recount(probe);
    assert!(
        probe
            .counts()
            .unwrap()
            .iter()
            .all(|lane| lane.enqueued() == 8)
    );
}

fn what_was_deleted_or_pruned_is_counted(probe: &Probe) {
    let worker = probe.worker();
    let deleted = probe.add(a());
    probe.delete(deleted).unwrap();
    probe.ended(worker, Outcome::Completed, JobState::Completed);
    probe.ended(worker, Outcome::Completed, JobState::Completed);
    let dead = probe.ended(worker, dead(), JobState::Dead);
    assert_eq!(probe.pruned(JobState::Completed, Duration::ZERO, 100), 2);
    probe.delete(dead).unwrap();
    let counts = probe.counts().unwrap();
    assert_eq!(counts.len(), 1);
    assert_eq!(
        (counts[0].queue.as_str(), counts[0].kind.as_str()),
        ("q", "a")
    );
    assert_eq!((counts[0].deleted, counts[0].pruned), (2, 2));
    assert_eq!(counts[0].states.total(), 0);
    assert_eq!(counts[0].enqueued(), 4);
}

fn pruning_takes_what_ended_in_that_state_long_ago(probe: &Probe) {
    let worker = probe.worker();
    let old = probe.ended(worker, dead(), JobState::Dead);
    let other = probe.ended(worker, cancelled(), JobState::Cancelled);
    probe.advance(40 * MS);
    let new = probe.ended(worker, dead(), JobState::Dead);
    let waiting = probe.add_all(vec![a(), a()]);
    let running = probe.claim_some(worker, 1);
    assert_eq!(probe.pruned(JobState::Dead, HOUR, 100), 0);
    assert_eq!(probe.pruned(JobState::Dead, Duration::MAX, 100), 0);
    let ended_at = [old, new].map(|id| probe.info(id).ended_at.unwrap());
    let age_of = |index: usize| probe.time().duration_since(ended_at[index]).unwrap();
    let age = age_of(0);
    if probe.has_manual_clock() {
        assert_eq!(probe.pruned(JobState::Dead, age + MS, 100), 0);
    }
    let pruned = probe.other().prune(JobState::Dead, age, 100).unwrap().count;
    assert_eq!(probe.get(old), Ok(None));
    // By a real clock, on a machine that stood still, the new one may have become old.
    assert!(pruned == 1 || age_of(1) >= age);
    for state in [JobState::Scheduled, JobState::Available, JobState::Running] {
        assert_eq!(probe.pruned(state, Duration::ZERO, 100), 0, "{state}");
    }
    for id in [other, waiting[1], running[0].id] {
        probe.job(id);
    }
}

fn pruning_takes_the_earliest_first_and_no_more_than_asked_for(probe: &Probe) {
    let worker = probe.worker();
    let mut ended = Vec::new();
    for _ in 0..5 {
        ended.push(probe.ended(worker, Outcome::Completed, JobState::Completed));
        probe.advance(2 * MS);
    }
    let prune = |most| probe.prune(JobState::Completed, Duration::ZERO, most);
    let swept = |count, has_more| Ok(Swept { count, has_more });
    assert_eq!(prune(0), swept(0, true));
    assert_eq!(prune(2), swept(2, true));
    assert_eq!(
        probe.listed(JobState::Completed),
        [ended[4], ended[3], ended[2]]
    );
    assert_eq!(prune(100), swept(3, false));
    assert_eq!(prune(100), swept(0, false));
}

fn pruned_jobs_leave_nothing_behind(probe: &Probe) {
    let worker = probe.worker();
    let order = with(a(), |job| job.client_id = Some("order-7".to_owned()));
    let first = probe.add(order.clone());
    let job = probe.claim_one(worker);
    probe.end(job.attempt_id(), failed(Due::Now));
    let job = probe.claim_one(worker);
    probe.end(job.attempt_id(), dead());
    assert_eq!(probe.pruned(JobState::Dead, Duration::ZERO, 100), 1);
    assert_eq!(probe.get(first), Ok(None));
    assert!(probe.retry(first).is_err());
    let again = probe.enqueue(vec![order]).unwrap()[0];
    assert!(again.is_new && again.id > first);
}

fn the_oldest_available_job_of_a_queue_is_known_whatever_its_priority(probe: &Probe) {
    let worker = probe.worker();
    assert_eq!(probe.oldest_available("q"), Ok(None));
    let now = probe.time();
    let due = |queue: &str, kind: &str, priority, ago: u32| {
        with(of(queue, kind), |job| {
            job.priority = priority;
            job.due = Due::At(now - ago * MS);
        })
    };
    probe.add_all(vec![
        due("q", "a", 9, 10),
        due("q", "b", -9, 30),
        due("q", "a", 0, 20),
        due("r", "a", 0, 90),
        with(of("q", "a"), |job| job.due = Due::After(HOUR)),
    ]);
    let oldest = |queue| probe.other().oldest_available(queue).unwrap();
    assert_eq!(oldest("q"), Some(now - 30 * MS));
    assert_eq!(oldest("r"), Some(now - 90 * MS));
    assert_eq!(probe.claim_of(worker, &["q"], &["b"], 1).len(), 1);
    assert_eq!(oldest("q"), Some(now - 20 * MS));
    assert_eq!(probe.claim_of(worker, &["q"], &["a"], 100).len(), 2);
    assert_eq!(oldest("q"), None);
}
