//! Leases, and what becomes of the jobs of those that were lost (J4, J5, J6).

use super::checks;
use super::probe::{HOUR, Probe, a, at_once, claim_from, dead, failed, ids, judge, of, with};
use crate::store::{
    Answer, AttemptInfo, AttemptOutcome, Beat, Begun, ClaimedJob, Due, Finish, JobState, LostJob,
    Outcome, ProcessInfo, StoreError, TakenOver, WorkerId,
};

checks![
    a_process_is_listed_with_what_it_said_until_its_lease_ends,
    a_renewal_changes_the_beat_of_its_process_alone,
    a_lease_that_has_ended_cannot_be_used,
    a_lease_is_withdrawn_unless_jobs_run_in_its_name,
    a_takeover_needs_the_beat_that_was_seen,
    of_many_takeovers_at_once_one_happens,
    who_judges_a_lost_attempt_may_read_from_the_store,
    a_lost_attempt_counts_and_the_next_is_claimed_alone,
    a_lost_attempt_that_had_not_begun_is_given_back,
    what_has_ended_without_a_record_had_begun,
    a_long_attempt_had_begun_however_many_begin_after_it,
    a_lost_attempt_is_judged_by_what_is_known_of_it,
    a_job_that_ends_its_process_each_time_is_dead_after_its_attempts,
    an_answered_attempt_ends_the_suspicion,
    an_abandoned_attempt_is_interrupted_when_its_lease_ends,
    a_takeover_leaves_other_processes_and_ended_jobs_alone,
    a_process_finds_what_runs_in_its_name,
];

fn a_process_is_listed_with_what_it_said_until_its_lease_ends(probe: &Probe) {
    let before = probe.time();
    let process = ProcessInfo {
        host: "host \u{e9}".to_owned(),
        pid: u32::MAX,
        boot: String::new(),
    };
    let first = probe.register(&process).unwrap();
    let second = probe.worker();
    let workers = probe.other().workers().unwrap();
    let listed: Vec<WorkerId> = workers.iter().map(|worker| worker.id).collect();
    assert_eq!(listed, [first, second]);
    assert_eq!(workers[0].process, process);
    assert!((before..=probe.time()).contains(&workers[0].registered_at));
    assert_eq!(workers[0].renewed_at, workers[0].registered_at);
    probe.withdraw(first).unwrap();
    probe.lose(second);
    assert_eq!(probe.workers(), Ok(Vec::new()));
    assert!(probe.worker() > second, "no id is used twice");
}

fn a_renewal_changes_the_beat_of_its_process_alone(probe: &Probe) {
    let (first, second) = (probe.worker(), probe.worker());
    let beats = || [probe.beat(first), probe.beat(second)];
    let mut seen = vec![beats()[0]];
    let still = beats()[1];
    for _ in 0..3 {
        probe.renew(first).unwrap();
        let [beat, other] = beats();
        assert!(!seen.contains(&beat));
        assert_eq!(other, still);
        seen.push(beat);
    }
}

fn a_lease_that_has_ended_cannot_be_used(probe: &Probe) {
    let (withdrawn, lost) = (probe.worker(), probe.worker());
    probe.withdraw(withdrawn).unwrap();
    let beat = probe.beat(lost);
    probe.lose(lost);
    for worker in [withdrawn, lost] {
        let ended = StoreError::LeaseLost { worker };
        assert_eq!(probe.renew(worker), Err(ended.clone()));
        assert_eq!(probe.held(worker), Err(ended.clone()));
        let claim = claim_from(probe.other(), worker, &["q"], &["a"], 1);
        assert_eq!(claim, Err(ended));
        assert_eq!(probe.take_over(worker, beat, &judge), Ok(None));
        assert_eq!(probe.withdraw(worker), Ok(0));
    }
}

fn a_lease_is_withdrawn_unless_jobs_run_in_its_name(probe: &Probe) {
    let worker = probe.worker();
    probe.add_all(vec![a(), a()]);
    let jobs = probe.claim_some(worker, 100);
    assert_eq!(probe.withdraw(worker), Ok(2));
    probe.renew(worker).unwrap();
    probe.end(jobs[0].attempt_id(), Outcome::Completed);
    probe.end(jobs[1].attempt_id(), Outcome::GivenBack);
    assert_eq!(probe.withdraw(worker), Ok(0));
    assert_eq!(probe.workers(), Ok(Vec::new()));
}

