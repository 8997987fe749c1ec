//! One rule for the durations of all builders: `Duration::MAX` is no limit, and zero is over at
//! once, unless nothing could ever happen then. The crate's documentation has it under "Zero, and
//! no limit".

mod common;

use common::{Gate, LONG, occupy, within};
use groundcrew::host::{QueueStats, Restart};
use groundcrew::retry::{Backoff, CircuitBreaker};
use groundcrew::schedule::{EntryBuilder, MisfirePolicy, OverlapPolicy};
use groundcrew::{
    Batcher, BoxError, Host, HostBuilder, Pool, PoolBuilder, Retry, Schedule, Scheduler, StopPlan,
    TaskError, WorkQueue,
};
use std::time::Duration;

const ZERO: Duration = Duration::ZERO;
const MAX: Duration = Duration::MAX;

type Build = fn(Duration) -> Result<(), BoxError>;

fn pool(set: impl FnOnce(PoolBuilder) -> PoolBuilder) -> Result<(), BoxError> {
    set(Pool::builder().threads(1)).build()?;
    Ok(())
}

fn host(set: impl FnOnce(&mut HostBuilder)) -> Result<(), BoxError> {
    let mut host = Host::builder();
    set(&mut host);
    host.background("web", |ctx| ctx.wait());
    drop(host.build()?);
    Ok(())
}

/// A host whose stop has no limit, so that its parts may have none.
fn endless_host(set: impl FnOnce(&mut HostBuilder)) -> Result<(), BoxError> {
    host(|host| {
        host.stop_timeout(MAX);
        set(host);
    })
}

