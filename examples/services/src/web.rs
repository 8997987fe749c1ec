//! The service that greets.

use crate::count;
use crate::pages::Pages;
use groundcrew::channel::Sender;
use groundcrew::host::ServiceResult;
use groundcrew::submit::WhenFull;
use groundcrew::{CancelToken, Service, ServiceContext, Submitter, TaskContext};
use log::{debug, info};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Accepts connections, and lets the workers greet.
pub(crate) struct Web {
    port: u16,
    workers: Submitter,
    desk: Desk,
    listener: Option<TcpListener>,
    requests: usize,
}

/// What a worker needs to greet a guest.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) guests: Sender<String>,
    pub(crate) pages: Arc<Mutex<Pages>>,
}

/// How long a client may take to say what it wants, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(5);

impl Web {
    pub(crate) fn new(port: u16, workers: &Submitter, desk: &Desk) -> Web {
        Web {
            port,
            workers: workers.clone(),
            desk: desk.clone(),
            listener: None,
            requests: 0,
        }
    }

    /// Waits for a place in the queue of the workers; meanwhile clients wait for an `accept`.
    fn serve(&mut self, stream: TcpStream, stopped: &CancelToken) -> io::Result<()> {
        let client = stream.peer_addr()?;
        debug!("web: {client} is here");
        self.requests += 1;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let desk = self.desk.clone();
        let task = format!("request {} from {client}", self.requests);
        let task = self.workers.task(task);
        let task = task.when_full(WhenFull::WaitUntilCancelled(stopped.clone()));
        let accepted = task.execute_with(move |ctx| {
            if let Err(error) = desk.greet(stream, ctx) {
                info!("web: {client}: {error}");
            }
        });
        accepted.map_err(io::Error::other)
    }
}

impl Desk {
    /// The path of the request is the name of the guest.
    fn greet(&self, stream: TcpStream, ctx: &TaskContext) -> ServiceResult {
        let stream = Arc::new(stream);
        let idle = stream.clone();
        // When the workers stop, a request that has arrived is still read and answered (on Linux).
        let hang_up = move || drop(idle.shutdown(Shutdown::Read));
        let _guard = ctx.stopping().on_cancel(hang_up);
        let mut lines = BufReader::new(&*stream).lines();
        let Some(request) = lines.next().transpose()? else {
            return Ok(()); // it has said nothing
        };
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
        write!(&*stream, "{head}Connection: close\r\n\r\n{page}")?;
        Ok(())
    }
}

impl Service for Web {
    fn start(&mut self, _: &ServiceContext) -> ServiceResult {
        let listener = TcpListener::bind(("127.0.0.1", self.port))?;
        info!("web: http://{}/your-name", listener.local_addr()?);
        self.listener = Some(listener);
        Ok(())
    }

    fn run(&mut self, ctx: &ServiceContext) -> ServiceResult {
        let listener = self.listener.take().ok_or("it is not listening")?;
        let address = listener.local_addr()?;
        let wake = move || drop(TcpStream::connect(address)); // ends the `accept`
        let _guard = ctx.token().on_cancel(wake);
        for stream in listener.incoming().take_while(|_| !ctx.is_cancelled()) {
            if let Err(error) = stream.and_then(|stream| self.serve(stream, ctx.token())) {
                info!("web: {error}");
                ctx.sleep(PAUSE)?;
            }
        }
        Ok(())
    }

    /// The requests that have come are answered: "workers" stops after this.
    fn stop(&mut self, _: &ServiceContext) -> ServiceResult {
        info!("web: closed after {}", count(self.requests, "request"));
        Ok(())
    }
}

/// After an error, of too many open files, say: the next one might come at once.
const PAUSE: Duration = Duration::from_millis(20);
