//! The example `mailer`: whatever fails, and whenever it is stopped, every mail is
//! accounted for, and the server's account is the same.
#![cfg(unix)]

#[path = "../../../tests/common/mod.rs"]
mod common;

use common::examples::{
    example, finish, insist, interrupt, output, start_telling, text, wait_until_told,
};
use std::collections::HashSet;
use std::io::{BufReader, Read};
use std::process::{Child, ChildStderr, Command, Output};
use std::thread;
use std::time::{Duration, Instant};

/// With as many attempts as it takes, however busy the machine is.
fn mailer(options: &[&str]) -> Command {
    let mut command = example("mailer", ".");
    command.arg("--attempts=1000000").args(options);
    command
}

/// What it prints on stdout.
#[derive(Debug)]
struct Summary {
    sent: usize,
    given_up: usize,
    not_sent: usize,
    unknown: usize,
    acknowledged: usize,
    twice: usize,
    /// A mail each, with what became of it.
    listed: Vec<String>,
}

impl Summary {
    fn of(output: &Output) -> Summary {
        let stdout = text(&output.stdout);
        let lines: Vec<&str> = stdout.lines().collect();
        let (first, last) = (lines.first().unwrap(), lines.last().unwrap());
        let numbers = first.split(' ').chain(last.split(' '));
        let numbers: Vec<usize> = numbers.filter_map(|word| word.parse().ok()).collect();
        let [sent, given_up, not_sent, unknown, acknowledged, twice] = numbers[..] else {
            panic!("{stdout}");
        };
        let listed = lines.iter().filter_map(|line| line.strip_prefix("  "));
        Summary {
            sent,
            given_up,
            not_sent,
            unknown,
            acknowledged,
            twice,
            listed: listed.map(str::to_owned).collect(),
        }
    }

    /// Every mail is accounted for, and by the server in the same way.
    fn check(&self, mails: usize) {
        let sum = self.sent + self.given_up + self.not_sent + self.unknown;
        assert_eq!(sum, mails, "{self:?}");
        assert_eq!(self.listed.len(), mails - self.sent, "{self:?}");
        let mail = |line: &String| line.split(':').next().unwrap().to_owned();
        let different: HashSet<String> = self.listed.iter().map(mail).collect();
        assert_eq!(different.len(), self.listed.len(), "{self:?}");
        assert_eq!((self.acknowledged, self.twice), (self.sent, 0), "{self:?}");
    }
}

#[test]
fn every_mail_is_sent_once_or_given_up_whatever_fails() {
    let start = |seed: u32| {
        let seed = format!("--seed={seed}");
        let child = mailer(&[&seed, "--failures=40", "--mails=80", "--takes=1"]);
        { child }.spawn().unwrap()
    };
    let children: Vec<Child> = (0..8).map(start).collect();
    for (seed, child) in children.into_iter().enumerate() {
        let output = finish(child);
        let summary = Summary::of(&output);
        summary.check(80);
        assert_eq!((summary.not_sent, summary.unknown), (0, 0), "seed {seed}");
        // A sixth of the mails is for nobody.
        assert!(summary.given_up > 0, "seed {seed}: {summary:?}");
        for mail in &summary.listed {
            let refused = mail.contains("to nobody@example.com: no such user (");
            assert!(refused, "seed {seed}: {mail}");
        }
        assert_eq!(output.status.code(), Some(0), "seed {seed}");
    }
}

