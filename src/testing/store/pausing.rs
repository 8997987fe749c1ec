//! Queues that are paused.

use super::checks;
use super::probe::{HOUR, MS, Probe, a, failed, ids, of, with};
use crate::store::{Answer, Due, JobSpec, JobState, StoreError};

checks![
    nothing_is_claimed_from_a_paused_queue_until_it_is_resumed,
    what_runs_when_its_queue_is_paused_ends_and_what_comes_waits,
    the_paused_queues_are_known_with_the_moment_of_their_pause,
    a_queue_is_paused_and_resumed_once,
    a_queue_can_be_paused_before_it_has_a_job,
    no_queue_with_an_impossible_name_is_paused,
    the_end_of_a_pause_ends_the_waits_for_work,
];

fn nothing_is_claimed_from_a_paused_queue_until_it_is_resumed(probe: &Probe) {
    let worker = probe.worker();
    let all = probe.add_all(vec![of("q", "a"), of("r", "a"), of("q", "b")]);
    assert_eq!(probe.pause("q"), Ok(true));
    let claim = || ids(&probe.claim_of(worker, &["q", "r"], &["a", "b"], 100));
    assert_eq!(claim(), [all[1]]);
    assert!(claim().is_empty());
    let info = probe.info(all[0]);
    assert_eq!((info.state, info.attempt), (JobState::Available, 0));
    assert_eq!(probe.other().resume("q"), Ok(true));
    assert_eq!(claim(), [all[0], all[2]]);
}

fn what_runs_when_its_queue_is_paused_ends_and_what_comes_waits(probe: &Probe) {
    let worker = probe.worker();
    let job = probe.running(worker);
    probe.other().pause("q").unwrap();
    let later = probe.add(with(a(), |job| job.due = Due::After(5 * MS)));
    let new = probe.add(a());
    let answer = probe.end(job.attempt_id(), failed(Due::Now));
    assert_eq!(answer, Answer::Accepted(JobState::Available));
    probe.advance(10 * MS);
    assert_eq!(probe.promote_due(9).unwrap().count, 1);
    assert!(probe.claim_some(worker, 100).is_empty());
    probe.resume("q").unwrap();
    let mut claimed = ids(&probe.claim_some(worker, 100));
    claimed.sort();
    assert_eq!(claimed, [job.id, later, new]);
}

fn the_paused_queues_are_known_with_the_moment_of_their_pause(probe: &Probe) {
    assert_eq!(probe.paused(), Ok(Vec::new()));
    let before = probe.time();
    for queue in ["r", "q", "p"] {
        probe.pause(queue).unwrap();
        probe.advance(2 * MS);
    }
    probe.resume("p").unwrap();
    let paused = probe.other().paused().unwrap();
    let names: Vec<&str> = paused.iter().map(|it| &*it.queue).collect();
    assert_eq!(names, ["q", "r"]);
    assert!(before <= paused[1].since && paused[1].since < paused[0].since);
    assert!(paused[0].since <= probe.time());
}

fn a_queue_is_paused_and_resumed_once(probe: &Probe) {
    assert_eq!(probe.resume("q"), Ok(false));
    assert_eq!(probe.pause("q"), Ok(true));
    let since = probe.paused().unwrap();
    probe.advance(2 * MS);
    assert_eq!(probe.other().pause("q"), Ok(false));
    assert_eq!(probe.paused().unwrap(), since);
    assert_eq!(probe.other().resume("q"), Ok(true));
    assert_eq!(probe.resume("q"), Ok(false));
    assert_eq!(probe.paused(), Ok(Vec::new()));
}

fn a_queue_can_be_paused_before_it_has_a_job(probe: &Probe) {
    let worker = probe.worker();
    assert_eq!(probe.pause("q"), Ok(true));
    let counts = probe.counts().unwrap();
    assert!(counts.is_empty(), "a pause makes no lane");
    let id = probe.add(a());
    assert!(probe.claim_some(worker, 100).is_empty());
    probe.resume("q").unwrap();
    assert_eq!(probe.claim_one(worker).id, id);
}

fn no_queue_with_an_impossible_name_is_paused(probe: &Probe) {
    let long = "x".repeat(JobSpec::MAX_NAME + 1);
    for name in ["", "two\nlines", &long] {
        let refused = probe.pause(name).unwrap_err();
        let is_invalid =
            matches!(&refused, StoreError::InvalidQueue { queue, .. } if queue == name);
        assert!(is_invalid, "{refused:?}");
        assert_eq!(probe.resume(name), Ok(false));
    }
    assert_eq!(probe.paused(), Ok(Vec::new()));
}

fn the_end_of_a_pause_ends_the_waits_for_work(probe: &Probe) {
    let worker = probe.worker();
    probe.pause("q").unwrap();
    probe.add(a());
    let seen = [probe.version(), probe.other().version()];
    assert!(probe.claim_some(worker, 100).is_empty());
    probe.resume("q").unwrap();
    assert_ne!(probe.version(), seen[0]);
    assert_ne!(probe.other().wait_for_change(seen[1], HOUR), seen[1]);
    probe.claim_one(worker);
}
