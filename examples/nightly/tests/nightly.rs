//! The jobs by the clock: what runs when the clocks change, a year of it, and Ctrl-C.
#![cfg(unix)]

#[path = "../../../tests/common/mod.rs"]
mod common;

use common::examples::{example, interrupt, masked, output, text};
use common::{LONG, within};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Output};
use std::sync::Mutex;
use std::thread;

fn nightly(options: &[&str]) -> Output {
    output(example("nightly", ".").args(options))
}

/// What it prints of a year; it has nothing to complain about. One after the other: each
/// has the machine for itself, as far as this test goes.
fn year(options: &[&str]) -> String {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock();
    let output = nightly(options);
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
    text(&output.stdout)
}

/// All that are within this hour.
fn warmed(hour: &str, offset: &str) -> Vec<String> {
    let minutes = (0..60).step_by(5);
    minutes
        .map(|minute| format!("{hour}:{minute:02}:00{offset}  warm the cache"))
        .collect()
}

#[test]
fn a_year_in_london_runs_fixed_times_once_and_the_interval_in_both_passes() {
    let mut expected =
        vec!["2026-03-29: the clocks of Europe/London go forward from 01:00 to 02:00".to_owned()];
    expected.extend(warmed("2026-03-29T00", "+00:00"));
    expected.push("2026-03-29T02:00:00+01:00  back up".to_owned());
    expected.push("2026-03-29T02:00:00+01:00  clean up".to_owned());
    expected.extend(warmed("2026-03-29T02", "+01:00"));
    expected.push("2026-03-29T03:00:00+01:00  warm the cache".to_owned());
    expected.push(String::new());

    expected.push("2026-10-25: the clocks of Europe/London go back from 02:00 to 01:00".to_owned());
    let mut first_pass = warmed("2026-10-25T01", "+01:00");
    first_pass.insert(6, "2026-10-25T01:30:00+01:00  back up".to_owned());
    expected.extend(first_pass);
    expected.extend(warmed("2026-10-25T01", "+00:00"));
    expected.push("2026-10-25T02:00:00+00:00  clean up".to_owned());
    expected.push("2026-10-25T02:00:00+00:00  warm the cache".to_owned());
    expected.push(String::new());

    let totals = "\
2026 in Europe/London           runs  missed  overlapped
back up                          365       0           0
clean up                         365       0           0
newsletter                       365       0           0
warm the cache                105120       0           0
weekly report                     52       0           0
close the month                   12       0           0";
    expected.extend(totals.lines().map(str::to_owned));

    let printed = year(&["--simulate", "2026"]);
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
}

/// Without the runs of the interval, and how many those are.
fn fixed_times(printed: &str) -> (Vec<&str>, usize) {
    let is_interval = |line: &&str| line.starts_with("20") && line.ends_with("  warm the cache");
    let (interval, fixed): (Vec<&str>, Vec<&str>) = printed.lines().partition(is_interval);
    (fixed, interval.len())
}

#[test]
fn a_year_in_new_york_makes_up_for_the_time_left_out_and_keeps_that_of_london() {
    let printed = year(&["--simulate=2026", "--zone=America/New_York"]);
    let (fixed, interval) = fixed_times(&printed);
    let expected = [
        "2026-03-08: the clocks of America/New_York go forward from 02:00 to 03:00",
        "2026-03-08T01:30:00-05:00  back up",
        "2026-03-08T03:00:00-04:00  clean up",
        "",
        "2026-11-01: the clocks of America/New_York go back from 02:00 to 01:00",
        "2026-11-01T01:30:00-04:00  back up",
        "2026-11-01T02:00:00-05:00  clean up",
        "",
        "2026 in America/New_York        runs  missed  overlapped",
        "back up                          365       0           0",
        "clean up                         365       0           0",
        "newsletter                       365       0           0",
        "warm the cache                105120       0           0",
        "weekly report                     52       0           0",
        "close the month                   12       0           0",
    ];
    assert_eq!(fixed, expected);
    assert_eq!(interval, 2 * 25);
}

