//! What is logged, and that the logger is user code: no lock is held while it
//! runs, and a panic in it changes nothing.

mod common;

use common::{LONG, expected_panic, within};
use groundcrew::retry::CircuitBreaker;
use groundcrew::{Batcher, Host, Pool, Retry, Schedule, Scheduler};
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

struct Logger {
    /// Level, target and text.
    records: Mutex<Vec<(Level, String, String)>>,
    /// Looked at by the logger: whatever it calls must not deadlock.
    pool: Mutex<Option<groundcrew::Submitter>>,
    /// The same.
    breaker: Mutex<Option<CircuitBreaker>>,
    panics: AtomicBool,
    enabled_panics: AtomicBool,
    stuck: Mutex<Option<common::Entrance>>,
}

static LOGGER: Logger = Logger {
    records: Mutex::new(Vec::new()),
    pool: Mutex::new(None),
    breaker: Mutex::new(None),
    panics: AtomicBool::new(false),
    enabled_panics: AtomicBool::new(false),
    stuck: Mutex::new(None),
};

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        if self.enabled_panics.load(SeqCst) {
            expected_panic();
        }
        metadata.target().starts_with("groundcrew")
    }

    fn log(&self, record: &Record<'_>) {
        let text = record.args().to_string();
        let record = (record.level(), record.target().to_owned(), text);
        self.records.lock().unwrap().push(record);
        let submitter = self.pool.lock().unwrap().clone();
        if let Some(submitter) = submitter {
            let _ = submitter.try_execute(|| ());
        }
        let breaker = self.breaker.lock().unwrap().clone();
        if let Some(breaker) = breaker {
            let _ = (breaker.state(), breaker.call(|| Ok::<_, ()>(())));
        }
        let stuck = self.stuck.lock().unwrap().clone();
        if let Some(stuck) = stuck {
            stuck.pass();
        }
        if self.panics.load(SeqCst) {
            expected_panic();
        }
    }

    fn flush(&self) {}
}

/// One test at a time has the logger.
fn logger() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(LevelFilter::Trace);
    LOGGER.records.lock().unwrap().clear();
    LOGGER.panics.store(false, SeqCst);
    LOGGER.enabled_panics.store(false, SeqCst);
    turn
}

/// What was logged at this level and begins so. Each test has names of its own,
/// since records of the test before may come late.
fn records(level: Level, begins: &str) -> Vec<String> {
    let records = LOGGER.records.lock().unwrap();
    let own = records
        .iter()
        .filter(|(of, _, text)| *of == level && text.starts_with(begins));
    own.map(|(_, _, text)| text.clone()).collect()
}

/// The targets of the records that begin so.
fn targets(begins: &str) -> BTreeSet<String> {
    let records = LOGGER.records.lock().unwrap();
    let own = records
        .iter()
        .filter(|(_, _, text)| text.starts_with(begins));
    own.map(|(_, target, _)| target.clone()).collect()
}

/// Waits for a record that a stop leaves to a helper: on a machine that is busy
/// with other work the stop may be back first.
fn wait_for(level: Level, begins: &str) {
    within(LONG, begins, || {
        while records(level, begins).is_empty() {
            thread::yield_now();
        }
    });
}

#[test]
fn opening_closing_and_stopping_are_infos() {
    let _turn = logger();
    let pool = Pool::builder().threads(1).name("logged").build().unwrap();
    pool.stop_handle().close();
    assert!(pool.stop(LONG).is_clean());
    wait_for(Level::Info, "pool logged: stop: clean");
    let infos = records(Level::Info, "pool logged");
    assert_eq!(infos[0], "pool logged: open, 1 workers, 1024 places");
    assert_eq!(infos[1], "pool logged: closed, 0 queued");
    assert!(
        infos[2].starts_with("pool logged: stop: clean"),
        "{infos:?}"
    );
    assert_eq!(infos.len(), 3);
    assert!(records(Level::Error, "pool logged").is_empty());
}

