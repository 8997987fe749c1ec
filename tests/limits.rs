//! Limits for the time of a task, and new workers for the places that stuck ones take.

mod common;

use common::retry::{at_once, check_sum, wait_until};
use common::{Entrance, Gate, LONG, within};
use groundcrew::channel::bounded;
use groundcrew::stop::PoolPhase;
use groundcrew::{CancelToken, Pool, PoolBuilder, StopPlan, Submitter, TaskError, TaskHandle};
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const MILLI: Duration = Duration::from_millis(1);

struct Logger(Mutex<Vec<(Level, String)>>);

static LOGGER: Logger = Logger(Mutex::new(Vec::new()));

impl Log for Logger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let text = record.args().to_string();
        self.0.lock().unwrap().push((record.level(), text));
    }

    fn flush(&self) {}
}

/// A pool whose records are told from others by its name.
fn named(name: &str) -> PoolBuilder {
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(LevelFilter::Info);
    Pool::builder().threads(1).name(name)
}

/// The first record of this level and pool that says so. Another thread writes them.
fn record(level: Level, pool: &str, says: &str) -> String {
    let begins = format!("pool {pool}: ");
    let found = || {
        let records = LOGGER.0.lock().unwrap();
        let mut own = records
            .iter()
            .filter(|(of, text)| *of == level && text.starts_with(&begins) && text.contains(says));
        own.next().map(|(_, text)| text.clone())
    };
    wait_until(says, || found().is_some());
    found().unwrap()
}

/// Puts a task with a short limit on a worker, which looks at nothing but the gate; returns
/// when it is overrun.
fn stuck(pool: &Pool, gate: &Gate) -> TaskHandle<()> {
    let before = pool.stats().overrun();
    let entrance = gate.entrance();
    let task = pool.task("stuck").time_limit(MILLI);
    let handle = task.submit(move || entrance.pass()).unwrap();
    wait_until("it is overrun", || pool.stats().overrun() > before);
    handle
}

fn stuck_many(pool: &Pool, gate: &Gate, count: usize) {
    (0..count).for_each(|_| drop(stuck(pool, gate)));
}

fn replacing(most: usize) -> Pool {
    let builder = Pool::builder().threads(1).max_replacements(most);
    builder.build().unwrap()
}

#[test]
fn at_its_limit_a_task_is_asked_to_end_and_a_warning_names_it_and_its_place() {
    within(LONG, "a task with a limit", || {
        let pool = named("warned").build().unwrap();
        let task = pool.task("import").time_limit(MILLI);
        let handle = task.submit_with(|ctx| ctx.sleep(Duration::MAX).is_err());
        let place = handle.as_ref().unwrap().info().to_string();
        assert!(handle.unwrap().join().unwrap());
        let told = record(Level::Warn, "warned", "asked to end");
        assert!(told.contains("\"import\"") && told.contains("tests/limits.rs:"));
        assert!(
            told.contains(&place) && told.contains("limit of 1ms"),
            "{told}"
        );
        let executed = pool.task("export").time_limit(MILLI);
        let (tell, told) = bounded(1);
        let run = executed.execute_with(move |ctx| {
            tell.send(ctx.sleep(Duration::MAX).is_err()).unwrap();
        });
        run.unwrap();
        assert_eq!(told.recv(), Ok(true));
        let report = pool.stop(LONG);
        assert!(report.is_clean());
        assert_eq!(report.completed(), 2, "{report}");
    });
}

