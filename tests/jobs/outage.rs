//! A store that cannot be used for a while.

use crate::common::{Gate, LONG, within};
use crate::faulty::FaultyStore;
use crate::parts::{
    Number, SECOND, account, adds_up, claim_elsewhere, ear, let_time_pass, number, start, start_by,
    state, wait_for, wait_until,
};
use groundcrew::jobs::{EnqueueError, JobContext, Jobs, NewJob};
use groundcrew::store::{JobState, Store, StoreError};
use groundcrew::testing::ManualClock;

const ALL: [&str; 9] = [
    "register",
    "renew",
    "claim",
    "finish",
    "held",
    "workers",
    "promote_due",
    "cancel_expired",
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
        // Its end has been sent again, and answered.
        let confirmed = || {
            let status = host.status();
            status.services()[0].jobs().unwrap().report().completed()
        };
        wait_until(|| confirmed() == 1);
        store.break_down(&["finish"]);
        let calls = store.calls("finish");
        let second = jobs.enqueue(&number(2)).unwrap();
        wait_until(|| store.calls("finish") > calls + 2);
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

#[test]
fn work_until_empty_waits_for_an_outage_at_its_beginning_and_its_end_as_well() {
    for verb in ["register", "promote_due", "held"] {
        within(LONG, verb, || {
            let store = FaultyStore::default();
            let jobs = Jobs::open(store.clone()).unwrap();
            jobs.enqueue(&number(1)).unwrap();
            store.break_down(&[verb]);
            let repaired = store.clone();
            let repair = std::thread::spawn(move || {
                wait_until(|| repaired.calls(verb) > 2);
                repaired.come_back();
            });
            let report = jobs
                .work_until_empty(|workers| workers.on(|_: Number, _: &JobContext| ()))
                .unwrap();
            repair.join().unwrap();
            assert_eq!(adds_up(report).completed(), 1);
            assert!(store.inner.workers().unwrap().is_empty());
        });
    }
}

#[test]
fn what_cannot_be_pruned_or_promoted_keeps_no_process_from_being_taken_over() {
    for verb in ["prune", "promote_due", "held"] {
        within(LONG, verb, || {
            let clock = ManualClock::new();
            let store = FaultyStore::default();
            let jobs = Jobs::open(store.clone()).unwrap();
            let id = jobs.enqueue(&number(1)).unwrap();
            claim_elsewhere(&store, 1);
            store.break_down(&[verb]);
            let host = start_by(&clock, &jobs, |_, _| Ok(()));
            let_time_pass(&clock, &jobs, || state(&jobs, id) == JobState::Completed);
            store.come_back();
            assert_eq!(account(&host.stop()).completed(), 1);
        });
    }
}

#[test]
fn a_host_is_ready_when_its_store_is_back_though_there_is_no_room_for_a_claim() {
    within(LONG, "ready without a claim", || {
        let clock = ManualClock::new();
        let store = FaultyStore::default();
        let jobs = Jobs::open(store.clone()).unwrap();
        let gate = Gate::new();
        let entrance = gate.entrance();
        let down = store.clone();
        let host = start_by(&clock, &jobs, move |job, _| {
            if job.n == 1 {
                // The job is expected to be short, so that another claim follows.
                down.break_down(&["claim"]);
                entrance.pass();
            }
            Ok(())
        });
        let first = jobs.enqueue(&number(0)).unwrap();
        wait_for(&jobs, first, JobState::Completed);
        let second = jobs.enqueue(&number(1)).unwrap();
        wait_for(&jobs, second, JobState::Running);
        let third = jobs.enqueue(&number(2)).unwrap();
        wait_until(|| !host.status().is_ready());
        // It takes longer: there is no room, and nothing is known against the store.
        clock.advance(SECOND);
        wait_until(|| host.status().is_ready());
        store.come_back();
        gate.open();
        wait_for(&jobs, third, JobState::Completed);
        assert_eq!(account(&host.stop()).completed(), 3);
    });
}

#[test]
fn an_end_that_cannot_be_stored_is_given_up_and_keeps_no_other_from_being_stored() {
    within(LONG, "a damaged row", || {
        let store = FaultyStore::default();
        let jobs = Jobs::open(store.clone()).unwrap();
        let ids = jobs
            .enqueue_many((0..9).map(|n| NewJob::of(&number(n))))
            .unwrap();
        store.damage(ids[4].id);
        let host = start(&jobs, |workers| workers.on(|_: Number, _: &JobContext| ()));
        for it in ids.iter().filter(|it| it.id != ids[4].id) {
            wait_for(&jobs, it.id, JobState::Completed);
        }
        let later = jobs.enqueue(&number(9)).unwrap();
        wait_for(&jobs, later, JobState::Completed);
        wait_until(|| host.status().is_ready());
        let report = host.stop();
        let account = account(&report);
        assert_eq!((account.completed(), account.unacknowledged()), (9, 1));
        assert_eq!(report.exit_code(), 75);
        assert_eq!(state(&jobs, ids[4].id), JobState::Running);
    });
}

#[test]
fn a_damaged_store_is_asked_again_and_no_end_is_given_up() {
    within(LONG, "a damaged store", || {
        let store = FaultyStore::default();
        let jobs = Jobs::open(store.clone()).unwrap();
        let id = jobs.enqueue(&number(1)).unwrap();
        let down = store.clone();
        let host = start(&jobs, |workers| {
            workers.on(move |_: Number, ctx: &JobContext| {
                down.damage(ctx.id());
                down.break_down(&["renew"]);
            })
        });
        wait_until(|| store.calls("finish") > 2);
        store.repair();
        store.come_back();
        wait_for(&jobs, id, JobState::Completed);
        assert!(account(&host.stop()).is_clean());
    });
}

#[test]
fn a_part_of_the_work_that_fails_for_good_keeps_the_host_unready_and_nothing_else_from_being_done()
{
    for verb in ["promote_due", "held", "workers"] {
        within(LONG, verb, || {
            let store = FaultyStore::default();
            let jobs = Jobs::open(store.clone()).unwrap();
            store.break_down(&[verb]);
            let host = start(&jobs, |workers| workers.on(|_: Number, _: &JobContext| ()));
            wait_until(|| !host.handle().is_ready());
            // Others succeed meanwhile, again and again.
            let (failed, claimed) = (store.calls(verb), store.calls("claim"));
            wait_until(|| {
                jobs.wake();
                assert!(!host.handle().is_ready());
                store.calls(verb) > failed + 4 && store.calls("claim") > claimed + 4
            });
            let id = jobs.enqueue(&number(1)).unwrap();
            wait_for(&jobs, id, JobState::Completed);
            store.come_back();
            wait_until(|| host.handle().is_ready());
            assert!(host.stop().is_clean());
        });
    }
}

#[test]
fn what_cannot_be_swept_keeps_neither_the_rest_from_being_swept_nor_the_host_from_being_ready() {
    within(LONG, "a sweep that fails", || {
        let clock = ManualClock::new();
        let store = FaultyStore::by(&clock);
        let jobs = Jobs::open(store.clone()).unwrap();
        let old = jobs.enqueue(&number(1)).unwrap();
        jobs.cancel(old).unwrap();
        clock.advance(25 * 3600 * SECOND);
        store.break_down(&["cancel_expired"]);
        let host = start(&jobs, |workers| workers.on(|_: Number, _: &JobContext| ()));
        wait_until(|| jobs.get(old).unwrap().is_none());
        assert!(store.calls("cancel_expired") > 0 && host.handle().is_ready());
        assert!(host.stop().is_clean());
    });
}

#[test]
fn a_process_that_cannot_be_taken_over_keeps_no_other_from_being_taken_over() {
    within(LONG, "a damaged row of a lost process", || {
        let clock = ManualClock::new();
        let store = FaultyStore::default();
        let jobs = Jobs::open(store.clone()).unwrap();
        let damaged = jobs.enqueue(&number(1)).unwrap();
        let (first, _) = claim_elsewhere(&store, 1);
        let other = jobs.enqueue(&number(2)).unwrap();
        claim_elsewhere(&store, 1);
        store.damage(damaged);
        let host = start_by(&clock, &jobs, |_, _| Ok(()));
        let_time_pass(&clock, &jobs, || state(&jobs, other) == JobState::Completed);
        assert!(store.calls("take_over") > 0 && host.handle().is_ready());
        assert_eq!(state(&jobs, damaged), JobState::Running);
        assert_eq!(account(&host.stop()).completed(), 1);
        let left: Vec<_> = store.workers().unwrap().iter().map(|it| it.id).collect();
        assert_eq!(left, [first]);
    });
}
