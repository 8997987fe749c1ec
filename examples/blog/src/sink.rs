//! The sink: it takes emails and events, notes their ids, and acknowledges them. It stands
//! for other machines, and fails when it is told to.
//!
//! A connection is a line of JSON and an answer: `ok`, `busy`, or `no: why`; or it hangs up.

use crate::chaos::Chaos;
use groundcrew::channel::{bounded, select};
use groundcrew::host::ServiceResult;
use groundcrew::{Service, ServiceContext};
use log::debug;
use serde_json::Value;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// How it is to fail.
#[derive(Default)]
pub(crate) struct Mood {
    /// It closes each connection at once.
    pub(crate) is_down: AtomicBool,
    /// The number of requests in a hundred that it does not take at the first try.
    pub(crate) failures: AtomicU32,
}

#[derive(Clone)]
pub(crate) struct Sink {
    listener: Arc<TcpListener>,
    /// What was acknowledged: a line each.
    notes: Arc<File>,
    mood: Arc<Mood>,
    chaos: Chaos,
}

/// So long a client that says nothing is borne.
const PATIENCE: Duration = Duration::from_secs(1);

impl Sink {
    pub(crate) fn new(notes: &Path, mood: Arc<Mood>, chaos: Chaos) -> io::Result<Sink> {
        Ok(Sink {
            listener: Arc::new(TcpListener::bind("127.0.0.1:0")?),
            notes: Arc::new(File::options().append(true).create(true).open(notes)?),
            mood,
            chaos,
        })
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    fn serve(&self, mut stream: TcpStream) -> ServiceResult {
        self.chaos.at_work("sink")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        if self.mood.is_down.load(Relaxed) {
            return Ok(());
        }
        let mut line = String::new();
        if let Err(error) = BufReader::new(&stream).read_line(&mut line) {
            debug!("a client is gone: {error}");
            return Ok(());
        }
        let answer = match self.mood.failures.load(Relaxed) > fastrand::u32(..100) {
            true if fastrand::bool() => return Ok(()),
            true => "busy\n".to_owned(),
            false => self.take(&line)?,
        };
        // The client may be gone by now; what it does not know it has to ask again.
        let _ = stream.write_all(answer.as_bytes());
        Ok(())
    }

    /// Notes what is in a request.
    fn take(&self, line: &str) -> io::Result<String> {
        let Ok(request) = serde_json::from_str::<Value>(line) else {
            return Ok("no: that is no JSON\n".to_owned());
        };
        if request["email"]["to"]
            .as_str()
            .is_some_and(|to| to.starts_with("nobody@"))
        {
            return Ok("no: there is no such reader\n".to_owned());
        }
        let mut ids = String::new();
        if let Some(id) = request["email"]["id"].as_str() {
            ids += &format!("email {id}\n");
        }
        for event in request["events"].as_array().into_iter().flatten() {
            if let Some(id) = event["id"].as_str() {
                ids += &format!("event {id}\n");
            }
        }
        (&*self.notes).write_all(ids.as_bytes())?;
        Ok("ok\n".to_owned())
    }
}

impl Service for Sink {
    fn start(&mut self, ctx: &ServiceContext) -> ServiceResult {
        ctx.note(format!("listening on {}", self.address()?));
        self.chaos.at_start("sink")
    }

    fn run(&mut self, ctx: &ServiceContext) -> ServiceResult {
        // `accept` knows no token, and so another thread calls it.
        let (send, clients) = bounded(0);
        let listener = self.listener.clone();
        let accept = thread::Builder::new().name("accept".to_owned());
        accept.spawn(move || {
            for stream in listener.incoming().flatten() {
                if send.send(stream).is_err() {
                    return;
                }
            }
        })?;
        let stopped = ctx.token().receiver();
        loop {
            select! {
                recv(stopped) -> _ => return Ok(()),
                recv(clients) -> stream => self.serve(stream?)?,
            }
        }
    }

    /// Lets that thread see that its clients are served no more.
    fn stop(&mut self, _: &ServiceContext) -> ServiceResult {
        TcpStream::connect(self.address()?)?;
        Ok(())
    }
}
