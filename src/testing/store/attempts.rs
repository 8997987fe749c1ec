//! How attempts end (J3, J4, J6).

use super::checks;
use super::probe::{HOUR, Probe, a, cancelled, dead, failed, ids, of, unknown_attempt};
use crate::store::{
    Answer, AttemptInfo, AttemptOutcome, Due, Finish, JobId, JobInfo, JobState, Outcome,
};

checks![
    an_outcome_ends_its_job_with_the_reason_and_the_time,
    a_failed_attempt_counts_and_its_job_waits_for_the_next,
    an_attempt_that_is_snoozed_given_back_or_interrupted_does_not_count,
    a_job_that_is_given_back_is_in_its_old_place,
    an_outcome_of_an_attempt_that_was_taken_over_is_refused_and_the_new_one_stands,
    an_outcome_that_was_accepted_is_accepted_again_and_changes_nothing,
    an_outcome_from_before_the_current_claim_is_refused,
    each_outcome_of_a_call_has_its_own_answer_in_order,
    what_never_ran_cannot_end,
    an_abandoned_attempt_keeps_its_job_and_may_still_end,
    attempts_that_did_not_succeed_are_remembered_the_last_16,
    of_a_long_error_the_beginning_is_kept,
];

fn an_outcome_ends_its_job_with_the_reason_and_the_time(probe: &Probe) {
    let worker = probe.worker();
    let ends = [
        (Outcome::Completed, JobState::Completed, None),
        (dead(), JobState::Dead, Some("no such user")),
        (cancelled(), JobState::Cancelled, Some("not needed")),
    ];
    for (outcome, state, reason) in ends {
        let before = probe.time();
        let id = probe.ended(worker, outcome, state);
        let info = probe.other().get(id).unwrap().unwrap().info;
        assert_eq!(info.state, state);
        assert_eq!(info.reason.as_deref(), reason);
        let ended_at = info.ended_at.expect("it has ended");
        assert!((before..=probe.time()).contains(&ended_at));
        assert_eq!((info.attempt, info.worker), (1, None));
        assert!(probe.claim_some(worker, 100).is_empty());
    }
}

fn a_failed_attempt_counts_and_its_job_waits_for_the_next(probe: &Probe) {
    let worker = probe.worker();
    let job = probe.running(worker);
    let before = probe.time();
    let answer = probe.end(job.attempt_id(), failed(Due::After(HOUR)));
    assert_eq!(answer, Answer::Accepted(JobState::Scheduled));
    let info = probe.info(job.id);
    assert!(info.due >= before + HOUR && info.due <= probe.time() + HOUR);
    assert_eq!((info.attempt, info.worker, info.ended_at), (1, None, None));
    assert_eq!(info.reason.as_deref(), Some("no route"));
    assert!(probe.claim_some(worker, 100).is_empty());

    let job = probe.running(worker);
    let answer = probe.end(job.attempt_id(), failed(Due::Now));
    assert_eq!(answer, Answer::Accepted(JobState::Available));
    let job = probe.claim_one(worker);
    assert_eq!(job.attempt, 2);
    probe.end(job.attempt_id(), Outcome::Completed);
    assert_eq!(probe.info(job.id).reason, None);
}

fn an_attempt_that_is_snoozed_given_back_or_interrupted_does_not_count(probe: &Probe) {
    let worker = probe.worker();
    let id = probe.add(a());
    let error = || Some("the connection was closed".to_owned());
    let ends = [
        Outcome::GivenBack,
        Outcome::Snoozed { due: Due::Now },
        Outcome::Interrupted { error: error() },
        Outcome::Interrupted { error: None },
    ];
    for (round, outcome) in (0..).zip(ends) {
        let job = probe.claim_one(worker);
        assert_eq!(job.attempt, 1, "{outcome:?}");
        assert_eq!(job.interrupted, u32::max(round, 2) - 2);
        let answer = probe.end(job.attempt_id(), outcome);
        assert_eq!(answer, Answer::Accepted(JobState::Available));
        let info = probe.info(id);
        assert_eq!((info.attempt, info.worker), (0, None));
    }
    let job = probe.job(id);
    assert_eq!(job.info.interrupted, 2);
    let remembered = job.attempts.iter();
    let remembered: Vec<_> = remembered
        .map(|it| (it.outcome, it.error.clone()))
        .collect();
    let interrupted = AttemptOutcome::Interrupted;
    assert_eq!(remembered, [(interrupted, error()), (interrupted, None)]);
}

