//! What becomes of a job, by what its handler returns.

use crate::common::{LONG, expected_panic, within};
use crate::parts::{
    Number, Text, account, adds_up, ear, new_jobs, new_jobs_by, number, open, reason, start, state,
    wait_for,
};
use crate::setup::TestStore;
use groundcrew::cancel::Cancelled;
use groundcrew::jobs::{Job, JobContext, JobResult, PermanentError, RetryAfter, Snooze};
use groundcrew::retry::Verdict;
use groundcrew::store::{AttemptOutcome, JobSpec, JobState, Store};
use groundcrew::testing::ManualClock;
use groundcrew::{BoxError, Retry};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// One job whose handler returns this; its state, and the reason in the store.
fn once(
    handler: impl Fn(Number, &JobContext) -> JobResult + Send + Sync + 'static,
) -> (JobState, String) {
    let jobs = new_jobs();
    let id = jobs.enqueue(&number(1)).unwrap();
    let retry = Retry::fixed(HOUR).attempts(3);
    let report = jobs
        .work_until_empty(|workers| workers.on(handler).retry::<Number>(retry))
        .unwrap();
    assert_eq!(adds_up(report).claimed(), 1);
    (state(&jobs, id), reason(&jobs, id))
}

#[test]
fn what_a_handler_returns_decides_what_becomes_of_the_job() {
    let outcomes = [
        once(|_, _| Ok(())),
        once(|_, _| Err("no")?),
        once(|_, _| Err(PermanentError::new("gone"))?),
        once(|_, _| Err(RetryAfter::new(HOUR, "busy"))?),
        once(|_, _| Err(Snooze::new(HOUR))?),
        once(|_, _| Err(Cancelled)?),
        once(|_, _| expected_panic()),
    ];
    let expected = [
        (JobState::Completed, ""),
        (JobState::Scheduled, "no"),
        (JobState::Dead, "gone"),
        (JobState::Scheduled, "busy"),
        (JobState::Scheduled, ""),
        (JobState::Cancelled, "cancelled by its handler: cancelled"),
        (JobState::Scheduled, "panicked: expected by the test"),
    ];
    for ((state, reason), expected) in outcomes.iter().zip(expected) {
        assert_eq!((*state, reason.as_str()), expected);
    }
}

#[test]
fn a_snooze_costs_no_attempt_and_a_retry_after_does() {
    let jobs = new_jobs();
    let snoozed = jobs.enqueue(&number(1)).unwrap();
    let failed = jobs.enqueue(&number(2)).unwrap();
    let report = jobs
        .work_until_empty(|workers| {
            workers.on(|job: Number, _: &JobContext| -> JobResult {
                match job.n {
                    1 => Err(Snooze::new(HOUR))?,
                    _ => Err(RetryAfter::new(HOUR, "busy"))?,
                }
            })
        })
        .unwrap();
    assert_eq!((report.snoozed(), report.failed()), (1, 1));
    let attempts = |id| jobs.get(id).unwrap().unwrap().info.attempt;
    assert_eq!((attempts(snoozed), attempts(failed)), (0, 1));
}

#[test]
fn a_job_is_retried_by_the_policy_of_its_kind_and_then_dead() {
    within(LONG, "a job is retried", || {
        let jobs = new_jobs();
        let (sender, attempts) = ear();
        let (say_dead, dead) = ear();
        let id = jobs.enqueue(&number(1)).unwrap();
        let host = start(&jobs, |workers| {
            workers
                .on(move |_: Number, ctx: &JobContext| {
                    sender
                        .send((ctx.attempt(), ctx.max_attempts(), ctx.fence()))
                        .unwrap();
                    Err("no".into())
                })
                .retry::<Number>(Retry::fixed(Duration::from_millis(1)).attempts(3))
                .dead_letter(move |job| say_dead.send(job.clone()).unwrap())
        });
        let dead = dead.recv().unwrap();
        let account = account(&host.stop());
        assert_eq!(
            (account.claimed(), account.failed(), account.dead()),
            (3, 2, 1)
        );
        assert_eq!(state(&jobs, id), JobState::Dead);
        let attempts: Vec<_> = attempts.try_iter().collect();
        assert_eq!(
            attempts.iter().map(|it| (it.0, it.1)).collect::<Vec<_>>(),
            [(1, 3), (2, 3), (3, 3)]
        );
        assert!(attempts.windows(2).all(|pair| pair[0].2 < pair[1].2));
        assert_eq!(
            (dead.id(), dead.kind(), dead.queue()),
            (id, "number", "default")
        );
        assert_eq!(
            (dead.attempt(), dead.error(), dead.fence()),
            (3, "no", attempts[2].2)
        );
    });
}

