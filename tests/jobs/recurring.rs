//! Recurring jobs: each instant is enqueued once, with its true due time.

use crate::common::{LONG, within};
use crate::faulty::FaultyStore;
use crate::parts::{Number, SECOND, ear, new_jobs, new_jobs_by, number, start, wait_until};
use groundcrew::channel::{Receiver, Sender};
use groundcrew::host::RunningHost;
use groundcrew::jobs::{JobContext, JobResult, Jobs, NewJob, Recurrence};
use groundcrew::schedule::MisfirePolicy;
use groundcrew::store::{JobState, StoreError};
use groundcrew::testing::ManualClock;
use groundcrew::{Host, Schedule};
use std::time::{Duration, SystemTime};

const HOUR: Duration = Duration::from_secs(3600);

/// Says of which number, and of which instant.
fn say(sender: Sender<(u32, SystemTime)>) -> impl Fn(Number, &JobContext) -> JobResult {
    move |job, ctx| Ok(sender.send((job.n, ctx.due()))?)
}

/// A process that has the recurring job "tidy", each hour, by the policy.
fn hourly(jobs: &Jobs, policy: MisfirePolicy, sender: &Sender<(u32, SystemTime)>) -> RunningHost {
    let recurrence = Recurrence::new(Schedule::every(HOUR)).misfire(policy);
    let host = start(jobs, |workers| {
        let workers = workers.on(say(sender.clone()));
        workers.recurring("tidy", recurrence, &number(7))
    });
    declared(jobs);
    host
}

/// Blocks until the store has the recurring job.
fn declared(jobs: &Jobs) {
    wait_until(|| jobs.recurring("jobs", "tidy").status().unwrap().is_some());
}

fn next(jobs: &Jobs) -> Option<SystemTime> {
    jobs.recurring("jobs", "tidy")
        .status()
        .unwrap()
        .unwrap()
        .next()
}

fn total(jobs: &Jobs) -> u64 {
    let counts = jobs.counts().unwrap();
    counts.iter().map(|lane| lane.enqueued()).sum()
}

/// The next hour comes, and its job runs.
fn pass_an_hour(clock: &ManualClock, jobs: &Jobs, heard: &Receiver<(u32, SystemTime)>) {
    let instant = next(jobs).unwrap();
    clock.advance_to(instant);
    assert_eq!(heard.recv(), Ok((7, instant)));
}

#[test]
fn each_instant_is_enqueued_once_in_a_fleet_with_its_due_time() {
    within(LONG, "each instant once", || {
        let clock = ManualClock::new();
        let jobs = new_jobs_by(&clock);
        let (sender, heard) = ear();
        let fleet = [(); 3].map(|()| hourly(&jobs, MisfirePolicy::Once, &sender));
        assert_eq!(next(&jobs), Some(clock.wall() + HOUR));
        for _ in 0..5 {
            pass_an_hour(&clock, &jobs, &heard);
        }
        let status = jobs.recurring("jobs", "tidy").status().unwrap().unwrap();
        assert_eq!(status.last(), Some(clock.wall()));
        let last = jobs.get(status.last_job().unwrap()).unwrap().unwrap();
        assert_eq!(last.info.first_due, clock.wall());
        for host in fleet {
            assert!(host.stop().is_clean());
        }
        assert_eq!(total(&jobs), 5);
        assert_eq!(heard.try_recv().ok(), None);
    });
}

#[test]
fn what_was_due_while_no_process_ran_is_enqueued_by_the_policy_with_its_due_time() {
    within(LONG, "what was due", || {
        for (policy, hours) in [
            (MisfirePolicy::Once, vec![5]),
            (MisfirePolicy::All(2), vec![4, 5]),
            (MisfirePolicy::Skip, vec![]),
        ] {
            let clock = ManualClock::new();
            let begin = clock.wall();
            let jobs = new_jobs_by(&clock);
            let (sender, heard) = ear();
            assert!(hourly(&jobs, policy, &sender).stop().is_clean());
            clock.advance(5 * HOUR + 300 * SECOND);
            let host = hourly(&jobs, policy, &sender);
            for hour in &hours {
                assert_eq!(heard.recv(), Ok((7, begin + *hour * HOUR)));
            }
            wait_until(|| next(&jobs) == Some(begin + 6 * HOUR));
            assert!(host.stop().is_clean());
            assert_eq!(total(&jobs), hours.len() as u64, "{policy:?}");
        }
    });
}

