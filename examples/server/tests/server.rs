//! The example `server`: how many clients it serves, whom it refuses, and how it stops.
#![cfg(unix)]

#[path = "../../../tests/common/mod.rs"]
mod common;

use common::examples::{example, send};
use common::{LONG, within};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, ChildStderr, Command};
use std::time::{Duration, Instant};
use tempfile::TempDir;

struct Server {
    child: Child,
    stderr: BufReader<ChildStderr>,
    listens: String,
    health: String,
}

impl Server {
    fn start(options: &[&str]) -> Server {
        Server::start_with(example("server", "."), options)
    }

    fn start_with(mut command: Command, options: &[&str]) -> Server {
        command.args(["--listen", "127.0.0.1:0", "--health", "127.0.0.1:0"]);
        let mut child = command.args(options).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        within(LONG, "the server", || stderr.read_line(&mut line).unwrap());
        let addresses = line.trim_end().strip_prefix("server: listening on ");
        let addresses = addresses.and_then(|rest| rest.split_once(", health on http://"));
        let (listens, health) = addresses.unwrap_or_else(|| panic!("{line}"));
        Server {
            listens: listens.to_owned(),
            health: health.to_owned(),
            child,
            stderr,
        }
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(&self.listens).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        Client(BufReader::new(stream))
    }

    /// The status that a probe gets.
    fn health(&self) -> String {
        let mut stream = TcpStream::connect(&self.health).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    }

    fn wait_for_health(&self, status: &str) {
        within(LONG, "the health", || {
            while self.health() != status {
                std::thread::yield_now();
            }
        });
    }

    fn interrupt(&self) {
        send(&self.child, &["TERM"]);
    }

    /// Exit code, and what stderr says from now on.
    fn end(mut self) -> (Option<i32>, String) {
        within(LONG, "the server", || {
            let mut told = String::new();
            self.stderr.read_to_string(&mut told).unwrap();
            (self.child.wait().unwrap().code(), told)
        })
    }

    /// Waits until it says so.
    fn wait_for(&mut self, what: &str) {
        within(LONG, "the server", || {
            let mut lines = self.stderr.by_ref().lines().map(Result::unwrap);
            assert!(lines.any(|line| line.contains(what)), "never said: {what}");
        });
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn say(&mut self, line: &str) {
        writeln!(self.0.get_mut(), "{line}").unwrap();
    }

    /// The next line; empty at the end.
    fn hear(&mut self) -> String {
        let mut line = String::new();
        within(LONG, "the server", || self.0.read_line(&mut line).unwrap());
        line.trim_end().to_owned()
    }

    fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.hear()
    }
}

const STOPPING: &str = "signal received, stopping";
/// Less than the time of a stop that waits for its clients.
const SOON: Duration = Duration::from_secs(5);

#[test]
fn idle_clients_do_not_hold_up_the_stop() {
    let server = Server::start(&[]);
    let mut clients: Vec<Client> = (0..10).map(|_| server.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.ask("hello"), "HELLO");
    }
    let began = Instant::now();
    server.interrupt();
    let (code, told) = server.end();
    assert!(began.elapsed() < SOON, "{told}");
    assert_eq!(code, Some(0), "{told}");
    for client in &mut clients {
        assert_eq!(client.hear(), "");
    }
}

#[test]
fn a_line_that_has_arrived_is_answered_although_the_server_is_stopping() {
    let mut server = Server::start(&[]);
    let mut client = server.connect();
    // Both arrive at once.
    assert_eq!(client.ask("hello\nwait 700"), "HELLO");
    server.interrupt();
    server.wait_for(STOPPING);
    assert_eq!(client.hear(), "waited 700 ms");
    assert_eq!(client.hear(), "");
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn a_client_that_sends_one_line_after_the_other_does_not_hold_up_the_stop() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    assert_eq!(client.ask("hello"), "HELLO");
    let mut stream = client.0.get_ref().try_clone().unwrap();
    let flood = std::thread::spawn(move || while stream.write_all(b"x\n").is_ok() {});
    let listen = std::thread::spawn(move || client.0.lines().map_while(Result::ok).count());
    let began = Instant::now();
    server.interrupt();
    let (code, told) = server.end();
    assert!(began.elapsed() < SOON, "{told}");
    assert_eq!(code, Some(0), "{told}");
    flood.join().unwrap();
    listen.join().unwrap();
}

#[test]
fn a_request_that_takes_too_long_is_cancelled_in_the_grace_period() {
    let mut server = Server::start(&["--stop-timeout", "5000"]);
    let mut client = server.connect();
    assert_eq!(client.ask("hello\nwait 3600000"), "HELLO");
    server.interrupt();
    server.wait_for(STOPPING);
    assert_eq!(client.hear(), "cancelled");
    let (code, told) = server.end();
    assert_eq!(code, Some(0), "{told}");
}

#[test]
fn clients_beyond_the_limit_get_the_answer_busy() {
    let server = Server::start(&["--clients", "1", "--waiting", "1"]);
    let mut first = server.connect();
    assert_eq!(first.ask("hello"), "HELLO");
    let mut second = server.connect();
    // Connections are accepted one after the other: by now the second one waits.
    assert_eq!(server.connect().hear(), "busy");
    drop(first);
    assert_eq!(second.ask("hello"), "HELLO");
    server.interrupt();
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn it_is_not_ready_before_it_stops_and_answers_meanwhile() {
    let server = Server::start(&["--stop-delay", "2000"]);
    let mut client = server.connect();
    assert_eq!(client.ask("hello"), "HELLO");
    server.wait_for_health("HTTP/1.1 200 OK");
    server.interrupt();
    server.wait_for_health("HTTP/1.1 503 Service Unavailable");
    assert_eq!(client.ask("still there"), "STILL THERE");
    assert_eq!(server.connect().ask("and new ones"), "AND NEW ONES");
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn systemd_hears_that_it_is_ready_alive_and_stopping() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("notify");
    let systemd = UnixDatagram::bind(&socket).unwrap();
    let message = || {
        let mut bytes = [0; 100];
        let length = within(LONG, "a message", || systemd.recv(&mut bytes).unwrap());
        String::from_utf8_lossy(&bytes[..length]).trim().to_owned()
    };
    let mut command = example("server", ".");
    command
        .env("NOTIFY_SOCKET", &socket)
        .env("WATCHDOG_USEC", "100000");
    let server = Server::start_with(command, &[]);
    assert_eq!(message(), "READY=1");
    // Its readiness follows at once.
    server.wait_for_health("HTTP/1.1 200 OK");
    assert_eq!(message(), "WATCHDOG=1");
    server.interrupt();
    while message() != "STOPPING=1" {}
    assert_eq!(server.end().0, Some(0));
}
