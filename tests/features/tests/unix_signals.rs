//! The program chooses what each signal does. Signals belong to the process, so every test
//! has one of its own: it runs this same binary again, with the name of a scenario.
#![cfg(unix)]

#[path = "../../common/mod.rs"]
mod common;

use common::{LONG, within};
use groundcrew::channel::select;
use groundcrew::signals::{self, Signal, SignalError, stop_on_any_of, stop_on_signal};
use groundcrew::stop::PoolPhase;
use groundcrew::{Host, Pool};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio, exit};
use std::thread;

const SCENARIO: &str = "GROUNDCREW_SCENARIO";

fn play(command: &mut Command, scenario: &str) -> Playing {
    let mut child = command
        .args(["--exact", "scenario", "--nocapture", "--test-threads=1"])
        .env(SCENARIO, scenario)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    Playing { child, lines }
}

fn this() -> Command {
    Command::new(std::env::current_exe().unwrap())
}

struct Playing {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Playing {
    fn wait_for(&mut self, what: &str) {
        within(LONG, what, || {
            let mut line = String::new();
            while !line.contains(what) {
                line.clear();
                let read = self.lines.read_line(&mut line).unwrap();
                assert!(read > 0, "it ended before it said {what}");
            }
        });
    }

    fn send(&self, signal: Signal) {
        kill(signal, self.child.id());
    }

    /// Exit code and stderr.
    fn end(mut self) -> (Option<i32>, String) {
        within(LONG, "the scenario", || {
            let mut told = String::new();
            self.lines.read_to_string(&mut told).unwrap();
            told.clear();
            let mut stderr = self.child.stderr.take().unwrap();
            stderr.read_to_string(&mut told).unwrap();
            (self.child.wait().unwrap().code(), told)
        })
    }
}

fn kill(signal: Signal, process: u32) {
    let signal = signal.to_string().replace("SIG", "-");
    let status = Command::new("kill")
        .args([signal, process.to_string()])
        .status();
    assert!(status.unwrap().success());
}

fn kill_this(signal: Signal) {
    kill(signal, std::process::id());
}

#[test]
fn scenario() {
    let Ok(scenario) = std::env::var(SCENARIO) else {
        return;
    };
    match scenario.as_str() {
        "reload" => reload(),
        "several are one" => several_are_one(),
        "receiver dropped" => receiver_dropped(),
        "in use" => in_use(),
        "waits" => wait_for_interrupt_or_terminate(),
        "quit stops" => quit_stops(),
        "two handlers" => two_handlers(),
        other => panic!("no scenario {other}"),
    }
    let _ = std::io::stdout().flush();
    exit(0);
}

/// A scenario that needs nobody but itself.
fn expect_success(scenario: &str) {
    let (code, told) = play(&mut this(), scenario).end();
    assert_eq!(code, Some(0), "{told}");
}

#[test]
fn one_signal_reloads_as_often_as_it_comes_and_another_stops() {
    let mut daemon = play(&mut this(), "reload");
    // The first one came while it started, before there was a service.
    daemon.wait_for("reload 1");
    for number in 2..5 {
        daemon.send(Signal::Hup);
        daemon.wait_for(&format!("reload {number}"));
    }
    daemon.send(Signal::Term);
    daemon.wait_for("clean");
    let (code, told) = daemon.end();
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains("signal received (SIGTERM), stopping"),
        "{told}"
    );
}

fn reload() {
    let hangup = signals::receiver(Signal::Hup).unwrap();
    kill_this(Signal::Hup);
    let mut host = Host::builder();
    host.background("reload", move |ctx| {
        let stopped = ctx.token().receiver();
        for number in 1.. {
            select! {
                recv(hangup) -> signal => {
                    assert_eq!(signal, Ok(Signal::Hup));
                    println!("reload {number}");
                }
                recv(stopped) -> _ => break,
            }
        }
        Ok(())
    });
    let host = host.build().unwrap();
    let report = host.run_until_any_of([Signal::Int, Signal::Term]).unwrap();
    println!("{report}");
    exit(report.exit_code().into());
}

#[test]
fn signals_that_wait_to_be_seen_are_one_and_do_not_keep_others_back() {
    expect_success("several are one");
}

fn several_are_one() {
    let usr1 = signals::receiver(Signal::Usr1).unwrap();
    let usr2 = signals::receiver(Signal::Usr2).unwrap();
    assert_eq!((usr1.signal(), usr2.signal()), (Signal::Usr1, Signal::Usr2));
    for _ in 0..3 {
        kill_this(Signal::Usr1);
    }
    kill_this(Signal::Usr2);
    assert_eq!(usr2.recv(), Ok(Signal::Usr2));
    assert_eq!(usr1.recv(), Ok(Signal::Usr1));
    // A clone is the same receiver.
    let clone = usr2.clone();
    drop(usr2);
    kill_this(Signal::Usr2);
    assert_eq!(clone.recv(), Ok(Signal::Usr2));
    assert!(clone.is_empty());
}

