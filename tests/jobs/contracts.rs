//! Claims, their order, timeouts, cancellations.

use crate::common::{Gate, LONG, within};
use crate::faulty::FaultyStore;
use crate::parts::{
    Number, SECOND, Text, account, ear, new_jobs, new_jobs_by, number, open, reason, start, state,
    wait_for, wait_until,
};
use crate::setup::TestStore;
use groundcrew::Host;
use groundcrew::jobs::{JobContext, JobResult, Jobs, NewJob};
use groundcrew::store::JobState;
use groundcrew::testing::ManualClock;
use std::time::Duration;

#[test]
fn a_queue_is_worked_by_priority_and_then_by_due_time() {
    let jobs = new_jobs();
    jobs.enqueue_many([
        NewJob::of(&number(1)),
        NewJob::of(&number(2)),
        NewJob::of(&number(3)).priority(5),
        NewJob::of(&number(4)).priority(-1),
    ])
    .unwrap();
    let (sender, order) = ear();
    jobs.work_until_empty(|workers| {
        workers.on(move |job: Number, _: &JobContext| Ok(sender.send(job.n)?))
    })
    .unwrap();
    assert_eq!(order.try_iter().collect::<Vec<_>>(), [3, 1, 2, 4]);
}

#[test]
fn queues_are_first_by_their_weights_and_none_waits_behind_an_empty_one() {
    within(LONG, "weights", || {
        let jobs = new_jobs();
        let many = |queue: &'static str| (0..60).map(move |n| NewJob::of(&number(n)).queue(queue));
        jobs.enqueue_many(many("critical").chain(many("bulk")))
            .unwrap();
        let (sender, order) = ear();
        // Each run takes long enough, by the clock of the test, that one is claimed at once.
        let clock = ManualClock::new();
        let mut host = Host::builder();
        host.clock(&clock);
        drop(
            host.jobs("jobs", &jobs)
                .queues([("critical", 5), ("bulk", 1), ("empty", 9)])
                .on(move |_: Number, ctx: &JobContext| {
                    clock.advance(Duration::from_millis(60));
                    Ok(sender.send(ctx.queue().to_owned())?)
                }),
        );
        let host = host.build().unwrap().start().unwrap();
        let order: Vec<String> = order.iter().take(120).collect();
        assert!(host.stop().is_clean());
        let bulk = order[..60].iter().filter(|queue| *queue == "bulk").count();
        // Of the turns of the empty queue, the next in the order takes each.
        assert!((5..=30).contains(&bulk), "{bulk} of the first 60");
    });
}

#[test]
fn of_a_kind_that_has_not_run_yet_one_job_is_claimed_for_each_thread() {
    within(LONG, "one for each thread", || {
        let jobs = new_jobs();
        let (sender, begun) = ear();
        let gate = Gate::new();
        let entrance = gate.entrance();
        let numbers: Vec<Number> = (0..10).map(number).collect();
        let ids = jobs.enqueue_many(&numbers).unwrap();
        let host = start(&jobs, |workers| {
            workers.threads(3).on(move |job: Number, _: &JobContext| {
                sender.send(job.n).unwrap();
                entrance.pass();
            })
        });
        let mut first: Vec<u32> = begun.iter().take(3).collect();
        first.sort_unstable();
        assert_eq!(first, [0, 1, 2]);
        let running = || {
            ids.iter()
                .filter(|it| state(&jobs, it.id) == JobState::Running)
                .count()
        };
        assert_eq!(running(), 3);
        gate.open();
        wait_until(|| {
            ids.iter()
                .all(|it| state(&jobs, it.id) == JobState::Completed)
        });
        assert_eq!(account(&host.stop()).completed(), 10);
    });
}

#[test]
fn what_waits_behind_a_job_that_takes_longer_than_expected_is_given_back() {
    within(LONG, "given back", || {
        let jobs = new_jobs();
        let (sender, begun) = ear();
        let gate = Gate::new();
        let entrance = gate.entrance();
        let first = jobs.enqueue(&number(0)).unwrap();
        let host = start(&jobs, |workers| {
            workers.on(move |job: Number, _: &JobContext| {
                if job.n == 1 {
                    sender.send(()).unwrap();
                    entrance.pass();
                }
            })
        });
        wait_for(&jobs, first, JobState::Completed);
        let ids = jobs
            .enqueue_many(&[number(1), number(2), number(3)])
            .unwrap();
        begun.recv().unwrap();
        wait_until(|| state(&jobs, ids[1].id) == JobState::Available);
        wait_until(|| state(&jobs, ids[2].id) == JobState::Available);
        assert_eq!(state(&jobs, ids[0].id), JobState::Running);
        gate.open();
        wait_until(|| {
            ids.iter()
                .all(|it| state(&jobs, it.id) == JobState::Completed)
        });
        let account = account(&host.stop());
        assert_eq!(account.completed(), 4);
        assert_eq!(jobs.get(ids[1].id).unwrap().unwrap().info.attempt, 1);
    });
}

