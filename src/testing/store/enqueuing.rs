//! What enqueuing promises (J1, J10, J14).

use super::checks;
use super::probe::{HOUR, Probe, a, at_once, cancelled, dead, failed, of, with};
use crate::store::{Due, Enqueued, JobId, JobSpec, JobState, Outcome, StoreError};

checks![
    a_job_is_there_with_all_that_it_was_given,
    what_a_job_was_given_is_not_changed_on_its_way,
    jobs_of_one_call_get_ids_in_their_order,
    a_known_client_id_returns_its_job_and_changes_nothing,
    a_client_id_twice_in_a_call_is_one_job,
    a_client_id_is_known_as_long_as_its_job_is_there,
    a_unique_key_is_refused_with_the_id_of_its_holder_until_that_has_ended,
    a_unique_key_twice_in_a_call_is_refused,
    a_refused_call_enqueues_none_of_its_jobs,
    a_payload_over_the_limit_is_refused_and_one_of_the_limit_is_taken,
    a_job_without_a_name_or_an_attempt_is_refused,
    a_call_without_jobs_does_nothing,
    of_many_threads_one_gets_the_unique_key,
    many_threads_with_one_client_id_make_one_job,
];

fn a_job_is_there_with_all_that_it_was_given(probe: &Probe) {
    let before = probe.time();
    let id = probe.add(with(of("mail", "send"), |job| {
        job.payload = b"{\"user\":7}".to_vec();
        job.meta.insert("trace".to_owned(), "17".to_owned());
        job.priority = -5;
        job.due = Due::After(HOUR);
        job.max_attempts = Some(9);
        job.timeout = Some(2 * HOUR);
        job.expires = Some(3 * HOUR);
        job.unique_key = Some("send-7".to_owned());
        job.client_id = Some("order-7".to_owned());
    }));
    let job = probe.other().get(id).unwrap().unwrap();
    let info = &job.info;
    assert_eq!((info.queue.as_str(), info.kind.as_str()), ("mail", "send"));
    assert_eq!(job.payload, b"{\"user\":7}");
    assert_eq!(job.meta["trace"], "17");
    assert_eq!(info.priority, -5);
    assert_eq!(info.state, JobState::Scheduled);
    assert!((before..=probe.time()).contains(&info.enqueued_at));
    assert_eq!(info.due, info.enqueued_at + HOUR);
    assert_eq!(info.first_due, info.due);
    assert_eq!(info.max_attempts, Some(9));
    assert_eq!(info.timeout, Some(2 * HOUR));
    assert_eq!(info.expires, Some(info.enqueued_at + 3 * HOUR));
    assert_eq!(info.unique_key.as_deref(), Some("send-7"));
    assert_eq!(job.client_id.as_deref(), Some("order-7"));
    assert_eq!((info.attempt, info.lost, info.interrupted), (0, 0, 0));
    assert_eq!((info.fence, info.worker), (None, None));
    assert_eq!((info.claimed_at, info.ended_at), (None, None));
    assert_eq!((info.cancel_requested, &info.reason), (None, &None));
    assert!(job.attempts.is_empty());
}

fn what_a_job_was_given_is_not_changed_on_its_way(probe: &Probe) {
    let name = "'; DROP TABLE jobs; -- \u{1F600} \" % _ \\ e\u{301}";
    let id = probe.add(with(of(name, name), |job| {
        job.payload = (0..=255).collect();
        job.meta
            .insert(name.to_owned(), "\0\n\u{10FFFF}\"".to_owned());
        job.priority = i32::MIN;
        job.unique_key = Some(name.to_owned());
        job.client_id = Some(name.to_owned());
    }));
    let job = probe.job(id);
    assert_eq!(
        (job.info.queue.as_str(), job.info.kind.as_str()),
        (name, name)
    );
    assert_eq!(job.payload, (0..=255).collect::<Vec<u8>>());
    assert_eq!(job.meta[name], "\0\n\u{10FFFF}\"");
    assert_eq!(job.info.priority, i32::MIN);
    assert_eq!(job.info.unique_key.as_deref(), Some(name));
    assert_eq!(job.client_id.as_deref(), Some(name));
    let claimed = probe.claim_of(probe.worker(), &[name], &[name], 1);
    assert_eq!(claimed[0].payload, job.payload);
    assert_eq!(claimed[0].meta, job.meta);
}

