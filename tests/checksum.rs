//! The main example, run as its users run it and held against `sha256sum`.
#![cfg(unix)]

mod common;

use common::examples::{
    example, finish, in_folder, interrupt, output, start_telling, text, wait_until_told,
};
use common::{LONG, within};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Child, ChildStderr, Command};
use tempfile::TempDir;

/// What `printf '' | sha256sum` prints.
const SUM_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static MORE_THAN_A_PIPE_TAKES: [&str; 5000] = ["file"; 5000];

fn checksum(folder: &TempDir) -> Command {
    example("checksum", folder)
}

/// `sha256sum`, about to run in `folder`; `None` where it is another one than
/// that of GNU, which escapes names in another way or not at all.
fn sha256sum(folder: &TempDir) -> Option<Command> {
    let version = Command::new("sha256sum").arg("--version").output();
    match version {
        Ok(version) if version.stdout.starts_with(b"sha256sum (GNU coreutils)") => {
            Some(in_folder(Command::new("sha256sum"), folder))
        }
        _ => {
            eprintln!("SKIPPED: no sha256sum of GNU coreutils");
            None
        }
    }
}

/// A file of so many bytes, below folders that are made for it.
fn write(folder: &TempDir, name: impl AsRef<OsStr>, length: usize) {
    let path = folder.path().join(name.as_ref());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let bytes: Vec<u8> = (0..length).map(|at| (at * 31 % 251) as u8).collect();
    fs::write(path, bytes).unwrap();
}

/// A file that takes minutes to read, and no space.
fn write_endless(folder: &TempDir, name: &str) {
    let file = File::create(folder.path().join(name)).unwrap();
    file.set_len(1 << 40).unwrap();
}

/// In the order of a walk that sorts each folder by name.
fn sorted(mut names: Vec<OsString>) -> Vec<OsString> {
    names.sort_by(|a, b| {
        let parts = |name: &OsString| -> Vec<Vec<u8>> {
            let bytes = name.as_bytes().split(|byte| *byte == b'/');
            bytes.map(<[u8]>::to_vec).collect()
        };
        parts(a).cmp(&parts(b))
    });
    names
}

#[test]
fn every_name_is_printed_as_sha256sum_prints_it_and_checks() {
    let folder = TempDir::new().unwrap();
    let mut names: Vec<OsString> = [
        "./ space ",
        "./*",
        "./-",
        "./-dash",
        "./back\\slash",
        "./back\\nslash",
        "./both\\\n",
        "./new\nline",
        "./d!/sorts before d.x",
        "./d.x",
        "./d/one",
        "./d/two/three",
        "./quote'\"",
        "./tab\t",
        "./é",
    ]
    .map(OsString::from)
    .to_vec();
    if cfg!(target_os = "linux") {
        names.push(OsString::from_vec(b"./not utf-8 \xff".to_vec())); // others refuse it
    }
    for (length, name) in names.iter().enumerate() {
        write(&folder, name, length);
    }
    for (name, length) in [
        ("./empty", 0),
        ("./big", 3 << 20),
        ("./one block", 32 << 10),
    ] {
        write(&folder, name, length);
        names.push(name.into());
    }

    let ours = output(&mut checksum(&folder));
    assert_eq!(text(&ours.stderr), "");
    assert_eq!(ours.status.code(), Some(0));

    let Some(mut theirs) = sha256sum(&folder) else {
        return;
    };
    let theirs = output(theirs.args(sorted(names)));
    assert_eq!(text(&ours.stdout), text(&theirs.stdout));
    assert_eq!(ours.stdout, theirs.stdout);

    fs::write(folder.path().join("SUMS"), &ours.stdout).unwrap();
    let check = output(
        sha256sum(&folder)
            .unwrap()
            .args(["--check", "--quiet", "SUMS"]),
    );
    assert_eq!(text(&check.stderr), "");
    assert_eq!(check.status.code(), Some(0));
}

/// Not left to the installed `sha256sum`, because those before 9.0 do not.
#[test]
fn a_carriage_return_in_a_name_is_escaped() {
    let folder = TempDir::new().unwrap();
    write(&folder, "a\rb", 0);
    let output = output(&mut checksum(&folder));
    assert_eq!(
        text(&output.stdout),
        format!("\\{SUM_OF_NOTHING}  ./a\\rb\n")
    );
}

