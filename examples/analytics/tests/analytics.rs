//! The example `analytics`: whatever stops it, and when, every event is in a file, or a dead
//! letter, or in the spool, once.
#![cfg(unix)]

#[path = "../../../tests/common/mod.rs"]
mod common;

use common::examples::{
    example, finish, full_pipe, interrupt, make_fifo, output, send, start_telling, text,
    wait_until_told,
};
use serde_json::Value;
use std::collections::HashSet;
use std::fs;
use std::io::{BufReader, Read};
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Output};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

fn analytics(folder: &TempDir) -> Command {
    let mut command = example("analytics", folder);
    command.args(["--folder", "events"]);
    command
}

/// As fast as it can.
fn hurried(folder: &TempDir) -> Command {
    let mut command = analytics(folder);
    command.args(["--pause", "0"]);
    command
}

/// The files whose names begin so, in their order, and their lines.
fn files(folder: &TempDir, prefix: &str) -> Vec<Vec<Value>> {
    let entries = fs::read_dir(folder.path().join("events"))
        .into_iter()
        .flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with(prefix) && name.ends_with(".jsonl")
        })
        .collect();
    paths.sort();
    let read = |path| {
        let text = fs::read_to_string(path).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    paths.into_iter().map(read).collect()
}

fn ids(events: &[Value]) -> Vec<String> {
    let id = |event: &Value| match &event["event"] {
        Value::Null => event["id"].as_str().unwrap().to_owned(),
        dead => dead["id"].as_str().unwrap().to_owned(),
    };
    events.iter().map(id).collect()
}

/// What its last line says.
#[derive(Debug, Default, PartialEq)]
struct Counts {
    made: usize,
    written: usize,
    files: usize,
    dead: usize,
    kept: usize,
}

fn counts(output: &Output) -> Counts {
    let stdout = text(&output.stdout);
    let Some(line) = stdout.lines().find(|line| line.contains(" made, ")) else {
        return Counts::default(); // interrupted before it could take signals
    };
    let numbers = line.split(' ').filter_map(|word| word.parse().ok());
    let [made, written, files, dead, kept] = numbers.collect::<Vec<usize>>()[..] else {
        panic!("{stdout}{}", text(&output.stderr));
    };
    Counts {
        made,
        written,
        files,
        dead,
        kept,
    }
}

#[test]
fn left_alone_it_writes_every_event_and_ends() {
    let folder = TempDir::new().unwrap();
    let options = ["--events", "1000", "--max-items", "50", "--full-in", "3"];
    let output = output(hurried(&folder).args(options).args(["--bad-in", "100"]));
    let log = text(&output.stderr);
    assert!(
        log.lines().all(|line| line.contains("1 item given up")),
        "{log}"
    );
    assert_eq!(output.status.code(), Some(0));
    let counts = counts(&output);
    assert_eq!((counts.made, counts.kept), (1_000, 0));
    assert_eq!(counts.written + counts.dead, 1_000);

    let (written, dead) = (files(&folder, "events-"), files(&folder, "dead").concat());
    assert_eq!(written.len(), counts.files);
    assert!(written.iter().all(|file| (1..=50).contains(&file.len())));
    assert_eq!(written.concat().len(), counts.written);
    assert_eq!(dead.len(), counts.dead);
    for grave in &dead {
        assert!(
            grave["error"]
                .as_str()
                .unwrap()
                .starts_with("invalid utf-8")
        );
        assert!(grave["event"]["page"].is_array());
    }
    let all: HashSet<String> = ids(&[written.concat(), dead].concat())
        .into_iter()
        .collect();
    assert_eq!(all.len(), 1_000);
}

#[test]
fn the_same_seed_is_the_same_events_and_no_file_is_larger_than_allowed() {
    let made = [(); 2].map(|()| {
        let folder = TempDir::new().unwrap();
        let options = ["--events", "300", "--seed", "7", "--full-in", "0"];
        let bytes = [
            "--max-bytes",
            "1000",
            "--max-items",
            "1000",
            "--bad-in",
            "0",
        ];
        let output = output(hurried(&folder).args(options).args(bytes));
        assert_eq!(output.status.code(), Some(0));
        for file in files(&folder, "events-") {
            let bytes: usize = file.iter().map(|event| event.to_string().len() + 1).sum();
            assert!(bytes <= 1_000, "{bytes}");
        }
        files(&folder, "events-").concat()
    });
    assert_eq!(made[0].len(), 300);
    assert_eq!(made[0], made[1]);
}