#[test]
fn a_grace_later_it_is_overrun_for_all_to_see_and_ends_as_it_likes() {
    within(LONG, "an overrun task", || {
        let pool = named("overrun").threads(2).build().unwrap();
        let gate = Gate::new();
        let entrance = gate.entrance();
        let task = pool.task("deaf").time_limit(4 * MILLI);
        let handle = task.submit(move || entrance.pass());
        wait_until("it is overrun", || pool.stats().overrun() == 1);
        let running = pool.running();
        assert!(running[0].is_overrun() && running[0].cancel_requested_for().is_some());
        assert!(running[0].running_for() >= 5 * MILLI);
        let told = record(Level::Error, "overrun", "counts as overrun");
        assert!(
            told.contains("\"deaf\"") && told.contains("limit of 4ms"),
            "{told}"
        );
        drop(common::occupy(&pool, &gate));
        let running = pool.running();
        assert_eq!(running.iter().filter(|task| task.is_overrun()).count(), 1);
        gate.open();
        handle.unwrap().join().unwrap();
        pool.wait_idle();
        let report = pool.stop(LONG);
        assert!(report.is_clean());
        // A mark, and not an outcome.
        assert_eq!((report.overrun(), report.completed()), (1, 2), "{report}");
        check_sum(&report);
        assert!(report.to_string().contains("overrun 1"), "{report}");
    });
}

#[test]
fn one_that_is_overrun_and_then_abandoned_is_both() {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::new();
    let handle = stuck(&pool, &gate);
    let report = pool.stop(Duration::ZERO);
    check_sum(&report);
    assert!(report.abandoned()[0].is_overrun(), "{report}");
    assert!(report.to_string().contains(", overrun"), "{report}");
    assert_eq!(report.overrun(), 1);
    assert!(matches!(handle.join(), Err(TaskError::Abandoned)));
    gate.open();
    assert_eq!(report.wait_for_abandoned(LONG), 0);
}

#[test]
fn one_that_ends_in_time_hears_nothing() {
    let pool = Pool::new(2).unwrap();
    for limit in [LONG, Duration::MAX] {
        let task = pool.task("quick").time_limit(limit);
        let handle = task.submit_with(|ctx| ctx.is_cancelled());
        assert!(!handle.unwrap().join().unwrap());
        for _ in 0..100 {
            task.execute(|| ()).unwrap();
        }
        let panics = task.submit(|| -> () { common::expected_panic() });
        assert!(matches!(
            panics.unwrap().join(),
            Err(TaskError::Panicked(_))
        ));
    }
    pool.wait_idle();
    assert_eq!((pool.stats().overrun(), pool.stats().panicked()), (0, 2));
}

#[test]
fn without_any_time_a_task_is_asked_to_end_at_once() {
    within(LONG, "a task without time", || {
        let pool = Pool::new(1).unwrap();
        let task = pool.task("none").time_limit(Duration::ZERO);
        let handle = task.submit_with(|ctx| ctx.sleep(Duration::MAX).is_err());
        assert!(handle.unwrap().join().unwrap());
        for _ in 0..500 {
            task.execute(|| ()).unwrap();
        }
        let report = pool.stop(LONG);
        assert_eq!(report.completed(), 501, "{report}");
    });
}

#[test]
fn of_a_retried_task_each_attempt_has_the_limit() {
    within(LONG, "attempts with a limit", || {
        let pool = Pool::new(1).unwrap();
        let task = pool.task("send").time_limit(250 * MILLI).retry(at_once());
        let handle = task.submit_with(|ctx, attempt| {
            // Its token is a new one each time.
            assert!(!ctx.is_cancelled());
            ctx.sleep(Duration::MAX).unwrap_err();
            match attempt {
                4 => Ok(()),
                _ => Err("no answer"),
            }
        });
        handle.unwrap().join().unwrap().unwrap();
        // And the time of one is none of the next one's.
        let task = pool.task("send").time_limit(LONG).retry(at_once());
        let handle = task.submit_with(|ctx, attempt| match (ctx.is_cancelled(), attempt) {
            (false, 9) => Ok(()),
            (false, _) => Err("no connection"),
            (true, _) => panic!("it had time"),
        });
        handle.unwrap().join().unwrap().unwrap();
        assert_eq!(pool.stop(LONG).completed(), 2);
    });
}

