//! Runs an example as its users run it.

use super::{LONG, within};
use std::env;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

/// The example, about to run in `folder`: the program of its package, which the package's tests
/// build, or one of the root's.
pub(crate) fn example(name: &str, folder: impl AsRef<Path>) -> Command {
    let test = env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let places = [profile.join(name), profile.join("examples").join(name)];
    let example = places.into_iter().find(|place| place.exists());
    let example = example.unwrap_or_else(|| panic!("run `cargo build -p {name}`"));
    in_folder(Command::new(example), folder)
}

pub(crate) fn in_folder(mut command: Command, folder: impl AsRef<Path>) -> Command {
    command
        .current_dir(folder)
        .env("LC_ALL", "C")
        .env("RUST_BACKTRACE", "0")
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub(crate) fn output(command: &mut Command) -> Output {
    finish(command.spawn().unwrap())
}

pub(crate) fn finish(child: Child) -> Output {
    within(LONG, "the example", || child.wait_with_output().unwrap())
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The example, telling on stderr what it does.
pub(crate) fn start_telling(command: &mut Command) -> (Child, BufReader<ChildStderr>) {
    let name = Path::new(command.get_program()).file_name().unwrap();
    let filter = format!("{}=debug", name.to_str().unwrap());
    let mut child = command.env("RUST_LOG", filter).spawn().unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    (child, stderr)
}

pub(crate) fn wait_until_told(stderr: &mut BufReader<ChildStderr>, mut awaited: Vec<&str>) {
    within(LONG, "the example", || {
        for line in stderr.lines() {
            let line = line.unwrap();
            awaited.retain(|what| !line.contains(what));
            if awaited.is_empty() {
                return;
            }
        }
        panic!("never told: {awaited:?}");
    });
}

pub(crate) fn interrupt(child: &Child) {
    send(child, &["INT"]);
}

/// The next request: a signal within half a second of the last counted one is the same. The
/// first has been counted if something was said about it.
pub(crate) fn insist(child: &Child, signal: &str) {
    thread::sleep(ANOTHER_REQUEST);
    send(child, &[signal]);
}

/// After so long a signal is another request.
pub(crate) const ANOTHER_REQUEST: Duration = Duration::from_millis(600);

/// Sends the signals one after the other: all of them are one request, or, on a machine that
/// is very busy, several.
pub(crate) fn send(child: &Child, signals: &[&str]) {
    let kill = |signal| format!("kill -{signal} {}; ", child.id());
    let kill: String = signals.iter().map(kill).collect();
    let sent = Command::new("sh").args(["-c", &kill]).status();
    assert!(sent.unwrap().success());
}

/// The signals that stop a child at any moment, also before it has a handler. Not SIGINT where
/// this process ignores it, as the background jobs of a shell do: its children inherit that.
pub(crate) fn stop_signals() -> &'static [&'static str] {
    const SIGINT: u64 = 1 << (2 - 1);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .map(|mask| u64::from_str_radix(mask.trim(), 16).unwrap());
    match ignored.unwrap_or_default() & SIGINT {
        0 => &["INT", "TERM"],
        _ => &["TERM"],
    }
}

/// Makes the pipe that is the child's stdout (1) or stderr (2) full: the child's next write
/// to it blocks.
#[cfg(target_os = "linux")]
pub(crate) fn fill(child: &Child, descriptor: u32) {
    let path = format!("/proc/{}/fd/{descriptor}", child.id());
    full_pipe(Path::new(&path));
}

/// Opens the pipe, and makes it full. To read from what is returned never blocks.
#[cfg(target_os = "linux")]
pub(crate) fn full_pipe(path: &Path) -> File {
    use std::io::{ErrorKind, Write};
    use std::os::unix::fs::OpenOptionsExt;
    const O_NONBLOCK: i32 = 0o4000;
    let mut pipe = File::options();
    let pipe = pipe.read(true).write(true).custom_flags(O_NONBLOCK);
    let mut pipe = pipe.open(path).unwrap();
    for size in [4096, 1] {
        let full = loop {
            if let Err(error) = pipe.write_all(&vec![b' '; size]) {
                break error;
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
    }
    pipe
}

pub(crate) fn make_fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

/// Without what differs from one run to the next: seconds, numbers of threads and what
/// these are doing. And without the name of a signal, which only one of the features knows.
pub(crate) fn masked(line: &str) -> String {
    let (line, _) = line.split_once("   thread ").unwrap_or((line, ""));
    let line = [" (SIGHUP)", " (SIGINT)", " (SIGTERM)"]
        .iter()
        .fold(line.to_owned(), |line, name| line.replace(name, ""));
    let mut words: Vec<&str> = line.split(' ').collect();
    for at in 1..words.len() {
        let is_unit = matches!(words[at].trim_end_matches([')', ':']), "s" | "us" | "ms");
        if is_unit && words[at - 1].parse::<f64>().is_ok() {
            words[at - 1] = "_";
        }
    }
    words.join(" ")
}

/// A file in the folder that takes hours to read, and no space.
pub(crate) fn write_endless(folder: impl AsRef<Path>) {
    let file = File::create(folder.as_ref().join("endless")).unwrap();
    file.set_len(1 << 40).unwrap();
}

/// An example whose output goes where no space is left says so.
pub(crate) fn expect_write_error(name: &str, command: &mut Command) {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = output(command.stdout(full));
    let told = text(&output.stderr);
    let expected = format!("{name}: write error: No space left");
    assert!(told.starts_with(&expected), "{told}");
    assert_eq!(output.status.code(), Some(1));
}

/// `--help` says what the example does, and lists its usage, options and exit codes.
pub(crate) fn expect_help(name: &str) {
    for option in ["--help", "-h"] {
        let output = output(example(name, ".").arg(option));
        let (help, told) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(
            (output.status.code(), told.as_str()),
            (Some(0), ""),
            "{name}"
        );
        let (about, rest) = help.split_once("\n\n").unwrap_or_default();
        assert!(!about.is_empty(), "{name}: {help}");
        let usage = format!("Usage: {name}");
        for part in [
            usage.as_str(),
            "Options:",
            "--help",
            "\nExit codes:\n",
            "\n    2  ",
        ] {
            assert!(rest.contains(part), "{name} lacks {part:?}: {help}");
        }
    }
}

/// An option that the example does not know is named in one sentence, and the exit code is 2.
pub(crate) fn expect_refusal(name: &str) {
    let output = output(example(name, ".").arg("--no-such"));
    let told = text(&output.stderr);
    let sentence = told.lines().next().unwrap_or_default();
    assert!(sentence.contains("--no-such"), "{name}: {told}");
    assert_eq!(output.status.code(), Some(2), "{name}: {told}");
    assert_eq!(text(&output.stdout), "", "{name}");
}

/// The reader of its stdout has gone, as in `example | head -1`: it ends by itself, with this code,
/// and says nothing about that.
pub(crate) fn expect_quiet_end(command: &mut Command, code: i32) {
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = finish(child);
    let told = text(&output.stderr);
    for complaint in ["roken pipe", "failed printing", "os error"] {
        assert!(!told.contains(complaint), "{command:?}: {told}");
    }
    assert_eq!(output.status.code(), Some(code), "{command:?}: {told}");
}