fn a_takeover_needs_the_beat_that_was_seen(probe: &Probe) {
    let (slow, other) = (probe.worker(), probe.worker());
    let job = probe.running(slow);
    let seen = probe.beat(slow);
    probe.renew(slow).unwrap();
    assert_eq!(probe.other().take_over(slow, seen, &judge), Ok(None));
    let unknown = WorkerId::new(987_654);
    assert_eq!(probe.take_over(unknown, Beat::new(0), &judge), Ok(None));
    assert_eq!(probe.info(job.id).worker, Some(slow));
    let now = probe.beat(slow);
    let taken_over = probe.other().take_over(slow, now, &judge).unwrap().unwrap();
    assert_eq!(taken_over.len(), 1);
    assert_eq!(probe.info(job.id).worker, None);
    assert_eq!(ids(&probe.claim_some(other, 100)), [job.id]);
}

fn of_many_takeovers_at_once_one_happens(probe: &Probe) {
    let handles = probe.handles();
    let lost = probe.worker();
    let job = probe.running(lost);
    probe.mark_begun(lost, job.attempt_id());
    let beat = probe.beat(lost);
    let results = at_once(6, |thread| {
        handles[thread % 2].take_over(lost, beat, &judge)
    });
    let taken_over = results.into_iter().filter_map(Result::unwrap);
    assert_eq!(taken_over.map(|jobs| jobs.len()).collect::<Vec<_>>(), [1]);
    let info = probe.info(job.id);
    assert_eq!((info.attempt, info.lost), (1, 1));
}

fn who_judges_a_lost_attempt_may_read_from_the_store(probe: &Probe) {
    let lost = probe.worker();
    let job = probe.running(lost);
    let reads = |lost: &LostJob| {
        assert_eq!(probe.state(lost.attempt_id.job), JobState::Running);
        assert_eq!(probe.total(), 1);
        judge(lost)
    };
    let taken_over = probe.take_over(lost, probe.beat(lost), &reads);
    assert_eq!(taken_over.unwrap().unwrap().len(), 1);
    assert_ne!(probe.state(job.id), JobState::Running);
}

fn a_lost_attempt_counts_and_the_next_is_claimed_alone(probe: &Probe) {
    let (killed, other) = (probe.worker(), probe.worker());
    let jobs = [1, 5, 1].map(|priority| with(a(), |job| job.priority = priority));
    let all = probe.add_all(jobs.to_vec());
    let suspect = probe.claim_some(killed, 1).remove(0);
    assert_eq!(suspect.id, all[1]);
    probe.mark_begun(killed, suspect.attempt_id());
    let lost = probe.lose(killed);
    assert_eq!(lost[0].lost.attempt_id, suspect.attempt_id());
    assert_eq!(lost[0].state, JobState::Available);
    let stored = probe.job(suspect.id);
    assert_eq!((stored.info.attempt, stored.info.lost), (1, 1));
    assert!(stored.info.reason.is_some());
    assert_eq!(stored.attempts[0].outcome, AttemptOutcome::Lost);
    assert_eq!(stored.attempts[0].fence, suspect.fence);

    let alone = probe.claim_some(other, 100);
    assert_eq!(ids(&alone), [suspect.id]);
    assert_eq!((alone[0].attempt, alone[0].lost), (2, 1));
    assert_eq!(probe.claim_some(other, 100).len(), 2);
}

fn a_lost_attempt_that_had_not_begun_is_given_back(probe: &Probe) {
    let (killed, other) = (probe.worker(), probe.worker());
    probe.add_all(vec![a(); 4]);
    let jobs = probe.claim_some(killed, 100);
    probe.mark_begun(killed, jobs[0].attempt_id());
    probe.mark_begun(killed, jobs[1].attempt_id());
    probe.end(jobs[0].attempt_id(), Outcome::Completed);
    probe.mark_begun(killed, jobs[2].attempt_id());
    let lost = probe.lose(killed);
    let lost_ids: Vec<_> = lost.iter().map(|job| job.lost.attempt_id.job).collect();
    assert_eq!(lost_ids, [jobs[1].id, jobs[2].id, jobs[3].id]);
    for one in &lost[..2] {
        assert_ne!(one.lost.begun, Begun::No, "it had begun");
    }
    // A store that keeps no notes has to suppose that it had begun.
    let suspects = match lost[2].lost.begun {
        Begun::No => 2,
        begun => {
            assert!(lost.iter().all(|one| one.lost.begun == begun));
            assert_eq!(begun, Begun::Unknown);
            3
        }
    };
    for (index, job) in jobs[1..].iter().enumerate() {
        let info = probe.info(job.id);
        let is_suspect = u32::from(index < suspects);
        assert_eq!((info.attempt, info.lost), (is_suspect, is_suspect));
    }
    for _ in 0..suspects {
        assert_eq!(probe.claim_some(other, 100).len(), 1);
    }
    assert_eq!(probe.claim_some(other, 100).len(), 3 - suspects);
}

