//! The server, which fails on purpose. It stands for another machine.
//!
//! It reads a line and answers with a line: `OK 7`, and then it has the mail;
//! `TEMP try again after 50ms`; `PERM no such user`. Or it hangs up instead.

use fastrand::Rng;
use log::info;
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How often, and when, it fails.
pub(crate) struct Failures {
    pub(crate) rng: Rng,
    /// So many of a hundred mails it does not take at the first try: of half of these it
    /// hangs up, of the others it says to come again.
    pub(crate) percent: u32,
    /// After this number of mails it is down,
    pub(crate) down_after: usize,
    /// for this number of connections.
    pub(crate) down_for: u32,
    /// How long it takes for a mail.
    pub(crate) takes: Duration,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    failures: Failures,
    /// How often each mail was acknowledged.
    acknowledged: HashMap<u32, u32>,
}

/// What the server has, by its own account.
#[derive(Debug, PartialEq)]
pub(crate) struct Account {
    pub(crate) acknowledged: usize,
    /// Of these more than once.
    pub(crate) repeated: usize,
}

enum Answer {
    Line(String),
    HangUp,
}

impl Server {
    /// Starts it, on threads of which the pool knows nothing. They end with the process.
    pub(crate) fn start(failures: Failures) -> io::Result<Server> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let server = Server {
            address: listener.local_addr()?,
            state: Arc::new(Mutex::new(State {
                failures,
                acknowledged: HashMap::new(),
            })),
        };
        let serving = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if !serving.is_down() {
                    let serving = serving.clone();
                    thread::spawn(move || serving.serve(stream));
                }
            }
        });
        Ok(server)
    }

    pub(crate) fn account(&self) -> Account {
        let state = self.state.lock().unwrap();
        let more_than_once = |times: &&u32| **times > 1;
        Account {
            acknowledged: state.acknowledged.len(),
            repeated: state.acknowledged.values().filter(more_than_once).count(),
        }
    }

    /// Whether it closes each connection at once.
    fn is_down(&self) -> bool {
        let mut state = self.state.lock().unwrap();
        let has_begun = state.acknowledged.len() >= state.failures.down_after;
        let is_down = has_begun && state.failures.down_for > 0;
        if is_down {
            state.failures.down_for -= 1;
            info!("server: down, for {} more", state.failures.down_for);
        }
        is_down
    }

    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line)?;
        let takes = self.state.lock().unwrap().failures.takes;
        thread::sleep(takes);
        match self.answer(line.trim_end()) {
            Answer::Line(answer) => stream.write_all(answer.as_bytes()),
            Answer::HangUp => Ok(()),
        }
    }

    fn answer(&self, line: &str) -> Answer {
        let mut state = self.state.lock().unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let ["SEND", id, to] = words[..] else {
            return Answer::Line("PERM what?\n".to_owned());
        };
        let Ok(id) = id.parse() else {
            return Answer::Line("PERM what id?\n".to_owned());
        };
        let percent = state.failures.percent;
        if state.failures.rng.u32(..100) < percent {
            return match state.failures.rng.u64(..100) {
                delay @ ..50 => Answer::Line(format!("TEMP try again after {delay}ms\n")),
                _ => Answer::HangUp,
            };
        }
        if to.starts_with("nobody@") {
            return Answer::Line("PERM no such user\n".to_owned());
        }
        *state.acknowledged.entry(id).or_default() += 1;
        Answer::Line(format!("OK {id}\n"))
    }
}
