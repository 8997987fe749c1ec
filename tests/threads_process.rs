//! Threads that the system refuses for a while: whatever needs one asks again. In processes of
//! their own, in which starting a thread fails.
//!
//! The parent runs this same binary again with the name of a scenario in its environment.
#![cfg(target_os = "linux")]

mod common;

use common::examples::text;
use common::scenario::{SCENARIO, refusing_threads};
use common::{Gate, LONG};
use groundcrew::channel::bounded;
use groundcrew::stop::PoolPhase;
use groundcrew::{Pool, Retry, Schedule, Scheduler, StopPlan};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

fn play(scenario: &str, failing: &str) {
    if let Some(output) = refusing_threads(scenario, failing) {
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
}

#[test]
fn scenario() {
    match std::env::var(SCENARIO).as_deref() {
        Ok("no start") => no_start(),
        Ok("late start") => late_start(),
        Ok("late retry") => late_retry(),
        Ok("late driver") => late_driver(),
        Ok("driver by a worker") => driver_by_a_worker(),
        Ok("late joiner") => late_joiner(),
        Ok("kept deadline") => kept_deadline(),
        Ok("stopped retry") => stopped_retry(),
        Ok("closures") => closures(),
        Ok(other) => panic!("no scenario {other}"),
        Err(_) => {}
    }
}

/// Looks again and again; a guard against hanging would take a thread.
fn wait_for(condition: impl Fn() -> bool) {
    let since = Instant::now();
    while !condition() {
        assert!(since.elapsed() < LONG);
        thread::yield_now();
    }
}

#[test]
fn a_scheduler_that_gets_no_thread_says_so_and_has_planned_nothing() {
    // The first is the worker.
    play("no start", "2+");
}

fn no_start() {
    let pool = Pool::new(1).unwrap();
    let scheduler = Scheduler::new(pool.submitter());
    let hourly = Schedule::every(Duration::from_secs(3600));
    let entry = scheduler.entry("it", hourly).run(|_| Ok(())).unwrap();
    let error = scheduler.start().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    assert_eq!(entry.status().next_due(), None);
    // The pool is as good as before.
    assert!(entry.trigger());
    pool.wait_idle();
    assert_eq!(entry.status().runs(), 1);
}

#[test]
fn a_scheduler_asks_again_for_its_thread() {
    play("late start", "2..9");
}

fn late_start() {
    let pool = Pool::new(1).unwrap();
    let scheduler = Scheduler::new(pool.submitter());
    let often = Schedule::every(Duration::from_millis(1));
    let entry = scheduler.entry("it", often).run(|_| Ok(())).unwrap();
    scheduler.start().unwrap();
    wait_for(|| entry.status().runs() > 2);
}

#[test]
fn a_task_that_waits_for_its_next_attempt_gets_a_timer_though_late() {
    // Some fifty are within the two seconds in which the worker asks again after the attempt
    // that failed; then it does so while it is idle.
    play("late retry", "3..9");
    play("late retry", "3..60");
}

fn late_retry() {
    let pool = Pool::new(1).unwrap();
    let attempts = Arc::new(AtomicU32::new(0));
    let seen = attempts.clone();
    let task = pool
        .task("it")
        .retry(Retry::fixed(Duration::from_millis(1)));
    let handle = task.submit(move |_| {
        for _ in 0..2 {
            let _ = thread::Builder::new()
                .spawn(|| ())
                .map(thread::JoinHandle::join);
        }
        match seen.fetch_add(1, Ordering::Relaxed) {
            0 => Err("no connection"),
            _ => Ok(7),
        }
    });
    assert_eq!(handle.unwrap().join().unwrap().unwrap(), 7);
    assert_eq!(attempts.load(Ordering::Relaxed), 2);
}

#[test]
fn a_request_asks_again_for_the_thread_that_stops_the_pool() {
    // The first two are the workers.
    play("late driver", "3..9");
}

fn late_driver() {
    let pool = Pool::new(2).unwrap();
    pool.stop_handle().request_stop(StopPlan::drain(LONG));
    wait_for(|| pool.stop_handle().phase() == PoolPhase::Done);
    let report = pool.stop(Duration::ZERO);
    assert!(report.is_clean(), "{report}");
}

#[test]
fn a_request_that_gets_no_thread_is_carried_on_by_a_worker_that_leaves() {
    play("driver by a worker", "3+");
}

fn driver_by_a_worker() {
    let pool = Pool::new(2).unwrap();
    let gate = Gate::new();
    let entrance = gate.entrance();
    let (tell, told) = bounded(1);
    pool.execute(move || {
        tell.send(()).unwrap();
        entrance.pass();
    })
    .unwrap();
    told.recv().unwrap();
    let since = Instant::now();
    pool.stop_handle().request_stop(StopPlan::drain(LONG));
    assert!(since.elapsed() < LONG / 2, "it does not wait for the stop");
    gate.open();
    wait_for(|| pool.stop_handle().phase() == PoolPhase::Done);
    assert_eq!(pool.stop(Duration::ZERO).completed(), 1);
}

#[test]
fn a_stop_asks_again_for_the_thread_that_joins_the_workers() {
    play("late joiner", "3..9");
}

fn late_joiner() {
    let pool = Pool::new(2).unwrap();
    let report = pool.stop(LONG);
    assert!(report.is_clean(), "{report}");
}

#[test]
fn a_stop_keeps_its_deadline_where_no_thread_can_be_had() {
    play("kept deadline", "3+");
}

fn kept_deadline() {
    // Each thread may start two; so the workers, which would help, cannot start any more.
    let (tell, told) = bounded(2);
    let pool = Pool::builder().threads(2).on_worker_start(move |_| {
        for _ in 0..2 {
            thread::spawn(|| ()).join().unwrap();
        }
        tell.send(()).unwrap();
    });
    let pool = pool.build().unwrap();
    told.iter().take(2).for_each(drop);
    let since = Instant::now();
    pool.stop_handle().request_stop(Duration::from_millis(300));
    let requested = since.elapsed();
    assert!(requested < Duration::from_secs(2), "{requested:?}");
    let report = pool.stop(Duration::from_millis(300));
    assert!(report.elapsed() < Duration::from_secs(2), "{report}");
    assert_eq!(report.lingering().len(), 2, "{report}");
}

#[test]
fn a_stop_does_not_wait_for_a_worker_that_asks_for_the_timer() {
    // The worker has used up two when its task fails.
    play("stopped retry", "3+");
}

fn stopped_retry() {
    let pool = Pool::new(1).unwrap();
    let (tell, told) = bounded(1);
    let task = pool.task("it").retry(Retry::fixed(LONG));
    let handle = task.submit(move |_| {
        for _ in 0..2 {
            thread::spawn(|| ()).join().unwrap();
        }
        tell.send(()).unwrap();
        Err::<(), _>("no connection")
    });
    told.recv().unwrap();
    // It asks for two seconds.
    thread::sleep(Duration::from_millis(100));
    let report = pool.stop(Duration::from_millis(1500));
    assert_eq!(
        (report.abandoned().len(), report.lingering().len()),
        (0, 0),
        "{report}"
    );
    drop(handle);
}

#[test]
fn a_stop_calls_no_closure_of_on_cancel_itself_where_no_thread_can_be_had() {
    play("closures", "3+");
}

fn closures() {
    // This thread has used up its two, and so has the worker when it registers the closure.
    let pool = Pool::new(2).unwrap();
    let gate = Gate::new();
    let entrance = gate.entrance();
    let (tell, told) = bounded(1);
    let waits = pool.submit_with(move |ctx| {
        for _ in 0..2 {
            thread::spawn(|| ()).join().unwrap();
        }
        let _guard = ctx.stopping().on_cancel(move || entrance.pass());
        tell.send(()).unwrap();
        ctx.stopping().wait();
    });
    told.recv().unwrap();
    let report = pool.stop(LONG);
    assert!(report.abandoned().is_empty(), "{report}");
    waits.unwrap().join().unwrap();
    gate.open();
}
