//! What a stop does.

use crate::common::{Gate, LONG, within};
use crate::faulty::FaultyStore;
use crate::parts::{
    Number, SECOND, account, ear, new_jobs, number, open, reason, start, start_by, state, wait_for,
    wait_until,
};
use crate::setup::TestStore;
use groundcrew::Host;
use groundcrew::host::{RunningHost, ServiceOutcome, ServiceState};
use groundcrew::jobs::{JobContext, JobResult, Jobs};
use groundcrew::store::{Begun, JobState, LostJob, Store, TakenOver};
use groundcrew::testing::ManualClock;
use std::time::Duration;

/// From now on the time of the stop counts: the clock may be moved.
fn begin_stop(host: &RunningHost) {
    host.handle().request_stop("the test is over");
    wait_until(|| host.status().services()[0].state() == ServiceState::Stopping);
}

#[test]
fn what_has_not_begun_is_given_back_with_its_attempt_and_what_runs_may_end() {
    within(LONG, "what has not begun", || {
        let jobs = new_jobs();
        let (sender, begun) = ear();
        let gate = Gate::new();
        let entrance = gate.entrance();
        // One run of no time lets the next claim take several.
        let first = jobs.enqueue(&number(0)).unwrap();
        let host = start(&jobs, |workers| {
            workers.on(move |job: Number, _: &JobContext| {
                if job.n > 0 {
                    sender.send(job.n).unwrap();
                    entrance.pass();
                }
            })
        });
        wait_for(&jobs, first, JobState::Completed);
        let numbers: Vec<Number> = (1..=5).map(number).collect();
        let ids = jobs.enqueue_many(&numbers).unwrap();
        assert_eq!(begun.recv().unwrap(), 1);
        // The five were claimed at once, as their states say; or they were not, and are never.
        host.handle().request_stop("the test is over");
        wait_until(|| {
            let is_back = |id| state(&jobs, id) == JobState::Available;
            ids[1..].iter().all(|it| is_back(it.id))
        });
        gate.open();
        let report = host.wait();
        assert!(report.is_clean());
        let account = account(&report);
        assert_eq!(account.completed(), 2);
        assert_eq!(account.claimed(), 2 + account.given_back());
        for it in &ids[1..] {
            let job = jobs.get(it.id).unwrap().unwrap();
            assert_eq!((job.info.attempt, job.info.interrupted), (0, 0));
        }
        assert!(begun.try_recv().is_err());
    });
}

#[test]
fn an_error_after_the_token_was_cancelled_is_an_interruption_without_a_backoff() {
    within(LONG, "an interruption", || {
        let clock = ManualClock::new();
        let jobs = new_jobs();
        let (sender, begun) = ear();
        let id = jobs.enqueue(&number(1)).unwrap();
        let host = start_by(&clock, &jobs, move |_, ctx| {
            sender.send("begun").unwrap();
            ctx.stopping().wait();
            assert!(!ctx.is_cancelled());
            sender.send("stopping").unwrap();
            ctx.token().wait();
            Ok(ctx.token().check()?)
        });
        assert_eq!(begun.recv().unwrap(), "begun");
        host.handle().request_stop("the test is over");
        assert_eq!(begun.recv().unwrap(), "stopping");
        assert_eq!(state(&jobs, id), JobState::Running);
        clock.advance(6 * SECOND); // the grace is the last 2 s of 8
        let report = host.wait();
        assert!(report.is_clean());
        assert_eq!(account(&report).interrupted(), 1);
        let job = jobs.get(id).unwrap().unwrap();
        assert_eq!(job.info.state, JobState::Available);
        assert_eq!((job.info.attempt, job.info.interrupted), (0, 1));
        assert_eq!(job.attempts[0].error.as_deref(), Some("cancelled"));
    });
}

#[test]
fn an_error_before_the_token_was_cancelled_is_a_failure_also_in_a_stop() {
    within(LONG, "a failure in a stop", || {
        let clock = ManualClock::new();
        let jobs = new_jobs();
        let (sender, begun) = ear();
        let id = jobs.enqueue(&number(1)).unwrap();
        let host = start_by(&clock, &jobs, move |_, ctx| {
            sender.send(()).unwrap();
            ctx.stopping().wait();
            Err("no")?
        });
        begun.recv().unwrap();
        let report = host.stop();
        assert_eq!(account(&report).failed(), 1);
        assert_eq!(
            (state(&jobs, id), reason(&jobs, id)),
            (JobState::Scheduled, "no".to_owned())
        );
    });
}

