//! The example `gzip`, run as its users run it.
#![cfg(unix)]

#[path = "../../../tests/common/mod.rs"]
mod common;

use common::examples::{
    example, expect_write_error, finish, in_folder, interrupt, output, start_telling, text,
    wait_until_told, write_endless,
};
use common::{LONG, within};
use fastrand::Rng;
use flate2::read::{GzDecoder, MultiGzDecoder};
use std::fs;
use std::io::{Read, Write};
use std::process::{ChildStdin, Command, Output, Stdio};
use std::thread::{self, JoinHandle};
use tempfile::TempDir;

fn gzip(folder: &TempDir) -> Command {
    example("gzip", folder)
}

/// Something between noise and a single letter.
fn bytes(length: usize) -> Vec<u8> {
    let mut rng = Rng::with_seed(7);
    (0..length).map(|_| b'a' + rng.u8(..) % 8).collect()
}

/// All the members, decompressed; panics if the last one is cut.
fn decompressed(mut members: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut decoder = MultiGzDecoder::new(&mut members);
    decoder.read_to_end(&mut bytes).unwrap();
    bytes
}

/// What is in the folder.
fn names(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Feeds stdin from a thread, in lots that do not fit the blocks.
fn feed(mut stdin: ChildStdin, bytes: Vec<u8>) -> JoinHandle<()> {
    thread::spawn(move || {
        for lot in bytes.chunks(1013) {
            if stdin.write_all(lot).is_err() {
                return;
            }
        }
    })
}

fn piped(folder: &TempDir, options: &[&str], bytes: &[u8]) -> Output {
    let mut command = gzip(folder);
    let mut child = command.args(options).stdin(Stdio::piped()).spawn().unwrap();
    let fed = feed(child.stdin.take().unwrap(), bytes.to_vec());
    let output = finish(child);
    fed.join().unwrap();
    output
}

#[test]
fn what_goes_through_a_pipe_comes_back_whatever_its_length() {
    let folder = TempDir::new().unwrap();
    for length in [0, 1, 1023, 1024, 1025, 2048, 100_000] {
        let bytes = bytes(length);
        let output = piped(&folder, &["--block=1", "--threads=3"], &bytes);
        assert_eq!(text(&output.stderr), "");
        assert_eq!(output.status.code(), Some(0));
        assert!(decompressed(&output.stdout) == bytes, "{length}");
    }
}

#[test]
fn the_output_is_the_same_with_any_number_of_threads() {
    let folder = TempDir::new().unwrap();
    let bytes = bytes(300_000);
    let by = |threads| piped(&folder, &["--block=4", "--threads", threads], &bytes).stdout;
    let by_one = by("1");
    for threads in ["2", "3", "7"] {
        assert!(by(threads) == by_one, "{threads} threads");
    }
}

#[test]
fn the_gzip_of_the_system_reads_it() {
    let folder = TempDir::new().unwrap();
    let bytes = bytes(300_000);
    fs::write(folder.path().join("in"), &bytes).unwrap();
    let ours = output(gzip(&folder).args(["--block=64", "in", "-o", "out.gz"]));
    assert_eq!(ours.status.code(), Some(0), "{}", text(&ours.stderr));
    let mut theirs = in_folder(Command::new("gzip"), &folder);
    let Ok(theirs) = theirs.args(["-dc", "out.gz"]).spawn() else {
        eprintln!("SKIPPED: no gzip");
        return;
    };
    let theirs = finish(theirs);
    assert_eq!(text(&theirs.stderr), "");
    assert!(theirs.stdout == bytes);
}

#[test]
fn check_finds_no_difference_and_replaces_the_file() {
    let folder = TempDir::new().unwrap();
    let bytes = bytes(300_000);
    fs::write(folder.path().join("in"), &bytes).unwrap();
    fs::write(folder.path().join("out.gz"), "old").unwrap();
    let options = ["in", "-o", "out.gz", "--check", "--block=16", "--level=1"];
    let output = output(gzip(&folder).args(options));
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("; checked, "), "{told}");
    let written = fs::read(folder.path().join("out.gz")).unwrap();
    assert!(decompressed(&written) == bytes);
    assert_eq!(names(&folder), ["in", "out.gz"]);
}