/// A thread begins the next job while the end of the one before is not recorded yet.
fn what_has_ended_without_a_record_had_begun(probe: &Probe) {
    let killed = probe.worker();
    probe.add_all(vec![a(); 3]);
    let jobs = probe.claim_some(killed, 100);
    for job in &jobs[..2] {
        probe.mark_begun(killed, job.attempt_id());
    }
    let lost = probe.lose(killed);
    for one in &lost[..2] {
        assert_ne!(one.lost.begun, Begun::No);
        let info = probe.info(one.lost.attempt_id.job);
        assert_eq!((info.attempt, info.lost), (1, 1));
    }
}

fn a_long_attempt_had_begun_however_many_begin_after_it(probe: &Probe) {
    let killed = probe.worker();
    let long = probe.running(killed);
    probe.mark_begun(killed, long.attempt_id());
    for _ in 0..2 {
        probe.add_all(vec![a(); 1100]);
        let jobs = probe.claim_some(killed, 1100);
        assert_eq!(jobs.len(), 1100);
        for job in &jobs {
            probe.mark_begun(killed, job.attempt_id());
        }
        let end = |job: &ClaimedJob| Finish {
            attempt: job.attempt_id(),
            outcome: Outcome::Completed,
        };
        let ends: Vec<Finish> = jobs.iter().map(end).collect();
        probe.finish(&ends).expect("finish failed");
    }
    let lost = probe.lose(killed);
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].lost.attempt_id, long.attempt_id());
    assert_ne!(lost[0].lost.begun, Begun::No);
}

fn a_lost_attempt_is_judged_by_what_is_known_of_it(probe: &Probe) {
    let killed = probe.worker();
    let id = probe.add(with(of("q", "b"), |job| job.max_attempts = Some(7)));
    let first = probe.claim_one(killed);
    probe.end(first.attempt_id(), failed(Due::Now));
    let second = probe.claim_one(killed);
    probe.end(second.attempt_id(), Outcome::Interrupted { error: None });
    let third = probe.claim_one(killed);
    probe.mark_begun(killed, third.attempt_id());
    let beat = probe.beat(killed);
    let after_an_hour = |lost: &LostJob| lost.outcome(HOUR, 100);
    let before = probe.time();
    let lost = probe.take_over(killed, beat, &after_an_hour);
    let [TakenOver { lost, state }] = &lost.unwrap().unwrap()[..] else {
        panic!("one job was lost");
    };
    assert_eq!(*state, JobState::Scheduled);
    assert_eq!((lost.attempt_id, lost.worker), (third.attempt_id(), killed));
    assert_eq!((lost.queue.as_str(), lost.kind.as_str()), ("q", "b"));
    assert_eq!(
        (lost.attempt, lost.max_attempts, lost.interrupted),
        (2, 7, 1)
    );
    assert!(matches!(lost.begun, Begun::Yes | Begun::Unknown));
    let info = probe.info(id);
    assert!(info.due >= before + HOUR);
    assert_eq!((info.state, info.attempt), (JobState::Scheduled, 2));
}

