//! Four services that start in order and stop together, and what signals make of
//! them.
#![cfg(unix)]

#[path = "../../../tests/common/mod.rs"]
mod common;

#[cfg(target_os = "linux")]
use common::examples::fill;
use common::examples::{example, in_folder, insist, interrupt, masked, output, send, text};
use common::{LONG, within};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command};
#[cfg(target_os = "linux")]
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn services(folder: &TempDir) -> Command {
    let mut command = example("services", folder);
    command.args(["--book", "guests", "--port", "0"]);
    command
}

/// The example while it runs, and what it has printed so far.
struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
    printed: Vec<String>,
}

impl Running {
    fn start(command: &mut Command) -> Running {
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let printed = Vec::new();
        Running {
            child,
            lines,
            printed,
        }
    }

    /// The line in which it says so.
    fn wait_for(&mut self, what: &str) -> String {
        within(LONG, "the example", || {
            loop {
                let mut line = String::new();
                let length = self.lines.read_line(&mut line).unwrap();
                assert!(length > 0, "never told: {what}: {:?}", self.printed);
                self.printed.push(masked(line.trim_end()));
                if line.contains(what) {
                    return line;
                }
            }
        })
    }

    /// Where the web is, once everything is up.
    fn wait_until_up(&mut self) -> String {
        let line = self.wait_for("web: http://");
        self.wait_for("4 services are up");
        let address = line.trim_start_matches("web: http://");
        address.split('/').next().unwrap().to_owned()
    }

    /// Exit code, everything printed on stdout, and stderr.
    fn end(&mut self) -> (Option<i32>, Vec<String>, String) {
        within(LONG, "the example", || {
            let (mut rest, mut told) = (String::new(), String::new());
            self.lines.read_to_string(&mut rest).unwrap();
            self.printed.extend(rest.lines().map(masked));
            let mut stderr = self.child.stderr.take().unwrap();
            stderr.read_to_string(&mut told).unwrap();
            (
                self.child.wait().unwrap().code(),
                self.printed.clone(),
                told,
            )
        })
    }
}

/// A failed test leaves no process behind.
impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
        .split("\r\n\r\n")
        .nth(1)
        .unwrap_or(&answer)
        .to_owned()
}

const FIRST_SIGNAL: &str = "signal received, stopping; the next one reports at once what \
                            still runs (within _ s it is the same request)";

/// The host logs on a thread of its own, so that its lines and those of the services
/// are each in order, and not both together. The pool has a log of its own, too, which is not
/// returned; its report is part of the host's.
fn by_whom(printed: &[String]) -> (Vec<&str>, Vec<&str>) {
    let lines = printed.iter().map(String::as_str);
    let lines = lines.filter(|l| !l.starts_with("pool guests: ") && !l.starts_with("  completed "));
    lines.partition(|line| {
        ["book: ", "pages: ", "web: "]
            .iter()
            .any(|s| line.starts_with(s))
    })
}

#[test]
fn ctrl_c_and_sigterm_stop_the_web_first_and_lose_no_guest() {
    for signal in ["INT", "TERM"] {
        let folder = TempDir::new().unwrap();
        let mut running = Running::start(&mut services(&folder));
        let address = running.wait_until_up();
        assert_eq!(get(&address, "/"), "Who is there?\n");
        assert_eq!(get(&address, "/Ada"), "Welcome, Ada\n");
        assert_eq!(get(&address, "/Grace"), "Welcome, Grace\n");
        send(&running.child, &[signal]);

        let (code, printed, told) = running.end();
        let (by_services, by_host) = by_whom(&printed);
        let expected = [
            "book: 0 guests so far",
            "pages: 2 pages rendered",
            &format!("web: http://{address}/your-name"),
            "web: Ada was here",
            "web: Grace was here",
            "web: closed after 3 requests",
            "book: 2 guests entered",
        ];
        assert_eq!(by_services, expected);
        let expected = [
            "host guests: service \"book\" is up after _ s",
            "host guests: service \"pages\" is up after _ s",
            "host guests: service \"workers\" is up after _ s",
            "host guests: service \"web\" is up after _ s",
            "host guests: 4 services are up after _ s",
            FIRST_SIGNAL,
            "host guests: stopping: signal received",
            "host guests: clean after _ s (deadline _ s): 4 services",
            "  why        signal received",
            "  phases     start _ s   ran _ s   delay _ s   stop _ s",
            "  stopped    \"book\"  after _ s",
            "  stopped    \"pages\"  after _ s",
            "  stopped    \"workers\"  after _ s",
            "  stopped    \"web\"  after _ s",
            "  pool \"guests\": stop: clean after _ s (deadline _ s): 3 accepted",
            "    completed 3   panicked 0   cancelled 0   expired 0",
        ];
        assert_eq!(by_host, expected);
        assert_eq!((code, told.as_str()), (Some(0), ""));
        let written = fs::read_to_string(folder.path().join("guests")).unwrap();
        assert_eq!(written, "Ada\nGrace\n");
    }
}

#[test]
fn a_signal_during_the_start_stops_what_has_started_and_begins_nothing_more() {
    let folder = TempDir::new().unwrap();
    let mut running = Running::start(services(&folder).args(["--warm-up", "3600000"]));
    running.wait_for("service \"book\" is up");
    interrupt(&running.child);

    let (code, printed, told) = running.end();
    let (by_services, by_host) = by_whom(&printed);
    let expected = ["book: 0 guests so far", "book: 0 guests entered"];
    assert_eq!(by_services, expected);
    let expected = [
        "host guests: service \"book\" is up after _ s",
        FIRST_SIGNAL,
        "host guests: stopping: signal received",
        "host guests: clean after _ s (deadline _ s): 4 services",
        "  why        signal received",
        "  phases     start _ s   delay _ s   stop _ s",
        "  not started  \"workers\"",
        "  not started  \"web\"",
        "  stopped    \"book\"  after _ s",
        "  stopped    \"pages\"  after _ s",
        "  pool \"guests\": stop: clean after _ s (deadline _ s): 0 accepted",
        "    completed 0   panicked 0   cancelled 0   expired 0",
    ];
    assert_eq!(by_host, expected);
    assert_eq!((code, told.as_str()), (Some(0), ""));
}

