//! What an operator may do to a job, and what not.

use super::checks;
use super::probe::{HOUR, MS, Probe, a, cancelled, dead, failed, with};
use crate::store::{Answer, CancelOutcome, Due, JobId, JobState, Outcome, StoreError};

checks![
    a_job_that_waits_is_cancelled_at_once,
    the_worker_of_a_running_job_is_asked_to_cancel_it,
    a_job_whose_cancellation_was_requested_does_not_come_back,
    a_cancelled_attempt_that_is_lost_cancels_its_job,
    a_job_is_retried_as_if_it_had_had_no_attempt,
    a_retry_is_refused_if_another_job_has_its_unique_key,
    a_deleted_job_leaves_nothing_behind,
    what_the_state_of_a_job_forbids_is_refused_by_that_state,
    a_job_that_is_not_there_is_not_found,
];

fn a_job_that_waits_is_cancelled_at_once(probe: &Probe) {
    let later = with(a(), |job| job.due = Due::After(HOUR));
    for id in probe.add_all(vec![a(), later]) {
        assert_eq!(probe.other().cancel(id), Ok(CancelOutcome::Cancelled));
        let info = probe.info(id);
        assert_eq!(info.state, JobState::Cancelled);
        assert!(info.reason.is_some() && info.ended_at.is_some());
    }
    assert!(probe.claim_some(probe.worker(), 100).is_empty());
}

fn the_worker_of_a_running_job_is_asked_to_cancel_it(probe: &Probe) {
    let worker = probe.worker();
    for outcome in [Outcome::Completed, dead(), cancelled()] {
        let job = probe.running(worker);
        for _ in 0..2 {
            assert_eq!(probe.other().cancel(job.id), Ok(CancelOutcome::Requested));
        }
        let held = probe.held(worker).unwrap();
        assert_eq!(held[0].attempt, job.attempt_id());
        assert!(held[0].cancel_requested);
        let info = probe.info(job.id);
        assert_eq!(info.state, JobState::Running);
        assert!(info.cancel_requested.is_some());
        let state = match outcome {
            Outcome::Completed => JobState::Completed,
            Outcome::Dead { .. } => JobState::Dead,
            _ => JobState::Cancelled,
        };
        let answer = probe.end(job.attempt_id(), outcome);
        assert_eq!(answer, Answer::Accepted(state));
        assert_eq!(probe.info(job.id).cancel_requested, None);
    }
}

fn a_job_whose_cancellation_was_requested_does_not_come_back(probe: &Probe) {
    let worker = probe.worker();
    let ends = [
        failed(Due::Now),
        Outcome::Snoozed { due: Due::Now },
        Outcome::GivenBack,
        Outcome::Interrupted { error: None },
    ];
    for outcome in ends {
        let job = probe.running(worker);
        probe.cancel(job.id).unwrap();
        let answer = probe.end(job.attempt_id(), outcome.clone());
        let expected = Answer::Accepted(JobState::Cancelled);
        assert_eq!(answer, expected, "{outcome:?}");
        assert!(probe.claim_some(worker, 100).is_empty());
    }
}

fn a_cancelled_attempt_that_is_lost_cancels_its_job(probe: &Probe) {
    let worker = probe.worker();
    let job = probe.running(worker);
    probe.cancel(job.id).unwrap();
    let taken_over = probe.lose(worker);
    assert_eq!(taken_over[0].state, JobState::Cancelled);
    assert_eq!(probe.state(job.id), JobState::Cancelled);
}

fn a_job_is_retried_as_if_it_had_had_no_attempt(probe: &Probe) {
    let worker = probe.worker();
    for outcome in [dead(), cancelled()] {
        let job = probe.running(worker);
        probe.end(job.attempt_id(), Outcome::Interrupted { error: None });
        let job = probe.claim_one(worker);
        probe.end(job.attempt_id(), failed(Due::Now));
        let job = probe.claim_one(worker);
        probe.end(job.attempt_id(), outcome);
        probe.advance(2 * MS);
        let before = probe.time();
        probe.other().retry(job.id).unwrap();
        let info = probe.info(job.id);
        assert_eq!(info.state, JobState::Available);
        assert_eq!((info.attempt, info.interrupted), (0, 0));
        assert_eq!(info.ended_at, None);
        assert!((before..=probe.time()).contains(&info.due));
        assert_eq!(info.first_due, info.due);
        let again = probe.claim_one(worker);
        assert_eq!((again.id, again.attempt), (job.id, 1));
        assert!(again.fence > job.fence);
        assert_eq!(again.payload, job.payload);
        probe.end(again.attempt_id(), Outcome::Completed);
    }
}