#[test]
fn the_report_of_a_stop_that_is_not_clean_is_a_warning() {
    let _turn = logger();
    let pool = common::hasty().name("warned").build().unwrap();
    let gate = common::Gate::new();
    drop(common::occupy(&pool, &gate));
    assert!(!pool.stop(Duration::ZERO).is_clean());
    wait_for(Level::Warn, "pool warned: stop: NOT CLEAN");
    assert!(records(Level::Info, "pool warned: stop").is_empty());
    gate.open();

    let gate = common::Gate::new();
    let entrance = gate.entrance();
    let mut host = Host::builder();
    host.name("warned").stop_timeout(Duration::ZERO);
    host.background("deaf", move |_| {
        entrance.pass();
        Ok(())
    });
    let report = host.build().unwrap().start().unwrap().stop();
    assert!(!report.is_clean());
    wait_for(Level::Warn, "host warned: NOT CLEAN");
    gate.open();

    let (pool, gate) = common::occupied_pool(1);
    let build = Batcher::builder("warned").max_items(1);
    let batcher = build.build(pool.submitter(), |_: &mut Vec<u32>, _| Ok(()));
    let batcher = batcher.unwrap();
    batcher.submit(7).unwrap();
    let report = batcher.stop(Duration::ZERO);
    assert_eq!(report.take_unstarted(), [7]);
    wait_for(Level::Warn, "batcher \"warned\": NOT CLEAN");
    // A later one says nothing new.
    assert!(!batcher.stop(Duration::ZERO).is_clean());
    let warnings = records(Level::Warn, "batcher \"warned\": NOT CLEAN");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    gate.open();
}

#[test]
fn records_are_filed_by_what_they_are_about() {
    let _turn = logger();
    let pool = Pool::builder().threads(1).name("filed").build().unwrap();
    pool.execute(|| common::Bomb).unwrap();
    let task = pool
        .task("filed")
        .retry(Retry::fixed(Duration::ZERO).attempts(1));
    task.execute(|_| Err::<(), _>("no")).unwrap();
    let scheduler = Scheduler::new(pool.submitter());
    let hourly = Schedule::every(Duration::from_secs(3600));
    let entry = scheduler.entry("filed", hourly).run(|_| Err("no")?);
    assert!(entry.unwrap().trigger());
    pool.wait_idle();
    let mut host = Host::builder();
    host.name("filed");
    host.background("web", |ctx| ctx.wait());
    assert!(host.build().unwrap().start().unwrap().stop().is_clean());
    wait_for(Level::Info, "host filed: clean");
    for (begins, target) in [
        ("pool filed: ", "groundcrew::pool"),
        ("the result of task #", "groundcrew::drop"),
        ("task #", "groundcrew::retry"),
        ("schedule \"filed\"", "groundcrew::schedule"),
        ("host filed: ", "groundcrew::host"),
    ] {
        assert_eq!(targets(begins), BTreeSet::from([target.to_owned()]));
    }
}

#[test]
fn a_run_of_a_schedule_its_outcome_a_skip_and_the_next_due_time_are_debug_records() {
    let _turn = logger();
    let pool = Pool::builder().threads(1).build().unwrap();
    let scheduler = Scheduler::new(pool.submitter());
    let gate = common::Gate::new();
    let entrance = gate.entrance();
    let entry = scheduler
        .entry("seen", Schedule::every(Duration::from_secs(3600)))
        .run(move |_| {
            entrance.pass();
            Ok(())
        })
        .unwrap();
    let failing = scheduler
        .entry("failing", Schedule::every(Duration::from_secs(7200)))
        .run(|_| Err("it's \"full\"\n")?)
        .unwrap();
    scheduler.start().unwrap();
    assert!(entry.trigger() && !entry.trigger() && failing.trigger());
    let skip = "schedule \"seen\": overlap: 1 due and skipped, since a run goes on";
    wait_for(Level::Debug, skip);
    gate.open();
    pool.wait_idle();
    let runs = records(Level::Debug, "schedule \"seen\": a run ");
    assert_eq!(runs.len(), 2, "{runs:?}");
    assert!(runs[0].contains("Z begins, ") && runs[0].ends_with(" late"));
    assert!(runs[1].contains("ends after ") && runs[1].ends_with(": completed"));
    let failed = records(Level::Debug, "schedule \"failing\": a run ends");
    assert!(
        failed[0].ends_with(": failed: it's \"full\"\\n"),
        "{failed:?}"
    );
    for (name, left) in [("seen", "in 1h"), ("failing", "in 2h")] {
        wait_for(Level::Debug, &format!("schedule {name:?}: next due 2"));
        let next = records(Level::Debug, &format!("schedule {name:?}: next due 2"));
        assert!(next[0].ends_with(left) && next.len() == 1, "{next:?}");
    }
}