fn jobs_of_one_call_get_ids_in_their_order(probe: &Probe) {
    let kinds = ["a", "b", "a", "c"];
    let enqueued = probe.enqueue(kinds.map(|kind| of("q", kind)).to_vec());
    let enqueued = enqueued.unwrap();
    assert!(enqueued.iter().all(|job| job.is_new));
    assert!(enqueued.is_sorted_by(|first, second| first.id < second.id));
    let stored = enqueued.iter().map(|job| probe.info(job.id).kind);
    assert_eq!(stored.collect::<Vec<_>>(), kinds);
    assert!(probe.add(a()) > enqueued[3].id);
}

fn a_known_client_id_returns_its_job_and_changes_nothing(probe: &Probe) {
    let order = |payload: &str| {
        with(JobSpec::new("a", payload), |job| {
            job.queue = "q".to_owned();
            job.client_id = Some("order-7".to_owned());
            job.unique_key = Some("seven".to_owned());
        })
    };
    let id = probe.add(order("first"));
    let again = probe.other().enqueue(vec![order("second"), a()]).unwrap();
    assert_eq!(again[0], Enqueued { id, is_new: false });
    assert!(again[1].is_new);
    assert_eq!(probe.job(id).payload, b"first");
    let worker = probe.worker();
    for job in probe.claim_some(worker, 100) {
        probe.end(job.attempt_id(), Outcome::Completed);
    }
    let third = probe.enqueue(vec![order("third")]).unwrap();
    assert_eq!(third[0], Enqueued { id, is_new: false });
    assert_eq!(probe.state(id), JobState::Completed);
}

fn a_client_id_twice_in_a_call_is_one_job(probe: &Probe) {
    let order = with(a(), |job| job.client_id = Some("order-7".to_owned()));
    let enqueued = probe.enqueue(vec![order.clone(), a(), order]).unwrap();
    assert_eq!(enqueued[2].id, enqueued[0].id);
    let new: Vec<bool> = enqueued.iter().map(|job| job.is_new).collect();
    assert_eq!(new, [true, true, false]);
    assert_eq!(probe.total(), 2);
}

fn a_client_id_is_known_as_long_as_its_job_is_there(probe: &Probe) {
    let order = || with(a(), |job| job.client_id = Some("order-7".to_owned()));
    let first = probe.add(order());
    probe.delete(first).unwrap();
    let second = probe.enqueue(vec![order()]).unwrap()[0];
    assert!(second.is_new && second.id > first);
}

fn a_unique_key_is_refused_with_the_id_of_its_holder_until_that_has_ended(probe: &Probe) {
    let unique = || with(a(), |job| job.unique_key = Some("seven".to_owned()));
    let is_refused = |holder: JobId| {
        let refused = probe.other().enqueue(vec![unique()]).unwrap_err();
        let (key, holder) = ("seven".to_owned(), Some(holder));
        assert_eq!(refused, StoreError::UniqueKeyHeld { key, holder });
    };
    let worker = probe.worker();
    for end in [Outcome::Completed, dead(), cancelled()] {
        let holder = probe.add(unique());
        is_refused(holder); // available
        let job = probe.claim_one(worker);
        is_refused(holder); // running
        probe.end(job.attempt_id(), failed(Due::Now));
        is_refused(holder); // waiting for its second attempt
        let job = probe.claim_one(worker);
        probe.end(job.attempt_id(), end);
    }
    let scheduled = probe.add(with(unique(), |job| job.due = Due::After(HOUR)));
    is_refused(scheduled);
    probe.delete(scheduled).unwrap();
    probe.add(unique());
}

fn a_unique_key_twice_in_a_call_is_refused(probe: &Probe) {
    let unique = with(a(), |job| job.unique_key = Some("seven".to_owned()));
    let refused = probe.enqueue(vec![unique.clone(), a(), unique]);
    let (key, holder) = ("seven".to_owned(), None);
    assert_eq!(refused, Err(StoreError::UniqueKeyHeld { key, holder }));
    assert_eq!(probe.total(), 0);
}