#[test]
fn what_a_full_disk_did_not_take_is_in_the_spool_and_written_by_the_next_start() {
    for signal in ["INT", "TERM"] {
        let folder = TempDir::new().unwrap();
        let full = [
            "--events",
            "30",
            "--full-in",
            "1",
            "--max-items",
            "7",
            "--stop-timeout",
            "200",
        ];
        let (child, mut stderr) = start_telling(hurried(&folder).args(full));
        wait_until_told(&mut stderr, vec!["every event is made"]);
        send(&child, &[signal]);
        let stopped = finish(child);
        assert_eq!(
            text(&stopped.stdout),
            "30 made, 0 written to 0 files, 0 dead, 30 kept in events/spool.jsonl\n"
        );
        assert_eq!(stopped.status.code(), Some(75));
        let kept = ids(&files(&folder, "spool").concat());

        let output = output(hurried(&folder).args(["--events", "0", "--full-in", "0"]));
        let said = text(&output.stdout);
        assert!(
            said.starts_with("30 found in events/spool.jsonl\n0 made, "),
            "{said}"
        );
        assert_eq!(output.status.code(), Some(0));
        let dead = ids(&files(&folder, "dead").concat());
        let written = ids(&files(&folder, "events-").concat());
        let order = kept.iter().filter(|id| !dead.contains(id));
        assert!(written.iter().eq(order), "in their order");
    }
}

#[test]
fn a_dead_letter_that_cannot_be_written_is_kept_and_written_by_the_next_start() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("events")).unwrap();
    let dead = folder.path().join("events/dead.jsonl");
    symlink("/dev/full", &dead).unwrap();
    let options = ["--events", "100", "--bad-in", "10", "--full-in", "0"];
    let stopped = output(hurried(&folder).args(options));
    let first = counts(&stopped);
    assert_eq!(stopped.status.code(), Some(75), "{stopped:?}");
    assert_eq!(first.dead, 0);
    assert_eq!((first.made, first.written + first.kept), (100, 100));
    assert!(first.kept > 0);
    let said = text(&stopped.stdout);
    assert!(
        said.contains("\nnot all dead letters could be written, the others are left: No space"),
        "{said}"
    );

    fs::remove_file(&dead).unwrap();
    let output = output(hurried(&folder).args(["--events", "0", "--full-in", "0"]));
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(counts(&output).dead, first.kept);
    assert_eq!(files(&folder, "dead").concat().len(), first.kept);
}

#[test]
fn what_cannot_be_saved_is_named_and_the_report_is_printed_all_the_same() {
    let folder = TempDir::new().unwrap();
    // A folder is where the new file would be.
    fs::create_dir_all(folder.path().join("events/spool.new")).unwrap();
    let full = ["--events", "30", "--full-in", "1", "--stop-timeout", "200"];
    let (child, mut stderr) = start_telling(hurried(&folder).args(full));
    wait_until_told(&mut stderr, vec!["every event is made"]);
    interrupt(&child);
    let output = finish(child);
    let mut told = String::new();
    stderr.read_to_string(&mut told).unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    let named = said.lines().filter_map(|line| line.strip_prefix("  "));
    let named: Vec<Value> = named
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(ids(&named).into_iter().collect::<HashSet<_>>().len(), 30);
    assert!(
        said.contains("30 not saved in events/spool.jsonl\n"),
        "{said}"
    );
    assert!(told.contains("host analytics: NOT CLEAN"), "{told}");
}

#[test]
fn two_analytics_do_not_undo_what_the_other_one_did() {
    let folder = TempDir::new().unwrap();
    let full = ["--events", "30", "--full-in", "1", "--stop-timeout", "200"];
    let (child, mut stderr) = start_telling(hurried(&folder).args(full));
    wait_until_told(&mut stderr, vec!["every event is made"]);
    let second = output(&mut hurried(&folder));
    assert_eq!(second.status.code(), Some(1));
    let told = "analytics: another analytics runs with events; give --folder another one\n";
    assert_eq!(text(&second.stderr), told);
    interrupt(&child);
    assert_eq!(finish(child).status.code(), Some(75));
}

