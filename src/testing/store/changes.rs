//! How a process notices that there is something to do.

use super::checks;
use super::probe::{MS, Probe, a, at_once, claim_from, dead, failed, with};
use crate::store::{Due, JobState, Outcome, Version};
use std::time::Duration;

checks![
    what_makes_work_changes_the_version_of_its_process_at_once,
    what_another_process_did_ends_a_wait,
    a_wake_ends_all_waits_of_its_process,
    a_wait_ends_at_its_timeout,
    no_job_is_missed_between_an_empty_claim_and_the_wait,
];

/// Longer than any wait that ends as it should.
const LONG: Duration = Duration::from_secs(60);

/// Does one after the other what makes work, or a request for a worker.
fn each_change(probe: &Probe, mut changed: impl FnMut(&str)) {
    let worker = probe.worker();
    let id = probe.add(a());
    changed("enqueue");
    let job = probe.claim_one(worker);
    probe.end(job.attempt_id(), failed(Due::Now));
    changed("a failure");
    let job = probe.claim_one(worker);
    probe.end(job.attempt_id(), Outcome::GivenBack);
    changed("a job given back");
    let job = probe.claim_one(worker);
    probe.cancel(id).unwrap();
    changed("a request to cancel");
    probe.end(job.attempt_id(), dead());
    probe.retry(id).unwrap();
    changed("a retry");
    probe.claim_one(worker);
    probe.lose(worker);
    changed("a takeover");
    probe.add(with(a(), |job| job.due = Due::After(5 * MS)));
    changed("enqueue for later");
    probe.advance(10 * MS);
    assert_eq!(probe.promote_due(9).unwrap().count, 1);
    changed("a promotion");
}

fn what_makes_work_changes_the_version_of_its_process_at_once(probe: &Probe) {
    let mut seen = probe.version();
    each_change(probe, |what| {
        let version = probe.version();
        assert_ne!(version, seen, "after {what}");
        assert_eq!(probe.wait_for_change(seen, LONG), probe.version());
        seen = version;
    });
}

fn what_another_process_did_ends_a_wait(probe: &Probe) {
    let mut seen = probe.other().version();
    each_change(probe, |what| {
        let version = probe.other().wait_for_change(seen, LONG);
        assert_ne!(version, seen, "after {what}");
        seen = version;
    });
}

fn a_wake_ends_all_waits_of_its_process(probe: &Probe) {
    let [store, _] = probe.handles();
    for _ in 0..20 {
        let seen = store.version();
        let versions = at_once(3, |thread| match thread {
            0 => {
                store.wake();
                store.version()
            }
            _ => store.wait_for_change(seen, LONG),
        });
        assert!(versions.iter().all(|version| *version != seen));
    }
}

fn a_wait_ends_at_its_timeout(probe: &Probe) {
    probe.wait_for_change(probe.version(), Duration::ZERO);
    probe.wait_for_change(probe.version(), MS);
    let other = Version::new(probe.version().get() ^ 1);
    assert_ne!(probe.wait_for_change(other, LONG), other);
}

const JOBS: usize = 60;

fn no_job_is_missed_between_an_empty_claim_and_the_wait(probe: &Probe) {
    let [store, other] = probe.handles();
    let worker = probe.worker();
    at_once(2, |thread| {
        if thread == 0 {
            for index in 0..JOBS {
                let producer = if index % 20 == 0 { &other } else { &store };
                producer.enqueue(vec![a()]).unwrap();
            }
            return;
        }
        let mut claimed = 0;
        while claimed < JOBS {
            let seen = store.version();
            let jobs = claim_from(&*store, worker, &["q"], &["a"], 100).unwrap();
            claimed += jobs.len();
            if jobs.is_empty() {
                let version = store.wait_for_change(seen, LONG);
                assert_ne!(version, seen, "nothing came for {LONG:?}");
            }
        }
    });
    assert_eq!(probe.listed(JobState::Running).len(), JOBS);
}
