//! A store that cannot be used for a while.

use crate::common::{LONG, within};
use crate::faulty::FaultyStore;
use crate::parts::{Number, account, adds_up, ear, number, start, state, wait_for, wait_until};
use groundcrew::jobs::{EnqueueError, JobContext, Jobs};
use groundcrew::store::{JobState, Store, StoreError};

const ALL: [&str; 8] = [
    "register",
    "renew",
    "claim",
    "finish",
    "held",
    "workers",
    "promote_due",
    "prune",
];

#[test]
fn workers_wait_for_a_store_that_is_down_are_not_ready_and_go_on_when_it_is_back() {
    within(LONG, "a store that is down", || {
        let store = FaultyStore::default();
        let jobs = Jobs::open(store.clone()).unwrap();
        let host = start(&jobs, |workers| workers.on(|_: Number, _: &JobContext| ()));
        assert!(host.status().is_ready());
        store.break_down(&ALL);
        wait_until(|| !host.status().is_ready());
        let status = host.status();
        let trouble = status.services()[0]
            .jobs()
            .unwrap()
            .trouble()
            .unwrap()
            .to_owned();
        assert!(trouble.contains("the store is unavailable"), "{trouble}");
        assert!(status.is_alive());

        let id = store.inner.enqueue(vec![spec()]).unwrap()[0].id;
        store.come_back();
        wait_for(&jobs, id, JobState::Completed);
        wait_until(|| host.status().is_ready());
        let report = host.stop();
        assert!(report.is_clean(), "{report}");
        assert_eq!(account(&report).completed(), 1);
    });
}

fn spec() -> groundcrew::store::JobSpec {
    groundcrew::store::JobSpec::new("number", r#"{"n":1}"#)
}

#[test]
fn workers_that_start_before_their_store_are_up_and_ready_when_it_is() {
    within(LONG, "a store that comes late", || {
        let store = FaultyStore::default();
        let jobs = Jobs::open(store.clone()).unwrap();
        store.break_down(&ALL);
        let id = jobs.enqueue(&number(1)).unwrap();
        let host = start(&jobs, |workers| workers.on(|_: Number, _: &JobContext| ()));
        assert!(!host.status().is_ready() && !host.handle().is_ready());
        store.come_back();
        wait_for(&jobs, id, JobState::Completed);
        wait_until(|| host.handle().is_ready());
        assert!(host.stop().is_clean());
    });
}

#[test]
fn an_end_is_sent_again_until_the_store_answers_and_is_counted_once() {
    within(LONG, "an end that is sent again", || {
        let store = FaultyStore::default();
        let jobs = Jobs::open(store.clone()).unwrap();
        let (sender, runs) = ear();
        // Done, but not answered; then not done.
        store.lose_answer("finish");
        let host = start(&jobs, |workers| {
            workers.on(move |job: Number, _: &JobContext| Ok(sender.send(job.n)?))
        });
        let first = jobs.enqueue(&number(1)).unwrap();
        wait_until(|| store.is_answer_lost("finish"));
        wait_for(&jobs, first, JobState::Completed);
        wait_until(|| host.status().is_ready());
        store.break_down(&["finish"]);
        let second = jobs.enqueue(&number(2)).unwrap();
        wait_until(|| store.calls("finish") > 4);
        assert_eq!(state(&jobs, second), JobState::Running);
        store.come_back();
        wait_for(&jobs, second, JobState::Completed);
        let account = account(&host.stop());
        assert_eq!((account.claimed(), account.completed()), (2, 2));
        assert_eq!(runs.try_iter().collect::<Vec<_>>(), [1, 2]);
    });
}

#[test]
fn nothing_more_is_claimed_while_ends_cannot_be_stored() {
    within(LONG, "no claims", || {
        let store = FaultyStore::default();
        let jobs = Jobs::open(store.clone()).unwrap();
        let host = start(&jobs, |workers| workers.on(|_: Number, _: &JobContext| ()));
        store.break_down(&["finish"]);
        let first = jobs.enqueue(&number(1)).unwrap();
        wait_until(|| store.calls("finish") > 1);
        let claims = store.calls("claim");
        let second = jobs.enqueue(&number(2)).unwrap();
        wait_until(|| store.calls("finish") > 4);
        assert!(store.calls("claim") <= claims + 1); // one may have been under way
        store.come_back();
        wait_for(&jobs, first, JobState::Completed);
        wait_for(&jobs, second, JobState::Completed);
        assert!(host.stop().is_clean());
    });
}

#[test]
fn work_until_empty_waits_for_an_outage_and_counts_each_end_once() {
    within(LONG, "until empty", || {
        let store = FaultyStore::default();
        let jobs = Jobs::open(store.clone()).unwrap();
        jobs.enqueue_many(&[number(1), number(2), number(3)])
            .unwrap();
        store.lose_answer("finish");
        store.lose_answer("claim");
        let report = jobs
            .work_until_empty(|workers| workers.on(|_: Number, _: &JobContext| ()))
            .unwrap();
        assert_eq!(report.completed(), 3);
        assert!(adds_up(report).is_clean());
        assert!(store.inner.workers().unwrap().is_empty());
    });
}

#[test]
fn an_enqueue_in_an_outage_is_an_error_that_says_what_to_do() {
    let store = FaultyStore::default();
    let jobs = Jobs::open(store.clone()).unwrap();
    store.break_down(&["enqueue", "now"]);
    let error = jobs.enqueue(&number(1)).unwrap_err();
    assert!(matches!(&error, EnqueueError::Store(error) if error.is_temporary()));
    assert!(error.to_string().ends_with("try again later"), "{error}");
    assert!(matches!(
        Jobs::open(store.clone()),
        Err(StoreError::Unavailable { .. })
    ));

    store.come_back();
    store.lose_answer("enqueue");
    let job = || jobs.job(&number(1)).client_id("once");
    let error = job().enqueue().unwrap_err();
    assert!(error.to_string().contains("`client_id`"), "{error}");
    assert!(!job().enqueue().unwrap().is_new);
}