/// Whether a task is asked to end that lets others run on top of itself for longer than it
/// may run.
fn is_blamed_for_what_runs_on_top(builder: PoolBuilder, in_place: bool) -> bool {
    let pool = builder.build().unwrap();
    let outer = pool.task("outer").time_limit(300 * MILLI);
    let handle = outer.submit_with(move |ctx| {
        let submitter = ctx.submitter();
        if in_place {
            submitter.execute(|| ()).unwrap(); // the queue is full
        }
        for _ in 0..3 {
            let inner = submitter.submit(|| thread::sleep(150 * MILLI)).unwrap();
            inner.join().unwrap();
        }
        ctx.is_cancelled()
    });
    handle.unwrap().join().unwrap()
}

#[test]
fn what_runs_on_top_of_a_task_is_none_of_its_time() {
    let new = || Pool::builder().threads(1).queue_capacity(1);
    let observed = || new().observer(|_, _, _, _| ());
    thread::scope(|s| {
        let pools = [
            (new(), false),
            (observed(), false),
            (new().caller_runs_when_full(), true),
            (observed().caller_runs_when_full(), true),
        ];
        let all = pools.map(|(pool, in_place)| {
            s.spawn(move || is_blamed_for_what_runs_on_top(pool, in_place))
        });
        assert_eq!(all.map(|it| it.join().unwrap()), [false; 4]);
    });
}

/// Lets short tasks run on top of itself until it is asked to end.
fn hears(submitter: &Submitter, token: &CancelToken, joins: bool) {
    let mut rounds = 0;
    while !token.is_cancelled() {
        rounds += 1;
        assert!(rounds < 1_000, "it has had its time long since");
        thread::sleep(MILLI);
        let inner = submitter.submit(|| ()).unwrap();
        if joins {
            inner.join().unwrap();
        }
    }
}

#[test]
fn the_own_time_of_a_task_runs_on_between_those_on_top() {
    within(LONG, "a task with others on top", || {
        for joins in [true, false] {
            for is_observed in [true, false] {
                let mut builder = Pool::builder().threads(1).queue_capacity(1);
                if !joins {
                    builder = builder.caller_runs_when_full();
                }
                if is_observed {
                    builder = builder.observer(|_, _, _, _| ());
                }
                let pool = builder.build().unwrap();
                let outer = pool.task("outer").time_limit(10 * MILLI);
                let handle = outer.submit_with(move |ctx| {
                    hears(&ctx.submitter(), ctx.token(), joins);
                });
                handle.unwrap().join().unwrap();
            }
        }
    });
}

#[test]
fn the_limit_of_one_on_top_runs_though_that_of_the_one_below_does_not() {
    within(LONG, "limits on limits", || {
        let pool = Pool::new(1).unwrap();
        let outer = pool.task("outer").time_limit(200 * MILLI);
        let handle = outer.submit_with(|ctx| {
            let submitter = ctx.submitter();
            let inner = submitter.task("inner").time_limit(300 * MILLI);
            let handle = inner.submit_with(|ctx| ctx.sleep(Duration::MAX).is_err());
            (handle.unwrap().join().unwrap(), ctx.is_cancelled())
        });
        assert_eq!(handle.unwrap().join().unwrap(), (true, false));
    });
}

#[test]
fn lost_places_are_taken_by_new_workers_up_to_the_maximum() {
    within(LONG, "lost places", || {
        let started = Arc::new(Mutex::new(Vec::new()));
        let stopped = started.clone();
        let (tell_start, tell_stop) = (started.clone(), started.clone());
        let pool = named("lost")
            .max_replacements(2)
            .on_worker_start(move |index| tell_start.lock().unwrap().push((index, true)))
            .on_worker_stop(move |index| tell_stop.lock().unwrap().push((index, false)))
            .build()
            .unwrap();
        let gate = Gate::new();
        stuck_many(&pool, &gate, 2);
        assert_eq!(pool.submit(|| 7).unwrap().join().unwrap(), 7);
        assert_eq!((pool.threads(), pool.stats().workers_alive()), (1, 3));
        let told = record(Level::Error, "lost", "worker lost-1 takes the lost place");
        assert!(told.contains("\"stuck\""), "{told}");
        drop(stuck(&pool, &gate));
        record(
            Level::Error,
            "lost",
            "all 2 places for new workers are taken",
        );
        let lost = pool.submit(|| ()).unwrap();
        assert!(!lost.wait_timeout(20 * MILLI));
        let names: HashSet<String> = pool
            .running()
            .iter()
            .map(|task| task.worker().to_owned())
            .collect();
        assert_eq!(names.len(), 3);
        gate.open();
        lost.join().unwrap();
        // Those that were replaced leave.
        wait_until("they have left", || pool.stats().workers_alive() == 1);
        wait_until("they say so", || started.lock().unwrap().len() == 5);
        let report = pool.stop(LONG);
        assert!(report.is_clean(), "{report}");
        assert_eq!((report.overrun(), report.completed()), (3, 5), "{report}");
        let hooks = stopped.lock().unwrap();
        let starts = hooks.iter().filter(|(_, is_start)| *is_start);
        let starts: Vec<_> = starts.map(|(index, _)| *index).collect();
        assert_eq!(starts, [0, 1, 2]);
        assert_eq!(hooks.len(), 6);
    });
}

