//! What a worker does: one connection, one email after the other.

use crate::email::Email;
use groundcrew::{ItemOutcome, ServiceContext};
use log::{debug, warn};
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// How many the server has acknowledged.
#[derive(Default)]
pub(crate) struct Ledger {
    sent: AtomicUsize,
}

impl Ledger {
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Relaxed)
    }
}

pub(crate) struct Sender {
    server: SocketAddr,
    ledger: Arc<Ledger>,
    connection: Option<BufReader<TcpStream>>,
}

impl Sender {
    pub(crate) fn new(server: SocketAddr, ledger: Arc<Ledger>) -> Sender {
        Sender {
            server,
            ledger,
            connection: None,
        }
    }

    /// Sends the email, or puts it back.
    pub(crate) fn send(&mut self, email: &Email, ctx: &ServiceContext) -> io::Result<ItemOutcome> {
        match self.offer(email, ctx) {
            Ok(true) => {
                self.ledger.sent.fetch_add(1, Relaxed);
                return Ok(ItemOutcome::Handled);
            }
            Ok(false) => debug!("{email} is back"),
            Err(error) => {
                warn!("{email} is not sent yet: {error}");
                let _ = ctx.sleep(PAUSE); // or it would be tried again at once
            }
        }
        self.connection = None;
        Ok(ItemOutcome::PutBack)
    }

    /// Whether the server has taken it. Asked to stop, this asks for it back.
    fn offer(&mut self, email: &Email, ctx: &ServiceContext) -> io::Result<bool> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => self.connection.insert(connect(self.server)?),
        };
        connection
            .get_mut()
            .write_all(format!("{email}\n").as_bytes())?;
        debug!("{email} is on its way");
        let (mut answer, mut asked_back) = (String::new(), false);
        loop {
            match connection.read_line(&mut answer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => return Ok(answer == "taken\n"),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    if ctx.is_cancelled() && !asked_back {
                        connection.get_mut().write_all(b"\n")?;
                        asked_back = true;
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn connect(server: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    // A read knows no token, and so it looks up now and then.
    stream.set_read_timeout(Some(PAUSE))?;
    Ok(BufReader::new(stream))
}

const PAUSE: Duration = Duration::from_millis(10);