/// A client that says nothing is borne for five seconds.
const SOON: Duration = Duration::from_secs(4);

#[test]
fn silent_clients_delay_neither_the_others_nor_the_stop() {
    let folder = TempDir::new().unwrap();
    let mut running = Running::start(services(&folder).env("RUST_LOG", "debug"));
    let address = running.wait_until_up();
    let silent: Vec<TcpStream> = (0..3)
        .map(|_| TcpStream::connect(&address).unwrap())
        .collect();
    for client in &silent {
        running.wait_for(&format!("{} is here", client.local_addr().unwrap()));
    }
    assert_eq!(get(&address, "/Ada"), "Welcome, Ada\n");
    let began = Instant::now();
    interrupt(&running.child);
    let (code, printed, told) = running.end();
    assert!(began.elapsed() < SOON, "{printed:?}");
    assert_eq!((code, told.as_str()), (Some(0), ""));
    assert!(
        printed.iter().any(|line| line == "book: 1 guest entered"),
        "{printed:?}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn it_takes_no_time_of_a_core_and_is_not_woken_while_no_client_comes() {
    let folder = TempDir::new().unwrap();
    let mut running = Running::start(&mut services(&folder));
    running.wait_until_up();
    let id = running.child.id();
    // Its threads need a moment to go to sleep.
    let is_asleep = || {
        (0..20).any(|_| {
            switches(id) == {
                thread::sleep(PAUSE);
                switches(id)
            }
        })
    };
    assert!(is_asleep(), "it never sleeps");
    let before = switches(id);
    thread::sleep(10 * PAUSE);
    assert_eq!(switches(id), before);
    interrupt(&running.child);
    assert_eq!(running.end().0, Some(0));
}

#[cfg(target_os = "linux")]
const PAUSE: Duration = Duration::from_millis(100);

/// How often the threads of the process have given up their core to wait.
#[cfg(target_os = "linux")]
fn switches(process: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let of = |thread: fs::DirEntry| {
        let status = fs::read_to_string(thread.path().join("status")).unwrap();
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.unwrap().trim().parse::<u64>().unwrap()
    };
    threads.map(|thread| of(thread.unwrap())).sum()
}

#[cfg(target_os = "linux")]
#[test]
fn the_second_signal_reports_at_once_which_request_is_held_up() {
    let folder = TempDir::new().unwrap();
    let mut running = Running::start(&mut services(&folder));
    let address = running.wait_until_up();
    // The worker is held up, since what it prints is not read.
    fill(&running.child, 1);
    let mut client = TcpStream::connect(&address).unwrap();
    write!(client, "GET /Ada HTTP/1.1\r\n\r\n").unwrap();
    within(LONG, "the book", || {
        while fs::read_to_string(folder.path().join("guests")).unwrap() != "Ada\n" {
            thread::yield_now();
        }
    });
    interrupt(&running.child);
    insist(&running.child, "INT");
    // The report is on stderr, which is a pipe of its own.
    let (mut stderr, mut told) = (running.child.stderr.take().unwrap(), String::new());
    let code = within(LONG, "the example", || {
        stderr.read_to_string(&mut told).unwrap();
        running.child.wait().unwrap().code()
    });
    let abandoned = told.lines().find(|line| {
        line.trim_start()
            .starts_with("abandoned  #1 \"request 1 from ")
    });
    assert!(abandoned.is_some(), "{told}");
    assert_eq!(code, Some(75), "{told}");
}

#[test]
fn the_third_signal_exits_with_130_even_where_the_output_is_not_read() {
    let folder = TempDir::new().unwrap();
    // Both outputs are one pipe, which is then filled: nothing ends by itself any more.
    let services = services(&folder);
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" \"$@\" 2>&1"]);
    command
        .arg(services.get_program())
        .args(services.get_args());
    let mut running = Running::start(&mut in_folder(command, &folder));
    let address = running.wait_until_up();
    let long_name = "x".repeat(1 << 13);
    let mut clients = Vec::new();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(stream, "GET /{long_name} HTTP/1.1\r\n\r\n").unwrap();
        clients.push(stream);
    }
    let status = within(LONG, "the example", || {
        // What says that a signal was counted cannot be read here.
        for signal in ["INT", "TERM", "HUP"].into_iter().cycle() {
            insist(&running.child, signal);
            if let Some(status) = running.child.try_wait().unwrap() {
                return status;
            }
        }
        unreachable!("signals are sent until it ends")
    });
    assert_eq!(status.code(), Some(130));
}

#[test]
fn a_port_that_is_taken_fails_the_start_and_stops_the_others() {
    let folder = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = example("services", &folder);
    let output = output(command.args(["--book", "guests", "--port", &port, "--warm-up", "1"]));
    let told = text(&output.stderr);
    let failed = told
        .lines()
        .find(|line| line.starts_with("  failed     \"web\"  start: "));
    assert!(failed.is_some_and(|line| line.contains("in use")), "{told}");
    assert!(told.contains("  stopped    \"book\""), "{told}");
    assert_eq!(output.status.code(), Some(1));
}
