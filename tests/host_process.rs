//! What needs a process of its own: threads that cannot be had, what is left behind,
//! what is printed.
//!
//! The parent runs this same binary again with the name of a scenario in its
//! environment; `scenario` below then does that instead of testing.
#![cfg(target_os = "linux")]

mod common;

use common::examples::text;
#[cfg(feature = "signals")]
use common::examples::{finish, send};
use common::host::{Puppet, host, wait};
use common::scenario::{SCENARIO, play, refusing_threads};
use common::{Gate, LONG, expected_panic, fill_pipe, within};
use groundcrew::host::{ServiceOutcome, StopReason};
use groundcrew::{Host, HostReport, Pool, ServiceContext, WorkQueue};
#[cfg(feature = "signals")]
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio, Termination, exit};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

fn output(scenario: &str) -> Output {
    play(scenario).output().unwrap()
}

#[test]
fn scenario() {
    let Ok(scenario) = std::env::var(SCENARIO) else {
        return;
    };
    match scenario.as_str() {
        "nothing left" => nothing_left(),
        "no threads" => no_threads(),
        "few threads" => few_threads(),
        "no driver" => no_driver(),
        "clean" => told(everybody_ends().run()),
        "left" => told(somebody_stays(Gate::new())),
        "failed" => told(somebody_fails().run()),
        "dropped" => dropped(),
        "report to a full stderr" => report_to_a_full_stderr(),
        "drop and a full stderr" => drop_and_a_full_stderr(),
        #[cfg(feature = "signals")]
        "slow to stop" => slow_to_stop(),
        other => panic!("no scenario {other}"),
    }
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Helpers that had nothing to do but to end may be on their way out.
fn wait_for_threads(count: usize) {
    while threads() > count {
        thread::yield_now();
    }
}

#[test]
fn after_a_clean_stop_no_thread_and_no_file_descriptor_is_left() {
    let output = output("nothing left");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

fn nothing_left() {
    let before = (threads(), descriptors());
    for runs in [true, false].repeat(20) {
        let (queue, pool) = (WorkQueue::new(9), Pool::new(2).unwrap());
        let host = host(LONG, |host| {
            host.add("pool", pool);
            host.add(
                "queue",
                queue.workers(2, || |_: &mut u32, _: &ServiceContext| Ok(())),
            );
            host.startup_task("warm-up", |_| Ok(()));
            host.service("plain", Puppet::new);
            host.background("asks", move |ctx| {
                if runs {
                    ctx.request_stop("enough");
                }
                wait(ctx)
            })
            .after(["pool", "queue"]);
        });
        queue.submit(1).unwrap();
        let report = match runs {
            true => host.run(),
            false => host.start().unwrap().stop(),
        };
        assert!(report.is_clean(), "{report}");
    }
    wait_for_threads(before.0);
    assert_eq!((threads(), descriptors()), before);
}

/// A host whose threads the system refuses, and how many of its parts were called.
fn unstartable(stack: usize, called: &Arc<AtomicUsize>) -> (Host, WorkQueue<u32>) {
    let (queue, pool) = (WorkQueue::new(9), Pool::new(1).unwrap());
    queue.submit(7).unwrap();
    pool.execute(|| ()).unwrap();
    let mut host = Host::builder();
    host.stack_size(stack);
    host.add("pool", pool);
    host.add(
        "queue",
        queue.workers(1, || |_: &mut u32, _: &ServiceContext| Ok(())),
    );
    for index in 0..10 {
        let called = called.clone();
        host.service(format!("{index}"), move || {
            called.fetch_add(1, SeqCst);
            Puppet::new()
        });
    }
    (host.build().unwrap(), queue)
}

fn check_unstarted(report: &HostReport, queue: &WorkQueue<u32>, called: &Arc<AtomicUsize>) {
    assert!(
        matches!(report.reason(), StopReason::NoThreads(_)),
        "{report}"
    );
    assert_eq!((called.load(SeqCst), Arc::strong_count(called)), (0, 1));
    let endings = report.services().iter().map(|it| it.outcome());
    assert!(
        endings
            .into_iter()
            .all(|it| matches!(it, ServiceOutcome::NotStarted))
    );
    assert_eq!((report.is_clean(), report.exit_code()), (false, 1));
    assert_eq!(report.pools()[0].completed(), 1);
    assert_eq!(queue.take_unstarted(), [7]);
}

#[test]
fn where_the_system_has_no_threads_nothing_is_started_and_nothing_lost() {
    let output = output("no threads");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

fn no_threads() {
    for runs in [true, false] {
        let (before, called) = (threads(), Arc::new(AtomicUsize::new(0)));
        let (host, queue) = unstartable(1 << 60, &called);
        let report = match runs {
            true => host.run(),
            false => host.start().unwrap_err().into_report(),
        };
        check_unstarted(&report, &queue, &called);
        assert!(queue.is_closed());
        wait_for_threads(before);
    }
}

#[test]
fn where_the_system_has_too_few_threads_nothing_is_started_and_nothing_lost() {
    // The first is that of the pool; then come those of twelve services, and last
    // that of the host.
    for (scenario, nth) in [("few threads", "8+"), ("no driver", "14+")] {
        let Some(output) = refusing_threads(scenario, nth) else {
            return;
        };
        assert!(
            output.status.success(),
            "{scenario}: {}",
            text(&output.stderr)
        );
    }
}

fn no_driver() {
    let (before, called) = (threads(), Arc::new(AtomicUsize::new(0)));
    let (host, queue) = unstartable(1 << 20, &called);
    let report = host.start().unwrap_err().into_report();
    assert!(
        report
            .reason()
            .to_string()
            .contains("no thread for the host"),
        "{report}"
    );
    // Nor is there one that joins theirs, but they leave by themselves.
    wait_for_threads(before);
    check_unstarted(&report, &queue, &called);
}

fn few_threads() {
    let (before, called) = (threads(), Arc::new(AtomicUsize::new(0)));
    let (host, queue) = unstartable(1 << 20, &called);
    let report = host.start().unwrap_err().into_report();
    assert!(
        report.reason().to_string().contains("could not be started"),
        "{report}"
    );
    check_unstarted(&report, &queue, &called);
    wait_for_threads(before);
}

fn everybody_ends() -> Host {
    host(LONG, |host| {
        host.background("import", |_| Ok(())).one_shot();
    })
}

fn somebody_stays(gate: Gate) -> HostReport {
    let entrance = gate.entrance();
    let stays = host(Duration::from_millis(20), |host| {
        host.background("stays", move |ctx| {
            ctx.note("row 3120 of 4000");
            ctx.request_stop("enough");
            entrance.pass();
            Ok(())
        });
    });
    let report = stays.run();
    gate.open();
    report
}

fn somebody_fails() -> Host {
    host(LONG, |host| {
        let both = Arc::new(Barrier::new(2));
        let other = both.clone();
        host.background("fails", move |_| {
            both.wait();
            Err("disk full")?
        });
        host.background("panics", move |_| {
            other.wait();
            expected_panic()
        });
    })
}

/// Ends as a `main` that returns the report does.
fn told(report: HostReport) {
    let code = report.exit_code();
    assert_eq!(report.report(), code.into());
    exit(code.into());
}

#[test]
fn a_report_that_is_not_clean_is_printed_and_the_exit_code_says_so() {
    for (scenario, code, says) in [
        ("clean", 0, None),
        ("left", 75, Some("row 3120 of 4000")),
        ("failed", 1, Some("disk full")),
    ] {
        let output = output(scenario);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{scenario}: {told}");
        assert_eq!(told.contains("NOT CLEAN"), says.is_some(), "{told}");
        assert!(says.is_none_or(|says| told.contains(says)), "{told}");
    }
}

/// The exit code of a scenario whose stderr is not read.
fn code_with_an_unread_stderr(scenario: &str) -> Option<i32> {
    let own = std::env::current_exe().unwrap();
    let mut child = Command::new(own)
        .args(["--exact", "scenario", "--nocapture", "--test-threads=1"])
        .env(SCENARIO, scenario)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = within(LONG, scenario, || child.wait().unwrap());
    status.code()
}

#[test]
fn a_full_stderr_that_is_not_read_keeps_no_process_from_its_end() {
    let code = code_with_an_unread_stderr("report to a full stderr");
    assert_eq!(code, Some(75));
    let code = code_with_an_unread_stderr("drop and a full stderr");
    assert_eq!(code, Some(0));
}

fn report_to_a_full_stderr() {
    let gate = Gate::new();
    let report = somebody_stays(gate);
    fill_pipe(2);
    told(report);
}

fn drop_and_a_full_stderr() {
    let queue = WorkQueue::new(9);
    queue.submit(7).unwrap();
    let host = host(LONG, |host| {
        host.add(
            "queue",
            queue.workers(1, || |_: &mut u32, _: &ServiceContext| Ok(())),
        );
    });
    fill_pipe(2);
    drop(host);
    exit(0);
}

#[cfg(feature = "signals")]
#[test]
fn signals_within_half_a_second_stop_a_host_once_and_as_it_wants_to_stop() {
    let own = std::env::current_exe().unwrap();
    let mut child = Command::new(own)
        .args(["--exact", "scenario", "--nocapture", "--test-threads=1"])
        .env(SCENARIO, "slow to stop")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("is up")));
    send(&child, &["TERM", "HUP", "INT"]);
    let output = finish(child);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("within 0.5 s it is the same"), "{told}");
    assert!(!told.contains("second signal"), "{told}");
}

