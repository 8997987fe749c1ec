//! The examples that need no signals, run as their users run them.
#![cfg(unix)]

mod common;

use common::examples::{example, output, text};

#[test]
fn abandoned_names_every_task_and_what_became_of_it() {
    let output = output(&mut example("abandoned", "."));
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(75), "{stdout}{stderr}");
    assert!(stderr.contains("no such row"), "{stderr}");
    let numbers = "accepted 7 = completed 1 + panicked 1 + cancelled 0 + expired 0 + unstarted 3 \
                   + abandoned 2 + stopping 0";
    for line in [
        numbers,
        "slow takes no cancel token; a verb that ends in _with gives it one",
        "stuck has a token and did not check it; its last note: asked the mirror, waiting for its answer",
        "panics: the task panicked: no such row",
        "cooperative: \"left between two rows\"",
        "slow: the task was still running when the pool's stop ended",
        "stuck: the task was still running when the pool's stop ended",
        "first mail, run here: \"sent\"",
        "second mail, resubmitted: \"sent\"",
        "third mail, dropped: the pool was stopped before the task started",
        "1 of 2 still runs",
        "stuck will be cut off when main returns",
        "Exit code 75: try again later.",
    ] {
        let found = stdout.lines().any(|printed| printed.trim() == line);
        assert!(found, "{line}\n{stdout}");
    }
    let listed = |kind: &str, name: &str| {
        let mut lines = stdout.lines();
        lines.any(|line| line.starts_with(&format!("  {kind}  #")) && line.contains(name))
    };
    for name in ["\"slow\"", "\"stuck\""] {
        assert!(listed("abandoned", name), "{name}\n{stdout}");
    }
    for name in ["\"first mail\"", "\"second mail\"", "\"third mail\""] {
        assert!(listed("unstarted", name), "{name}\n{stdout}");
    }
}

/// A line of the summary.
struct Row {
    offered: u64,
    accepted: u64,
    refused: u64,
    queue_peak: u64,
    overflow_peak: u64,
}

#[test]
fn the_numbers_of_backpressure_add_up() {
    let output = output(&mut example("backpressure", "."));
    let stdout = text(&output.stdout);
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));

    let (charts, table) = stdout.split_once("  offered").unwrap();
    let row = |verb: &str| {
        let line = table.lines().find(|line| line.starts_with(verb)).unwrap();
        let numbers = line[verb.len()..].split_whitespace();
        let numbers: Vec<u64> = numbers.filter_map(|number| number.parse().ok()).collect();
        let [
            offered,
            accepted,
            refused,
            _waited,
            queue_peak,
            overflow_peak,
        ] = numbers[..]
        else {
            panic!("{line}");
        };
        Row {
            offered,
            accepted,
            refused,
            queue_peak,
            overflow_peak,
        }
    };
    for verb in [
        "submit  ",
        "execute",
        "try_submit",
        "when_full(4 ms)",
        "submit in a task",
    ] {
        let row = row(verb);
        assert_eq!(row.offered, 40, "{verb}");
        assert_eq!(row.accepted + row.refused, row.offered, "{verb}");
        assert!(row.queue_peak <= 8, "{verb}");
        let may_refuse = ["try_submit", "when_full(4 ms)"].contains(&verb);
        assert!(row.refused == 0 || may_refuse, "{verb}");
        let may_overflow = verb == "submit in a task";
        assert!(row.overflow_peak == 0 || may_overflow, "{verb}");
    }
    for line in charts.lines().filter(|line| line.contains("waiting")) {
        let number: usize = line.split_whitespace().nth(5).unwrap().parse().unwrap();
        assert_eq!(line.matches(['#', '+']).count(), number, "{line}");
    }
}