#[test]
fn a_leap_year_on_lord_howe_knows_changes_of_half_an_hour() {
    let printed = year(&["--simulate=2028", "--zone=Australia/Lord_Howe"]);
    let (fixed, interval) = fixed_times(&printed);
    let expected = [
        "2028-04-02: the clocks of Australia/Lord_Howe go back from 02:00 to 01:30",
        "2028-04-02T01:30:00+11:00  back up",
        "2028-04-02T02:00:00+10:30  clean up",
        "",
        "2028-10-01: the clocks of Australia/Lord_Howe go forward from 02:00 to 02:30",
        "2028-10-01T01:30:00+10:30  back up",
        "2028-10-01T02:30:00+11:00  clean up",
        "2028-10-01T03:00:00+11:00  newsletter",
        "",
        "2028 in Australia/Lord_Howe     runs  missed  overlapped",
        "back up                          366       0           0",
        "clean up                         366       0           0",
        "newsletter                       366       0           0",
        "warm the cache                105408       0           0",
        "weekly report                     52       0           0",
        "close the month                   12       0           0",
    ];
    assert_eq!(fixed, expected);
    assert_eq!(interval, 2 * 13);
}

#[test]
fn the_table_shows_the_next_runs_on_the_clocks_of_each_zone() {
    let output = nightly(&[
        "--table",
        "--from=2026-10-24T23:00:00-02:00",
        "--count=2",
        "--zones=Europe/London,UTC,Asia/Kathmandu",
    ]);
    let expected = "                 \
                 Europe/London              UTC                        Asia/Kathmandu
back up          2026-10-26T01:30:00+00:00  2026-10-26T01:30:00+00:00  2026-10-26T07:15:00+05:45
                 2026-10-27T01:30:00+00:00  2026-10-27T01:30:00+00:00  2026-10-27T07:15:00+05:45
clean up         2026-10-25T02:00:00+00:00  2026-10-25T02:00:00+00:00  2026-10-25T07:45:00+05:45
                 2026-10-26T02:00:00+00:00  2026-10-26T02:00:00+00:00  2026-10-26T07:45:00+05:45
newsletter       2026-10-25T17:00:00+00:00  2026-10-25T17:00:00+00:00  2026-10-25T22:45:00+05:45
                 2026-10-26T17:00:00+00:00  2026-10-26T17:00:00+00:00  2026-10-26T22:45:00+05:45
warm the cache   2026-10-25T01:05:00+00:00  2026-10-25T01:05:00+00:00  2026-10-25T06:50:00+05:45
                 2026-10-25T01:10:00+00:00  2026-10-25T01:10:00+00:00  2026-10-25T06:55:00+05:45
weekly report    2026-10-26T09:00:00+00:00  2026-10-26T09:00:00+00:00  2026-10-26T14:45:00+05:45
                 2026-11-02T09:00:00+00:00  2026-11-02T09:00:00+00:00  2026-11-02T14:45:00+05:45
close the month  2026-10-31T23:45:00+00:00  2026-10-31T23:45:00+00:00  2026-11-01T05:30:00+05:45
                 2026-11-30T23:45:00+00:00  2026-11-30T23:45:00+00:00  2026-12-01T05:30:00+05:45
";
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

/// A failed test leaves no process behind.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn ctrl_c_ends_it_cleanly_and_with_its_report() {
    let mut command = example("nightly", ".");
    let mut running = Running(command.args(["--zones=UTC"]).spawn().unwrap());
    let mut stdout = BufReader::new(running.0.stdout.take().unwrap());
    let (mut is_up, mut has_run) = (false, false);
    within(LONG, "the example", || {
        while !(is_up && has_run) {
            let mut line = String::new();
            assert!(stdout.read_line(&mut line).unwrap() > 0, "it has ended");
            let is_run = line.starts_with("20") && line.ends_with("  warm the cache\n");
            has_run |= is_run;
            is_up |= line.contains("2 services are up");
        }
    });
    interrupt(&running.0);

    let (mut rest, mut told) = (String::new(), String::new());
    let code = within(LONG, "the example", || {
        stdout.read_to_string(&mut rest).unwrap();
        let mut stderr = running.0.stderr.take().unwrap();
        stderr.read_to_string(&mut told).unwrap();
        running.0.wait().unwrap().code()
    });
    let lines: Vec<String> = rest.lines().map(masked).collect();
    let report = lines
        .iter()
        .skip_while(|line| !line.starts_with("host nightly: clean"));
    let report: Vec<&str> = report.map(String::as_str).take(6).collect();
    // At the end of five minutes one more has run.
    let pool = report.last().and_then(|line| line.rsplit_once(": "));
    let expected = [
        "host nightly: clean after _ s (deadline _ s): 2 services",
        "  why        signal received",
        "  phases     start _ s   ran _ s   delay _ s   stop _ s",
        "  stopped    \"workers\"  after _ s",
        "  stopped    \"schedules\"  after _ s",
    ];
    assert_eq!(report.get(..5), Some(&expected[..]), "{rest}{told}");
    let expected = "  pool \"nightly\": stop: clean after _ s (deadline _ s)";
    assert_eq!(pool.map(|(pool, _)| pool), Some(expected), "{rest}{told}");
    assert_eq!((code, told.as_str()), (Some(0), ""));
}

