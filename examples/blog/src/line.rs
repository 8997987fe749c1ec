//! The way to the sink: a line of JSON, and its answer.

use crate::outbox::Sealed;
use groundcrew::retry::Verdict;
use serde_json::Value;
use std::fmt;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

#[derive(Clone, Copy)]
pub(crate) struct Line {
    pub(crate) sink: SocketAddr,
}

/// Why the sink did not take something.
#[derive(Debug)]
pub(crate) enum LineError {
    /// There is no server, or it closed the connection.
    Connection(io::Error),
    Busy,
    /// For good.
    Refused(String),
    /// It is no sink.
    Nonsense(String),
    /// It was not asked: the outbox is saved.
    TooLate(Sealed),
}

/// So long a sink that says nothing is borne.
const PATIENCE: Duration = Duration::from_secs(2);

impl Line {
    /// Returns once the sink has acknowledged it.
    pub(crate) fn send(&self, request: &Value) -> Result<(), LineError> {
        let answer = self.ask(request).map_err(LineError::Connection)?;
        match (answer.as_str(), answer.strip_prefix("no: ")) {
            ("ok", _) => Ok(()),
            ("busy", _) => Err(LineError::Busy),
            (_, Some(why)) => Err(LineError::Refused(why.to_owned())),
            _ => Err(LineError::Nonsense(answer)),
        }
    }

    fn ask(&self, request: &Value) -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.sink, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(format!("{request}\n").as_bytes())?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        match answer.pop() {
            Some('\n') => Ok(answer),
            _ => Err(ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl LineError {
    /// What a retry makes of it.
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            LineError::Refused(_) => Verdict::GiveUp,
            _ => Verdict::Retry,
        }
    }

    /// What a circuit breaker makes of it: who answers is not down.
    pub(crate) fn is_outage(&self) -> bool {
        matches!(self, LineError::Connection(_) | LineError::Nonsense(_))
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LineError::Connection(error) => write!(f, "the sink cannot be reached: {error}"),
            LineError::Busy => f.write_str("the sink is busy"),
            LineError::Nonsense(answer) => write!(f, "that is no answer of a sink: {answer}"),
            LineError::Refused(why) => write!(f, "refused: {why}"),
            LineError::TooLate(sealed) => sealed.fmt(f),
        }
    }
}

impl std::error::Error for LineError {}

impl From<Sealed> for LineError {
    fn from(sealed: Sealed) -> LineError {
        LineError::TooLate(sealed)
    }
}