#[cfg(feature = "signals")]
fn slow_to_stop() {
    let host = host(LONG, |host| {
        host.background("slow", |ctx| {
            println!("is up");
            ctx.token().wait();
            thread::sleep(Duration::from_millis(300));
            Ok(())
        });
    });
    let report = host.run_until_signal().unwrap();
    println!("{report}");
    told(report);
}

#[test]
fn what_a_dropped_host_leaves_behind_is_reported_on_stderr_where_there_is_no_logger() {
    let output = output("dropped");
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("host never was dropped:"), "{told}");
    assert!(told.contains("unstarted 1"), "{told}");
    assert!(told.contains("host deaf was dropped:"), "{told}");
    assert!(told.contains("abandoned"), "{told}");
    assert!(!told.contains("host clean was dropped:"), "{told}");
    assert!(!told.contains("host fetched was dropped:"), "{told}");
}

fn dropped() {
    let queue = WorkQueue::new(9);
    queue.submit(7).unwrap();
    drop(host(LONG, |host| {
        host.name("never");
        host.add(
            "queue",
            queue.workers(1, || |_: &mut u32, _: &ServiceContext| Ok(())),
        );
    }));
    let clean = host(LONG, |host| {
        host.name("clean");
        host.background("web", wait);
    });
    drop(clean.start().unwrap());
    for name in ["deaf", "fetched"] {
        let gate = Gate::new();
        let entrance = gate.entrance();
        let (tell, told) = common::host::signal();
        let deaf = host(Duration::from_millis(20), |host| {
            host.name(name);
            host.background("deaf", move |_| {
                tell.send(())?;
                entrance.pass();
                Ok(())
            });
        });
        let deaf = deaf.start().unwrap();
        told.recv().unwrap();
        if name == "fetched" {
            assert_eq!(deaf.stop().exit_code(), 75);
        }
        drop(deaf);
        gate.open();
    }
    exit(0);
}
