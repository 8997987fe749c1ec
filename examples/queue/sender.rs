//! What a worker does: one connection, one email after the other.

use crate::email::Email;
use groundcrew::{Queue, ServiceContext};
use log::debug;
use std::error::Error;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the workers have in hand, for a stop that cannot wait for them, and how many
/// the server has acknowledged.
#[derive(Default)]
pub(crate) struct Ledger {
    in_hand: Mutex<Vec<Email>>,
    sent: AtomicUsize,
}

impl Ledger {
    pub(crate) fn in_hand(&self) -> Vec<Email> {
        self.in_hand.lock().unwrap().clone()
    }

    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Relaxed)
    }

    fn take(&self, email: &Email) {
        self.in_hand.lock().unwrap().push(email.clone());
    }

    fn give_away(&self, email: &Email) {
        self.in_hand.lock().unwrap().retain(|other| other != email);
    }
}

pub(crate) struct Sender {
    server: SocketAddr,
    queue: Queue<Email>,
    ledger: Arc<Ledger>,
    connection: Option<BufReader<TcpStream>>,
}

impl Sender {
    pub(crate) fn new(server: SocketAddr, queue: Queue<Email>, ledger: Arc<Ledger>) -> Sender {
        Sender {
            server,
            queue,
            ledger,
            connection: None,
        }
    }

    /// Sends the email, or puts it back. It is in hand until it is elsewhere.
    pub(crate) fn send(
        &mut self,
        email: Email,
        ctx: &ServiceContext,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.ledger.take(&email);
        let outcome = self.offer(&email, ctx);
        match outcome {
            Ok(true) => {
                self.ledger.sent.fetch_add(1, Relaxed);
                self.ledger.give_away(&email);
                return Ok(());
            }
            Ok(false) => debug!("{email} is back"),
            Err(_) => drop(ctx.sleep(PAUSE)), // or it would be tried again at once
        }
        self.connection = None;
        // Once the report is made the queue takes nothing back; then it stays in hand.
        if self.queue.put_back(email.clone()).is_ok() {
            self.ledger.give_away(&email);
        }
        outcome.map(drop).map_err(Into::into)
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