fn entry(set: impl FnOnce(EntryBuilder<'_>) -> EntryBuilder<'_>) -> Result<(), BoxError> {
    let pool = Pool::new(1)?;
    let scheduler = Scheduler::new(pool.submitter());
    set(scheduler.entry("it", Schedule::every(LONG))).run(|_| Ok(()))?;
    Ok(())
}

/// Each option that takes a duration, and what the error for zero names, if it is refused.
const DURATIONS: [(&str, Build, Option<&str>); 22] = [
    (
        "host start_timeout",
        |d| host(|h| _ = h.start_timeout(d)),
        Some("start_timeout"),
    ),
    (
        "host stop_timeout",
        |d| host(|h| _ = h.stop_timeout(d)),
        None,
    ),
    (
        "host stop_delay",
        |d| endless_host(|h| _ = h.stop_delay(d)),
        None,
    ),
    (
        "start_timeout",
        |d| host(|h| _ = h.background("it", |ctx| ctx.wait()).start_timeout(d)),
        Some("start_timeout"),
    ),
    (
        "stop_timeout",
        |d| endless_host(|h| _ = h.background("it", |ctx| ctx.wait()).stop_timeout(d)),
        Some("stop_timeout"),
    ),
    (
        "heartbeat_timeout",
        |d| host(|h| _ = h.background("it", |ctx| ctx.wait()).heartbeat_timeout(d)),
        Some("heartbeat_timeout"),
    ),
    (
        "every",
        |d| Ok(Schedule::every(d).check()?),
        Some("`every`"),
    ),
    (
        "fixed_delay",
        |d| Ok(Schedule::every(d).fixed_delay().check()?),
        Some("`every`"),
    ),
    ("after", |d| Ok(Schedule::after(d).check()?), None),
    ("entry time_limit", |d| entry(|it| it.time_limit(d)), None),
    ("jitter", |d| entry(|it| it.jitter(d)), None),
    ("missed_after", |d| entry(|it| it.missed_after(d)), None),
    (
        "open_for",
        |d| {
            Ok(CircuitBreaker::builder("it")
                .open_for(d)
                .build()
                .map(drop)?)
        },
        Some("open_for"),
    ),
    (
        "breaker backoff",
        |d| {
            Ok(CircuitBreaker::builder("it")
                .backoff(Backoff::fixed(d))
                .build()
                .map(drop)?)
        },
        Some("backoff"),
    ),
    (
        "failure_rate",
        |d| {
            Ok(CircuitBreaker::builder("it")
                .failure_rate(0.5, d, 1)
                .build()
                .map(drop)?)
        },
        Some("failure_rate"),
    ),
    ("max_age", |d| batcher(|it| it.max_age(d)), None),
    ("max_idle", |d| batcher(|it| it.max_idle(d)), None),
    (
        "batch retry",
        |d| batcher(|it| it.retry(Retry::fixed(d).deadline(d))),
        None,
    ),
    (
        "queue retry",
        |d| {
            let queue = WorkQueue::<u32>::new(1).retry(Retry::fixed(d).deadline(d));
            host(|host| _ = host.add("items", queue.workers(1, || |_, _| Ok(()))))
        },
        None,
    ),
    (
        "restart backoff",
        |d| restarted(Restart::new().backoff(Backoff::fixed(d))),
        None,
    ),
    (
        "restart limit",
        |d| restarted(Restart::new().limit(1, d)),
        None,
    ),
    (
        "pause_when_exhausted",
        |d| restarted(Restart::new().limit(0, d).pause_when_exhausted(d)),
        None,
    ),
];

fn restarted(restart: Restart) -> Result<(), BoxError> {
    host(|h| _ = h.background("it", |ctx| ctx.wait()).on_failure(restart))
}

fn batcher(
    set: impl FnOnce(groundcrew::batch::BatcherBuilder<u32>) -> groundcrew::batch::BatcherBuilder<u32>,
) -> Result<(), BoxError> {
    let pool = Pool::new(1)?;
    let it = set(Batcher::builder("it")).build(pool.submitter(), |_: &mut Vec<u32>, _| Ok(()))?;
    assert!(it.stop(ZERO).is_clean());
    Ok(())
}

#[test]
fn a_builder_takes_no_limit_and_refuses_only_a_zero_with_which_nothing_could_happen() {
    for (option, build, refusal) in DURATIONS {
        if let Err(error) = build(MAX) {
            panic!("{option} refuses that there is no limit: {error}");
        }
        match (build(ZERO), refusal) {
            (Ok(()), None) => {}
            (Err(error), Some(name)) => {
                let text = error.to_string();
                assert!(text.contains(name), "{option}: {text}");
            }
            (result, _) => panic!("{option} of zero: {result:?}"),
        }
    }
}

#[test]
fn a_drop_of_a_pool_that_would_not_end_is_refused_and_one_that_waits_for_nothing_is_not() {
    assert!(pool(|pool| pool.drop_plan(MAX)).is_err());
    assert!(pool(|pool| pool.drop_plan(ZERO)).is_ok());
}

#[test]
fn where_one_is_needed_none_is_refused_by_name() {
    fn with_queue(capacity: usize, workers: usize) -> Result<(), BoxError> {
        let queue = WorkQueue::<u32>::new(capacity);
        host(|host| _ = host.add("items", queue.workers(workers, || |_, _| Ok(()))))
    }
    let breaker = || CircuitBreaker::builder("it");
    let refusals: [(&str, Result<(), BoxError>); 11] = [
        ("threads", pool(|pool| pool.threads(0))),
        ("queue", pool(|pool| pool.queue_capacity(0))),
        ("capacity", with_queue(0, 1)),
        ("workers", with_queue(1, 0)),
        ("max_items", batcher(|it| it.max_items(0))),
        ("in_flight", batcher(|it| it.in_flight(0))),
        ("capacity", batcher(|it| it.capacity(0))),
        ("runs", entry(|it| it.overlap(OverlapPolicy::Concurrent(0)))),
        ("runs", entry(|it| it.misfire(MisfirePolicy::All(0)))),
        (
            "consecutive_failures",
            breaker()
                .consecutive_failures(0)
                .build()
                .map(drop)
                .map_err(Into::into),
        ),
        (
            "half_open_calls",
            breaker()
                .half_open_calls(0)
                .build()
                .map(drop)
                .map_err(Into::into),
        ),
    ];
    for (name, refusal) in refusals {
        let text = refusal.expect_err(name).to_string();
        assert!(text.contains(name), "{name}: {text}");
    }
}

#[test]
fn waits_of_zero_only_look() {
    within(LONG, "waits of zero", || {
        let gate = Gate::new();
        let pool = Pool::builder()
            .threads(1)
            .queue_capacity(1)
            .build()
            .unwrap();
        drop(occupy(&pool, &gate));
        let queued = pool.submit(|| 1).unwrap();
        assert!(!queued.wait_timeout(ZERO));
        assert!(!pool.wait_idle_timeout(ZERO));
        assert!(!pool.stop_handle().token().wait_timeout(ZERO));
        let refused = pool.task("full").when_full(ZERO).submit(|| 2).unwrap_err();
        assert!(refused.is_timeout());
        let report = pool.stop(StopPlan::drain(ZERO));
        assert_eq!((report.unstarted().len(), report.abandoned().len()), (1, 1));
        gate.open();
    });
}

#[test]
fn a_limit_of_zero_has_passed_at_once_and_one_of_max_never_does() {
    within(LONG, "limits of tasks", || {
        let pool = Pool::new(1).unwrap();
        let start = |limit| {
            pool.task("it")
                .start_within(limit)
                .submit(|| 7)
                .unwrap()
                .join()
        };
        assert!(matches!(start(ZERO), Err(TaskError::Expired)));
        assert_eq!(start(MAX).unwrap(), 7);
        let limited = |limit| pool.task("it").time_limit(limit);
        let cancelled = limited(ZERO).submit_with(|ctx| ctx.token().wait()).unwrap();
        cancelled.join().unwrap();
        let never = limited(MAX).submit_with(|ctx| ctx.sleep(Duration::from_millis(1)));
        assert!(never.unwrap().join().unwrap().is_ok());
        // No attempt becomes due after the deadline; without a pause one is due at once.
        let attempts = |retry: Retry| {
            let task = pool.task("it").retry(retry.attempts(3));
            let failed = task.submit(|attempt| Err::<(), BoxError>(attempt.to_string().into()));
            failed.unwrap().join().unwrap().unwrap_err().attempts()
        };
        assert_eq!(attempts(Retry::fixed(ZERO).deadline(MAX)), 3);
        assert_eq!(attempts(Retry::fixed(MAX).deadline(LONG)), 1);
        assert_eq!(
            attempts(Retry::fixed(Duration::from_millis(1)).deadline(ZERO)),
            1
        );
    });
}

#[test]
fn a_host_that_may_take_no_time_to_stop_reports_at_once() {
    within(LONG, "a stop without time", || {
        let gate = Gate::new();
        let entrance = gate.entrance();
        let mut host = Host::builder();
        host.stop_timeout(ZERO);
        host.background("deaf", move |_| {
            entrance.pass();
            Ok(())
        });
        let report = host.build().unwrap().start().unwrap().stop();
        assert_eq!(report.exit_code(), 75);
        gate.open();
    });
}

#[test]
fn a_delay_without_end_lasts_until_the_stop_is_shortened() {
    within(LONG, "a delay without end", || {
        let mut host = Host::builder();
        host.stop_timeout(MAX).stop_delay(MAX);
        host.background("web", |ctx| ctx.wait());
        let host = host.build().unwrap().start().unwrap();
        host.request_stop("deploy");
        host.wait_until(|status| status.phase() == groundcrew::host::HostPhase::Delaying);
        let web = groundcrew::host::ServiceState::Stopping;
        let moment = Duration::from_millis(20);
        assert!(host.wait_for_state("web", web, moment).is_err());
        host.request_stop_within(LONG, "now");
        let report = host.wait();
        assert!(
            report.is_clean() && report.delay_took() >= moment,
            "{report}"
        );
    });
}

#[test]
fn a_queue_retries_without_a_pause_after_zero_and_never_after_max() {
    for (pause, attempts) in [(ZERO, 3), (MAX, 1)] {
        let queue = WorkQueue::new(1).retry(Retry::fixed(pause).attempts(3));
        let mut host = Host::builder();
        let failing = || |_: &mut u32, _: &groundcrew::ServiceContext| Err::<(), _>("no".into());
        host.add("items", queue.workers(1, failing));
        let host = host.build().unwrap().start().unwrap();
        queue.submit(7).unwrap();
        within(LONG, "the attempts", || {
            let is_there = |stats: QueueStats| match attempts {
                1 => stats.retrying() == 1,
                _ => stats.failed() == 1,
            };
            while !is_there(queue.stats()) {
                std::thread::yield_now();
            }
        });
        let report = within(LONG, "a stop", || host.stop());
        let mut ended = queue.take_retrying();
        ended.append(&mut queue.take_failed());
        let attempted: Vec<u32> = ended.iter().map(|item| item.why().attempts()).collect();
        assert_eq!(attempted, [attempts], "{report}");
    }
}

#[test]
fn a_service_is_restarted_at_once_after_a_pause_of_zero_and_never_after_one_of_max() {
    for (pause, runs) in [(ZERO, 4), (MAX, 1)] {
        let (tell, told) = groundcrew::channel::unbounded();
        let mut host = Host::builder();
        let restart = Restart::new().backoff(Backoff::fixed(pause)).limit(3, MAX);
        let fails = move |_: &groundcrew::ServiceContext| {
            tell.send(()).unwrap();
            Err("no luck".into())
        };
        host.background("it", fails).on_failure(restart);
        let host = host.build().unwrap().start().unwrap();
        let report = within(LONG, "the restarts", || match runs {
            1 => {
                told.recv().unwrap();
                host.wait_until(|status| status.services()[0].failures() > 0);
                host.stop()
            }
            _ => host.wait(), // a failure for which the limit has no room stops the host
        });
        assert_eq!(report.services()[0].failures(), runs, "{report}");
    }
}