#[test]
fn a_signal_whose_receiver_is_gone_is_ignored_and_can_be_received_again() {
    expect_success("receiver dropped");
}

fn receiver_dropped() {
    let hangup = signals::receiver(Signal::Hup).unwrap();
    let usr2 = signals::receiver(Signal::Usr2).unwrap();
    drop(hangup);
    kill_this(Signal::Hup);
    // What came after it has been answered.
    kill_this(Signal::Usr2);
    usr2.recv().unwrap();
    let hangup = signals::receiver(Signal::Hup).unwrap();
    kill_this(Signal::Hup);
    assert_eq!(hangup.recv(), Ok(Signal::Hup));
}

#[test]
fn a_signal_has_one_use_and_the_error_says_what_to_do() {
    expect_success("in use");
}

fn in_use() {
    let pool = Pool::new(1).unwrap();
    let stop = pool.stop_handle();
    let hangup = signals::receiver(Signal::Hup).unwrap();
    let second = signals::receiver(Signal::Hup).unwrap_err();
    assert!(matches!(second, SignalError::InUse(Signal::Hup)));
    let error = stop_on_signal(&stop, LONG).unwrap_err();
    assert!(matches!(error, SignalError::InUse(Signal::Hup)));
    let error = error.to_string();
    for advice in ["SIGHUP", "stop_on_any_of", "clone"] {
        assert!(error.contains(advice), "{error}");
    }
    let guard = stop_on_any_of([Signal::Int, Signal::Term], &stop, LONG).unwrap();
    let taken = signals::receiver(Signal::Int).unwrap_err();
    assert!(matches!(taken, SignalError::InUse(Signal::Int)));
    let second = stop_on_any_of([Signal::Quit], &stop, LONG).unwrap_err();
    assert!(matches!(second, SignalError::AlreadyTaken));
    // What is given back can be used for something else.
    drop((guard, hangup));
    let int = signals::receiver(Signal::Int).unwrap();
    let guard = stop_on_any_of([Signal::Hup], &stop, LONG).unwrap();
    kill_this(Signal::Int);
    assert_eq!(int.recv(), Ok(Signal::Int));
    assert!(!guard.received());
}

#[test]
fn a_signal_that_is_not_named_stays_ignored_as_under_nohup() {
    let probe = Command::new("nohup").arg("true").output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        eprintln!("SKIPPED: nohup cannot be had");
        return;
    }
    let mut command = Command::new("nohup");
    let mut child = play(command.arg(std::env::current_exe().unwrap()), "waits");
    child.wait_for("ready");
    child.send(Signal::Hup);
    child.send(Signal::Term);
    let (code, told) = child.end();
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("signal received (SIGTERM)"), "{told}");
}

fn wait_for_interrupt_or_terminate() {
    let pool = Pool::new(1).unwrap();
    let signals = [Signal::Int, Signal::Term];
    let guard = stop_on_any_of(signals, &pool.stop_handle(), LONG).unwrap();
    println!("ready");
    // It is said before the stop is requested.
    while pool.stop_handle().phase() == PoolPhase::Open {
        thread::yield_now();
    }
    assert_eq!(guard.signal(), Some(Signal::Term));
    assert!(pool.stop(LONG).is_clean());
}

#[test]
fn a_signal_that_is_left_alone_by_default_stops_where_it_is_named() {
    expect_success("quit stops");
}

fn quit_stops() {
    let pool = Pool::new(1).unwrap();
    let guard = stop_on_any_of([Signal::Quit], &pool.stop_handle(), LONG).unwrap();
    kill_this(Signal::Quit);
    while !guard.received() {
        thread::yield_now();
    }
    assert_eq!(guard.signal(), Some(Signal::Quit));
}

#[test]
fn a_handler_that_was_there_before_is_called_too() {
    expect_success("two handlers");
}

/// Installed with `ctrlc`, which is the other feature's crate.
fn two_handlers() {
    let (tell, told) = groundcrew::channel::bounded(1);
    ctrlc::set_handler(move || tell.send(()).unwrap()).unwrap();
    let pool = Pool::new(1).unwrap();
    let guard = stop_on_signal(&pool.stop_handle(), LONG).unwrap();
    kill_this(Signal::Int);
    told.recv().unwrap();
    while !guard.received() {
        thread::yield_now();
    }
}

#[test]
fn a_panic_in_a_scenario_is_seen() {
    let (code, told) = play(&mut this(), "no such scenario").end();
    assert_ne!(code, Some(0), "{told}");
}