#[test]
fn a_place_is_free_again_when_its_stuck_task_has_ended() {
    within(LONG, "places that are used again", || {
        // More of them than are needed: a thread is joined some time after it has left.
        let pool = replacing(4);
        for round in 1..=16 {
            let gate = Gate::new();
            let handle = stuck(&pool, &gate);
            assert_eq!(pool.submit(|| 7).unwrap().join().unwrap(), 7);
            gate.open();
            handle.join().unwrap();
            wait_until("it has left", || pool.stats().workers_alive() == 1);
            assert_eq!(pool.stats().overrun(), round);
        }
        let report = pool.stop(LONG);
        assert!(report.is_clean(), "{report}");
        assert_eq!((report.completed(), report.overrun()), (32, 16), "{report}");
    });
}

#[test]
fn a_worker_that_is_lost_to_several_tasks_on_its_stack_is_replaced_once() {
    within(LONG, "a stack of stuck tasks", || {
        let pool = replacing(2);
        let gate = Gate::new();
        let entrance = gate.entrance();
        let (tell, told) = bounded(1);
        let outer = pool.task("outer").time_limit(MILLI);
        let own = gate.entrance();
        let handle = outer.submit_with(move |ctx| {
            ctx.token().wait();
            told.recv().unwrap();
            // The worker is marked; what it joins it runs all the same.
            let submitter = ctx.submitter();
            let inner = submitter.task("inner").time_limit(MILLI);
            let handle = inner.submit(move || entrance.pass()).unwrap();
            handle.join().unwrap();
            own.pass();
        });
        wait_until("it is overrun", || pool.stats().overrun() == 1);
        wait_until("it is replaced", || pool.stats().workers_alive() == 2);
        // The new worker is kept busy, so that the inner task is claimed.
        let busy = Gate::new();
        drop(common::occupy(&pool, &busy));
        tell.send(()).unwrap();
        wait_until("both are overrun", || pool.stats().overrun() == 2);
        thread::sleep(5 * MILLI);
        assert_eq!(pool.stats().workers_alive(), 2);
        busy.open();
        gate.open();
        handle.unwrap().join().unwrap();
        assert!(pool.stop(LONG).is_clean());
    });
}