fn a_job_that_is_given_back_is_in_its_old_place(probe: &Probe) {
    let worker = probe.worker();
    let all = probe.add_all(vec![a(); 4]);
    let claimed = probe.claim_some(worker, 2);
    for (job, end) in claimed
        .iter()
        .rev()
        .zip([Outcome::GivenBack, Outcome::Interrupted { error: None }])
    {
        probe.end(job.attempt_id(), end);
    }
    assert_eq!(ids(&probe.claim_some(worker, 100)), all);
}

fn an_outcome_of_an_attempt_that_was_taken_over_is_refused_and_the_new_one_stands(probe: &Probe) {
    let ends = || {
        [
            Outcome::Completed,
            failed(Due::Now),
            dead(),
            cancelled(),
            Outcome::Snoozed { due: Due::Now },
            Outcome::GivenBack,
            Outcome::Interrupted { error: None },
            Outcome::Abandoned,
        ]
    };
    for late in ends() {
        let (frozen, other) = (probe.worker(), probe.worker());
        let old = probe.running(frozen);
        probe.mark_begun(frozen, old.attempt_id());
        probe.lose(frozen);
        let is_refused = || {
            let before = probe.job(old.id);
            assert_eq!(probe.end(old.attempt_id(), late.clone()), Answer::Lost);
            assert_eq!(probe.job(old.id), before, "{late:?}");
        };
        is_refused(); // it waits for its next attempt
        let new = probe.claim_one(other);
        assert!(new.id == old.id && new.fence > old.fence);
        is_refused(); // it runs elsewhere
        let answer = probe.end(new.attempt_id(), Outcome::Completed);
        assert_eq!(answer, Answer::Accepted(JobState::Completed));
        is_refused(); // the new outcome stands
    }
}

fn an_outcome_that_was_accepted_is_accepted_again_and_changes_nothing(probe: &Probe) {
    let worker = probe.worker();
    let ends = [
        (Outcome::Completed, JobState::Completed),
        (failed(Due::After(HOUR)), JobState::Scheduled),
        (dead(), JobState::Dead),
        (cancelled(), JobState::Cancelled),
        (Outcome::GivenBack, JobState::Available),
    ];
    for (outcome, state) in ends {
        let job = probe.running(worker);
        for _ in 0..3 {
            let answer = probe.end(job.attempt_id(), outcome.clone());
            assert_eq!(answer, Answer::Accepted(state));
        }
        let stored = probe.job(job.id);
        assert_eq!(
            stored.info.attempt,
            u32::from(outcome != Outcome::GivenBack)
        );
        assert!(stored.attempts.len() <= 1);
        probe.delete(job.id).unwrap();
    }
}

fn an_outcome_from_before_the_current_claim_is_refused(probe: &Probe) {
    let worker = probe.worker();
    let first = probe.running(worker);
    probe.end(first.attempt_id(), failed(Due::Now));
    let second = probe.claim_one(worker);
    assert!(second.id == first.id && second.fence > first.fence);
    let answer = probe.end(first.attempt_id(), Outcome::Completed);
    assert_eq!(answer, Answer::Lost);
    assert_eq!(probe.state(first.id), JobState::Running);
    assert_eq!(probe.info(first.id).fence, Some(second.fence));
}

fn each_outcome_of_a_call_has_its_own_answer_in_order(probe: &Probe) {
    let (frozen, worker) = (probe.worker(), probe.worker());
    let lost = probe.running(frozen);
    probe.lose(frozen);
    probe.delete(lost.id).unwrap();
    probe.add_all(vec![a(); 3]);
    let jobs = probe.claim_some(worker, 100);
    let end = |attempt, outcome| Finish { attempt, outcome };
    let answers = probe.finish(&[
        end(jobs[2].attempt_id(), dead()),
        end(lost.attempt_id(), Outcome::Completed),
        end(jobs[0].attempt_id(), Outcome::Completed),
        end(unknown_attempt(jobs[1].id), Outcome::Completed),
        end(jobs[1].attempt_id(), failed(Due::After(HOUR))),
        end(jobs[0].attempt_id(), dead()),
    ]);
    let expected = [
        Answer::Accepted(JobState::Dead),
        Answer::Lost,
        Answer::Accepted(JobState::Completed),
        Answer::Lost,
        Answer::Accepted(JobState::Scheduled),
        Answer::Accepted(JobState::Completed), // the first outcome stands
    ];
    assert_eq!(answers.unwrap(), expected);
}

