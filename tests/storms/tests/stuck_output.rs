//! Examples whose output is not read, since the pipe is full: the first signal ends them.
#![cfg(target_os = "linux")]

#[path = "../../common/mod.rs"]
mod common;

use common::examples::{example, fill, send, start_telling, text, wait_until_told};
use common::{LONG, within};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than any of them has for its stop, and for the readers of its output.
const BOUND: Duration = Duration::from_secs(20);

/// Waits for the end without reading stdout; returns the exit code.
fn code(mut child: Child) -> Option<i32> {
    let began = Instant::now();
    let status = within(LONG, "the example", || child.wait().unwrap());
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
    status.code()
}

/// Starts it with a full stdout, and sends one signal when stderr has told it is there.
fn stopped(command: &mut Command, told: &str) -> Option<i32> {
    let (child, mut stderr) = start_telling(command);
    fill(&child, 1);
    wait_until_told(&mut stderr, vec![told]);
    send(&child, &["TERM"]);
    thread::spawn(move || stderr.read_to_end(&mut Vec::new()));
    code(child)
}

fn folder_of_files() -> TempDir {
    let folder = TempDir::new().unwrap();
    for number in 0..20 {
        fs::write(folder.path().join(number.to_string()), "some words").unwrap();
    }
    folder
}

#[test]
fn a_queue_keeps_its_emails() {
    let folder = TempDir::new().unwrap();
    let mut queue = example("queue", &folder);
    queue.args(["--spool", "spool", "--inbox", "inbox", "--emails", "5"]);
    queue.args(["--takes", "36000000", "--stop-timeout", "500"]);
    assert_eq!(stopped(&mut queue, "5 emails are written"), Some(75));
    let kept = fs::read_to_string(folder.path().join("spool")).unwrap();
    assert_eq!(kept.lines().count(), 5);
    // It also has something to say when it starts.
    assert_eq!(stopped(&mut queue, "5 emails are written"), Some(75));
    let kept = fs::read_to_string(folder.path().join("spool")).unwrap();
    assert_eq!(kept.lines().count(), 10);
}

#[test]
fn analytics_keep_their_events() {
    let folder = TempDir::new().unwrap();
    let mut analytics = example("analytics", &folder);
    analytics.args(["--folder", "events", "--events", "9", "--pause", "0"]);
    analytics.args(["--full-in", "1", "--stop-timeout", "200"]);
    assert_eq!(stopped(&mut analytics, "every event is made"), Some(75));
    let kept = fs::read_to_string(folder.path().join("events/spool.jsonl")).unwrap();
    assert_eq!(kept.lines().count(), 9);
}

#[test]
fn a_mailer_that_has_sent_everything_ends_too() {
    let mut mailer = example("mailer", ".");
    mailer.args(["--mails=3", "--failures=0", "--takes=0"]);
    assert_eq!(stopped(&mut mailer, "mail 3 to"), Some(0));
}

#[test]
fn tools_say_that_they_were_interrupted_or_that_their_output_is_cut() {
    let folder = folder_of_files();
    let mut wordcount = example("wordcount", &folder);
    let code = stopped(wordcount.arg("."), "all is counted");
    assert!(matches!(code, Some(1 | 130)), "{code:?}");

    // What it has to print is more than a pipe takes.
    for number in 0..2_000 {
        let name = format!("folder with a long name, number {number}");
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    let mut du = example("recursive", &folder);
    let mut child = du.args(["du", "."]).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0]).unwrap(); // it prints
    send(&child, &["TERM"]);
    let code = code_with(child, stdout);
    assert_eq!(code, Some(1));
}

/// Keeps the reader until the end.
fn code_with<T>(child: Child, reader: T) -> Option<i32> {
    let code = code(child);
    drop(reader);
    code
}

#[test]
fn services_that_print_are_abandoned_at_the_deadline() {
    let folder = folder_of_files();
    // Its service prints for hours.
    let mut watch = example("watch", &folder);
    let (child, mut stderr) = start_telling(watch.arg(".").env("RUST_LOG", "info"));
    fill(&child, 1);
    thread::sleep(Duration::from_millis(300));
    send(&child, &["TERM"]);
    thread::spawn(move || stderr.read_to_end(&mut Vec::new()));
    assert_eq!(code(child), Some(75));
}

#[test]
fn a_blog_saves_and_ends_while_a_search_cannot_print() {
    let folder = TempDir::new().unwrap();
    let made = example("blog", &folder)
        .args(["posts", "--generate", "5"])
        .output();
    assert!(made.unwrap().status.success());
    let mut blog = example("blog", &folder);
    blog.args(["posts", "--state", "state", "--visitors", "0"]);
    blog.args(["--sink-down", "--stop-timeout", "500"]);
    let mut child = blog
        .env("RUST_LOG", "groundcrew=info")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    fill(&child, 1);
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, b"ba\n:newsletter\n").unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    wait_until_told(&mut stderr, vec!["services are up"]);
    thread::sleep(Duration::from_millis(300)); // it searches
    send(&child, &["TERM"]);
    let told = thread::spawn(move || {
        let lines = stderr.lines().map(Result::unwrap);
        lines.collect::<Vec<_>>().join("\n")
    });
    assert_eq!(code_with(child, stdin), Some(75));
    // What is not read on stdout is on stderr.
    let told = told.join().unwrap();
    assert!(
        told.contains("stdout: it is not read\nposts: 5 indexed"),
        "{told}"
    );
}

#[test]
fn a_full_stderr_keeps_no_queue_either() {
    let folder = TempDir::new().unwrap();
    let mut queue = example("queue", &folder);
    queue.args(["--spool", "spool", "--inbox", "inbox", "--emails", "5"]);
    queue.args(["--takes", "36000000", "--stop-timeout", "500"]);
    let child = queue.spawn().unwrap();
    // Its server has the file when the queue is about to start.
    within(LONG, "the inbox", || {
        while !folder.path().join("inbox").exists() {
            thread::sleep(Duration::from_millis(5));
        }
    });
    thread::sleep(Duration::from_millis(300));
    fill(&child, 2);
    send(&child, &["TERM"]);
    let stdout = { child };
    let mut child = stdout;
    let mut said = Vec::new();
    let mut stdout = child.stdout.take().unwrap();
    let reader = thread::spawn(move || {
        stdout.read_to_end(&mut said).unwrap();
        said
    });
    assert_eq!(code(child), Some(75));
    let said = text(&reader.join().unwrap());
    assert_eq!(said, "5 written, 0 sent, 5 kept in spool\n");
}
