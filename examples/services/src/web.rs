//! The service that greets.

use crate::count;
use crate::pages::Pages;
use groundcrew::channel::Sender;
use groundcrew::host::ServiceResult;
use groundcrew::{Service, ServiceContext};
use log::{debug, info};
use std::error::Error;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Greets whoever comes, one after the other.
pub(crate) struct Web {
    port: u16,
    guests: Sender<String>,
    pages: Arc<Mutex<Pages>>,
    listener: Option<TcpListener>,
    requests: usize,
}

impl Web {
    pub(crate) fn new(port: u16, guests: &Sender<String>, pages: &Arc<Mutex<Pages>>) -> Web {
        Web {
            port,
            guests: guests.clone(),
            pages: pages.clone(),
            listener: None,
            requests: 0,
        }
    }

    /// The path of the request is the name of the guest.
    fn answer(&self, mut stream: TcpStream) -> Result<(), Box<dyn Error + Send + Sync>> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut lines = BufReader::new(&stream).lines();
        let request = lines.next().unwrap_or(Ok(String::new()))?;
        // A client that is answered before it has said all sees a broken connection.
        for header in lines {
            if header?.is_empty() {
                break;
            }
        }
        let path = request.split(' ').nth(1).unwrap_or_default();
        let pages = self.pages.lock().unwrap().clone();
        let page = match path.trim_matches('/') {
            "" => pages["empty"].to_owned(),
            guest => {
                self.guests.send(guest.to_owned())?;
                info!("web: {guest} was here");
                format!("{}{guest}\n", pages["greeting"])
            }
        };
        let length = page.len();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n");
        write!(stream, "{head}Connection: close\r\n\r\n{page}")?;
        Ok(())
    }
}

/// So long a client that says nothing is borne.
const PATIENCE: Duration = Duration::from_secs(5);
/// `accept` knows no token, and so it is not waited for.
const PAUSE: Duration = Duration::from_millis(20);

impl Service for Web {
    fn start(&mut self, _: &ServiceContext) -> ServiceResult {
        let listener = TcpListener::bind(("127.0.0.1", self.port))?;
        listener.set_nonblocking(true)?;
        info!("web: http://{}/your-name", listener.local_addr()?);
        self.listener = Some(listener);
        Ok(())
    }

    fn run(&mut self, ctx: &ServiceContext) -> ServiceResult {
        let listener = self.listener.take().ok_or("it is not listening")?;
        while !ctx.is_cancelled() {
            match listener.accept() {
                Ok((stream, client)) => {
                    debug!("web: {client} is here");
                    self.requests += 1;
                    ctx.note(format!("request {} from {client}", self.requests));
                    if let Err(error) = self.answer(stream) {
                        info!("web: {client}: {error}");
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => ctx.sleep(PAUSE)?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn stop(&mut self, _: &ServiceContext) -> ServiceResult {
        info!("web: closed after {}", count(self.requests, "request"));
        Ok(())
    }
}
