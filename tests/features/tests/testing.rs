//! What the feature `testing` offers, tested.

use groundcrew::host::{HostStatus, Restart, ServiceState};
use groundcrew::retry::Backoff;
use groundcrew::testing::{Diary, Entrance, Gate, HangGuard, ManualClock, Puppet};
use groundcrew::{Host, Pool, StopPlan};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_gate_lets_the_asked_number_through_and_knows_what_waits() {
    let _guard = HangGuard::new(LONG);
    let (gate, diary) = (Gate::new(), Diary::new());
    thread::scope(|scope| {
        for _ in 0..5 {
            let (entrance, diary) = (gate.entrance(), diary.clone());
            scope.spawn(move || {
                entrance.wait();
                diary.write("through");
            });
        }
        gate.wait_for(5);
        assert!(diary.entries().is_empty());
        for through in 1..=3 {
            gate.pass(1);
            assert_eq!(
                gate.waiting(),
                5 - through,
                "those let through do not count"
            );
            diary.wait_for("through", through);
        }
        assert_eq!(diary.entries().len(), 3);
        gate.open();
        diary.wait_for("through", 5);
        assert_eq!(gate.waiting(), 0);
    });
}

#[test]
fn a_clock_advanced_to_a_time_of_day_moves_both_hands_and_never_back() {
    let hour = Duration::from_secs(3600);
    let clock = ManualClock::new();
    let midnight = clock.wall();
    clock.advance_to(midnight + hour);
    assert_eq!((clock.wall(), clock.elapsed()), (midnight + hour, hour));
    clock.advance_to(midnight);
    assert_eq!((clock.wall(), clock.elapsed()), (midnight + hour, hour));
    clock.set_wall(midnight);
    clock.advance_to(midnight + 2 * hour);
    assert_eq!(clock.wall(), midnight + 2 * hour);
    assert_eq!(clock.elapsed(), 3 * hour);
}

#[test]
fn who_comes_to_a_gate_after_a_pass_does_not_take_it_from_those_before() {
    let _guard = HangGuard::new(LONG);
    for _ in 0..200 {
        let gate = Gate::new();
        thread::scope(|scope| {
            let first = gate.entrance();
            let first = scope.spawn(move || first.wait());
            gate.wait_for(1);
            gate.pass(1);
            let second = gate.entrance();
            scope.spawn(move || second.wait());
            first.join().unwrap();
            gate.wait_for(1);
            gate.open();
        });
    }
}

#[test]
fn passes_are_kept_for_those_who_come_later() {
    let _guard = HangGuard::new(LONG);
    let gate = Gate::new();
    gate.pass(usize::MAX);
    gate.pass(usize::MAX);
    let entrance = gate.entrance();
    (0..1_000).for_each(|_| entrance.wait());
    assert!(!gate.is_open());
}

#[test]
fn a_dropped_gate_is_open_also_for_those_who_have_not_come_yet() {
    let _guard = HangGuard::new(LONG);
    let gate = Gate::new();
    let late = gate.entrance();
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let entrance = gate.entrance();
            thread::spawn(move || entrance.wait())
        })
        .collect();
    gate.wait_for(3);
    let fail = AssertUnwindSafe(|| {
        let _gate = gate;
        // As `panic!` does, without a word.
        std::panic::resume_unwind(Box::new("the test failed"));
    });
    assert!(catch_unwind(fail).is_err());
    waiting
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    late.wait();
}

#[test]
fn a_wait_for_threads_at_an_open_gate_is_refused() {
    let _guard = HangGuard::new(LONG);
    let gate = Gate::new();
    gate.open();
    gate.wait_for(0);
    let wait = AssertUnwindSafe(|| gate.wait_for(1));
    let payload = catch_unwind(wait).unwrap_err();
    let text = payload.downcast_ref::<&str>().unwrap();
    assert_eq!(*text, "no thread waits at a gate that is open");
}

#[test]
fn a_gate_in_a_pool_of_a_failed_test_leaves_no_thread_behind() {
    let _guard = HangGuard::new(LONG);
    let pool = Pool::new(1).unwrap();
    let stop = pool.stop_handle();
    let (gate, diary) = (Gate::new(), Diary::new());
    for _ in 0..3 {
        let (entrance, diary): (Entrance, _) = (gate.entrance(), diary.clone());
        pool.execute(move || {
            entrance.wait();
            diary.write("done");
        })
        .unwrap();
    }
    gate.wait_for(1);
    // In the order in which a failed test drops them.
    drop((gate, pool));
    let report = stop.stop(StopPlan::drain(LONG));
    assert!(report.is_clean(), "{report}");
    assert_eq!(diary.entries().len(), 3);
}

