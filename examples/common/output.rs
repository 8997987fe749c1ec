//! What a program writes to stdout and stderr where its signals are taken: a pipe that is full
//! keeps a write for as long as its reader likes, and Ctrl-C does not end that by itself.
//!
//! As long as no signal has come these wait for the reader; from then on for a second more.

#![allow(
    dead_code,
    reason = "every example is a crate of its own and uses a part"
)]

use groundcrew::channel::{self, RecvTimeoutError};
use groundcrew::signals::SignalGuard;
use parking_lot::Mutex;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// How long a program that is being stopped waits for a reader.
const PATIENCE: Duration = Duration::from_secs(1);

static SIGNALS: OnceLock<SignalGuard> = OnceLock::new();

/// Keeps the signals to the end of the process, so that another one does not get between
/// what is left and its file, and lets those that have come bound what is written here.
pub(crate) fn bounded_by(signals: SignalGuard) -> &'static SignalGuard {
    SIGNALS.get_or_init(|| signals)
}

/// Writes the text to stdout. An error says that some of it is not written.
pub(crate) fn print(text: impl Into<Vec<u8>>) -> io::Result<()> {
    let text = text.into();
    finish(is_stopping, move || {
        let mut stdout = io::stdout().lock();
        stdout.write_all(&text)?;
        stdout.flush()
    })
}

/// Writes the line to stderr. Where that cannot be written to, there is nowhere else to say so.
pub(crate) fn complain(line: impl Display) {
    let line = format!("{line}\n");
    let _ = finish(is_stopping, move || io::stderr().write_all(line.as_bytes()));
}

/// Writes the text to stdout, and where that fails to stderr: what is in no file is not to be
/// lost.
pub(crate) fn tell(text: String) {
    if let Err(error) = print(text.clone()) {
        complain(format!("stdout: {error}\n{}", text.trim_end()));
    }
}

fn is_stopping() -> bool {
    SIGNALS.get().is_some_and(SignalGuard::received)
}

/// Calls `write` on a thread of its own, which a write that does not end keeps. Blocks until
/// it has returned, but for no more than a second once `is_stopping` returns true.
pub(crate) fn finish(
    is_stopping: impl Fn() -> bool,
    write: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> io::Result<()> {
    let (tell, told) = channel::bounded(1);
    let write = Arc::new(Mutex::new(Some(write)));
    let taken = write.clone();
    let helper = thread::Builder::new().name("output".to_owned());
    let helper = helper.spawn(move || {
        let write = taken.lock().take();
        let _ = write.map(|write| tell.send(write()));
    });
    if helper.is_err() {
        // There is no thread to be had.
        let write = write.lock().take();
        return write.map_or(Ok(()), |write| write());
    }
    let mut deadline = None;
    loop {
        match told.recv_timeout(A_MOMENT) {
            Ok(written) => return written,
            Err(RecvTimeoutError::Disconnected) => return Err(ErrorKind::Other.into()),
            Err(RecvTimeoutError::Timeout) if is_stopping() => {
                if Instant::now() >= *deadline.get_or_insert_with(|| Instant::now() + PATIENCE) {
                    let error = "nobody reads it";
                    return Err(io::Error::new(ErrorKind::TimedOut, error));
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

const A_MOMENT: Duration = Duration::from_millis(10);