#[test]
fn a_timeout_cancels_the_token_and_an_error_then_is_a_failure_that_says_so() {
    within(LONG, "a timeout", || {
        let clock = ManualClock::new();
        let jobs = new_jobs();
        let (sender, begun) = ear();
        let fails = jobs
            .job(&number(1))
            .timeout(5 * SECOND)
            .attempts(1)
            .enqueue()
            .unwrap()
            .id;
        let mut host = Host::builder();
        host.clock(&clock);
        drop(
            host.jobs("jobs", &jobs)
                .on(move |job: Number, ctx: &JobContext| -> JobResult {
                    sender.send(job.n).unwrap();
                    let cut = ctx.sleep(10 * SECOND);
                    match job.n {
                        1 => Ok(cut?),
                        _ => match cut {
                            Ok(()) => Err("the token was not cancelled")?,
                            Err(_) => Ok(()),
                        },
                    }
                }),
        );
        let host = host.build().unwrap().start().unwrap();
        assert_eq!(begun.recv().unwrap(), 1);
        clock.wait_for_sleepers(2); // the beat, and the job
        clock.advance(4 * SECOND);
        assert_eq!(state(&jobs, fails), JobState::Running);
        clock.advance(SECOND);
        wait_for(&jobs, fails, JobState::Dead);
        assert_eq!(reason(&jobs, fails), "timed out after 5 s: cancelled");

        let succeeds = jobs
            .job(&number(2))
            .timeout(5 * SECOND)
            .enqueue()
            .unwrap()
            .id;
        assert_eq!(begun.recv().unwrap(), 2);
        clock.wait_for_sleepers(2);
        clock.advance(5 * SECOND);
        wait_for(&jobs, succeeds, JobState::Completed);
        let account = account(&host.stop());
        assert_eq!((account.dead(), account.completed()), (1, 1));
    });
}

#[test]
fn a_running_job_that_an_operator_cancels_ends_as_cancelled_with_an_error_and_as_completed_without()
{
    within(LONG, "cancelled", || {
        let jobs = new_jobs();
        let (sender, begun) = ear();
        let ids = jobs.enqueue_many(&[number(1), number(2)]).unwrap();
        let host = start(&jobs, |workers| {
            workers
                .threads(2)
                .on(move |job: Number, ctx: &JobContext| -> JobResult {
                    sender.send(()).unwrap();
                    ctx.token().wait();
                    match job.n {
                        1 => Err("stopped half way")?,
                        _ => Ok(()),
                    }
                })
        });
        assert_eq!(begun.iter().take(2).count(), 2);
        for it in &ids {
            jobs.cancel(it.id).unwrap();
        }
        wait_for(&jobs, ids[0].id, JobState::Cancelled);
        wait_for(&jobs, ids[1].id, JobState::Completed);
        assert!(reason(&jobs, ids[0].id).starts_with("cancelled by an operator"));
        let account = account(&host.stop());
        assert_eq!((account.cancelled(), account.completed()), (1, 1));
    });
}

#[test]
fn a_claimed_job_that_has_not_begun_and_is_cancelled_never_begins() {
    within(LONG, "cancelled before it began", || {
        let jobs = new_jobs();
        let (sender, begun) = ear();
        let gate = Gate::new();
        let entrance = gate.entrance();
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
        let ids = jobs.enqueue_many(&[number(1), number(2)]).unwrap();
        assert_eq!(begun.recv().unwrap(), 1);
        jobs.cancel(ids[1].id).unwrap();
        wait_for(&jobs, ids[1].id, JobState::Cancelled);
        gate.open();
        wait_for(&jobs, ids[0].id, JobState::Completed);
        assert!(host.stop().is_clean());
        assert!(begun.try_recv().is_err());
    });
}

#[test]
fn a_delayed_job_runs_when_it_is_due_and_an_expired_one_never() {
    within(LONG, "delays", || {
        let clock = ManualClock::new();
        let jobs = new_jobs_by(&clock);
        let later = jobs
            .job(&number(1))
            .delay(60 * SECOND)
            .enqueue()
            .unwrap()
            .id;
        let expired = jobs
            .job(&number(2))
            .expires(10 * SECOND)
            .enqueue()
            .unwrap()
            .id;
        clock.advance(20 * SECOND);
        let (sender, runs) = ear();
        let host = start(&jobs, |workers| {
            workers.on(move |job: Number, ctx: &JobContext| Ok(sender.send((job.n, ctx.due()))?))
        });
        wait_for(&jobs, expired, JobState::Cancelled);
        assert_eq!(state(&jobs, later), JobState::Scheduled);
        clock.advance(40 * SECOND);
        let due = clock.wall();
        jobs.wake();
        assert_eq!(runs.recv().unwrap(), (1, due));
        wait_for(&jobs, later, JobState::Completed);
        assert!(host.stop().is_clean());
    });
}

