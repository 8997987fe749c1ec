//! The client's side of the protocol: one mail, one connection.

use crate::mail::Mail;
use groundcrew::retry::Verdict;
use std::fmt;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Why a mail was not sent.
#[derive(Debug)]
pub(crate) enum SendError {
    /// There is no server, or it hung up.
    Connection(io::Error),
    /// The server is busy, and says for how long.
    Busy(Duration),
    /// The server refuses the mail, for good.
    Refused(String),
    /// The server answered something else.
    Nonsense(String),
}

impl SendError {
    /// What a retry makes of it.
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            SendError::Connection(_) => Verdict::Retry,
            SendError::Busy(delay) => Verdict::RetryAfter(*delay),
            SendError::Refused(_) | SendError::Nonsense(_) => Verdict::GiveUp,
        }
    }

    /// What a circuit breaker makes of it: who answers is not down.
    pub(crate) fn is_outage(&self) -> bool {
        matches!(self, SendError::Connection(_))
    }
}

/// So long a server that says nothing is borne. It is much longer than it takes, since a
/// server that is only slow may have the mail by then.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends the mail; returns once the server has acknowledged it.
pub(crate) fn send(server: SocketAddr, mail: &Mail) -> Result<(), SendError> {
    let answer = ask(server, &format!("SEND {} {}\n", mail.id, mail.to));
    let answer = answer.map_err(SendError::Connection)?;
    match answer.split_once(' ') {
        Some(("OK", id)) if id == mail.id.to_string() => Ok(()),
        Some(("TEMP", reason)) => Err(SendError::Busy(delay(reason).unwrap_or_default())),
        Some(("PERM", reason)) => Err(SendError::Refused(reason.to_owned())),
        _ => Err(SendError::Nonsense(answer)),
    }
}

/// A whole line for a line.
fn ask(server: SocketAddr, line: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(line.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    match answer.strip_suffix('\n') {
        Some(answer) => Ok(answer.to_owned()),
        None => Err(io::Error::new(
            ErrorKind::UnexpectedEof,
            "the server hung up",
        )),
    }
}

/// As in `try again after 50ms`.
fn delay(reason: &str) -> Option<Duration> {
    let (_, delay) = reason.rsplit_once(' ')?;
    let milliseconds = delay.strip_suffix("ms")?.parse().ok()?;
    Some(Duration::from_millis(milliseconds))
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::Connection(error) => error.fmt(f),
            SendError::Busy(delay) => write!(f, "the server is busy for {delay:?}"),
            SendError::Refused(reason) => f.write_str(reason),
            SendError::Nonsense(answer) => write!(f, "the server said {answer:?}"),
        }
    }
}