#[test]
fn a_job_that_is_interrupted_too_often_is_dead() {
    within(LONG, "interrupted too often", || {
        let jobs = new_jobs();
        let id = jobs.enqueue(&number(1)).unwrap();
        let mut accounts = Vec::new();
        for _ in 0..2 {
            let clock = ManualClock::new();
            let (sender, begun) = ear();
            let mut host = Host::builder();
            host.clock(&clock).stop_timeout(8 * SECOND);
            drop(host.jobs("jobs", &jobs).max_interruptions(2).on(
                move |_: Number, ctx: &JobContext| -> JobResult {
                    sender.send(()).unwrap();
                    ctx.stopping().wait();
                    sender.send(()).unwrap();
                    ctx.token().wait();
                    Err("not done")?
                },
            ));
            let host = host.build().unwrap().start().unwrap();
            begun.recv().unwrap();
            host.handle().request_stop("again");
            begun.recv().unwrap();
            clock.advance(6 * SECOND);
            accounts.push(account(&host.wait()));
        }
        assert_eq!((accounts[0].interrupted(), accounts[1].dead()), (1, 1));
        assert_eq!(state(&jobs, id), JobState::Dead);
        assert!(reason(&jobs, id).starts_with("interrupted by 2 stops"));
    });
}

#[test]
fn an_abandoned_job_is_named_keeps_its_lease_and_may_still_be_completed() {
    within(LONG, "an abandoned job", || {
        let clock = ManualClock::new();
        let store = TestStore::new();
        let jobs = open(&store);
        let (sender, begun) = ear();
        let gate = Gate::new();
        let entrance = gate.entrance();
        let id = jobs.enqueue(&number(1)).unwrap();
        let host = start_by(&clock, &jobs, move |_, ctx| {
            ctx.note("deaf");
            sender.send(()).unwrap();
            entrance.pass();
            Ok(())
        });
        begun.recv().unwrap();
        begin_stop(&host);
        clock.advance(SECOND);
        clock.advance(7 * SECOND);
        let report = host.wait();
        assert_eq!((report.is_clean(), report.exit_code()), (false, 75));
        let account = account(&report);
        let abandoned = &account.abandoned()[0];
        assert_eq!((abandoned.id(), abandoned.note()), (id, Some("deaf")));
        assert!(matches!(
            report.services()[0].outcome(),
            ServiceOutcome::Abandoned(_)
        ));
        let text = report.to_string();
        assert!(
            text.contains("claimed 1") && text.contains("abandoned 1"),
            "{text}"
        );

        assert_eq!(state(&jobs, id), JobState::Running);
        assert_eq!(store.workers().unwrap().len(), 1);
        gate.open();
        wait_for(&jobs, id, JobState::Completed);
        wait_until(|| store.workers().unwrap().is_empty());
    });
}

/// What another process does that finds the only one silent.
fn take_over_abandoned(store: &FaultyStore) -> Vec<TakenOver> {
    let judge = |lost: &LostJob| {
        assert_eq!(lost.begun, Begun::Abandoned);
        lost.outcome(Duration::ZERO, 100)
    };
    loop {
        let worker = store.workers().unwrap()[0].clone();
        // Its beat may change in between.
        if let Some(jobs) = store.take_over(worker.id, worker.beat, &judge).unwrap() {
            return jobs;
        }
    }
}

#[test]
fn an_abandoned_job_whose_process_then_ends_was_interrupted() {
    within(LONG, "abandoned, then taken over", || {
        let clock = ManualClock::new();
        let store = FaultyStore::default();
        let jobs = Jobs::open(store.clone()).unwrap();
        let (sender, begun) = ear();
        let gate = Gate::new();
        let entrance = gate.entrance();
        let id = jobs.enqueue(&number(1)).unwrap();
        let host = start_by(&clock, &jobs, move |_, _| {
            sender.send(()).unwrap();
            entrance.pass();
            Ok(())
        });
        begun.recv().unwrap();
        begin_stop(&host);
        clock.advance(8 * SECOND);
        assert_eq!(account(&host.wait()).abandoned().len(), 1);
        wait_until(|| store.answers("finish") > 0);
        let taken_over = take_over_abandoned(&store);
        assert_eq!(taken_over.len(), 1);
        let job = jobs.get(id).unwrap().unwrap();
        assert_eq!((job.info.state, job.info.attempt), (JobState::Available, 0));
        assert_eq!((job.info.interrupted, job.info.lost), (1, 0));
        gate.open();
        store.outlive((jobs, host));
    });
}

#[test]
fn ends_that_the_store_does_not_confirm_in_time_are_unacknowledged() {
    within(LONG, "unacknowledged", || {
        let clock = ManualClock::new();
        let store = FaultyStore::default();
        let jobs = Jobs::open(store.clone()).unwrap();
        let (sender, begun) = ear();
        let id = jobs.enqueue(&number(1)).unwrap();
        let down = store.clone();
        let host = start_by(&clock, &jobs, move |_, _| {
            down.break_down(&["finish"]);
            sender.send(()).unwrap();
            Ok(())
        });
        begun.recv().unwrap();
        wait_until(|| store.calls("finish") > 0);
        begin_stop(&host);
        clock.advance(6 * SECOND);
        clock.advance(2 * SECOND - Duration::from_millis(100));
        let report = host.wait();
        let account = account(&report);
        assert_eq!((account.completed(), account.unacknowledged()), (0, 1));
        assert_eq!((report.is_clean(), report.exit_code()), (false, 75));
        assert!(report.to_string().contains("unacknowledged 1"));
        assert_eq!(state(&jobs, id), JobState::Running);
    });
}