#[test]
fn an_enqueue_whose_answer_was_lost_is_not_repeated() {
    within(LONG, "a lost answer", || {
        let clock = ManualClock::new();
        let store = FaultyStore::by(&clock);
        let jobs = Jobs::open(store.clone()).unwrap();
        let (sender, heard) = ear();
        let host = hourly(&jobs, MisfirePolicy::Once, &sender);
        store.lose_answer("change_recurring");
        pass_an_hour(&clock, &jobs, &heard);
        assert!(store.is_answer_lost("change_recurring"));
        store.break_down(&["change_recurring"]);
        let instant = next(&jobs).unwrap();
        clock.advance_to(instant);
        let calls = store.calls("change_recurring");
        wait_until(|| store.calls("change_recurring") > calls);
        store.come_back();
        assert_eq!(heard.recv(), Ok((7, instant)));
        assert!(host.stop().is_clean());
        assert_eq!(total(&jobs), 2);
        store.outlive((jobs, host));
    });
}

#[test]
fn a_paused_one_is_not_due_until_it_is_resumed_and_makes_up_for_nothing() {
    within(LONG, "a pause", || {
        let clock = ManualClock::new();
        let jobs = new_jobs_by(&clock);
        let begin = clock.wall();
        let (sender, heard) = ear();
        let host = hourly(&jobs, MisfirePolicy::All(9), &sender);
        let tidy = jobs.recurring("jobs", "tidy");
        tidy.pause().unwrap();
        tidy.pause().unwrap();
        assert_eq!(next(&jobs), None);
        clock.advance(3 * HOUR);
        // A process that starts in the pause does not end it.
        assert!(host.stop().is_clean());
        let host = hourly(&jobs, MisfirePolicy::All(9), &sender);
        assert!(tidy.status().unwrap().unwrap().is_paused());
        tidy.resume().unwrap();
        wait_until(|| next(&jobs) == Some(begin + 4 * HOUR));
        pass_an_hour(&clock, &jobs, &heard);
        assert!(host.stop().is_clean());
        assert_eq!(total(&jobs), 1);
    });
}

#[test]
fn a_trigger_enqueues_the_job_at_once_and_leaves_the_instants_as_they_are() {
    within(LONG, "a trigger", || {
        let clock = ManualClock::new();
        let jobs = new_jobs_by(&clock);
        let begin = clock.wall();
        let (sender, heard) = ear();
        let host = hourly(&jobs, MisfirePolicy::Once, &sender);
        clock.advance(60 * SECOND);
        let tidy = jobs.recurring("jobs", "tidy");
        tidy.trigger().unwrap();
        assert_eq!(heard.recv(), Ok((7, begin + 60 * SECOND)));
        assert_eq!(next(&jobs), Some(begin + HOUR));
        assert!(host.stop().is_clean());
        // Without workers as well, and paused.
        tidy.pause().unwrap();
        let id = tidy.trigger().unwrap();
        assert_eq!(
            jobs.get(id).unwrap().unwrap().info.state,
            JobState::Available
        );

        let unknown = jobs.recurring("jobs", "sweep");
        let error = unknown.pause().unwrap_err();
        assert!(
            matches!(error, StoreError::NoRecurringJob { .. }),
            "{error}"
        );
        assert!(unknown.trigger().is_err());
        assert!(unknown.status().unwrap().is_none());
    });
}