#[test]
fn a_retry_waits_for_its_delay_and_is_not_early() {
    within(LONG, "a retry waits", || {
        let clock = ManualClock::new();
        let jobs = new_jobs_by(&clock);
        let (sender, attempts) = ear();
        let id = jobs.enqueue(&number(1)).unwrap();
        let host = start(&jobs, |workers| {
            workers
                .on(move |_: Number, ctx: &JobContext| {
                    sender.send(ctx.attempt()).unwrap();
                    match ctx.attempt() {
                        1 => Err("no")?,
                        _ => Ok(()),
                    }
                })
                .retry::<Number>(Retry::fixed(HOUR))
        });
        assert_eq!(attempts.recv().unwrap(), 1);
        wait_for(&jobs, id, JobState::Scheduled);
        clock.advance(HOUR - Duration::from_millis(1));
        jobs.wake();
        assert!(attempts.recv_timeout(Duration::from_millis(100)).is_err());
        clock.advance(Duration::from_millis(1));
        jobs.wake();
        assert_eq!(attempts.recv().unwrap(), 2);
        wait_for(&jobs, id, JobState::Completed);
        assert!(host.stop().is_clean());
    });
}

#[test]
fn the_attempts_of_the_job_take_the_place_of_those_of_the_policy() {
    let jobs = new_jobs();
    let id = jobs.job(&number(1)).attempts(1).enqueue().unwrap().id;
    let report = jobs
        .work_until_empty(|workers| {
            workers
                .on(|_: Number, _: &JobContext| Err("no".into()))
                .retry::<Number>(Retry::fixed(HOUR).attempts(9))
        })
        .unwrap();
    assert_eq!((report.dead(), state(&jobs, id)), (1, JobState::Dead));
}

