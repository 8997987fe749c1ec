//! The example `recursive`, run as its users run it.
#![cfg(unix)]

#[path = "../../../tests/common/mod.rs"]
mod common;

use common::examples::{example, finish, interrupt, output, start_telling, text, wait_until_told};
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use tempfile::TempDir;

fn recursive(folder: &TempDir) -> Command {
    example("recursive", folder)
}

#[test]
fn numbers_are_sorted_as_one_thread_sorts_them() {
    let folder = TempDir::new().unwrap();
    for (count, largest, threads) in [
        ("0", "5", "1"),
        ("1", "5", "2"),
        ("4097", "18446744073709551615", "7"),
        ("60000", "18446744073709551615", "1"),
        ("60000", "18446744073709551615", "2"),
        ("200000", "18446744073709551615", "3"),
        ("200000", "0", "2"),
        ("200000", "1", "2"),
        ("200000", "20", "5"),
        ("200000", "100000", "2"),
    ] {
        let args = ["sort", count, "--largest", largest, "--threads", threads];
        let output = output(recursive(&folder).args(args).arg("--check"));
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {told}");
        let begins = format!("recursive: {count} numbers sorted in ");
        assert!(told.starts_with(&begins), "{told}");
        assert!(told.ends_with(" times as fast\n"), "{told}");
    }
}

/// A file of this length, below folders that are made for it.
fn write(folder: &TempDir, name: &str, length: u64) {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::File::create(path).unwrap().set_len(length).unwrap();
}

#[test]
fn a_folder_has_the_bytes_of_all_files_below_it() {
    let folder = TempDir::new().unwrap();
    for (name, length) in [
        ("a/1", 1),
        ("a/b/10", 10),
        ("a/b/c/100", 100),
        ("a/b/c/d/e/f/1000", 1000),
        ("a/b.x/large", 1 << 40),
        ("g/20000", 20_000),
    ] {
        write(&folder, name, length);
    }
    fs::create_dir(folder.path().join("empty")).unwrap();
    symlink("../g", folder.path().join("a/link to a folder")).unwrap();
    symlink("1", folder.path().join("a/link to a file")).unwrap();

    let whole = "\
        1099511648887\t.\n\
        1099511628887\t./a\n\
        1110\t./a/b\n\
        1100\t./a/b/c\n\
        1000\t./a/b/c/d\n\
        1000\t./a/b/c/d/e\n\
        1000\t./a/b/c/d/e/f\n\
        1099511627776\t./a/b.x\n\
        0\t./empty\n\
        20000\t./g\n";
    for threads in ["1", "2", "8"] {
        let output = output(recursive(&folder).args(["du", ".", "--threads", threads]));
        assert_eq!(text(&output.stdout), whole);
        assert_eq!(text(&output.stderr), "");
        assert_eq!(output.status.code(), Some(0));
    }
    let top = output(recursive(&folder).args(["du", "a", "--depth=1", "--check"]));
    let lines = "1099511628887\ta\n1110\ta/b\n1099511627776\ta/b.x\n";
    assert_eq!(text(&top.stdout), lines);
    assert!(text(&top.stderr).ends_with(" times as fast\n"));
    assert_eq!(top.status.code(), Some(0));
    let linked = output(recursive(&folder).args(["du", "a/link to a folder"]));
    assert_eq!(text(&linked.stdout), "20000\ta/link to a folder\n");
}

#[cfg(target_os = "linux")] // others refuse the name
#[test]
fn names_are_printed_in_their_own_bytes() {
    let folder = TempDir::new().unwrap();
    let name = OsString::from_vec(b"not utf-8 \xff".to_vec());
    fs::create_dir(folder.path().join(name)).unwrap();
    let output = output(recursive(&folder).args(["du", "."]));
    assert_eq!(output.stdout, b"0\t.\n0\t./not utf-8 \xff\n");
}

