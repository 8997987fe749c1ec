//! The server: accepts connections, and answers their lines.

use groundcrew::host::ServiceResult;
use groundcrew::submit::WhenFull;
use groundcrew::{ServiceContext, Submitter, TaskContext};
use log::{info, warn};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// The connection of a client that says nothing, or takes no answer, for this long is closed.
const PATIENCE: Duration = Duration::from_secs(30);
/// A line that is longer is answered in pieces.
const LONGEST: u64 = 64 * 1024;
/// After an error, of too many open files, say: the next one might come at once.
const PAUSE: Duration = Duration::from_millis(20);

/// Gives each connection to a worker, until the stop.
pub(crate) fn serve(
    listener: &TcpListener,
    workers: &Submitter,
    ctx: &ServiceContext,
) -> ServiceResult {
    let address = listener.local_addr()?;
    let wake = move || drop(TcpStream::connect(address)); // ends the `accept`
    let _guard = ctx.token().on_cancel(wake);
    for stream in listener.incoming().take_while(|_| !ctx.is_cancelled()) {
        match stream.and_then(|stream| Ok((stream.peer_addr()?, Arc::new(stream)))) {
            Ok((client, stream)) => {
                let connection = stream.clone();
                let task = workers.task(client.to_string()).when_full(WhenFull::Refuse);
                let task = task.execute_with(move |ctx| converse(&connection, ctx));
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
    Ok(())
}

fn converse(stream: &Arc<TcpStream>, ctx: &TaskContext) {
    let idle = stream.clone();
    // Ends the reading, not the writing: on Linux, a request that has arrived is still read and
    // answered.
    let hang_up = move || drop(idle.shutdown(Shutdown::Read));
    let _guard = ctx.stopping().on_cancel(hang_up);
    if let Err(error) = answer_lines(stream, ctx) {
        info!("{}: {error}", ctx.info().name());
    }
}

fn answer_lines(mut stream: &TcpStream, ctx: &TaskContext) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let (mut reader, mut line) = (BufReader::new(stream), String::new());
    while reader.by_ref().take(LONGEST).read_line(&mut line)? > 0 {
        ctx.note(line.trim_end());
        writeln!(stream, "{}", answer(line.trim_end(), ctx))?;
        line.clear();
        if ctx.stopping().is_cancelled() {
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
