//! The way in, and the verbs of an operator.

use crate::parts::{Number, Text, new_jobs, number, state};
use groundcrew::Host;
use groundcrew::host::HostBuildError;
use groundcrew::jobs::{
    EnqueueError, Job, JobContext, JobResult, Jobs, NewJob, RetryAfter, Snooze, WorkError,
};
use groundcrew::store::{
    CancelOutcome, Enqueued, JobFilter, JobSpec, JobState, MemoryStore, Store, StoreError,
    Transaction,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, SystemTime};

#[test]
fn every_option_of_a_job_is_in_the_store() {
    let jobs = new_jobs();
    let now = SystemTime::now();
    let enqueued = jobs
        .job(&number(7))
        .queue("mail")
        .priority(-3)
        .at(now + Duration::from_secs(3600))
        .attempts(5)
        .timeout(Duration::from_secs(9))
        .expires(Duration::from_secs(7200))
        .unique("seven")
        .client_id("order-7")
        .meta("trace", "4bf9")
        .enqueue()
        .unwrap();
    let job = jobs.get(enqueued.id).unwrap().unwrap();
    assert_eq!(
        (job.info.queue.as_str(), job.info.kind.as_str()),
        ("mail", "number")
    );
    assert_eq!(
        (job.info.priority, job.info.state),
        (-3, JobState::Scheduled)
    );
    assert!(job.info.due >= now + Duration::from_secs(3600));
    assert_eq!(
        (job.info.max_attempts, job.info.timeout),
        (Some(5), Some(Duration::from_secs(9)))
    );
    assert!(job.info.expires.is_some_and(|at| at > job.info.due));
    assert_eq!(job.info.unique_key.as_deref(), Some("seven"));
    assert_eq!(job.client_id.as_deref(), Some("order-7"));
    assert_eq!(
        (&job.payload[..], job.meta["trace"].as_str()),
        (&br#"{"n":7}"#[..], "4bf9")
    );
}

#[test]
fn many_jobs_are_enqueued_all_or_none() {
    let jobs = new_jobs();
    let held = jobs.job(&number(0)).unique("held").enqueue().unwrap();
    let error = jobs
        .enqueue_many([
            NewJob::of(&number(1)),
            NewJob::of(&number(2)).unique("held"),
        ])
        .unwrap_err();
    let holder = Some(held.id);
    let key = "held".to_owned();
    assert_eq!(
        error,
        EnqueueError::Store(StoreError::UniqueKeyHeld { key, holder })
    );
    let numbers: Vec<Number> = (1..=3).map(number).collect();
    assert_eq!(jobs.enqueue_many(&numbers).unwrap().len(), 3);
    let text = Text {
        text: "x".to_owned(),
    };
    jobs.enqueue_many([
        NewJob::from(jobs.job(&text).queue("other")),
        NewJob::from(&number(4)),
    ])
    .unwrap();
    assert!(
        jobs.enqueue_many(std::iter::empty::<NewJob>())
            .unwrap()
            .is_empty()
    );
    let lanes = jobs.counts().unwrap();
    let lanes = lanes
        .iter()
        .map(|lane| (&*lane.queue, &*lane.kind, lane.enqueued()));
    assert_eq!(
        lanes.collect::<Vec<_>>(),
        [("default", "number", 5), ("other", "text", 1)]
    );
}

#[test]
fn what_main_prints_of_an_error_is_its_sentence() {
    let jobs = new_jobs();
    let id = jobs.enqueue(&number(1)).unwrap();
    jobs.delete(id).unwrap();
    let errors: [(Box<dyn Error>, &str, &str); 5] = [
        (
            jobs.delete(id).unwrap_err().into(),
            "there is no job 1; it was pruned or deleted, or never was",
            "NotFound",
        ),
        (
            jobs.job(&number(1))
                .attempts(0)
                .enqueue()
                .unwrap_err()
                .into(),
            "a job \"number\" cannot be enqueued: it allows no attempt; allow at least 1",
            "Store",
        ),
        (
            jobs.work_until_empty(|workers| workers).unwrap_err().into(),
            "the workers cannot be used: they have no handler; add one with `.on(..)`",
            "Workers",
        ),
        (
            RetryAfter::new(Duration::ZERO, "busy").into(),
            "busy",
            "RetryAfter",
        ),
        (
            Snooze::new(Duration::from_secs(9)).into(),
            "snoozed for 9 s",
            "Snooze",
        ),
    ];
    for (error, sentence, name) in errors {
        assert_eq!(error.to_string(), sentence);
        assert_eq!(format!("{error:?}"), sentence);
        assert!(format!("{error:#?}").starts_with(name), "{error:#?}");
    }
}

#[derive(Serialize)]
struct Unserializable(BTreeMap<Vec<u8>, u8>);

impl Job for Unserializable {
    const KIND: &'static str = "unserializable";
}

#[test]
fn what_cannot_be_enqueued_is_refused_with_what_to_do() {
    let jobs = Jobs::open(MemoryStore::new().limit_payload(64)).unwrap();
    let bad = Unserializable(BTreeMap::from([(vec![1], 1)]));
    let long = Text {
        text: "x".repeat(64),
    };
    let refused = [
        jobs.job(&bad).enqueue().unwrap_err(),
        jobs.job(&long).enqueue().unwrap_err(),
        jobs.job(&long).statement().unwrap_err(),
        jobs.job(&number(1)).statement().unwrap_err(),
        jobs.job(&number(1)).attempts(0).enqueue().unwrap_err(),
        jobs.job(&number(1))
            .timeout(Duration::ZERO)
            .enqueue()
            .unwrap_err(),
        jobs.job(&number(1)).queue("").enqueue().unwrap_err(),
    ];
    let parts = [
        "a job \"unserializable\" cannot be written as JSON: key must be a string; keep to",
        "payload of 75 bytes, and the store takes 64; keep",
        "payload of 75 bytes",
        "this store has no SQL",
        "allow at least 1",
        "its timeout is zero; leave it out",
        "its queue is empty; give it a name",
    ];
    for (error, part) in refused.iter().zip(parts) {
        assert!(error.to_string().contains(part), "{error}");
        assert_eq!(format!("{error:?}"), error.to_string());
    }
    assert!(jobs.counts().unwrap().is_empty());
}

/// A transaction on a store in memory, as one of a database would be.
struct Pending<'a>(&'a MemoryStore);