#[test]
fn what_cannot_be_decoded_is_a_failed_attempt_that_names_kind_and_field() {
    let store = TestStore::new();
    let jobs = open(&store);
    let bad = |payload: &str| JobSpec::new("number", payload);
    let specs = vec![bad(r#"{"n":"x"}"#), bad("\u{0}"), bad("{}")];
    let ids: Vec<_> = store
        .enqueue(specs)
        .unwrap()
        .iter()
        .map(|it| it.id)
        .collect();
    let good = jobs.enqueue(&number(1)).unwrap();
    let report = jobs
        .work_until_empty(|workers| workers.on(|_: Number, _: &JobContext| ()))
        .unwrap();
    assert_eq!((report.failed(), report.completed()), (3, 1));
    assert_eq!(state(&jobs, good), JobState::Completed);
    assert!(reason(&jobs, ids[0]).contains("kind \"number\" cannot be decoded: n: invalid type"));
    assert!(reason(&jobs, ids[2]).contains("missing field `n`"));
    let attempt = &jobs.get(ids[1]).unwrap().unwrap().attempts[0];
    assert_eq!(attempt.outcome, AttemptOutcome::Failed);
}

#[derive(Serialize, Deserialize)]
struct Renamed;

impl Job for Renamed {
    const KIND: &'static str = "new-name";
    const ALIASES: &'static [&'static str] = &["old-name"];
}

#[test]
fn a_job_of_an_older_name_is_handled_and_one_of_another_kind_is_left_alone() {
    let store = TestStore::new();
    let jobs = open(&store);
    let specs = vec![
        JobSpec::new("old-name", "null"),
        JobSpec::new("unknown", "null"),
    ];
    let ids = store.enqueue(specs).unwrap();
    jobs.enqueue(&Renamed).unwrap();
    let report = jobs
        .work_until_empty(|workers| workers.on(|_: Renamed, _: &JobContext| ()))
        .unwrap();
    assert_eq!((report.claimed(), report.completed()), (2, 2));
    let unknown = jobs.get(ids[1].id).unwrap().unwrap();
    assert_eq!(
        (unknown.info.state, unknown.info.attempt),
        (JobState::Available, 0)
    );
}

#[test]
fn each_thread_makes_its_handler_and_makes_it_again_after_a_panic() {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let jobs = new_jobs();
    jobs.enqueue_many(&[number(1), number(0), number(1)])
        .unwrap();
    let report = jobs
        .work_until_empty(|workers| {
            workers.on_each(|| {
                MADE.fetch_add(1, Ordering::Relaxed);
                let mut runs = 0;
                Ok(move |job: Number, _: &JobContext| {
                    runs += 1;
                    assert_eq!(runs, 1 + u32::from(job.n == 0));
                    if job.n == 0 {
                        expected_panic();
                    }
                })
            })
        })
        .unwrap();
    assert_eq!((report.completed(), report.failed()), (2, 1));
    assert_eq!(MADE.load(Ordering::Relaxed), 2);
}

#[test]
fn a_factory_that_fails_is_a_failure_of_the_service() {
    within(LONG, "a factory that fails", || {
        let jobs = new_jobs();
        let mut host = groundcrew::Host::builder();
        drop(host.jobs("jobs", &jobs).threads(2).on_each(|| {
            if true {
                Err("no connection")?;
            }
            Ok(|_: Number, _: &JobContext| ())
        }));
        let error = host.build().unwrap().start().unwrap_err();
        let failure = &error.report().failures()[0];
        assert_eq!(failure.message(), "no connection");
    });
}

#[test]
fn the_closures_around_a_handler_nest_and_may_answer_for_it() {
    let jobs = new_jobs();
    jobs.enqueue_many(&[number(1), number(2)]).unwrap();
    let (sender, calls) = ear();
    let inner = sender.clone();
    let handler = sender.clone();
    let report = jobs
        .work_until_empty(|workers| {
            workers
                .on(move |job: Number, _: &JobContext| {
                    Ok(handler.send(format!("handler {}", job.n))?)
                })
                .around(move |_, run| {
                    sender.send("outer".to_owned())?;
                    run()
                })
                .around(move |ctx, run| {
                    inner.send("inner".to_owned())?;
                    match ctx.id().get() % 2 {
                        0 => Err(PermanentError::new("not allowed"))?,
                        _ => run(),
                    }
                })
        })
        .unwrap();
    assert_eq!((report.completed(), report.dead()), (1, 1));
    let calls: Vec<String> = calls.try_iter().collect();
    assert_eq!(calls, ["outer", "inner", "handler 1", "outer", "inner"]);
}

#[test]
fn a_panic_in_the_closure_for_dead_jobs_changes_nothing() {
    let jobs = new_jobs();
    jobs.enqueue_many(&[number(1), number(2)]).unwrap();
    let report = jobs
        .work_until_empty(|workers| {
            workers
                .on(|_: Number, _: &JobContext| Err(PermanentError::new("gone").into()))
                .dead_letter(|_| expected_panic())
        })
        .unwrap();
    assert_eq!(report.dead(), 2);
}

#[test]
fn handlers_of_several_kinds_get_their_own_jobs_with_their_meta_data() {
    let jobs = new_jobs();
    jobs.job(&Text {
        text: "a".to_owned(),
    })
    .meta("k", "v")
    .enqueue()
    .unwrap();
    jobs.enqueue(&number(3)).unwrap();
    let (sender, seen) = ear();
    let texts = sender.clone();
    jobs.work_until_empty(|workers| {
        workers
            .on(move |job: Text, ctx: &JobContext| {
                let metas = (ctx.meta("k"), ctx.meta("l"));
                Ok(texts.send(format!("{} {metas:?}", job.text))?)
            })
            .on(move |job: Number, ctx: &JobContext| {
                Ok(sender.send(format!("{} {}", job.n, ctx.queue()))?)
            })
    })
    .unwrap();
    assert_eq!(
        seen.try_iter().collect::<Vec<_>>(),
        ["a (Some(\"v\"), None)", "3 default"]
    );
}

#[test]
fn the_judge_of_a_policy_decides_about_what_the_error_leaves_open() {
    let judged = |verdict: Verdict| {
        let jobs = new_jobs();
        let id = jobs.enqueue(&number(1)).unwrap();
        let retry = Retry::fixed(HOUR).on_error(move |error: &BoxError| {
            assert_eq!(error.to_string(), "no");
            verdict
        });
        let report = jobs
            .work_until_empty(|workers| {
                let handler = |_: Number, _: &JobContext| Err("no".into());
                workers.on(handler).retry::<Number>(retry)
            })
            .unwrap();
        let job = jobs.get(id).unwrap().unwrap().info;
        (adds_up(report).to_string(), job.state, job.attempt)
    };
    let line = |rest: &str| format!("claimed 1  completed 0  {rest}");
    for (verdict, rest, state, attempt) in [
        (Verdict::Retry, "failed 1  dead 0", JobState::Scheduled, 1),
        (
            Verdict::RetryAfter(HOUR),
            "failed 1  dead 0",
            JobState::Scheduled,
            1,
        ),
        (
            Verdict::Postpone(HOUR),
            "failed 0  dead 0  snoozed 1",
            JobState::Scheduled,
            0,
        ),
        (Verdict::GiveUp, "failed 0  dead 1", JobState::Dead, 1),
    ] {
        assert_eq!(judged(verdict), (line(rest), state, attempt));
    }
}

#[test]
fn the_judge_is_not_asked_about_an_error_that_says_what_it_means() {
    let jobs = new_jobs();
    jobs.enqueue_many(&[number(1), number(2), number(3)])
        .unwrap();
    let retry = Retry::fixed(HOUR).on_error(|error: &BoxError| panic!("asked about {error}"));
    let report = jobs
        .work_until_empty(|workers| {
            workers
                .on(|job: Number, _: &JobContext| match job.n {
                    1 => Err(PermanentError::new("gone").into()),
                    2 => Err(RetryAfter::new(HOUR, "busy").into()),
                    _ => Err(Snooze::new(HOUR).into()),
                })
                .retry::<Number>(retry)
        })
        .unwrap();
    assert_eq!(
        (report.dead(), report.failed(), report.snoozed()),
        (1, 1, 1)
    );
}

#[test]
fn a_judge_that_panics_is_a_panic_of_the_attempt() {
    let jobs = new_jobs();
    let id = jobs.enqueue(&number(1)).unwrap();
    let retry = Retry::fixed(HOUR).on_error(|_: &BoxError| expected_panic());
    let report = jobs
        .work_until_empty(|workers| {
            let handler = |_: Number, _: &JobContext| Err("no".into());
            workers.on(handler).retry::<Number>(retry)
        })
        .unwrap();
    assert_eq!(report.failed(), 1);
    assert_eq!(reason(&jobs, id), "panicked: expected by the test");
}

#[test]
fn of_a_long_error_the_beginning_is_kept() {
    let (_, reason) = once(|_, ctx| {
        ctx.note("x".repeat(1 << 20));
        Err(format!("the answer was {}", "\u{e4}".repeat(1 << 20)))?
    });
    assert!(reason.starts_with("the answer was \u{e4}"));
    assert!(reason.len() <= 8 << 10, "{}", reason.len());
}

#[test]
fn a_job_that_is_retried_by_hand_has_all_the_time_of_its_policy_again() {
    let clock = ManualClock::new();
    let jobs = new_jobs_by(&clock);
    let id = jobs.enqueue(&number(1)).unwrap();
    let fail = || {
        jobs.work_until_empty(|workers| {
            workers
                .on(|_: Number, _: &JobContext| Err("no".into()))
                .retry::<Number>(Retry::fixed(HOUR).deadline(HOUR * 3 / 2))
        })
        .unwrap();
        state(&jobs, id)
    };
    assert_eq!(fail(), JobState::Scheduled);
    clock.advance(2 * HOUR);
    assert_eq!(fail(), JobState::Dead);
    clock.advance(24 * HOUR);
    jobs.retry(id).unwrap();
    assert_eq!(fail(), JobState::Scheduled);
}
