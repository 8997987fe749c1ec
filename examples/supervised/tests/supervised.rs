//! The example that fails in every way, held against its own documentation.
#![cfg(unix)]

#[path = "../../../tests/common/mod.rs"]
mod common;

use common::examples::{example, finish, insist, interrupt, masked, output, text, wait_until_told};
use std::io::{BufRead, BufReader, Read};
use std::process::Child;

/// One of the runs that the documentation tells of.
struct Told {
    command: String,
    last_lines: Vec<String>,
    exit_code: i32,
}

fn documented() -> Vec<Told> {
    let source = include_str!("../src/main.rs");
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    let lines: Vec<&str> = lines
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    let runs = lines.split(|line| line.is_empty() || line.starts_with("```"));
    let runs = runs.filter_map(|run| {
        let (command, rest) = run.split_first()?;
        let (exit_code, last_lines) = rest.split_last()?;
        Some(Told {
            command: command.strip_prefix("$ supervised ")?.to_owned(),
            last_lines: last_lines.iter().map(|line| masked(line)).collect(),
            exit_code: exit_code.strip_prefix("exit code ")?.parse().unwrap(),
        })
    });
    runs.collect()
}

#[test]
fn every_run_ends_as_its_documentation_says() {
    let runs = documented();
    assert!(runs.len() > 12, "only {} runs are documented", runs.len());
    let start = |told: &Told| {
        let mut command = example("supervised", ".");
        command.args(told.command.split(' ')).spawn().unwrap()
    };
    // Two at once: each of them sleeps most of its time, and waits half a second for a heartbeat.
    for told in runs.chunks(2) {
        let children: Vec<Child> = told.iter().map(start).collect();
        told.iter().zip(children).for_each(expect_end);
    }
}

fn expect_end((told, child): (&Told, Child)) {
    let output = finish(child);
    let printed = text(&output.stderr) + &text(&output.stdout);
    let lines: Vec<String> = printed.lines().map(masked).collect();
    let last_lines = lines.iter().rev().take(told.last_lines.len()).rev();
    let last_lines: Vec<&String> = last_lines.collect();
    let expected: Vec<&String> = told.last_lines.iter().collect();
    assert_eq!(last_lines, expected, "{}\n{printed}", told.command);
    let code = output.status.code();
    assert_eq!(code, Some(told.exit_code), "{}", told.command);
}

/// The example with a service that does not end, when its stop has been requested.
fn told_to_stop_in_vain() -> (Child, impl BufRead) {
    let mut command = example("supervised", ".");
    let mut child = command
        .args(["--fail", "hang"])
        .env("RUST_LOG", "info")
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    wait_until_told(&mut stderr, vec!["index: has run for a while"]);
    interrupt(&child);
    wait_until_told(&mut stderr, vec!["stopping: signal received"]);
    (child, stderr)
}

#[test]
fn the_second_signal_does_not_wait_for_one_that_hangs() {
    let (child, mut stderr) = told_to_stop_in_vain();
    insist(&child, "TERM");
    let output = finish(child);
    let mut told = String::new();
    stderr.read_to_string(&mut told).unwrap();
    assert!(told.contains("second signal received"), "{told}");
    assert!(
        told.contains("  abandoned  \"index\"  stop requested "),
        "{told}"
    );
    assert_eq!(output.status.code(), Some(75), "{told}");
}

#[test]
fn a_signal_while_it_starts_is_no_failure() {
    let mut command = example("supervised", ".");
    let mut child = command
        .args(["--fail", "start-hang"])
        .env("RUST_LOG", "info")
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    wait_until_told(&mut stderr, vec!["service \"db\" is up"]);
    interrupt(&child);
    let output = finish(child);
    assert!(
        text(&output.stdout).contains("  not started  \"web\""),
        "{}",
        text(&output.stdout)
    );
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn help_names_every_way_to_fail_and_wrong_usage_is_an_error() {
    let help = text(&output(example("supervised", ".").arg("--help")).stdout);
    for way in [
        "start-panic",
        "start-hang",
        "permanent",
        "heartbeat",
        "stuck",
        "ignore",
    ] {
        assert!(help.contains(way), "{way}: {help}");
    }
    for wrong in ["--fail=never", "--policy=hope", "--times=often"] {
        let output = output(example("supervised", ".").arg(wrong));
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
}