/// One that remembers its runs on this file; and the lines that it prints up to this one.
fn remembering(file: &Path, last: &str) -> (Running, Vec<String>) {
    let mut command = example("nightly", ".");
    let mut running = Running(command.arg("--remember").arg(file).spawn().unwrap());
    let mut stdout = BufReader::new(running.0.stdout.take().unwrap()).lines();
    let mut lines = Vec::new();
    within(LONG, "the example", || {
        while lines
            .last()
            .is_none_or(|line: &String| !line.ends_with(last))
        {
            lines.push(stdout.next().expect("it has ended").unwrap());
        }
    });
    // It would stop where its output is not read.
    thread::spawn(move || stdout.for_each(drop));
    (running, lines)
}

#[test]
fn a_backup_that_was_missed_is_made_up_for_once_and_a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs");
    let schedule = "cron \"30 1 * * *\" in Europe/London";
    let line = |next: &str| format!("{next}\t-\tback up\t{schedule}\n");
    // As a process has left it in 2026, on the 1st of March.
    let left = format!(
        "groundcrew schedules 1\nsaved\t1772300000.000000000\n{}end\n",
        line("1772328600.000000000")
    );
    fs::write(&file, left).unwrap();

    let (mut running, lines) = remembering(&file, "  back up");
    let runs = lines.iter().filter(|line| line.ends_with("  back up"));
    let times: Vec<&str> = runs.map(|line| &line[10..19]).collect();
    assert_eq!(times, ["T01:30:00"], "its true time: {lines:?}");

    let second = nightly(&["--remember", file.to_str().unwrap()]);
    let told = text(&second.stderr);
    assert!(told.contains("another scheduler"), "{told}");
    assert_eq!(second.status.code(), Some(1));

    interrupt(&running.0);
    let status = within(LONG, "the example", || running.0.wait().unwrap());
    assert_eq!(status.code(), Some(0));
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("back up") && !text.contains("1772328600"),
        "{text}"
    );

    // There is nothing left to make up for.
    let (_running, lines) = remembering(&file, "  warm the cache");
    let repeated = lines.iter().any(|line| line.ends_with("  back up"));
    assert!(!repeated, "{lines:?}");
}

#[test]
fn wrong_options_are_an_error_with_what_to_write_instead() {
    let zone = "there is no time zone \"Mars/Base\"; write a name of the IANA database";
    for (options, message) in [
        (&["--zone=Mars/Base"][..], zone),
        (&["--zones=UTC,Mars/Base"], zone),
        (&["--simulate=12026"], "12026 is not in 1970..=9998"),
        (&["--simulate=1969"], "1969 is not in 1970..=9998"),
        (&["--simulate=next"], "invalid digit"),
        (&["--from=yesterday"], "failed to parse"),
        (&["--count=0"], "0 is not in 1.."),
        (&["--simulate=2026", "--table"], "cannot be used with"),
    ] {
        let output = nightly(options);
        let told = text(&output.stderr);
        assert!(told.contains(message), "{options:?}: {told}");
        assert_eq!(output.status.code(), Some(2), "{options:?}");
    }
}