fn a_refused_call_enqueues_none_of_its_jobs(probe: &Probe) {
    let unique = |client_id: &str| {
        with(a(), |job| {
            job.unique_key = Some("seven".to_owned());
            job.client_id = Some(client_id.to_owned());
        })
    };
    probe.add(unique("one"));
    let new = with(a(), |job| job.client_id = Some("two".to_owned()));
    assert!(probe.enqueue(vec![new.clone(), unique("three")]).is_err());
    let large = with(a(), |job| job.payload = vec![0; probe.max_payload() + 1]);
    assert!(probe.enqueue(vec![new.clone(), large]).is_err());
    assert_eq!(probe.total(), 1);
    assert!(probe.enqueue(vec![new]).unwrap()[0].is_new);
}

fn a_payload_over_the_limit_is_refused_and_one_of_the_limit_is_taken(probe: &Probe) {
    let limit = probe.max_payload();
    let sized = |size| with(a(), |job| job.payload = vec![7; size]);
    let id = probe.add(sized(limit));
    assert_eq!(probe.job(id).payload.len(), limit);
    let with_meta = with(sized(limit - 2), |job| {
        job.meta.insert("ab".to_owned(), "c".to_owned());
    });
    for job in [sized(limit + 1), with_meta] {
        let refused = probe.enqueue(vec![job]);
        let (kind, size) = ("a".to_owned(), limit + 1);
        assert_eq!(
            refused,
            Err(StoreError::PayloadTooLarge { kind, size, limit })
        );
    }
    assert_eq!(probe.total(), 1);
}

fn a_job_without_a_name_or_an_attempt_is_refused(probe: &Probe) {
    let long = "n".repeat(JobSpec::MAX_NAME + 1);
    let refused = [
        of("", "a"),
        of("q", ""),
        of("q", "a\n"),
        of(&long, "a"),
        with(a(), |job| job.unique_key = Some(String::new())),
        with(a(), |job| job.client_id = Some("\0".to_owned())),
        with(a(), |job| {
            job.meta.insert(String::new(), "1".to_owned());
        }),
        with(a(), |job| job.max_attempts = Some(0)),
    ];
    for job in refused {
        let error = probe.enqueue(vec![job.clone()]);
        let is_invalid = matches!(error, Err(StoreError::InvalidJob { .. }));
        assert!(is_invalid, "{error:?} for {job:?}");
    }
    assert_eq!(probe.total(), 0);
    let longest = "n".repeat(JobSpec::MAX_NAME);
    let id = probe.add(of(&longest, &longest));
    assert_eq!(probe.info(id).queue, longest);
}

fn a_call_without_jobs_does_nothing(probe: &Probe) {
    assert_eq!(probe.enqueue(Vec::new()), Ok(Vec::new()));
    assert_eq!(probe.finish(&[]), Ok(Vec::new()));
    assert_eq!(probe.counts(), Ok(Vec::new()));
}

const THREADS: usize = 8;

fn of_many_threads_one_gets_the_unique_key(probe: &Probe) {
    let handles = probe.handles();
    let results = at_once(THREADS, |thread| {
        let unique = with(a(), |job| job.unique_key = Some("seven".to_owned()));
        handles[thread % 2].enqueue(vec![unique])
    });
    let (accepted, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!((accepted.len(), refused.len()), (1, THREADS - 1));
    let id = accepted[0].as_ref().unwrap()[0].id;
    for error in refused {
        let (key, holder) = ("seven".to_owned(), Some(id));
        assert_eq!(error, Err(StoreError::UniqueKeyHeld { key, holder }));
    }
    assert_eq!(probe.total(), 1);
}

fn many_threads_with_one_client_id_make_one_job(probe: &Probe) {
    let handles = probe.handles();
    let enqueued = at_once(THREADS, |thread| {
        let order = with(a(), |job| job.client_id = Some("order-7".to_owned()));
        handles[thread % 2].enqueue(vec![order]).unwrap()[0]
    });
    assert!(enqueued.iter().all(|job| job.id == enqueued[0].id));
    assert_eq!(enqueued.iter().filter(|job| job.is_new).count(), 1);
    assert_eq!(probe.total(), 1);
}