#[test]
fn paths_are_taken_in_the_order_given_and_begin_as_given() {
    let folder = TempDir::new().unwrap();
    write(&folder, "d/b", 0);
    write(&folder, "d/a", 0);
    write(&folder, "-", 0);
    let output = output(checksum(&folder).args(["d/b", "-", "d//", "./d/", "d/b"]));
    let names = ["d/b", "-", "d//a", "d//b", "./d/a", "./d/b", "d/b"];
    let lines = names.map(|name| format!("{SUM_OF_NOTHING}  {name}\n"));
    assert_eq!(text(&output.stdout), lines.concat());
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn links_are_followed_where_given_and_skipped_below() {
    let folder = TempDir::new().unwrap();
    write(&folder, "d/file", 0);
    symlink("file", folder.path().join("d/link to a file")).unwrap();
    symlink(".", folder.path().join("d/link to a folder")).unwrap();
    symlink("nowhere", folder.path().join("d/broken link")).unwrap();
    let output = output(checksum(&folder).args(["d/link to a file", "d/link to a folder"]));
    assert_eq!(text(&output.stderr), "");
    let names = ["d/link to a file", "d/link to a folder/file"];
    let lines = names.map(|name| format!("{SUM_OF_NOTHING}  {name}\n"));
    assert_eq!(text(&output.stdout), lines.concat());
}

#[test]
fn what_cannot_be_read_costs_a_line_on_stderr_and_the_exit_code() {
    let folder = TempDir::new().unwrap();
    write(&folder, "good", 0);
    write(&folder, "not for all", 0); // as root, for all
    let no_rights = PermissionsExt::from_mode(0o000);
    fs::set_permissions(folder.path().join("not for all"), no_rights).unwrap();
    symlink("nowhere", folder.path().join("broken")).unwrap();
    let given = ["broken", "", "not for all", "no'ne", "good/", "good"];

    let ours = output(checksum(&folder).args(given));
    assert_eq!(ours.status.code(), Some(1));
    assert!(text(&ours.stdout).ends_with(&format!("{SUM_OF_NOTHING}  good\n")));
    assert!(text(&ours.stderr).starts_with("checksum: broken: No such file or directory\n"));

    let Some(mut theirs) = sha256sum(&folder) else {
        return;
    };
    let theirs = output(theirs.args(given));
    assert_eq!(text(&ours.stdout), text(&theirs.stdout));
    let expected = text(&theirs.stderr).replace("sha256sum: ", "checksum: ");
    assert_eq!(text(&ours.stderr), expected);
}

#[test]
fn a_folder_that_cannot_be_listed_costs_a_line_on_stderr() {
    let folder = TempDir::new().unwrap();
    write(&folder, "locked/file", 0);
    write(&folder, "open/file", 0);
    let locked = folder.path().join("locked");
    fs::set_permissions(&locked, PermissionsExt::from_mode(0o000)).unwrap();
    let is_root = fs::read_dir(&locked).is_ok();
    let output = output(&mut checksum(&folder));
    fs::set_permissions(&locked, PermissionsExt::from_mode(0o700)).unwrap();

    let open = format!("{SUM_OF_NOTHING}  ./open/file\n");
    if is_root {
        eprintln!("SKIPPED in part: root lists every folder");
        assert!(text(&output.stdout).ends_with(&open));
    } else {
        assert_eq!(text(&output.stdout), open);
        assert_eq!(
            text(&output.stderr),
            "checksum: ./locked: Permission denied\n"
        );
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn a_named_pipe_hangs_nothing() {
    let folder = TempDir::new().unwrap();
    let made = Command::new("mkfifo")
        .arg(folder.path().join("pipe"))
        .status();
    assert!(made.unwrap().success());
    write(&folder, "file", 0);

    let below = output(&mut checksum(&folder));
    assert_eq!(text(&below.stdout), format!("{SUM_OF_NOTHING}  ./file\n"));
    assert_eq!(below.status.code(), Some(0));

    let given = output(checksum(&folder).args(["pipe", "file"]));
    assert_eq!(text(&given.stdout), format!("{SUM_OF_NOTHING}  file\n"));
    assert_eq!(text(&given.stderr), "checksum: pipe: Not a regular file\n");
    assert_eq!(given.status.code(), Some(1));
}

#[test]
fn the_order_is_that_of_the_walk_with_any_threads_and_queue() {
    let folder = TempDir::new().unwrap();
    let names = (0..400).map(|number| OsString::from(format!("{}/{number}", number % 7)));
    let names = sorted(names.collect());
    for (at, name) in names.iter().enumerate() {
        write(&folder, name, at % 5 * 20_000);
    }
    let printed = |options: &[&str]| {
        let output = output(
            checksum(&folder)
                .args(options)
                .args(["0", "1", "2", "3", "4", "5", "6"]),
        );
        assert_eq!(output.status.code(), Some(0));
        text(&output.stdout)
    };
    let alone = printed(&["--threads", "1"]);
    let in_order = alone.lines().map(|line| OsString::from(&line[66..]));
    assert_eq!(in_order.collect::<Vec<_>>(), names);
    assert_eq!(printed(&["--threads", "8", "--queue", "1"]), alone);
}

#[test]
fn help_names_the_options_and_wrong_usage_is_an_error() {
    let folder = TempDir::new().unwrap();
    let help = output(checksum(&folder).arg("--help"));
    assert_eq!(help.status.code(), Some(0));
    for option in ["--threads", "--queue", "--stop-timeout", "PATHS"] {
        assert!(text(&help.stdout).contains(option), "{option}");
    }
    for wrong in ["--threads=0", "--queue=x", "--stop-timeout=-1", "--fast"] {
        let output = output(checksum(&folder).arg(wrong));
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let folder = TempDir::new().unwrap();
    write(&folder, "file", 0);
    let mut child = checksum(&folder)
        .args(MORE_THAN_A_PIPE_TAKES)
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut first).unwrap();
    drop(stdout);
    let output = finish(child);
    assert_eq!(first, format!("{SUM_OF_NOTHING}  file\n"));
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(141));
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_takes_nothing_is_an_error() {
    let folder = TempDir::new().unwrap();
    write(&folder, "file", 0);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = output(checksum(&folder).stdout(full));
    assert_eq!(
        text(&output.stderr),
        "checksum: write error: No space left on device\n"
    );
    assert_eq!(output.status.code(), Some(1));
}

/// The exit code, and what was printed on stdout and is left on stderr.
fn ending(child: Child, mut stderr: BufReader<ChildStderr>) -> (Option<i32>, String, String) {
    let output = finish(child);
    let mut told = String::new();
    stderr.read_to_string(&mut told).unwrap();
    (output.status.code(), text(&output.stdout), told)
}

#[test]
fn ctrl_c_prints_every_sum_finished_so_far_and_the_report() {
    let folder = TempDir::new().unwrap();
    for name in ["first", "second", "last"] {
        write(&folder, name, 0);
    }
    write_endless(&folder, "endless");
    // "endless" holds up one of two threads, and the lines of those after it.
    let given = ["first", "endless", "second", "last", "endless", "first"];
    let (child, mut stderr) = start_telling(checksum(&folder).args(["--threads", "2"]).args(given));
    wait_until_told(&mut stderr, vec!["last: 0 bytes"]);
    interrupt(&child);

    let (code, printed, told) = ending(child, stderr);
    let lines = ["first", "second", "last"].map(|name| format!("{SUM_OF_NOTHING}  {name}\n"));
    assert_eq!(printed, lines.concat());
    assert!(
        told.contains("checksum: endless: Given up after "),
        "{told}"
    );
    assert!(told.contains("\nstop: "), "{told}");
    assert_eq!(code, Some(130));
}

#[test]
fn ctrl_c_names_the_files_that_were_never_read() {
    let folder = TempDir::new().unwrap();
    write(&folder, "first", 0);
    write(&folder, "never read", 0);
    write_endless(&folder, "endless");
    let given = ["--threads", "1", "first", "endless", "never read"];
    let (child, mut stderr) = start_telling(checksum(&folder).args(given));
    wait_until_told(&mut stderr, vec!["first: 0 bytes", "the walk has ended"]);
    interrupt(&child);

    let (code, printed, told) = ending(child, stderr);
    assert_eq!(printed, format!("{SUM_OF_NOTHING}  first\n"));
    assert!(told.contains("\nstop: NOT CLEAN"), "{told}");
    let unstarted = told.lines().find(|line| line.contains("\"never read\""));
    assert!(
        unstarted.is_some_and(|line| line.contains("unstarted")),
        "{told}"
    );
    assert_eq!(code, Some(130));
}

/// The example, interrupted when all is read and hardly anything printed.
fn interrupted_before_printing(
    folder: &TempDir,
    stop_timeout: &str,
) -> (Child, BufReader<ChildStderr>) {
    write(folder, "file", 0);
    write(folder, "last", 0);
    let options = ["--threads", "1", "--stop-timeout", stop_timeout];
    let (child, mut stderr) = start_telling(
        checksum(folder)
            .args(options)
            .args(MORE_THAN_A_PIPE_TAKES)
            .arg("last"),
    );
    wait_until_told(&mut stderr, vec!["last: 0 bytes"]);
    interrupt(&child);
    (child, stderr)
}

#[test]
fn ctrl_c_loses_nothing_where_the_output_is_read() {
    let folder = TempDir::new().unwrap();
    let (child, stderr) = interrupted_before_printing(&folder, "1000");
    let (code, printed, told) = ending(child, stderr);
    assert_eq!(printed.lines().count(), MORE_THAN_A_PIPE_TAKES.len() + 1);
    assert!(told.contains("stop: clean"), "{told}");
    assert_eq!(code, Some(130));
}

#[test]
fn ctrl_c_keeps_its_time_where_the_output_is_not_read() {
    let folder = TempDir::new().unwrap();
    let (mut child, stderr) = interrupted_before_printing(&folder, "0.2");
    within(LONG, "the example", || child.wait().unwrap());
    let (code, _printed, told) = ending(child, stderr);
    assert!(told.contains("some lines are lost"), "{told}");
    assert!(told.contains("\nstop: "), "{told}");
    assert_eq!(code, Some(130));
}
