//! Threads that cannot be had: for the timer, and for the places of stuck workers. In processes
//! of their own, in which starting a thread fails.
//!
//! The parent runs this same binary again with the name of a scenario in its environment.
#![cfg(target_os = "linux")]

mod common;

use common::examples::text;
use common::retry::{check_sum, hourly};
use common::scenario::{SCENARIO, refusing_threads};
use common::{Gate, LONG};
use groundcrew::{Pool, TaskError};
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

/// Each thread may start two others; the third fails.
fn play(scenario: &str) {
    if let Some(output) = refusing_threads(scenario, "3+") {
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
}

#[test]
fn scenario() {
    match std::env::var(SCENARIO).as_deref() {
        Ok("no timer") => no_timer(),
        Ok("no replacement") => no_replacement(),
        Ok(other) => panic!("no scenario {other}"),
        Err(_) => {}
    }
}

/// Looks at the pool with each record: no lock may be held while it does.
struct Logger(Mutex<Vec<String>>, Mutex<Option<&'static Pool>>);

static LOGGER: Logger = Logger(Mutex::new(Vec::new()), Mutex::new(None));

impl Log for Logger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if let Some(pool) = *self.1.lock().unwrap() {
            assert!(pool.stats().workers_alive() > 0 && pool.running().len() < 9);
        }
        if record.level() == Level::Error {
            let text = record.args().to_string();
            self.0.lock().unwrap().push(text);
        }
    }

    fn flush(&self) {}
}

fn watched(pool: Pool) -> &'static Pool {
    let pool = Box::leak(Box::new(pool));
    log::set_logger(&LOGGER).unwrap();
    log::set_max_level(LevelFilter::Warn);
    *LOGGER.1.lock().unwrap() = Some(pool);
    pool
}

/// Looks again and again; a guard against hanging would take a thread.
fn wait_for(_: &str, condition: impl Fn() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}

fn wait_for_error(says: &str) {
    wait_for(says, || {
        let errors = LOGGER.0.lock().unwrap();
        errors.iter().any(|error| error.contains(says))
    });
}

#[test]
fn without_a_thread_for_the_timer_the_log_says_so_and_a_stop_hands_back_what_waits() {
    play("no timer");
}

fn no_timer() {
    let pool = watched(Pool::new(1).unwrap());
    let task = pool.task("send").retry(hourly());
    let handle = task.submit(|_| {
        for _ in 0..2 {
            thread::spawn(|| ()).join().unwrap();
        }
        assert!(thread::Builder::new().spawn(|| ()).is_err());
        Err::<(), _>("no connection")
    });
    wait_for_error("the timer's thread could not be started");
    wait_for("it waits", || pool.stats().waiting() == 1);
    // A limit does no harm, either.
    let limited = pool.task("limited").time_limit(Duration::ZERO);
    assert_eq!(limited.submit(|| 7).unwrap().join().unwrap(), 7);
    *LOGGER.1.lock().unwrap() = None;
    let report = pool.stop(LONG);
    check_sum(&report);
    assert_eq!(report.unstarted().len(), 1, "{report}");
    assert!(matches!(handle.unwrap().join(), Err(TaskError::Unstarted)));
}

#[test]
fn without_a_thread_for_a_lost_place_the_log_says_so_and_the_others_go_on() {
    play("no replacement");
}

fn no_replacement() {
    let pool = Pool::builder().threads(1).max_replacements(5).build();
    let pool = watched(pool.unwrap());
    let gate = Gate::new();
    // The timer's thread starts the one that writes the log, and the first replacement.
    for overrun in 1..=2 {
        let entrance = gate.entrance();
        let task = pool.task("stuck").time_limit(Duration::from_millis(1));
        task.execute(move || entrance.pass()).unwrap();
        wait_for("it is overrun", || pool.stats().overrun() == overrun);
        if overrun == 1 {
            assert_eq!(pool.submit(|| 7).unwrap().join().unwrap(), 7);
        }
    }
    wait_for_error("; a worker in its place: ");
    assert_eq!(pool.stats().workers_alive(), 2);
    let lost = pool.submit(|| 7).unwrap();
    gate.open();
    assert_eq!(lost.join().unwrap(), 7);
    wait_for("one has left", || pool.stats().workers_alive() == 1);
    *LOGGER.1.lock().unwrap() = None;
    let report = pool.stop(LONG);
    check_sum(&report);
    assert_eq!((report.completed(), report.overrun()), (4, 2), "{report}");
}