fn a_retry_is_refused_if_another_job_has_its_unique_key(probe: &Probe) {
    let worker = probe.worker();
    let unique = || with(a(), |job| job.unique_key = Some("seven".to_owned()));
    let first = probe.add(unique());
    let job = probe.claim_one(worker);
    probe.end(job.attempt_id(), dead());
    let second = probe.add(unique());
    let (key, holder) = ("seven".to_owned(), Some(second));
    let refused = Err(StoreError::UniqueKeyHeld { key, holder });
    assert_eq!(probe.retry(first), refused);
    assert_eq!(probe.state(first), JobState::Dead);
    probe.cancel(second).unwrap();
    probe.retry(first).unwrap();
    assert_eq!(probe.state(first), JobState::Available);
    let refused = probe.enqueue(vec![unique()]).unwrap_err();
    let is_held =
        matches!(refused, StoreError::UniqueKeyHeld { holder, .. } if holder == Some(first));
    assert!(is_held, "{refused:?}");
}

fn a_deleted_job_leaves_nothing_behind(probe: &Probe) {
    let worker = probe.worker();
    let whole = || {
        with(a(), |job| {
            job.unique_key = Some("seven".to_owned());
            job.client_id = Some("order-7".to_owned());
        })
    };
    let ends = [
        Some(Outcome::Completed),
        Some(dead()),
        Some(failed(Due::Now)),
        None,
    ];
    for end in ends {
        let id = probe.add(whole());
        if let Some(outcome) = end {
            let job = probe.claim_one(worker);
            probe.end(job.attempt_id(), outcome);
        }
        probe.other().delete(id).unwrap();
        assert_eq!(probe.get(id), Ok(None));
        assert!(
            JobState::ALL
                .iter()
                .all(|state| probe.listed(*state).is_empty())
        );
        assert!(probe.claim_some(worker, 100).is_empty());
        assert!(probe.enqueue(vec![whole()]).unwrap()[0].is_new);
        probe.delete(probe.listed(JobState::Available)[0]).unwrap();
    }
    assert_eq!(probe.total(), 0);
}

fn what_the_state_of_a_job_forbids_is_refused_by_that_state(probe: &Probe) {
    let worker = probe.worker();
    let refusals = |id: JobId, state: JobState, cancel: bool, retry: bool| {
        let before = probe.job(id);
        let refused = |verb| StoreError::WrongState { id, state, verb };
        if cancel {
            assert_eq!(probe.cancel(id), Err(refused("cancel")));
        }
        if retry {
            assert_eq!(probe.retry(id), Err(refused("retry")));
        }
        assert_eq!(probe.job(id), before);
    };
    let running = probe.running(worker);
    refusals(running.id, JobState::Running, false, true);
    let (id, state, verb) = (running.id, JobState::Running, "delete");
    let refused = StoreError::WrongState { id, state, verb };
    assert_eq!(probe.other().delete(running.id), Err(refused));
    assert_eq!(probe.state(running.id), JobState::Running);

    let completed = probe.ended(worker, Outcome::Completed, JobState::Completed);
    refusals(completed, JobState::Completed, true, true);
    let buried = probe.ended(worker, dead(), JobState::Dead);
    refusals(buried, JobState::Dead, true, false);
    let ended = probe.ended(worker, cancelled(), JobState::Cancelled);
    refusals(ended, JobState::Cancelled, true, false);
    let later = with(a(), |job| job.due = Due::After(HOUR));
    refusals(probe.add(later), JobState::Scheduled, false, true);
    refusals(probe.add(a()), JobState::Available, false, true);
}

fn a_job_that_is_not_there_is_not_found(probe: &Probe) {
    let id = JobId::new(987_654);
    let not_found = StoreError::NotFound { id };
    assert_eq!(probe.get(id), Ok(None));
    assert_eq!(probe.cancel(id), Err(not_found.clone()));
    assert_eq!(probe.retry(id), Err(not_found.clone()));
    assert_eq!(probe.delete(id), Err(not_found));
}