fn a_job_that_ends_its_process_each_time_is_dead_after_its_attempts(probe: &Probe) {
    let poison = probe.add(with(a(), |job| job.priority = 1));
    let others = probe.add_all(vec![a(), a()]);
    for attempt in 1..=3 {
        let killed = probe.worker();
        let jobs = probe.claim_some(killed, 1);
        assert_eq!((jobs[0].id, jobs[0].attempt), (poison, attempt));
        probe.mark_begun(killed, jobs[0].attempt_id());
        probe.lose(killed);
    }
    let job = probe.job(poison);
    assert_eq!(job.info.state, JobState::Dead);
    assert_eq!((job.info.attempt, job.info.lost), (3, 3));
    assert!(job.info.reason.is_some() && job.info.ended_at.is_some());
    assert_eq!(job.attempts.len(), 3);
    let worker = probe.worker();
    for job in probe.claim_some(worker, 100) {
        assert!(others.contains(&job.id) && job.attempt == 1);
        probe.end(job.attempt_id(), Outcome::Completed);
    }
    assert_eq!(probe.listed(JobState::Completed).len(), 2);
}

fn an_answered_attempt_ends_the_suspicion(probe: &Probe) {
    let worker = probe.worker();
    let id = probe.add(with(a(), |job| job.max_attempts = Some(100)));
    let answered = [
        (failed(Due::Now), 0),
        (Outcome::Snoozed { due: Due::Now }, 0),
        (Outcome::GivenBack, 1),
        (Outcome::Interrupted { error: None }, 1),
    ];
    for (outcome, lost) in answered {
        let killed = probe.worker();
        let job = probe.claim_one(killed);
        probe.mark_begun(killed, job.attempt_id());
        probe.lose(killed);
        let job = probe.claim_one(worker);
        let before = probe.info(id).lost;
        assert!(before > 0);
        probe.end(job.attempt_id(), outcome.clone());
        assert_eq!(probe.info(id).lost, lost * before, "{outcome:?}");
    }
}

fn an_abandoned_attempt_is_interrupted_when_its_lease_ends(probe: &Probe) {
    let id = probe.add(a());
    for interrupted in 1..=3 {
        let stopped = probe.worker();
        let job = probe.claim_one(stopped);
        probe.mark_begun(stopped, job.attempt_id());
        probe.end(job.attempt_id(), Outcome::Abandoned);
        let lost = probe.lose(stopped).remove(0);
        assert_eq!(lost.lost.begun, Begun::Abandoned);
        assert_eq!(
            probe.end(job.attempt_id(), Outcome::Completed),
            Answer::Lost
        );
        let info = probe.info(id);
        let attempts = probe.job(id).attempts;
        let is_interrupted = |attempt: &AttemptInfo| attempt.outcome == AttemptOutcome::Interrupted;
        assert_eq!(attempts.len(), interrupted as usize);
        assert!(attempts.iter().all(is_interrupted));
        if interrupted == 3 {
            assert_eq!(info.state, JobState::Dead); // `judge` bears two
            break;
        }
        assert_eq!(info.state, JobState::Available);
        assert_eq!((info.attempt, info.lost), (0, 0));
        assert_eq!(info.interrupted, interrupted);
    }
}

fn a_takeover_leaves_other_processes_and_ended_jobs_alone(probe: &Probe) {
    let (lost, other) = (probe.worker(), probe.worker());
    let completed = probe.ended(lost, Outcome::Completed, JobState::Completed);
    let buried = probe.ended(lost, dead(), JobState::Dead);
    let running = probe.running(other);
    let gone = probe.running(lost);
    let before = [completed, buried, running.id].map(|id| probe.job(id));
    let taken_over = probe.lose(lost);
    assert_eq!(taken_over.len(), 1);
    assert_eq!(taken_over[0].lost.attempt_id, gone.attempt_id());
    let after = [completed, buried, running.id].map(|id| probe.job(id));
    assert_eq!(after, before);
    probe.renew(other).unwrap();
}

fn a_process_finds_what_runs_in_its_name(probe: &Probe) {
    let (first, second) = (probe.worker(), probe.worker());
    probe.add_all(vec![a(); 3]);
    let jobs = probe.claim_some(first, 2);
    let others = probe.claim_some(second, 1);
    let held = |worker| {
        let held = probe.other().held(worker).unwrap().into_iter();
        held.map(|job| (job.attempt, job.cancel_requested))
            .collect::<Vec<_>>()
    };
    probe.cancel(jobs[1].id).unwrap();
    let (one, two) = (jobs[0].attempt_id(), jobs[1].attempt_id());
    assert_eq!(held(first), [(one, false), (two, true)]);
    assert_eq!(held(second), [(others[0].attempt_id(), false)]);
    probe.end(one, Outcome::Completed);
    assert_eq!(held(first), [(two, true)]);
}
