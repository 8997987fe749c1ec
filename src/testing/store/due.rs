//! What is due when (J7), and what is too late.

use super::checks;
use super::probe::{HOUR, MS, Probe, a, failed, ids, of, requested, with};
use crate::store::{Answer, ClaimRequest, Due, JobState, Outcome, Picker, Promoted, Swept};
use std::time::{Duration, UNIX_EPOCH};

checks![
    a_job_for_later_is_not_claimed_before_it_was_due_and_promoted,
    a_moment_that_has_passed_is_due_at_once,
    the_earliest_due_are_promoted_first_and_no_more_than_asked_for,
    a_moment_beyond_every_calendar_is_kept,
    the_first_moment_stays_when_others_follow,
    an_expired_job_is_cancelled_by_a_claim_and_not_claimed,
    an_expired_job_takes_no_room_of_a_claim,
    a_claim_cancels_a_limited_number_of_expired_jobs_and_says_that_there_are_more,
    what_has_expired_is_cancelled_without_a_claim_as_well,
];

fn a_job_for_later_is_not_claimed_before_it_was_due_and_promoted(probe: &Probe) {
    let worker = probe.worker();
    let id = probe.add(with(a(), |job| job.due = Due::After(20 * MS)));
    let due = probe.info(id).due;
    loop {
        let before = probe.time();
        let promoted = probe.promote_due(100).unwrap();
        if promoted.count == 1 {
            assert!(due <= probe.time(), "it was promoted early");
            assert_eq!(promoted.next, None);
            break;
        }
        let next = promoted.next.expect("the job is still scheduled");
        assert!(next <= 20 * MS && probe.time() + next >= due, "{next:?}");
        assert!(before < due, "it was due and not promoted");
        assert!(probe.claim_some(worker, 100).is_empty());
        assert_eq!(probe.state(id), JobState::Scheduled);
        probe.advance(MS);
    }
    assert_eq!(probe.state(id), JobState::Available);
    assert_eq!(probe.claim_one(worker).id, id);
}

fn a_moment_that_has_passed_is_due_at_once(probe: &Probe) {
    let now = probe.time();
    for due in [
        Due::Now,
        Due::At(now - HOUR),
        Due::At(now),
        Due::At(UNIX_EPOCH),
    ] {
        let id = probe.add(with(a(), |job| job.due = due));
        assert_eq!(probe.state(id), JobState::Available, "{due:?}");
    }
    let past = with(a(), |job| job.due = Due::At(now - HOUR));
    let id = probe.add(past);
    assert_eq!(probe.info(id).due, now - HOUR);
    assert_eq!(probe.promote_due(100), Ok(Promoted::default()));
}

fn the_earliest_due_are_promoted_first_and_no_more_than_asked_for(probe: &Probe) {
    let later = |wait: u32| with(a(), |job| job.due = Due::After(wait * MS));
    let ids = probe.add_all(vec![later(30), later(10), later(20)]);
    let far = probe.add(with(a(), |job| job.due = Due::After(HOUR)));
    probe.advance(50 * MS);
    let first = probe.promote_due(1).unwrap();
    assert_eq!(first.count, 1);
    assert_eq!(first.next, Some(Duration::ZERO));
    assert_eq!(probe.listed(JobState::Available), [ids[1]]);
    let second = probe.promote_due(100).unwrap();
    assert_eq!(second.count, 2);
    let next = second.next.unwrap();
    assert!(next <= HOUR && next > HOUR / 2, "{next:?}");
    assert_eq!(probe.listed(JobState::Available), [ids[1], ids[2], ids[0]]);
    assert_eq!(probe.listed(JobState::Scheduled), [far]);
    assert_eq!(probe.promote_due(0).unwrap().count, 0);
}

fn a_moment_beyond_every_calendar_is_kept(probe: &Probe) {
    let never = probe.add(with(a(), |job| {
        job.due = Due::After(Duration::MAX);
        job.expires = Some(Duration::MAX);
        job.timeout = Some(Duration::from_secs(u64::from(u32::MAX)));
    }));
    let info = probe.info(never);
    assert_eq!(info.state, JobState::Scheduled);
    assert_eq!(info.due, Due::After(Duration::MAX).resolve(probe.time()));
    assert_eq!(info.expires, Some(info.due));
    assert_eq!(info.timeout, Some(Duration::from_secs(u64::from(u32::MAX))));
    let promoted = probe.promote_due(100).unwrap();
    assert!(promoted.next.is_some_and(|next| next > 1000 * HOUR));
}

