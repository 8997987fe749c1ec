//! The two things of a TCP server that block and know no token: `accept`, and the read from a
//! client that says nothing. Here both end at once when a stop begins, and nothing polls.

use groundcrew::CancelToken;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Weak};
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

/// Those that are open, since a task holds them.
#[derive(Default)]
pub(crate) struct Connections {
    open: Vec<Weak<TcpStream>>,
}

impl Connections {
    pub(crate) fn add(&mut self, stream: TcpStream) -> Arc<TcpStream> {
        let stream = Arc::new(stream);
        self.open.retain(|stream| stream.strong_count() > 0);
        self.open.push(Arc::downgrade(&stream));
        stream
    }

    /// Ends the reading, not the writing: a client that says nothing has said all, and a request
    /// that has arrived is still read and answered.
    pub(crate) fn hang_up(&self) {
        for stream in self.open.iter().filter_map(Weak::upgrade) {
            let _ = stream.shutdown(Shutdown::Read);
        }
    }
}