#[test]
fn what_ended_long_ago_is_pruned() {
    within(LONG, "pruned", || {
        let clock = ManualClock::new();
        let jobs = new_jobs_by(&clock);
        let run = || {
            jobs.work_until_empty(|workers| {
                workers.on(|job: Number, _: &JobContext| match job.n {
                    1 => Err(groundcrew::jobs::PermanentError::new("gone"))?,
                    _ => Ok(()),
                })
            })
        };
        let dead = jobs.enqueue(&number(1)).unwrap();
        let done = jobs.enqueue(&number(2)).unwrap();
        run().unwrap();
        clock.advance(25 * 3600 * SECOND);
        let host = start(&jobs, |workers| workers.on(|_: Number, _: &JobContext| ()));
        wait_until(|| jobs.get(done).unwrap().is_none());
        assert_eq!(state(&jobs, dead), JobState::Dead);
        assert!(host.stop().is_clean());
        let lane = &jobs.counts().unwrap()[0];
        assert_eq!((lane.pruned, lane.enqueued()), (1, 2));
    });
}

#[test]
fn jobs_that_are_enqueued_by_handlers_run_before_the_store_is_empty() {
    let jobs = new_jobs();
    jobs.enqueue(&number(5)).unwrap();
    let inner = jobs.clone();
    let report = jobs
        .work_until_empty(|workers| {
            workers.on(move |job: Number, _: &JobContext| -> JobResult {
                if job.n > 0 {
                    inner.enqueue(&number(job.n - 1))?;
                }
                Ok(())
            })
        })
        .unwrap();
    assert_eq!(report.completed(), 6);
}

#[test]
fn a_thousand_jobs_on_four_threads_run_once_each() {
    within(LONG, "a thousand jobs", || {
        let jobs = new_jobs();
        let (sender, runs) = ear();
        let host = start(&jobs, |workers| {
            workers
                .threads(4)
                .on(move |job: Number, _: &JobContext| Ok(sender.send(job.n)?))
        });
        for n in 0..1000 {
            jobs.enqueue(&number(n)).unwrap();
        }
        let mut seen: Vec<u32> = runs.iter().take(1000).collect();
        let account = account(&host.stop());
        seen.sort_unstable();
        assert_eq!(seen, (0..1000).collect::<Vec<_>>());
        assert!(runs.try_recv().is_err());
        assert_eq!(account.completed(), 1000);
        assert_eq!(account.claimed(), 1000 + account.given_back());
    });
}

/// Jobs of another kind, which nothing here handles.
fn texts(count: usize) -> impl Iterator<Item = NewJob> {
    let text = Text {
        text: "x".to_owned(),
    };
    (0..count).map(move |_| NewJob::of(&text))
}

#[test]
fn a_cancellation_does_not_wait_for_all_that_becomes_due_at_once() {
    within(LONG, "many due jobs", || {
        let clock = ManualClock::new();
        let store = FaultyStore::by(&clock);
        let jobs = Jobs::open(store.clone()).unwrap();
        let hour = 3600 * SECOND;
        jobs.enqueue_many(texts(30_000).map(|job| job.delay(hour)))
            .unwrap();
        let (sender, begun) = ear();
        let (seen, promotions) = (store.clone(), ear());
        let tell = promotions.0;
        let host = start(&jobs, |workers| {
            workers.on(move |_: Number, ctx: &JobContext| {
                sender.send(()).unwrap();
                ctx.token().wait();
                Ok(tell.send(seen.calls("promote_due"))?)
            })
        });
        let id = jobs.enqueue(&number(1)).unwrap();
        begun.recv().unwrap();
        let gate = store.hold("promote_due");
        clock.advance(hour);
        jobs.wake();
        wait_until(|| store.arrivals("promote_due") > 0);
        jobs.cancel(id).unwrap();
        let before = store.calls("promote_due");
        gate.open();
        let after = promotions.1.recv().unwrap();
        assert!(after < before + 10, "{} of 30 batches", after - before);
        let is_promoted = || {
            let counts = jobs.counts().unwrap();
            counts
                .iter()
                .all(|lane| lane.states[JobState::Scheduled] == 0)
        };
        wait_until(is_promoted);
        assert!(host.stop().is_clean());
    });
}

#[test]
fn pruning_keeps_up_with_what_ends() {
    within(LONG, "much to prune", || {
        let clock = ManualClock::new();
        let store = TestStore::new().clock(&clock);
        let jobs = open(&store);
        let count = 1_000;
        let ids = jobs.enqueue_many(texts(count)).unwrap();
        for it in &ids {
            jobs.cancel(it.id).unwrap();
        }
        clock.advance(25 * 3600 * SECOND);
        let host = start(&jobs, |workers| workers.on(|_: Number, _: &JobContext| ()));
        // One batch each 10 s, as when there is little to do, would take longer than this test may.
        wait_until(|| jobs.counts().unwrap()[0].pruned == count as u64);
        assert!(host.stop().is_clean());
    });
}
