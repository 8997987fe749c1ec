//! Scenarios: parts of a test that need a process of their own. The parent runs its own test
//! binary again, with the name of a scenario in the environment; the test `scenario` plays it.

use std::ffi::OsStr;
use std::process::{Command, Output, Stdio};

/// The variable that holds the scenario's name.
pub(crate) const SCENARIO: &str = "GROUNDCREW_SCENARIO";

/// A command that plays a scenario.
pub(crate) fn play(scenario: &str) -> Command {
    play_by(std::env::current_exe().unwrap(), [""; 0], scenario)
}

/// The same, run by `program` with `arguments`.
pub(crate) fn play_by<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = A>,
    scenario: &str,
) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .args(["--exact", "scenario", "--nocapture", "--test-threads=1"])
        .env(SCENARIO, scenario)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null());
    command
}

/// Plays a scenario in which, in each thread of the process, these attempts to start another
/// thread fail, as in `"3..6"` or `"3+"`: the first is number 1. `None`, with a line that says
/// so, where `strace` is missing.
pub(crate) fn refusing_threads(scenario: &str, failing: &str) -> Option<Output> {
    let inject = format!("inject=clone3,clone:error=EAGAIN:when={failing}");
    let trace = [
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=clone3,clone",
        "-e",
        &inject,
    ];
    let probe = Command::new("strace").args(trace).arg("true").output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: strace cannot be had, so failing spawns are not injected");
        return None;
    }
    let own = std::env::current_exe().unwrap();
    let arguments = [&trace[..], &[own.to_str().unwrap()]].concat();
    Some(play_by("strace", arguments, scenario).output().unwrap())
}

/// Plays a scenario whose stdout and stderr are a terminal of this width; both are in the stdout of
/// what is returned. `None`, with a line that says so, where `script` is missing.
#[cfg(target_os = "linux")]
pub(crate) fn play_on_a_terminal(scenario: &str, columns: usize) -> Option<Output> {
    let own = std::env::current_exe().unwrap();
    let own = own.to_str().unwrap();
    let command = format!("'{own}' --exact scenario --nocapture --test-threads=1");
    let mut script = Command::new("script");
    script
        .args(["-qec", &command, "/dev/null"])
        .env(SCENARIO, scenario)
        .env("COLUMNS", columns.to_string())
        .stdin(Stdio::null());
    let output = script.output();
    if output.is_err() {
        eprintln!("SKIPPED: script cannot be had, so there is no terminal");
    }
    output.ok()
}
