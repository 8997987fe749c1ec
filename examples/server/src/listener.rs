//! The server: accepts connections, and answers their lines.

use crate::connections::{Connections, accept};
use groundcrew::host::ServiceResult;
use groundcrew::stop::PoolPhase;
use groundcrew::submit::WhenFull;
use groundcrew::{ServiceContext, StopHandle, Submitter, TaskContext};
use log::{info, warn};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// A client that says nothing, or takes no answer, for this long is hung up on.
const PATIENCE: Duration = Duration::from_secs(30);
/// A line that is longer is answered in pieces.
const LONGEST: u64 = 64 * 1024;
/// After an error, of too many open files, say: the next one might come at once.
const PAUSE: Duration = Duration::from_millis(20);

/// Gives each connection to a worker until the stop, and then hangs up on idle ones.
pub(crate) fn serve(
    listener: &TcpListener,
    workers: &Submitter,
    pool: &StopHandle,
    ctx: &ServiceContext,
) -> ServiceResult {
    let mut connections = Connections::default();
    for stream in accept(listener, ctx.token())? {
        match stream.and_then(|stream| Ok((stream.peer_addr()?, connections.add(stream)))) {
            Ok((client, stream)) => {
                let (connection, pool) = (stream.clone(), pool.clone());
                let task = workers.task(client.to_string()).when_full(WhenFull::Refuse);
                let task = task.execute_with(move |ctx| converse(&connection, &pool, ctx));
                if task.is_err() {
                    let _ = writeln!(&*stream, "busy");
                }
            }
            Err(error) => {
                warn!("{error}");
                let _ = ctx.sleep(PAUSE);
            }
        }
    }
    connections.hang_up();
    Ok(())
}

fn converse(stream: &TcpStream, pool: &StopHandle, ctx: &TaskContext) {
    if let Err(error) = answer_lines(stream, pool, ctx) {
        info!("{}: {error}", ctx.info().name());
    }
}

fn answer_lines(mut stream: &TcpStream, pool: &StopHandle, ctx: &TaskContext) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let (mut reader, mut line) = (BufReader::new(stream), String::new());
    while reader.by_ref().take(LONGEST).read_line(&mut line)? > 0 {
        ctx.note(line.trim_end());
        writeln!(stream, "{}", answer(line.trim_end(), ctx))?;
        line.clear();
        if pool.phase() != PoolPhase::Open {
            break; // a client that sends one line after the other would go on
        }
    }
    Ok(())
}

fn answer(line: &str, ctx: &TaskContext) -> String {
    let millis = line
        .strip_prefix("wait ")
        .and_then(|rest| rest.parse().ok());
    match millis.map(|millis| ctx.sleep(Duration::from_millis(millis))) {
        None => line.to_uppercase(),
        Some(Ok(())) => format!("waited {} ms", millis.unwrap_or_default()),
        Some(Err(stopped)) => stopped.to_string(),
    }
}
