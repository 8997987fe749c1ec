//! The timer's thread: there while somebody waits by it, and gone after the stop. Alone in its
//! process, since it counts threads.
#![cfg(target_os = "linux")]

mod common;

use common::retry::{hourly, wait_for_waiting, wait_until, waiting};
use common::{Gate, LONG, within};
use groundcrew::{Pool, StopPlan};
use std::time::Duration;

/// How many threads have a name that begins so.
fn threads(begins: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| {
        let name = task.unwrap().path().join("comm");
        std::fs::read_to_string(name).ok() // it may be gone
    });
    names.filter(|name| name.starts_with(begins)).count()
}

#[test]
fn no_thread_of_the_timer_is_left_after_the_last_stop_and_none_is_there_before_it_is_needed() {
    within(LONG, "the timer's thread", || {
        let idle = Pool::new(1).unwrap();
        idle.submit(|| ()).unwrap().join().unwrap();
        assert_eq!(threads("timer"), 0);
        for plan in [
            StopPlan::drain(LONG),
            StopPlan::finish_running(LONG),
            StopPlan::cancel(LONG),
            StopPlan::drain(Duration::ZERO),
        ] {
            let (one, other) = (Pool::new(1).unwrap(), Pool::new(1).unwrap());
            let waits = [waiting(&one), waiting(&one), waiting(&other)];
            // One for all pools. It has its name once it runs.
            wait_until("it is there", || threads("timer") == 1);
            assert_eq!(one.stop(plan).unstarted().len(), 2);
            assert_eq!(threads("timer"), 1);
            assert!(waits[2].cancel());
            assert_eq!(other.stop(plan).cancelled(), 1);
            // The system may still list a thread that was joined.
            wait_until("it has ended", || threads("timer") == 0);
            assert!(waits[0].is_finished() && !waits[0].cancel());
        }
        limits();
        a_stop_by_request();
        idle.submit(|| ()).unwrap().join().unwrap();
    });
}

fn limits() {
    let pool = Pool::builder()
        .threads(2)
        .max_replacements(2)
        .build()
        .unwrap();
    let gate = Gate::new();
    for _ in 0..2 {
        let entrance = gate.entrance();
        let task = pool.task("deaf").time_limit(Duration::from_millis(1));
        task.execute(move || entrance.pass()).unwrap();
    }
    wait_until("both are overrun", || pool.stats().overrun() == 2);
    wait_until("both are replaced", || pool.stats().workers_alive() == 4);
    pool.submit(|| ()).unwrap().join().unwrap();
    gate.open();
    let report = pool.stop(LONG);
    assert!(report.is_clean(), "{report}");
    // Every thread was joined, those of stuck workers and of their replacements, too.
    wait_until("helpers have ended", || threads("groundcrew") == 1); // that of the idle pool
    wait_until("it has ended", || threads("timer") == 0);
}

fn a_stop_by_request() {
    let pool = Pool::new(1).unwrap();
    let task = pool.task("send").retry(hourly());
    let handle = task.submit(|_| Err::<(), _>("no connection")).unwrap();
    wait_for_waiting(&pool, 1);
    pool.stop_handle().request_stop(LONG);
    assert!(handle.join().is_err());
    let report = pool.stop(LONG);
    assert_eq!(report.unstarted().len(), 1, "{report}");
    // It is the helper that lets go of it.
    wait_until("it has ended", || threads("timer") == 0);
}