#[test]
fn what_no_process_declares_is_shown_and_not_run_and_removed_after_thirty_days() {
    within(LONG, "undeclared", || {
        let clock = ManualClock::new();
        let jobs = new_jobs_by(&clock);
        let (sender, heard) = ear();
        assert!(
            hourly(&jobs, MisfirePolicy::Once, &sender)
                .stop()
                .is_clean()
        );
        clock.advance(10 * 60 * SECOND);
        let status = jobs.recurring("jobs", "tidy").status().unwrap().unwrap();
        assert!(status.is_undeclared() && status.next().is_none());
        assert_eq!(status.to_string(), "jobs/tidy (every 1h): undeclared");
        // A release without it.
        let without = || start(&jobs, |workers| workers.on(say(sender.clone())));
        clock.advance(29 * 24 * HOUR);
        assert!(without().stop().is_clean());
        assert_eq!(jobs.all_recurring().unwrap().len(), 1);
        assert_eq!(total(&jobs), 0);
        clock.advance(24 * HOUR);
        let host = without();
        wait_until(|| jobs.all_recurring().unwrap().is_empty());
        assert!(host.stop().is_clean());
        assert_eq!(heard.try_recv().ok(), None);
    });
}

#[test]
fn a_release_that_changes_schedule_and_job_counts_from_its_start() {
    within(LONG, "a release", || {
        let clock = ManualClock::new();
        let jobs = new_jobs_by(&clock);
        let begin = clock.wall();
        let (sender, heard) = ear();
        let old = hourly(&jobs, MisfirePolicy::Once, &sender);
        clock.advance(600 * SECOND);
        let of_new = sender.clone();
        let new = start(&jobs, |workers| {
            let workers = workers.on(say(of_new));
            workers.recurring("tidy", Schedule::every(2 * HOUR), &number(8))
        });
        let instant = begin + 600 * SECOND + 2 * HOUR;
        wait_until(|| next(&jobs) == Some(instant));
        // The older process does not know when this one is due.
        clock.advance_to(instant);
        assert_eq!(heard.recv(), Ok((8, instant)));
        assert!(old.stop().is_clean());
        assert!(new.stop().is_clean());
        assert_eq!(total(&jobs), 1);
    });
}

#[test]
fn an_instant_is_left_out_while_another_job_has_the_unique_key() {
    within(LONG, "a unique key", || {
        let clock = ManualClock::new();
        let jobs = new_jobs_by(&clock);
        let begin = clock.wall();
        let (sender, heard) = ear();
        jobs.job(&number(1))
            .queue("other")
            .unique("tidy")
            .enqueue()
            .unwrap();
        let host = start(&jobs, |workers| {
            let job = NewJob::of(&number(7)).unique("tidy");
            let workers = workers.queues(["default"]).on(say(sender));
            workers.recurring("tidy", Schedule::every(HOUR), job)
        });
        declared(&jobs);
        clock.advance(HOUR);
        wait_until(|| next(&jobs) == Some(begin + 2 * HOUR));
        assert!(host.stop().is_clean());
        assert_eq!(total(&jobs), 1);
        assert_eq!(heard.try_recv().ok(), None);
    });
}

#[test]
fn a_declaration_that_makes_no_sense_is_refused_at_the_build() {
    within(LONG, "a declaration", || {
        let jobs = new_jobs();
        let large = "x".repeat(2 << 20);
        let every = || Schedule::every(HOUR);
        type Case<'a> = (Vec<(&'a str, Schedule, NewJob)>, &'a str);
        let job = || NewJob::of(&number(7));
        let cases: [Case<'_>; 3] = [
            (
                vec![("a", every(), job()), ("a", every(), job())],
                "recurring job \"a\" is declared twice; leave one out",
            ),
            (
                vec![("a", Schedule::after(HOUR), job())],
                "recurring job \"a\": a schedule that outlives the process cannot be `after 1h`",
            ),
            (
                vec![("a", every(), job().meta("m", large))],
                "and the store takes 1048576",
            ),
        ];
        for (declarations, part) in cases {
            let mut host = Host::builder();
            let mut workers = host.jobs("jobs", &jobs).on(|_: Number, _: &JobContext| ());
            for (key, schedule, job) in declarations {
                workers = workers.recurring(key, schedule, job);
            }
            drop(workers);
            let error = host.build().err().unwrap().to_string();
            assert!(error.contains(part), "{error}");
        }
    });
}
