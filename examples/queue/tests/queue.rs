//! The example `queue`: whatever stops it, and when, no email is lost, and none is sent
//! twice.
#![cfg(unix)]

#[path = "../../../tests/common/mod.rs"]
mod common;

use common::examples::{
    example, finish, insist, interrupt, output, send, start_telling, text, wait_until_told,
};
use std::collections::HashSet;
use std::fs;
use std::io::{BufReader, Read};
use std::process::{Child, ChildStderr, Command, Output};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

fn queue(folder: &TempDir) -> Command {
    let mut command = example("queue", folder);
    command.args(["--spool", "spool", "--inbox", "inbox"]);
    command
}

/// The lines of a file; none where there is no file.
fn lines(folder: &TempDir, file: &str) -> Vec<String> {
    let text = fs::read_to_string(folder.path().join(file)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// What its last line says.
#[derive(Debug, Default, PartialEq)]
struct Counts {
    written: usize,
    sent: usize,
    kept: usize,
}

fn counts(output: &Output) -> Counts {
    let stdout = text(&output.stdout);
    let Some(line) = stdout.lines().last() else {
        return Counts::default(); // interrupted before it could take signals
    };
    let numbers = line.split(' ').filter_map(|word| word.parse().ok());
    let [written, sent, kept] = numbers.collect::<Vec<usize>>()[..] else {
        panic!("{stdout}{}", text(&output.stderr));
    };
    Counts {
        written,
        sent,
        kept,
    }
}

fn expect_each_once(emails: &[String]) {
    let different: HashSet<&String> = emails.iter().collect();
    assert_eq!(different.len(), emails.len(), "{emails:?}");
}

#[test]
fn left_alone_it_sends_every_email_and_ends() {
    let folder = TempDir::new().unwrap();
    let output = output(queue(&folder).args(["--emails", "200", "--takes", "1"]));
    assert_eq!(text(&output.stderr), "");
    assert_eq!(
        text(&output.stdout),
        "200 written, 200 sent, 0 kept in spool\n"
    );
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(lines(&folder, "inbox").len(), 200);
    expect_each_once(&lines(&folder, "inbox"));
    assert!(lines(&folder, "spool").is_empty());
}

/// Five emails, of which the server keeps two in its hands for hours.
fn start_with_a_stuck_server(
    folder: &TempDir,
    stop_timeout: &str,
) -> (Child, BufReader<ChildStderr>) {
    let mut command = queue(folder);
    command.args([
        "--emails",
        "5",
        "--takes",
        "36000000",
        "--stop-timeout",
        stop_timeout,
    ]);
    let (child, mut stderr) = start_telling(&mut command);
    wait_until_told(&mut stderr, vec!["5 emails are written", "is on its way"]);
    (child, stderr)
}

#[test]
fn the_first_signal_takes_back_what_the_server_has_and_the_next_start_sends_it() {
    for signal in ["INT", "TERM"] {
        let folder = TempDir::new().unwrap();
        let (child, _stderr) = start_with_a_stuck_server(&folder, "500");
        send(&child, &[signal]);
        let stopped = finish(child);
        assert_eq!(
            text(&stopped.stdout),
            "5 written, 0 sent, 5 kept in spool\n"
        );
        assert_eq!(stopped.status.code(), Some(75));
        let kept: HashSet<String> = lines(&folder, "spool").into_iter().collect();
        assert!(lines(&folder, "inbox").is_empty());

        let output = output(queue(&folder).args(["--emails", "0", "--takes", "1"]));
        let said = "5 found in spool\n0 written, 5 sent, 0 kept in spool\n";
        assert_eq!(text(&output.stdout), said);
        assert_eq!(output.status.code(), Some(0));
        let inbox = lines(&folder, "inbox");
        assert_eq!(inbox.len(), 5);
        assert_eq!(inbox.into_iter().collect::<HashSet<_>>(), kept);
    }
}

#[test]
fn the_second_signal_does_not_wait_for_the_server_and_keeps_what_it_has() {
    let folder = TempDir::new().unwrap();
    let (child, mut stderr) = start_with_a_stuck_server(&folder, "100000000");
    interrupt(&child);
    wait_until_told(&mut stderr, vec!["signal received"]);
    insist(&child, "INT");
    let output = finish(child);
    let mut told = String::new();
    stderr.read_to_string(&mut told).unwrap();
    assert!(told.contains("second signal received"), "{told}");
    assert_eq!(text(&output.stdout), "5 written, 0 sent, 5 kept in spool\n");
    assert_eq!(output.status.code(), Some(75));
    expect_each_once(&lines(&folder, "spool"));
    assert_eq!(lines(&folder, "spool").len(), 5);
}

#[test]
fn what_cannot_be_saved_is_named_and_the_report_is_printed_all_the_same() {
    let folder = TempDir::new().unwrap();
    // A folder is where the new file would be.
    fs::create_dir(folder.path().join("spool.new")).unwrap();
    let (child, mut stderr) = start_with_a_stuck_server(&folder, "500");
    interrupt(&child);
    let output = finish(child);
    let mut told = String::new();
    stderr.read_to_string(&mut told).unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    let named = said.lines().filter(|line| line.starts_with("  "));
    assert_eq!(named.filter(|line| line.contains("Dear reader")).count(), 5);
    assert!(
        said.starts_with("5 written, 0 sent, 5 not saved in spool\n"),
        "{said}"
    );
    assert!(
        said.contains("not saved, it is as before this run: spool: "),
        "{said}"
    );
    assert!(told.contains("host mailer: NOT CLEAN"), "{told}");
}

#[test]
fn two_queues_do_not_undo_what_the_other_one_did() {
    let folder = TempDir::new().unwrap();
    let (child, _stderr) = start_with_a_stuck_server(&folder, "500");
    let second = output(&mut queue(&folder));
    assert_eq!(second.status.code(), Some(1));
    let told = "queue: another queue runs with spool; give --spool another file\n";
    assert_eq!(text(&second.stderr), told);
    interrupt(&child);
    assert_eq!(finish(child).status.code(), Some(75));
    assert_eq!(lines(&folder, "spool").len(), 5);
}

#[test]
fn interrupted_at_any_moment_it_loses_no_email_and_sends_none_twice() {
    let chains = [0; 4].map(|_| thread::spawn(interrupted_five_times));
    for chain in chains {
        chain.join().unwrap();
    }
}

fn interrupted_five_times() {
    let folder = TempDir::new().unwrap();
    let (mut written, mut sent) = (0, 0);
    let mut run = |options: &[&str], interrupted_after: Option<Duration>| {
        let child = queue(&folder).args(options).spawn().unwrap();
        if let Some(moment) = interrupted_after {
            thread::sleep(moment);
            interrupt(&child);
        }
        let output = finish(child);
        let counts = counts(&output);
        written += counts.written;
        sent += counts.sent;
        let (kept, inbox) = (lines(&folder, "spool"), lines(&folder, "inbox"));
        expect_each_once(&inbox);
        assert_eq!(inbox.len(), sent, "{counts:?}");
        assert_eq!(inbox.len() + kept.len(), written, "{counts:?}");
        output.status.code()
    };
    let options = ["--emails", "40", "--takes", "30", "--stop-timeout", "400"];
    for _ in 0..5 {
        // Any moment, that before the first instruction included.
        let moment = Duration::from_millis(fastrand::u64(..500));
        let code = run(&options, Some(moment));
        assert!(matches!(code, None | Some(0 | 75)), "{code:?}");
    }
    assert_eq!(run(&["--emails", "1", "--takes", "0"], None), Some(0));
    assert!(lines(&folder, "spool").is_empty());
}

#[test]
fn a_service_that_the_stop_abandons_is_no_email_that_is_left() {
    let folder = TempDir::new().unwrap();
    let mut command = queue(&folder);
    // So many workers do not leave within the few milliseconds of a stop without time.
    command.args(["--emails=0", "--workers=1000", "--stop-timeout=0"]);
    let output = output(&mut command);
    let told = text(&output.stderr);
    assert!(told.contains("NOT CLEAN"), "{told}");
    assert_eq!(text(&output.stdout), "0 written, 0 sent, 0 kept in spool\n");
    assert_eq!(output.status.code(), Some(0), "{told}");
}