#[test]
fn a_panic_is_one_error_and_a_flood_of_them_is_counted() {
    let _turn = logger();
    let pool = Pool::builder().threads(1).name("flood").build().unwrap();
    let handle = pool.task("it").submit(|| expected_panic()).unwrap();
    assert!(handle.join().is_err());
    let errors = records(Level::Error, "pool flood");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].starts_with("pool flood: task #"), "{errors:?}");
    assert!(errors[0].contains("\"it\"") && errors[0].ends_with("panicked: expected by the test"));
    for _ in 0..1_000 {
        pool.execute(|| expected_panic()).unwrap();
    }
    pool.wait_idle();
    assert!(records(Level::Error, "pool flood").len() < 1_000);
    assert_eq!(pool.stop(LONG).panicked(), 1_001);
    // Each was logged, or is in the number of those that a later record tells of.
    let told: u64 = records(Level::Error, "pool flood")
        .iter()
        .map(|record| {
            let words: Vec<_> = record.split([' ', '(']).collect();
            let more = words.iter().position(|word| *word == "more");
            let unlogged = more.map_or(0, |more| words[more - 1].parse().unwrap());
            u64::from(record.starts_with("pool flood: task #")) + unlogged
        })
        .sum();
    assert_eq!(told, 1_001);
}

#[test]
fn a_panic_in_a_hook_is_an_error_and_a_flood_of_them_is_not_logged() {
    let _turn = logger();
    let pool = Pool::builder()
        .threads(1)
        .name("hooked")
        .on_panic(|_, _| expected_panic())
        .observer(|_, _, _, _| expected_panic())
        .build()
        .unwrap();
    pool.execute(|| expected_panic()).unwrap();
    pool.wait_idle();
    assert_eq!(
        records(Level::Error, "pool hooked: the "),
        [
            "pool hooked: the on_panic hook panicked: expected by the test",
            "pool hooked: the observer panicked: expected by the test",
        ]
    );
    for _ in 0..1_000 {
        pool.execute(|| ()).unwrap();
    }
    pool.wait_idle();
    assert!(records(Level::Error, "pool hooked: the ").len() < 1_000);
}

#[test]
fn a_panic_in_a_drop_is_logged_with_the_task_it_belongs_to() {
    let _turn = logger();
    let pool = Pool::builder().threads(1).name("bombs").build().unwrap();
    pool.task("bomber").execute(|| common::Bomb).unwrap();
    pool.execute(|| std::panic::panic_any(common::Bomb))
        .unwrap();
    assert!(pool.stop(LONG).is_clean());
    let results = records(Level::Error, "the result of task #");
    assert!(results[0].contains("\"bomber\""), "{results:?}");
    let panics = records(Level::Error, "pool bombs: task #");
    assert!(
        panics[0].contains("panicked: (a panic payload"),
        "{panics:?}"
    );
    let payloads = records(Level::Error, "the payload of a panic panicked in its drop");
    assert_eq!(payloads.len(), 1, "{payloads:?}");
}

#[test]
fn an_unclean_drop_is_an_error() {
    let _turn = logger();
    let pool = common::hasty().name("unclean").build().unwrap();
    let gate = common::Gate::new();
    drop(common::occupy(&pool, &gate));
    drop(pool);
    wait_for(Level::Error, "pool unclean");
    let errors = records(Level::Error, "pool unclean");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].contains("was dropped: stop: NOT CLEAN"),
        "{errors:?}"
    );
    assert!(errors[0].contains("\"occupied\""), "{errors:?}");
    gate.open();
}

#[test]
fn an_executed_task_that_fails_for_good_is_one_error_and_each_attempt_none() {
    let _turn = logger();
    let pool = Pool::builder().threads(1).name("tries").build().unwrap();
    let thrice = Retry::fixed(Duration::ZERO).attempts(3);
    let task = pool.task("mail").retry(thrice);
    task.execute(|_| Err::<(), _>("no connection")).unwrap();
    let sent = |attempt| (attempt == 3).then_some(()).ok_or("no connection");
    task.execute(sent).unwrap();
    let heard = task.submit(|_| Err::<(), _>("no connection")).unwrap();
    assert!(heard.join().unwrap().is_err());
    pool.wait_idle();
    let errors: Vec<_> = records(Level::Error, "task #");
    let own: Vec<_> = errors.iter().filter(|it| it.contains("mail")).collect();
    assert_eq!(own.len(), 1, "{errors:?}");
    let says = "failed for good: all attempts failed (3)";
    assert!(
        own[0].contains("\"mail\"") && own[0].ends_with(says),
        "{own:?}"
    );
    assert!(records(Level::Error, "pool tries").is_empty());
}

