//! The server: it stands for another machine, and is slow.
//!
//! It reads an email, a line, and answers `taken` once it has it in its inbox. Until
//! then the sender may take it back, with an empty line, and is told `not taken`. So
//! exactly one of them has it, however they race.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Starts it, on threads of which the host knows nothing. They end with the process.
pub(crate) fn start(inbox: PathBuf, takes: Duration) -> io::Result<SocketAddr> {
    if let Some(folder) = inbox.parent() {
        fs::create_dir_all(folder)?;
    }
    let inbox = Arc::new(File::options().append(true).create(true).open(inbox)?);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let inbox = inbox.clone();
            thread::spawn(move || serve(stream, &inbox, takes));
        }
    });
    Ok(address)
}

/// One connection, until the sender hangs up.
fn serve(stream: TcpStream, inbox: &File, takes: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(&stream);
    loop {
        let mut email = String::new();
        stream.set_read_timeout(None)?;
        if lines.read_line(&mut email)? == 0 {
            return Ok(());
        }
        if email == "\n" {
            continue; // taken back too late: the answer was on its way
        }
        let answer = match is_taken_back(&stream, &mut lines, takes)? {
            true => "not taken\n",
            false => {
                (&*inbox).write_all(email.as_bytes())?;
                "taken\n"
            }
        };
        (&stream).write_all(answer.as_bytes())?;
    }
}

/// Takes its time, unless the sender says something meanwhile, or hangs up.
fn is_taken_back(
    stream: &TcpStream,
    lines: &mut BufReader<&TcpStream>,
    takes: Duration,
) -> io::Result<bool> {
    if takes.is_zero() {
        return Ok(false);
    }
    stream.set_read_timeout(Some(takes))?;
    match lines.read_line(&mut String::new()) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