#[test]
fn the_breaker_opens_while_the_server_is_down_and_closes_when_it_is_up_again() {
    let options = ["--failures=0", "--down-after=10", "--down-for=14"];
    let output = output(&mut mailer(&options));
    let told = text(&output.stderr);
    let changes = told
        .lines()
        .filter_map(|line| line.strip_prefix("circuit breaker \"smtp\": "));
    let changes: Vec<&str> = changes.collect();
    let count = |what: &str| {
        changes
            .iter()
            .filter(|change| change.contains(what))
            .count()
    };
    assert_eq!(
        changes[0], "open for 0.2 s, after 3 failures in a row",
        "{told}"
    );
    let reopened = count("open for 0.2 s, since it failed again");
    assert!(reopened > 0, "{told}");
    assert_eq!(count("half-open, a call is tried"), reopened + 1, "{told}");
    assert_eq!(count("closed, the call succeeded"), 1, "{told}");
    assert_eq!(changes.len(), 1 + reopened + reopened + 1 + 1, "{told}");
    assert_eq!(
        changes.last(),
        Some(&"closed, the call succeeded"),
        "{told}"
    );

    let summary = Summary::of(&output);
    summary.check(60);
    assert_eq!((summary.not_sent, summary.unknown), (0, 0));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn what_fails_in_every_attempt_is_given_up_with_their_number() {
    let mut command = example("mailer", ".");
    let output = output(command.args(["--failures=100", "--attempts=3", "--mails=7"]));
    let summary = Summary::of(&output);
    summary.check(7);
    assert_eq!(summary.given_up, 7);
    assert!(
        summary.listed.iter().all(|mail| mail.ends_with(" (3)")),
        "{summary:?}"
    );
    assert!(text(&output.stdout).contains("\ngiven up, all attempts failed:\n"));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn interrupted_at_any_moment_it_names_what_was_not_sent_and_the_server_agrees() {
    let chains = [0; 4].map(|_| thread::spawn(interrupted_five_times));
    for chain in chains {
        chain.join().unwrap();
    }
}

fn interrupted_five_times() {
    for _ in 0..5 {
        let seed = format!("--seed={}", fastrand::u32(..));
        let child = mailer(&[&seed, "--failures=30"]).spawn().unwrap();
        // Any moment, that before the first instruction included.
        thread::sleep(Duration::from_millis(fastrand::u64(..1500)));
        interrupt(&child);
        let interrupted = Instant::now();
        let output = finish(child);
        let took = interrupted.elapsed();
        assert!(took < Duration::from_secs(8), "{took:?}");
        if output.status.code().is_none() {
            assert_eq!(text(&output.stdout), "", "it could not take signals yet");
            continue;
        }
        let summary = Summary::of(&output);
        summary.check(60);
        assert_eq!(summary.unknown, 0, "{seed}: {summary:?}");
        let expected = if summary.not_sent > 0 { 75 } else { 0 };
        assert_eq!(output.status.code(), Some(expected), "{seed}: {summary:?}");
    }
}

/// Twenty mails, of which four are with a server that does not answer.
fn start_with_a_stuck_server(stop_timeout: &str) -> (Child, BufReader<ChildStderr>) {
    let mut command = mailer(&[
        "--mails=20",
        "--takes=36000000",
        "--failures=0",
        stop_timeout,
    ]);
    let (child, mut stderr) = start_telling(&mut command);
    let sent = vec!["mail 1 to", "mail 2 to", "mail 3 to", "mail 4 to"];
    wait_until_told(&mut stderr, sent);
    (child, stderr)
}

fn expect_four_unknown(child: Child, mut stderr: BufReader<ChildStderr>) {
    let output = finish(child);
    let mut told = String::new();
    stderr.read_to_string(&mut told).unwrap();
    let summary = Summary::of(&output);
    summary.check(20);
    assert_eq!((summary.not_sent, summary.unknown), (16, 4), "{summary:?}");
    assert!(told.contains(": 4 abandoned, "), "{told}");
    assert_eq!(output.status.code(), Some(75));
}

#[test]
fn a_server_that_does_not_answer_keeps_no_stop_beyond_its_deadline() {
    let (child, stderr) = start_with_a_stuck_server("--stop-timeout=300");
    interrupt(&child);
    expect_four_unknown(child, stderr);
}

#[test]
fn the_second_signal_does_not_wait_for_a_server_that_does_not_answer() {
    let (child, mut stderr) = start_with_a_stuck_server("--stop-timeout=100000000");
    interrupt(&child);
    wait_until_told(&mut stderr, vec!["signal received"]);
    insist(&child, "INT");
    expect_four_unknown(child, stderr);
}

#[test]
fn threads_that_have_nothing_to_do_any_more_are_nothing_that_is_left_to_do() {
    let mut command = mailer(&["--mails=3", "--failures=0", "--takes=0"]);
    // So many do not leave within the few milliseconds that a stop without time gives them.
    command.args(["--threads=2000", "--stop-timeout=0"]);
    let output = output(&mut command);
    let summary = Summary::of(&output);
    summary.check(3);
    assert_eq!(summary.sent, 3, "{summary:?}");
    let told = text(&output.stderr);
    assert!(told.contains(" lingering"), "{told}");
    assert_eq!(output.status.code(), Some(0), "{told}");
}