#[test]
fn a_puppet_writes_of_its_parts_also_of_those_that_fail() {
    let _guard = HangGuard::new(LONG);
    let (clock, diary) = (ManualClock::new(), Diary::new());
    let of_web = diary.clone();
    let mut attempts = 0;
    let mut host = Host::builder();
    host.clock(&clock);
    host.service("web", move || {
        attempts += 1;
        let puppet = Puppet::new().diary(&of_web);
        match attempts {
            1 => puppet.run(|_| Err("no luck")?),
            2 => puppet.start(|_| Err("no luck")?),
            _ => puppet.stop(|_| Err("no luck")?),
        }
    })
    .on_failure(Restart::new().backoff(Backoff::fixed(LONG)));
    let host = host.build().unwrap().start().unwrap();
    for failures in 1..=2 {
        diary.wait_for("web drop", failures);
        let in_pause =
            |status: &HostStatus| status.services()[0].state() == ServiceState::Restarting;
        assert!(host.handle().wait_until(in_pause));
        clock.advance(LONG);
    }
    diary.wait_for("web run", 2);
    let report = host.stop();
    assert_eq!(report.failures().len(), 3);
    let expected = "start run stop drop start drop start run stop drop";
    let expected: Vec<_> = expected
        .split(' ')
        .map(|part| format!("web {part}"))
        .collect();
    assert_eq!(diary.entries(), expected);
}

// The guard against tests that hang: it ends the process, so it is tested in one of its own.

const SCENARIO: &str = "GROUNDCREW_SCENARIO";

/// This binary, playing a scenario.
fn play(scenario: &str) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "scenario", "--nocapture"])
        .env(SCENARIO, scenario)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn scenario() {
    match std::env::var(SCENARIO).as_deref() {
        Ok("hangs") => hangs(),
        Ok("hangs with stderr") => hangs_with_stderr(),
        Ok("guards end") => guards_end(),
        _ => {}
    }
}

const SOON: Duration = Duration::from_secs(1);
const LINE_OF_THE_GUARD: u32 = line!() + 6;

fn hangs() {
    let test = thread::Builder::new().name("the_test_that_hangs".to_owned());
    let body = || {
        let gate = Gate::new();
        let _guard = HangGuard::new(SOON);
        gate.wait_for(1);
    };
    test.spawn(body).unwrap().join().unwrap();
}

fn hangs_with_stderr() {
    let _guard = HangGuard::new(SOON);
    let _stderr = std::io::stderr().lock();
    Gate::new().wait_for(1);
}

fn is_aborted(output: &Output) -> bool {
    #[cfg(unix)]
    return std::os::unix::process::ExitStatusExt::signal(&output.status) == Some(6);
    #[cfg(not(unix))]
    !output.status.success()
}

#[test]
fn a_test_that_hangs_says_where_and_what_its_threads_are_doing() {
    let output = play("hangs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(is_aborted(&output), "{told}");
    let file = file!();
    let place = format!("hangs: {file}:{LINE_OF_THE_GUARD}:22");
    let what = format!("{place}, thread \"the_test_that_hangs\": not done after 1 s");
    assert!(told.contains(&what), "{told}");
    if cfg!(all(target_os = "linux", not(miri))) {
        let line = told
            .lines()
            .find(|line| line.contains("\"the_test_that_h\""));
        let line = line.unwrap_or_else(|| panic!("{told}"));
        assert!(line.starts_with("  thread "), "{told}");
        assert!(line.contains("  sleeping in "), "{told}");
        assert!(!told.contains("hang-guard"), "{told}");
    }
}

#[test]
fn a_test_that_hangs_and_holds_stderr_is_ended_all_the_same() {
    assert!(is_aborted(&play("hangs with stderr")));
}

#[test]
fn guards_that_are_dropped_in_time_leave_no_thread() {
    let output = play("guards end");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
}

fn guards_end() {
    let before = threads();
    for limit in [Duration::MAX, LONG, Duration::from_secs(1 << 40)] {
        (0..100).for_each(|_| drop(HangGuard::new(limit)));
    }
    // One that was joined may be seen for a moment longer.
    while threads() > before {
        thread::yield_now();
    }
}

/// How many threads this process has; only Linux tells.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}
