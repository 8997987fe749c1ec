//! The two things of a TCP server that block and know no token: `accept`, and the read from a
//! client that says nothing. Here both end at once when a stop begins, and nothing polls.

use groundcrew::CancelToken;
use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// The connections that clients open, until the token is cancelled.
///
/// A thread waits for the token, and then opens a connection itself: that ends the `accept`.
pub(crate) fn accept(
    listener: &TcpListener,
    token: &CancelToken,
) -> io::Result<impl Iterator<Item = io::Result<TcpStream>>> {
    let (address, stopped) = (listener.local_addr()?, token.clone());
    let waker = thread::Builder::new().name("wake accept".to_owned());
    waker.spawn({
        let stopped = stopped.clone();
        move || {
            stopped.wait();
            let _ = TcpStream::connect(address);
        }
    })?;
    Ok(listener
        .incoming()
        .take_while(move |_| !stopped.is_cancelled()))
}

/// Those that are open. A clone is the same.
#[derive(Clone, Default)]
pub(crate) struct Connections {
    open: Arc<Mutex<HashMap<u64, Arc<TcpStream>>>>,
    next: u64,
}

/// A connection; it is open until this is dropped.
pub(crate) struct Connection {
    pub(crate) stream: Arc<TcpStream>,
    number: u64,
    of: Connections,
}

impl Connections {
    pub(crate) fn add(&mut self, stream: TcpStream) -> Connection {
        let (stream, number) = (Arc::new(stream), self.next);
        self.next += 1;
        self.open.lock().unwrap().insert(number, stream.clone());
        Connection {
            stream,
            number,
            of: self.clone(),
        }
    }

    /// Ends the reading, not the writing: a client that says nothing has said all, and a request
    /// that has arrived is still read and answered.
    pub(crate) fn hang_up(&self) {
        for stream in self.open.lock().unwrap().values() {
            let _ = stream.shutdown(Shutdown::Read);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.of.open.lock().unwrap().remove(&self.number);
    }
}
