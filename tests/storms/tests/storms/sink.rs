//! The sink of a blog, which is another process: it counts what it has acknowledged.

use crate::common::{LONG, within};
use serde_json::Value;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    taken: Arc<Mutex<HashMap<String, usize>>>,
    /// How many clients are being served.
    serving: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sink {
    pub(crate) fn start() -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::new(Mutex::new(HashMap::new()));
        let is_over = Arc::new(AtomicBool::new(false));
        let serving = Arc::new(AtomicUsize::new(0));
        let (counts, ends, clients) = (Arc::clone(&taken), is_over.clone(), serving.clone());
        let thread = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ends.load(Relaxed) {
                    return;
                }
                let (counts, clients) = (counts.clone(), clients.clone());
                clients.fetch_add(1, SeqCst);
                thread::spawn(move || {
                    serve(stream, &counts);
                    clients.fetch_sub(1, SeqCst);
                });
            }
        });
        Sink {
            address,
            taken,
            serving,
            is_over,
            thread: Some(thread),
        }
    }

    /// How often each was acknowledged, those included that come from a client that is gone
    /// already.
    pub(crate) fn taken(&self) -> HashMap<String, usize> {
        // Clients are accepted in the order in which they come.
        let mut last = TcpStream::connect(self.address).unwrap();
        last.write_all(b"the last one\n").unwrap();
        let _ = last.read_to_end(&mut Vec::new());
        within(LONG, "the sink", || {
            while self.serving.load(SeqCst) > 0 {
                thread::sleep(Duration::from_millis(1));
            }
        });
        self.taken.lock().unwrap().clone()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.is_over.store(true, Relaxed);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().unwrap().join();
    }
}

fn serve(mut stream: TcpStream, taken: &Mutex<HashMap<String, usize>>) {
    let mut line = String::new();
    let read = BufReader::new(&stream).read_line(&mut line);
    if read.is_err() || fastrand::u8(..10) == 0 {
        return; // it hangs up
    }
    thread::sleep(Duration::from_millis(fastrand::u64(..10)));
    let Ok(request) = serde_json::from_str::<Value>(&line) else {
        return; // the client is gone in the middle of it
    };
    if fastrand::u8(..10) == 0 {
        let _ = stream.write_all(b"busy\n");
        return;
    }
    let id = |item: &Value| item["id"].as_str().map(str::to_owned);
    let events = request["events"].as_array().into_iter().flatten();
    let ids = id(&request["email"])
        .into_iter()
        .chain(events.filter_map(id));
    let mut taken = taken.lock().unwrap();
    for id in ids {
        *taken.entry(id).or_default() += 1;
    }
    drop(taken);
    let _ = stream.write_all(b"ok\n");
}