#[test]
fn wrong_usage_is_an_error() {
    let folder = TempDir::new().unwrap();
    for wrong in [
        "--threads=0",
        "--level=10",
        "--block=0",
        "--check",
        "--fast",
    ] {
        let output = output(gzip(&folder).arg(wrong));
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
    for (options, why) in [
        (
            &["no such"][..],
            "gzip: cannot read 'no such': No such file",
        ),
        (&["."], "gzip: read error: Is a directory"),
        (
            &["-o", "no folder/a"],
            "gzip: cannot write 'no folder/a': No such file",
        ),
        (&["-o", "."], "gzip: cannot write '.': not a regular file"),
        (&["-o", "a", "--check"], "gzip: stdin cannot be read again"),
    ] {
        let output = output(gzip(&folder).args(options));
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.starts_with(why), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
    assert!(names(&folder).is_empty());
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("in"), bytes(1 << 20)).unwrap();
    let mut child = gzip(&folder).args(["in", "--block=1"]).spawn().unwrap();
    let mut first = [0; 2];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    let output = finish(child);
    assert_eq!(first, [0x1f, 0x8b]);
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(141));
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_takes_nothing_is_an_error() {
    let folder = TempDir::new().unwrap();
    expect_write_error("gzip", &mut gzip(&folder));
}

#[test]
fn ctrl_c_leaves_the_old_file_and_no_half_one() {
    let folder = TempDir::new().unwrap();
    write_endless(&folder);
    fs::write(folder.path().join("out.gz"), "old").unwrap();
    let (child, mut stderr) = start_telling(gzip(&folder).args(["endless", "-o", "out.gz"]));
    wait_until_told(&mut stderr, vec!["member 3 is written"]);
    interrupt(&child);
    let mut told = String::new();
    stderr.read_to_string(&mut told).unwrap();
    assert_eq!(finish(child).status.code(), Some(130), "{told}");
    assert!(told.contains("\nstop: "), "{told}");
    assert_eq!(fs::read(folder.path().join("out.gz")).unwrap(), b"old");
    assert_eq!(names(&folder), ["endless", "out.gz"]);
}

#[test]
fn ctrl_c_ends_a_pipe_with_a_whole_member() {
    let folder = TempDir::new().unwrap();
    write_endless(&folder);
    let (mut child, mut stderr) = start_telling(gzip(&folder).args(["endless", "--block=64"]));
    let mut stdout = child.stdout.take().unwrap();
    let read = thread::spawn(move || {
        let mut written = Vec::new();
        stdout.read_to_end(&mut written).unwrap();
        written
    });
    wait_until_told(&mut stderr, vec!["member 3 is written"]);
    interrupt(&child);
    let mut told = String::new();
    stderr.read_to_string(&mut told).unwrap();
    assert_eq!(finish(child).status.code(), Some(130), "{told}");
    let zeros = decompressed(&read.join().unwrap());
    assert!(zeros.len() >= 4 * 64 * 1024);
    assert_eq!(zeros.len() % (64 * 1024), 0);
}

/// The other end of stdin is open and silent.
#[test]
fn ctrl_c_does_not_wait_for_the_input() {
    let folder = TempDir::new().unwrap();
    let mut command = gzip(&folder);
    let options = ["--block=1", "--threads=1"];
    let (mut child, mut stderr) = start_telling(command.args(options).stdin(Stdio::piped()));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&bytes(10 * 1024 + 1)).unwrap();
    wait_until_told(&mut stderr, vec!["member 0 is written"]);
    interrupt(&child);
    let output = finish(child);
    let mut told = String::new();
    stderr.read_to_string(&mut told).unwrap();
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert!(!told.contains("is cut"), "{told}");
    let whole = decompressed(&output.stdout);
    assert!(bytes(10 * 1024).starts_with(&whole));
    drop(stdin);
}

#[test]
fn ctrl_c_is_reported_where_the_output_is_not_taken() {
    let folder = TempDir::new().unwrap();
    let mut rng = Rng::with_seed(1);
    let random: Vec<u8> = (0..4 << 20).map(|_| rng.u8(..)).collect();
    fs::write(folder.path().join("in"), random).unwrap();
    let (mut child, mut stderr) = start_telling(gzip(&folder).arg("in"));
    let mut stdout = child.stdout.take().unwrap();
    let mut first = [0; GIVEN];
    stdout.read_exact(&mut first).unwrap();
    interrupt(&child);
    let mut told = String::new();
    stderr.read_to_string(&mut told).unwrap();
    let status = within(LONG, "the example", || child.wait().unwrap());
    assert_eq!(status.code(), Some(130), "{told}");
    assert!(told.contains("its last member is cut"), "{told}");
    let mut written = first.to_vec();
    stdout.read_to_end(&mut written).unwrap();
    let mut decoder = GzDecoder::new(&written[..]);
    assert!(decoder.read_to_end(&mut Vec::new()).is_err());
}

/// Some of the first member: so it is being written.
const GIVEN: usize = 1024;