fn the_first_moment_stays_when_others_follow(probe: &Probe) {
    let worker = probe.worker();
    let first = probe.time() - HOUR;
    let id = probe.add(with(a(), |job| job.due = Due::At(first)));
    let job = probe.claim_one(worker);
    assert_eq!((job.due, job.first_due), (first, first));
    probe.end(job.attempt_id(), failed(Due::At(first + 10 * MS)));
    let job = probe.claim_one(worker);
    assert_eq!((job.due, job.first_due), (first + 10 * MS, first));
    let due = Due::After(HOUR);
    let answer = probe.end(job.attempt_id(), Outcome::Snoozed { due });
    assert_eq!(answer, Answer::Accepted(JobState::Scheduled));
    let info = probe.info(id);
    assert!(info.due > first + HOUR && info.first_due == first);
}

fn an_expired_job_is_cancelled_by_a_claim_and_not_claimed(probe: &Probe) {
    let worker = probe.worker();
    let expiring = probe.add(with(a(), |job| job.expires = Some(5 * MS)));
    let lasting = probe.add(with(a(), |job| job.expires = Some(HOUR)));
    probe.advance(10 * MS);
    assert_eq!(probe.claim_one(worker).id, lasting);
    let info = probe.info(expiring);
    assert_eq!(info.state, JobState::Cancelled);
    assert_eq!(info.reason.as_deref(), Some("expired"));
    assert!(info.ended_at.is_some());
    assert_eq!((info.attempt, info.fence), (0, None));

    probe.retry(expiring).unwrap();
    assert_eq!(probe.claim_one(worker).id, expiring); // it does not expire any more
}

fn an_expired_job_takes_no_room_of_a_claim(probe: &Probe) {
    let worker = probe.worker();
    let expiring = with(a(), |job| job.expires = Some(5 * MS));
    probe.add_all(vec![expiring; 3]);
    probe.advance(10 * MS);
    let lasting = probe.add_all(vec![a(), a(), a()]);
    let claimed = probe.claim_some(worker, 2);
    assert_eq!(ids(&claimed), lasting[..2]);
    assert_eq!(probe.listed(JobState::Cancelled).len(), 3);
}

fn a_claim_cancels_a_limited_number_of_expired_jobs_and_says_that_there_are_more(probe: &Probe) {
    let worker = probe.worker();
    let expiring = with(a(), |job| job.expires = Some(MS));
    probe.add_all(vec![expiring; 500]);
    let lasting = probe.add(with(of("q", "b"), |job| job.priority = -1));
    probe.advance(2 * MS);
    let claim = || {
        let before = probe.listed(JobState::Cancelled).len();
        let claim = probe.claim(&ClaimRequest {
            worker,
            queues: &["q"],
            kinds: &[requested("a"), requested("b")],
            budget: HOUR,
            most: 100,
        });
        let cancelled = probe.listed(JobState::Cancelled).len() - before;
        assert!(cancelled <= Picker::MOST_DISCARDED, "{cancelled}");
        let claim = claim.expect("claim failed");
        assert!(cancelled > 0 || !claim.has_more, "it does not go on");
        (ids(&claim.jobs), claim.has_more)
    };
    // What is behind them may not be claimed before they are gone: there could be others.
    let last = loop {
        match claim() {
            (jobs, true) => assert_eq!(jobs, []),
            last => break last,
        }
    };
    assert_eq!(last, (vec![lasting], false));
    assert_eq!(probe.listed(JobState::Cancelled).len(), 500);
    assert_eq!(claim(), (vec![], false));
}

fn what_has_expired_is_cancelled_without_a_claim_as_well(probe: &Probe) {
    let unique = |key: &str, expires| {
        with(a(), |job| {
            job.unique_key = Some(key.to_owned());
            job.expires = Some(expires);
        })
    };
    let scheduled = with(unique("scheduled", 2 * MS), |job| {
        job.due = Due::After(HOUR)
    });
    let first = probe.add(unique("first", MS));
    let second = probe.add(scheduled);
    let third = probe.add(unique("third", 20 * MS));
    let lasting = probe.add(unique("lasting", HOUR));
    probe.advance(50 * MS);
    let swept = |count, has_more| Ok(Swept { count, has_more });
    assert_eq!(probe.cancel_expired(0), swept(0, true));
    assert_eq!(probe.cancel_expired(2), swept(2, true));
    let states = [first, second, third].map(|id| probe.state(id));
    let (cancelled, available) = (JobState::Cancelled, JobState::Available);
    assert_eq!(states, [cancelled, cancelled, available]);
    assert_eq!(probe.info(first).reason.as_deref(), Some("expired"));
    assert_eq!(probe.other().cancel_expired(100), swept(1, false));
    assert_eq!(probe.state(third), JobState::Cancelled);
    assert_eq!(probe.cancel_expired(100), swept(0, false));
    assert_eq!(probe.state(lasting), JobState::Available);
    probe.add(unique("first", HOUR));
}