#[test]
fn a_stop_waits_for_stuck_workers_and_reports_them() {
    within(LONG, "a stop with stuck workers", || {
        for (plan, gives_way) in [
            (StopPlan::drain(20 * MILLI), false),
            (StopPlan::finish_running(Duration::ZERO), false),
            (StopPlan::drain(LONG), true),
        ] {
            let pool = replacing(3);
            let gate = Gate::new();
            stuck_many(&pool, &gate, 2);
            let done: Vec<_> = (0..10).map(|n| pool.submit(move || n).unwrap()).collect();
            wait_until("the others ran", || done.iter().all(|it| it.is_finished()));
            let opener = gives_way.then(|| {
                let stop = pool.stop_handle();
                thread::spawn(move || {
                    wait_until("it is closed", || stop.phase() != PoolPhase::Open)
                })
            });
            let report = thread::scope(|s| {
                let stop = s.spawn(|| pool.stop(plan));
                if let Some(opener) = opener {
                    opener.join().unwrap();
                    gate.open();
                    return (stop.join().unwrap(), None);
                }
                (stop.join().unwrap(), Some(gate))
            });
            let (report, gate) = report;
            check_sum(&report);
            assert_eq!(report.overrun(), 2, "{report}");
            assert_eq!(report.is_clean(), gives_way, "{report}");
            assert_eq!(report.abandoned().len(), if gives_way { 0 } else { 2 });
            // The idle one may not have left in so short a time.
            let lingering = report.lingering().len();
            assert!(lingering <= usize::from(!gives_way), "{report}");
            drop(gate);
            assert_eq!(report.wait_for_abandoned(LONG), 0);
        }
    });
}

#[test]
fn a_replacement_that_races_the_end_of_its_task_or_a_stop_loses_nothing() {
    let late = Arc::new(AtomicU64::new(0));
    for round in 0..400 {
        within(LONG, "a replacement", || {
            let pool = replacing(1 + round % 3);
            let ran = Arc::new(AtomicU64::new(0));
            let mut accepted = 0;
            let gate = Gate::new();
            for n in 0..6 {
                let (ran, entrance): (_, Entrance) = (ran.clone(), gate.entrance());
                let limit = Duration::from_micros(50 * (round as u64 % 7));
                let task = pool.task("short").time_limit(limit);
                let run = task.execute(move || {
                    if n < 2 && round % 4 == 0 {
                        entrance.pass();
                    }
                    thread::sleep(Duration::from_micros(60 * n));
                    ran.fetch_add(1, SeqCst);
                });
                accepted += u64::from(run.is_ok());
            }
            if round % 4 == 0 {
                thread::sleep(Duration::from_micros(30 * (round as u64 % 50)));
                let report = pool.stop(Duration::from_micros(round as u64 % 300));
                check_sum(&report);
                assert_eq!(report.accepted(), accepted, "{report}");
                late.fetch_add(report.overrun(), SeqCst);
                gate.open();
                assert_eq!(report.wait_for_abandoned(LONG), 0);
                return;
            }
            // No wake-up goes to one that was replaced and takes nothing more.
            pool.wait_idle();
            assert_eq!(ran.load(SeqCst), accepted);
            assert_eq!(pool.submit(|| 7).unwrap().join().unwrap(), 7);
            let report = pool.stop(LONG);
            assert!(report.is_clean(), "{report}");
            assert_eq!(report.completed(), accepted + 1, "{report}");
            late.fetch_add(report.overrun(), SeqCst);
        });
    }
    assert!(late.load(SeqCst) > 0);
}

#[test]
fn a_worker_that_is_replaced_just_as_it_goes_to_sleep_is_not_left_with_the_next_task() {
    within(LONG, "a replacement of one that sleeps", || {
        for round in 0..1_500_u64 {
            let pool = replacing(1);
            let task = pool.task("short").time_limit(Duration::ZERO);
            let duration = Duration::from_micros(round % 300);
            let handle = task.submit(move || thread::sleep(duration));
            handle.unwrap().join().unwrap();
            for _ in 0..3 {
                let next = pool.submit(|| 7).unwrap();
                assert_eq!(next.join().unwrap(), 7);
                thread::sleep(Duration::from_micros(round % 70));
            }
        }
    });
}

#[test]
fn a_limit_that_is_not_needed_leaves_no_worker_to_be_replaced() {
    let pool = replacing(4);
    for _ in 0..200 {
        let task = pool.task("quick").time_limit(LONG);
        task.submit(|| ()).unwrap().join().unwrap();
    }
    assert_eq!(
        (pool.stats().workers_alive(), pool.stats().overrun()),
        (1, 0)
    );
    let huge = Pool::builder()
        .threads(1)
        .max_replacements(usize::MAX)
        .build();
    assert!(huge.unwrap_err().to_string().contains("max_replacements"));
}
