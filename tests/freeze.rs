//! A process that stood still: what is judged by its time is judged by the time that it had.
//!
//! The parent runs this same binary again with the name of a scenario in its environment, and
//! stops it (SIGSTOP) for three seconds; `scenario` below then does that instead of testing.
#![cfg(target_os = "linux")]

mod common;

use common::examples::text;
use common::host::{failures, host, wait};
use common::{LONG, within};
use groundcrew::channel::{Receiver, bounded};
use groundcrew::host::ServiceResult;
use groundcrew::schedule::MisfirePolicy;
use groundcrew::{Pool, Schedule, Scheduler, ServiceContext};
use std::io::{BufRead, BufReader, stdin};
use std::process::{Child, Command, Output, Stdio, exit};
use std::thread;
use std::time::{Duration, Instant};

const SCENARIO: &str = "GROUNDCREW_SCENARIO";
/// What the child prints when it may be stopped.
const READY: &str = "ready to be frozen";
const FREEZE: Duration = Duration::from_secs(3);
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn scenario() {
    let Ok(scenario) = std::env::var(SCENARIO) else {
        return;
    };
    match scenario.as_str() {
        "all in time" => all_in_time(),
        "one silent" => one_silent(),
        other => panic!("no scenario {other}"),
    }
}

fn signal(child: &Child, signal: &str) {
    let pid = child.id().to_string();
    let kill = Command::new("kill").args([signal, &pid]).status();
    assert!(kill.unwrap().success());
}

fn is_stopped(child: &Child) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    stat.rsplit(')').next().unwrap().starts_with(" T")
}

/// Runs the scenario, freezes it when it is ready, and closes its stdin some time after its
/// wake: so its judges have looked.
fn frozen(scenario: &str) -> Output {
    let own = std::env::current_exe().unwrap();
    let mut child = Command::new(own)
        .args(["--exact", "scenario", "--nocapture", "--test-threads=1"])
        .env(SCENARIO, scenario)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    within(LONG, scenario, || {
        let out = BufReader::new(child.stdout.as_mut().unwrap());
        let mut lines = out.lines().map(Result::unwrap);
        assert!(lines.any(|line| line.contains(READY)), "it ended too early");
        signal(&child, "-STOP");
        while !is_stopped(&child) {
            thread::yield_now();
        }
        thread::sleep(FREEZE);
        signal(&child, "-CONT");
        thread::sleep(Duration::from_millis(300));
        child.wait_with_output().unwrap()
    })
}

fn ready() {
    println!("{READY}");
}

/// Disconnected when the parent has closed the stdin of this process: after the freeze.
fn thaw() -> Receiver<()> {
    let (hold, thawed) = bounded(0);
    thread::spawn(move || {
        let _hold = hold;
        let _ = stdin().lines().count();
    });
    thawed
}

fn beat(ctx: &ServiceContext) -> ServiceResult {
    loop {
        ctx.heartbeat();
        ctx.sleep(Duration::from_millis(100))?;
    }
}

#[test]
fn what_was_in_time_before_three_seconds_of_freeze_is_in_time_after_it() {
    let output = frozen("all in time");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

fn all_in_time() {
    let (thawed, pool) = (thaw(), Pool::new(2).unwrap());
    let (begin, begun) = bounded(2);
    let scheduler = Scheduler::new(pool.submitter());
    let entry = scheduler
        .entry("due in the freeze", Schedule::after(SECOND))
        .misfire(MisfirePolicy::Skip)
        .missed_after(2 * SECOND)
        .run(|_| Ok(()))
        .unwrap();
    let host = {
        let (begin, thawed) = (begin.clone(), thawed.clone());
        host(LONG, |host| {
            host.background("beats", beat)
                .heartbeat_timeout(SECOND)
                .fail_on_missed_heartbeat();
            host.startup_task("slow", move |ctx| {
                begin.send(())?;
                let _ = thawed.recv();
                Ok(ctx.token().check()?)
            })
            .start_timeout(SECOND);
        })
    };
    let handle = host.handle();
    let running = thread::spawn(|| host.run());
    let task = {
        let thawed = thawed.clone();
        pool.task("limited")
            .time_limit(SECOND)
            .submit_with(move |ctx| {
                begin.send(()).unwrap();
                let _ = thawed.recv();
                ctx.token().check()
            })
    };
    (0..2).for_each(|_| begun.recv().unwrap());
    scheduler.start().unwrap();
    ready();
    while thawed.try_recv().is_err_and(|end| end.is_empty()) {
        assert!(handle.is_alive(), "{:?}", handle.status());
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(task.unwrap().join().unwrap(), Ok(()));
    handle.wait_until(|status| status.is_ready());
    let report = handle.stop();
    assert_eq!(failures(&running.join().unwrap()), [""; 0]);
    assert!(report.is_clean(), "{report}");
    assert_eq!((entry.status().runs(), entry.status().missed()), (1, 0));
    exit(0);
}

#[test]
fn one_that_stays_silent_after_the_freeze_is_found_out_a_period_later() {
    let output = frozen("one silent");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

fn one_silent() {
    let report = host(LONG, |host| {
        host.background("silent", |ctx| {
            ctx.heartbeat();
            ready();
            wait(ctx)
        })
        .heartbeat_timeout(SECOND)
        .fail_on_missed_heartbeat();
    });
    let begun = Instant::now();
    let report = report.run();
    assert!(begun.elapsed() >= FREEZE, "{report}");
    assert_eq!(
        failures(&report),
        ["service \"silent\" timed out in run: no heartbeat for 1 s"]
    );
    exit(0);
}
