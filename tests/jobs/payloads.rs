//! Payloads that no program of this crate would write: another language did, or a newer release.

use crate::common::{LONG, within};
use crate::parts::{account, open, reason, start, state, wait_for};
use crate::setup::TestStore;
use groundcrew::jobs::{Job, JobContext};
use groundcrew::store::{JobSpec, JobState, Store};
use serde::{Deserialize, Serialize};

/// Takes any JSON.
#[derive(Serialize, Deserialize)]
struct Anything(serde_json::Value);

impl Job for Anything {
    const KIND: &'static str = "anything";
}

#[test]
fn a_payload_that_is_not_json_or_too_deep_is_a_failed_attempt_and_the_next_job_runs() {
    within(LONG, "strange payloads", || {
        let store = TestStore::new();
        let jobs = open(&store);
        let deep = [b"[".repeat(200_000), b"]".repeat(200_000)].concat();
        let cases: [(Vec<u8>, &str); 6] = [
            (deep, "recursion limit exceeded"),
            (b"NaN".to_vec(), "expected"),
            (b"\"a\0b\"".to_vec(), "control character"),
            (vec![b'"', 0xff, 0xfe, b'"'], "invalid unicode"),
            (Vec::new(), "EOF"),
            (b"{} {}".to_vec(), "something behind its end"),
        ];
        let spec = |payload: &Vec<u8>| {
            let mut spec = JobSpec::new("anything", payload.clone());
            spec.max_attempts = Some(1);
            spec
        };
        let specs = cases.iter().map(|(payload, _)| spec(payload)).collect();
        let bad = store.enqueue(specs).unwrap();
        let good = jobs
            .enqueue(&Anything(serde_json::json!({"a": [1]})))
            .unwrap();
        let host = start(&jobs, |workers| {
            workers.on(|_: Anything, _: &JobContext| ())
        });
        wait_for(&jobs, good, JobState::Completed);
        for (enqueued, (_, part)) in bad.iter().zip(&cases) {
            wait_for(&jobs, enqueued.id, JobState::Dead);
            let reason = reason(&jobs, enqueued.id);
            assert!(
                reason.contains("kind \"anything\" cannot be decoded"),
                "{reason}"
            );
            assert!(reason.contains(part), "{part}: {reason}");
        }
        assert_eq!(state(&jobs, good), JobState::Completed);
        let account = account(&host.stop());
        assert_eq!((account.dead(), account.completed()), (6, 1));
    });
}
