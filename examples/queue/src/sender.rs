//! What a worker does: one connection, one email after the other.

use crate::email::Email;
use crate::outbox::{Outbox, Sealed};
use groundcrew::ServiceContext;
use groundcrew::host::ItemOutcome;
use log::debug;
use std::error::Error;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::slice;
use std::time::Duration;

pub(crate) struct Sender {
    server: SocketAddr,
    outbox: Outbox<Email>,
    connection: Option<BufReader<TcpStream>>,
}

/// Why the server does not have an email.
enum NotSent {
    /// It was asked to give it back, and has.
    TakenBack,
    /// It was not offered: the outbox is saved.
    TooLate,
    Failed(io::Error),
}

impl Sender {
    pub(crate) fn new(server: SocketAddr, outbox: Outbox<Email>) -> Sender {
        Sender {
            server,
            outbox,
            connection: None,
        }
    }

    /// Sends the email. It stays in the outbox until the server has acknowledged it. After an
    /// error, the queue tries it again.
    pub(crate) fn send(
        &mut self,
        email: &Email,
        ctx: &ServiceContext,
    ) -> Result<ItemOutcome, Box<dyn Error + Send + Sync>> {
        let outbox = self.outbox.clone();
        let sent = outbox.send(slice::from_ref(email), || self.offer(email, ctx));
        if sent.is_err() {
            self.connection = None;
        }
        match sent {
            Ok(()) => Ok(ItemOutcome::Handled),
            Err(NotSent::TakenBack | NotSent::TooLate) => Ok(ItemOutcome::HandBack),
            Err(NotSent::Failed(error)) => Err(error.into()),
        }
    }

    /// Returns once the server has acknowledged it. Asked to stop, this asks for it back.
    fn offer(&mut self, email: &Email, ctx: &ServiceContext) -> Result<(), NotSent> {
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
                Ok(0) => return Err(NotSent::Failed(ErrorKind::UnexpectedEof.into())),
                Ok(_) if answer == "taken\n" => return Ok(()),
                Ok(_) => return Err(NotSent::TakenBack),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    if ctx.is_cancelled() && !asked_back {
                        connection.get_mut().write_all(b"\n")?;
                        asked_back = true;
                    }
                }
                Err(error) => return Err(NotSent::Failed(error)),
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

impl From<Sealed> for NotSent {
    fn from(_: Sealed) -> NotSent {
        NotSent::TooLate
    }
}

impl From<io::Error> for NotSent {
    fn from(error: io::Error) -> NotSent {
        NotSent::Failed(error)
    }
}