impl Transaction for Pending<'_> {
    fn enqueue(self, job: &JobSpec) -> Result<Enqueued, StoreError> {
        Ok(self.0.enqueue(vec![job.clone()])?[0])
    }
}

#[test]
fn a_job_is_enqueued_in_a_transaction_of_the_program() {
    let store = MemoryStore::new().limit_payload(64);
    let jobs = Jobs::open(store.clone()).unwrap();
    let enqueued = jobs.job(&number(1)).enqueue_in(Pending(&store)).unwrap();
    assert_eq!(state(&jobs, enqueued.id), JobState::Available);
    let long = Text {
        text: "x".repeat(64),
    };
    let refused = jobs.job(&long).enqueue_in(Pending(&store)).unwrap_err();
    assert!(matches!(
        refused,
        EnqueueError::Store(StoreError::PayloadTooLarge { .. })
    ));
}

#[test]
fn an_operator_lists_cancels_retries_and_deletes() {
    let jobs = new_jobs();
    let id = jobs.enqueue(&number(1)).unwrap();
    assert!(jobs.oldest_available("default").unwrap().is_some());
    assert_eq!(jobs.lag("other").unwrap(), Duration::ZERO);
    assert_eq!(jobs.cancel(id).unwrap(), CancelOutcome::Cancelled);
    let page = jobs
        .list(&JobFilter::new(JobState::Cancelled), None, 10)
        .unwrap();
    assert_eq!((page.jobs.len(), page.jobs[0].id), (1, id));
    jobs.retry(id).unwrap();
    assert_eq!(state(&jobs, id), JobState::Available);
    jobs.delete(id).unwrap();
    assert_eq!(jobs.get(id).unwrap(), None);
    assert_eq!(jobs.delete(id), Err(StoreError::NotFound { id }));
}

#[test]
fn a_declaration_that_makes_no_sense_is_refused_at_the_build() {
    let jobs = new_jobs();
    let mut host = Host::builder();
    let _ = host.jobs("mailer", &jobs).threads(2);
    let error = host.build().unwrap_err();
    let HostBuildError::Workers { service, problem } = &error else {
        panic!("{error}")
    };
    assert_eq!(
        (&**service, &**problem),
        ("mailer", "they have no handler; add one with `.on(..)`")
    );

    let twice = jobs.work_until_empty(|workers| {
        let handler = |_: Number, _: &JobContext| ();
        workers.on(handler).on(handler)
    });
    let Err(WorkError::Workers(problem)) = twice else {
        panic!("it worked")
    };
    assert_eq!(problem, "kind \"number\" has two handlers; leave one out");
}

fn with_question_mark(job: Text, _: &JobContext) -> JobResult {
    let _: u32 = job.text.parse()?;
    Ok(())
}

fn of_its_own_error() -> Result<(), std::io::Error> {
    Ok(())
}

#[test]
fn a_handler_of_jobs_needs_no_types_but_that_of_the_job() {
    let jobs = new_jobs();
    for text in ["7", "x"] {
        jobs.enqueue(&Text {
            text: text.to_owned(),
        })
        .unwrap();
    }
    jobs.enqueue(&number(1)).unwrap();
    let report = jobs
        .work_until_empty(|workers| {
            workers
                .on(with_question_mark)
                .on(|_: Number, _: &JobContext| Ok(of_its_own_error()?))
        })
        .unwrap();
    assert_eq!((report.completed(), report.failed()), (2, 1));
    jobs.enqueue(&number(1)).unwrap();
    let report = jobs
        .work_until_empty(|workers| {
            workers.on(|job: Number, ctx: &JobContext| {
                assert_eq!((job.n, ctx.attempt(), ctx.kind()), (1, 1, "number"));
                of_its_own_error()?;
                if job.n == 1 {
                    return Err("no".into());
                }
                Ok(())
            })
        })
        .unwrap();
    assert_eq!(report.failed(), 1);
    jobs.enqueue(&number(1)).unwrap();
    let report = jobs
        .work_until_empty(|workers| workers.on(|job: Number, _: &JobContext| assert_eq!(job.n, 1)))
        .unwrap();
    assert_eq!(report.completed(), 1);
}