#[test]
fn a_stop_without_jobs_ends_at_once_and_leaves_no_lease() {
    within(LONG, "a stop without jobs", || {
        let store = TestStore::new();
        let jobs = open(&store);
        let host = start(&jobs, |workers| {
            workers.threads(3).on(|_: Number, _: &JobContext| ())
        });
        assert_eq!(store.workers().unwrap().len(), 1);
        let report = host.stop();
        assert!(report.is_clean());
        assert_eq!(account(&report).claimed(), 0);
        assert!(store.workers().unwrap().is_empty());
    });
}

#[test]
fn workers_are_stopped_before_what_they_were_declared_after() {
    within(LONG, "stopped in order", || {
        let jobs = new_jobs();
        let (sender, begun) = ear();
        let (say, heard) = ear();
        jobs.enqueue(&number(1)).unwrap();
        let mut host = Host::builder();
        let db = say.clone();
        host.background("db", move |ctx| {
            ctx.token().wait();
            Ok(db.send("db")?)
        });
        drop(
            host.jobs("jobs", &jobs)
                .after(["db"])
                .on(move |_: Number, ctx: &JobContext| {
                    sender.send(()).unwrap();
                    ctx.stopping().wait();
                    say.send("job").unwrap();
                }),
        );
        let host = host.build().unwrap().start().unwrap();
        begun.recv().unwrap();
        assert!(host.stop().is_clean());
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["job", "db"]);
    });
}

#[test]
fn a_store_that_hangs_does_not_make_a_stop_take_longer_than_its_time() {
    within(LONG, "a store that hangs", || {
        let store = FaultyStore::default();
        let jobs = Jobs::open(store.clone()).unwrap();
        let gate = store.hold("finish");
        jobs.enqueue(&number(1)).unwrap();
        let mut host = Host::builder();
        host.stop_timeout(4 * SECOND);
        drop(host.jobs("jobs", &jobs).on(|_: Number, _: &JobContext| ()));
        let host = host.build().unwrap().start().unwrap();
        wait_until(|| store.arrivals("finish") > 0);
        let report = host.stop();
        let outcome = report.services()[0].outcome();
        assert!(!matches!(outcome, ServiceOutcome::Abandoned(_)), "{report}");
        assert_eq!(account(&report).unacknowledged(), 1);
        gate.open();
        store.outlive((jobs, host));
    });
}

#[test]
fn a_start_that_fails_during_a_claim_leaves_no_lease_and_no_running_job() {
    within(LONG, "a start that fails", || {
        let store = FaultyStore::default();
        let jobs = Jobs::open(store.clone()).unwrap();
        let id = jobs.enqueue(&number(1)).unwrap();
        let gate = store.hold("claim");
        let claiming = store.clone();
        let mut host = Host::builder();
        drop(host.jobs("jobs", &jobs).on_each(move || {
            wait_until(|| claiming.arrivals("claim") > 0);
            if true {
                Err("no connection")?;
            }
            Ok(|_: Number, _: &JobContext| ())
        }));
        let open = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            gate.open();
        });
        let error = host.build().unwrap().start().unwrap_err();
        assert_eq!(error.report().failures()[0].message(), "no connection");
        open.join().unwrap();
        assert!(store.workers().unwrap().is_empty());
        assert_eq!(state(&jobs, id), JobState::Available);
    });
}

#[test]
fn a_store_on_a_slow_disk_still_learns_which_jobs_were_abandoned() {
    within(LONG, "a slow store", || {
        let clock = ManualClock::new();
        let store = FaultyStore::default();
        let jobs = Jobs::open(store.clone()).unwrap();
        let (sender, begun) = ear();
        let gate = Gate::new();
        let entrance = gate.entrance();
        jobs.enqueue(&number(1)).unwrap();
        let host = start_by(&clock, &jobs, move |_, _| {
            sender.send(()).unwrap();
            entrance.pass();
            Ok(())
        });
        begun.recv().unwrap();
        let slow = store.hold("finish");
        begin_stop(&host);
        clock.advance(7 * SECOND + SECOND / 2);
        // Half a second before the end the store is asked, and has that time to answer.
        wait_until(|| store.arrivals("finish") > 0);
        slow.open();
        wait_until(|| store.answers("finish") > 0);
        clock.advance(SECOND / 2);
        assert_eq!(account(&host.wait()).abandoned().len(), 1);
        assert_eq!(take_over_abandoned(&store).len(), 1);
        gate.open();
        store.outlive((jobs, host));
    });
}