fn what_never_ran_cannot_end(probe: &Probe) {
    let available = probe.add(a());
    for job in [available, JobId::new(987_654)] {
        let answer = probe.end(unknown_attempt(job), Outcome::Completed);
        assert_eq!(answer, Answer::Lost);
    }
    assert_eq!(probe.state(available), JobState::Available);
}

fn an_abandoned_attempt_keeps_its_job_and_may_still_end(probe: &Probe) {
    let worker = probe.worker();
    let job = probe.running(worker);
    let answer = probe.end(job.attempt_id(), Outcome::Abandoned);
    assert_eq!(answer, Answer::Accepted(JobState::Running));
    assert_eq!(probe.info(job.id).fence, Some(job.fence));
    assert!(probe.claim_some(worker, 100).is_empty());
    assert_eq!(probe.withdraw(worker), Ok(1));
    probe.renew(worker).unwrap();
    let answer = probe.end(job.attempt_id(), Outcome::Completed);
    assert_eq!(answer, Answer::Accepted(JobState::Completed));
    assert_eq!(probe.withdraw(worker), Ok(0));
}

fn attempts_that_did_not_succeed_are_remembered_the_last_16(probe: &Probe) {
    let mut worker = probe.worker();
    let id = probe.add(of("q", "b"));
    let rounds = AttemptInfo::KEPT as u32 + 4;
    let mut claims = Vec::new();
    for round in 0..rounds {
        let job = probe.claim_one(worker);
        claims.push((job.fence, worker));
        if round % 5 == 4 {
            probe.mark_begun(worker, job.attempt_id());
            let beat = probe.beat(worker);
            let retry = |_: &_| failed(Due::Now);
            probe.take_over(worker, beat, &retry).unwrap().unwrap();
            worker = probe.worker();
        } else {
            probe.end(job.attempt_id(), failed(Due::Now));
        }
    }
    let attempts = probe.job(id).attempts;
    assert_eq!(attempts.len(), AttemptInfo::KEPT);
    for (attempt, round) in attempts.iter().zip(rounds - AttemptInfo::KEPT as u32..) {
        assert_eq!(attempt.attempt, round + 1);
        assert_eq!((attempt.fence, attempt.worker), claims[round as usize]);
        assert!(attempt.claimed_at <= attempt.ended_at);
        assert_eq!(attempt.error.as_deref(), Some("no route"));
        let outcome = match round % 5 {
            4 => AttemptOutcome::Lost,
            _ => AttemptOutcome::Failed,
        };
        assert_eq!(attempt.outcome, outcome);
    }
    let job = probe.claim_one(worker);
    probe.end(job.attempt_id(), dead());
    let last = probe.job(id).attempts.pop().expect("the last one");
    assert_eq!(
        (last.attempt, last.outcome),
        (rounds + 1, AttemptOutcome::Failed)
    );
}

fn of_a_long_error_the_beginning_is_kept(probe: &Probe) {
    let worker = probe.worker();
    let fitting = "\u{e9}".repeat(JobInfo::MAX_REASON / 2);
    let long = format!("no route{}", "\u{20ac}".repeat(300_000));
    for text in [fitting, long] {
        let error = text.clone();
        let ends = [
            Outcome::Failed {
                error: error.clone(),
                retry: Due::Now,
            },
            Outcome::Interrupted {
                error: Some(error.clone()),
            },
            Outcome::Dead {
                error: error.clone(),
            },
        ];
        let id = probe.add(a());
        for outcome in ends {
            let job = probe.claim_one(worker);
            probe.end(job.attempt_id(), outcome);
        }
        let cancelled = probe.ended(
            worker,
            Outcome::Cancelled { reason: error },
            JobState::Cancelled,
        );
        let job = probe.job(id);
        let errors = job.attempts.into_iter().map(|attempt| attempt.error);
        let reasons = [job.info.reason, probe.info(cancelled).reason];
        let kept: Vec<String> = errors.chain(reasons).map(Option::unwrap).collect();
        assert_eq!(kept.len(), 5);
        for one in kept {
            assert!(one.len() <= JobInfo::MAX_REASON);
            let is_whole = text.len() <= JobInfo::MAX_REASON;
            assert!(!is_whole || one == text);
            assert_eq!(one[..3998], text[..3998]);
        }
    }
}