#[test]
fn a_logger_that_panics_or_uses_the_pool_changes_nothing() {
    let _turn = logger();
    within(LONG, "a stop with such a logger", || {
        LOGGER.panics.store(true, SeqCst);
        let pool = Pool::new(2).unwrap();
        *LOGGER.pool.lock().unwrap() = Some(pool.submitter());
        for _ in 0..20 {
            let handle = pool.submit(|| expected_panic()).unwrap();
            assert!(handle.join().is_err());
        }
        let report = pool.stop(LONG);
        assert!(report.is_clean(), "{report}");
        assert_eq!(report.panicked(), 20);
        *LOGGER.pool.lock().unwrap() = None;
        LOGGER.enabled_panics.store(true, SeqCst);
        let pool = common::hasty().build().unwrap();
        let gate = common::Gate::new();
        drop(common::occupy(&pool, &gate));
        drop(pool); // not clean: told on stderr
        gate.open();
    });
}

#[test]
fn a_stop_and_a_drop_do_not_wait_for_a_logger_that_is_stuck() {
    let _turn = logger();
    within(LONG, "a stop with such a logger", || {
        let gate = common::Gate::new();
        let stopped = Pool::new(1).unwrap();
        let requested = Pool::new(1).unwrap();
        let dropped = Pool::new(1).unwrap();
        let disowned = Pool::new(1).unwrap();
        // At debug the workers would be stuck themselves, and linger.
        log::set_max_level(LevelFilter::Info);
        *LOGGER.stuck.lock().unwrap() = Some(gate.entrance());
        assert!(stopped.stop(LONG).is_clean());
        requested.stop_handle().request_stop(LONG);
        assert!(requested.stop(LONG).is_clean());
        drop(dropped);
        let last = std::sync::Arc::new(disowned);
        let own = last.clone();
        let (tell, told) = groundcrew::channel::bounded(1);
        last.execute(move || {
            drop(own);
            tell.send(()).unwrap();
        })
        .unwrap();
        drop(last);
        told.recv().unwrap();
        *LOGGER.stuck.lock().unwrap() = None;
        gate.open();
    });
}

#[test]
fn each_change_of_a_circuit_breaker_is_one_record() {
    let _turn = logger();
    let breaker = CircuitBreaker::builder("records")
        .consecutive_failures(2)
        .open_for(Duration::from_nanos(1))
        .build()
        .unwrap();
    for _ in 0..2 {
        let _ = breaker.call(|| Err::<(), _>("busy"));
    }
    while breaker.call(|| Ok::<_, ()>(())).is_err() {}
    breaker.trip();
    breaker.reset();
    breaker.reset();
    let begin = "circuit breaker \"records\": ";
    assert_eq!(
        records(Level::Warn, begin),
        [
            format!("{begin}open for 1ns, after 2 failures in a row"),
            format!("{begin}open for 1ns, since `trip` was called"),
        ]
    );
    assert_eq!(
        records(Level::Info, begin),
        [
            format!("{begin}half-open, a call is tried"),
            format!("{begin}closed, the call succeeded"),
            format!("{begin}closed, it was reset"),
        ]
    );
}

#[test]
fn a_logger_that_panics_or_uses_the_circuit_breaker_changes_nothing() {
    let _turn = logger();
    within(LONG, "calls with such a logger", || {
        LOGGER.panics.store(true, SeqCst);
        let breaker = CircuitBreaker::builder("such")
            .consecutive_failures(1)
            .open_for(Duration::MAX)
            .build()
            .unwrap();
        *LOGGER.breaker.lock().unwrap() = Some(breaker.clone());
        let error = breaker.call(|| Err::<(), _>("busy")).unwrap_err();
        assert_eq!(error.into_failed(), Some("busy"));
        assert!(breaker.permit().is_err());
        breaker.reset();
        assert!(breaker.permit().is_ok());
        *LOGGER.breaker.lock().unwrap() = None;
    });
}