#[test]
fn what_cannot_be_read_is_named_and_costs_the_exit_code() {
    let folder = TempDir::new().unwrap();
    write(&folder, "file", 5);
    for (root, why) in [
        (
            "no where",
            "'no where': No such file or directory (os error 2)",
        ),
        ("file", "file: Not a directory (os error 20)"),
    ] {
        let output = output(recursive(&folder).args(["du", root]));
        assert_eq!(text(&output.stderr), format!("recursive: {why}\n"));
        assert_eq!(text(&output.stdout), "");
        assert_eq!(output.status.code(), Some(1));
    }

    write(&folder, "locked/file", 7);
    let locked = folder.path().join("locked");
    fs::set_permissions(&locked, PermissionsExt::from_mode(0o000)).unwrap();
    let is_root = fs::read_dir(&locked).is_ok();
    let output = output(recursive(&folder).args(["du", ".", "--check"]));
    fs::set_permissions(&locked, PermissionsExt::from_mode(0o700)).unwrap();
    if is_root {
        eprintln!("SKIPPED in part: root lists every folder");
        assert_eq!(text(&output.stdout), "12\t.\n7\t./locked\n");
        return;
    }
    let told = text(&output.stderr);
    let denied = "recursive: ./locked: Permission denied (os error 13)\n";
    assert!(told.starts_with(denied), "{told}");
    assert_eq!(text(&output.stdout), "5\t.\n0\t./locked\n");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn wrong_usage_is_an_error() {
    let folder = TempDir::new().unwrap();
    let help = text(&output(recursive(&folder).args(["du", "--help"])).stdout);
    for option in ["--threads", "--check", "--depth", "FOLDER"] {
        assert!(help.contains(option), "{help}");
    }
    for wrong in [
        &[][..],
        &["sort"],
        &["sort", "many"],
        &["sort", "-1"],
        &["sort", "5", "--threads=0"],
        &["du"],
        &["du", ".", "--depth=x"],
    ] {
        let output = output(recursive(&folder).args(wrong));
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
    let output = output(recursive(&folder).args(["sort", "18446744073709551615"]));
    assert_eq!(output.status.code(), Some(1));
}

/// More folders than lines about them fit into a pipe.
fn make_many(folder: &TempDir) {
    for number in 0..3000 {
        let name = format!("{number:04}{}", "-".repeat(200));
        fs::create_dir(folder.path().join(name)).unwrap();
    }
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let folder = TempDir::new().unwrap();
    make_many(&folder);
    let mut child = recursive(&folder).args(["du", "."]).spawn().unwrap();
    let mut first = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut first).unwrap();
    drop(stdout);
    let output = finish(child);
    assert_eq!(first, "0\t.\n");
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(141));
}

/// Interrupts it when it has told `awaited`, and before it is allowed to tell all
/// that it has to: it waits for room in the pipe. Returns what it told after
/// that, and asserts that it printed nothing.
fn interrupted(command: &mut Command, awaited: &str) -> String {
    let (child, mut stderr) = start_telling(command);
    wait_until_told(&mut stderr, vec![awaited]);
    interrupt(&child);
    let mut told = String::new();
    stderr.read_to_string(&mut told).unwrap();
    let output = finish(child);
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert_eq!(text(&output.stdout), "");
    assert!(told.contains("\nstop: "), "{told}");
    told
}

#[test]
fn ctrl_c_prints_no_sizes_but_the_report() {
    let folder = TempDir::new().unwrap();
    make_many(&folder);
    let told = interrupted(recursive(&folder).args(["du", ".", "--threads=2"]), "/0");
    let after = told.lines().find_map(|line| {
        let line = line.strip_prefix("recursive: interrupted after ")?;
        line.strip_suffix(" folders")?.parse::<u32>().ok()
    });
    assert!(after.is_some_and(|folders| folders < 3001), "{told}");
}

/// There are as many pieces as threads: enough for an interrupt in between.
#[test]
fn ctrl_c_says_that_nothing_is_sorted() {
    let folder = TempDir::new().unwrap();
    let sort = ["sort", "6000000", "--threads=256"];
    let told = interrupted(recursive(&folder).args(sort), "a piece of ");
    let said = "\nrecursive: interrupted: the numbers are not sorted\n";
    assert!(told.contains(said), "{told}");
    assert!(!told.contains(" numbers sorted in "), "{told}");
}