/// Five events, in the middle of whose file the disk is stuck, until what is returned is
/// read; and a signal whose deadline has passed.
#[cfg(target_os = "linux")]
fn stopped_in_the_middle_of_a_file(folder: &TempDir) -> (Child, fs::File) {
    let events = folder.path().join("events");
    fs::create_dir(&events).unwrap();
    let path = events.join("events-000000.new");
    make_fifo(&path);
    let pipe = full_pipe(&path);
    let mut command = hurried(folder);
    command.args(["--events", "5", "--full-in", "0", "--bad-in", "0"]);
    command.args(["--max-items", "5", "--stop-timeout", "1500"]);
    command.env("RUST_LOG", "analytics=debug,groundcrew=info");
    let mut child = command.spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    wait_until_told(&mut stderr, vec!["every event is made"]);
    interrupt(&child);
    wait_until_told(&mut stderr, vec!["host analytics: NOT CLEAN"]);
    thread::spawn(move || stderr.read_to_end(&mut Vec::new()));
    (child, pipe)
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_written_behind_the_deadline_is_not_in_the_spool_as_well() {
    let folder = TempDir::new().unwrap();
    let (child, mut pipe) = stopped_in_the_middle_of_a_file(&folder);
    let mut written = vec![0; 1 << 20];
    while pipe.read(&mut written).is_ok() {}
    let output = finish(child);
    assert!(folder.path().join("events/events-000000.jsonl").exists());
    assert_eq!(
        text(&output.stdout),
        "5 made, 5 written to 1 files, 0 dead, 0 kept in events/spool.jsonl\n"
    );
    assert!(files(&folder, "spool").concat().is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_never_gets_written_is_kept_and_named_as_unknown() {
    let folder = TempDir::new().unwrap();
    let (child, _pipe) = stopped_in_the_middle_of_a_file(&folder);
    let output = finish(child);
    let said = text(&output.stdout);
    let head = "5 made, 0 written to 0 files, 0 dead, 5 kept in events/spool.jsonl\n\
                no answer came in time, may be sent twice:\n  {";
    assert!(said.starts_with(head), "{said}");
    assert_eq!(said.lines().count(), 7, "{said}");
    assert_eq!(output.status.code(), Some(75));
    assert_eq!(files(&folder, "spool").concat().len(), 5);
}

#[test]
fn interrupted_at_any_moment_it_loses_no_event_and_writes_none_twice() {
    let chains = [0; 4].map(|_| thread::spawn(interrupted_five_times));
    for chain in chains {
        chain.join().unwrap();
    }
}

fn interrupted_five_times() {
    let folder = TempDir::new().unwrap();
    let mut made = 0;
    let mut run = |options: &[&str], interrupted_after: Option<Duration>| {
        let child = analytics(&folder).args(options).spawn().unwrap();
        if let Some(moment) = interrupted_after {
            thread::sleep(moment);
            interrupt(&child);
        }
        let output = finish(child);
        let counts = counts(&output);
        made += counts.made;
        let written = ids(&files(&folder, "events-").concat());
        let dead = ids(&files(&folder, "dead").concat());
        let kept = ids(&files(&folder, "spool").concat());
        let sum = written.len() + dead.len() + kept.len();
        assert_eq!(sum, made, "{counts:?} {}", text(&output.stderr));
        let different: HashSet<String> = [written, dead, kept].concat().into_iter().collect();
        assert_eq!(different.len(), made, "{counts:?}");
        output.status.code()
    };
    for _ in 0..5 {
        // Any moment, that before the first instruction included.
        let moment = Duration::from_millis(fastrand::u64(..400));
        let pause = ["--pause", ["0", "1"][fastrand::usize(..2)]];
        let options = ["--events", "400", "--max-items", "20", "--bad-in", "40"];
        let options = [
            &options[..],
            &["--full-in", "3", "--stop-timeout", "400"],
            &pause,
        ]
        .concat();
        let code = run(&options, Some(moment));
        assert!(matches!(code, None | Some(0 | 75)), "{code:?}");
    }
    assert_eq!(run(&["--events", "1", "--full-in", "0"], None), Some(0));
    assert!(files(&folder, "spool").concat().is_empty());
}
