//! Whether the server is ready, for a load balancer or for Kubernetes.

use groundcrew::ServiceContext;
use groundcrew::host::ServiceResult;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// A probe that says nothing holds up the next one for this long.
const PATIENCE: Duration = Duration::from_millis(500);

/// Answers 200 as long as the host is ready, otherwise 503.
pub(crate) fn answer(listener: &TcpListener, ctx: &ServiceContext) -> ServiceResult {
    let address = listener.local_addr()?;
    let wake = move || drop(TcpStream::connect(address)); // ends the `accept`
    let _guard = ctx.token().on_cancel(wake);
    for stream in listener.incoming().take_while(|_| !ctx.is_cancelled()) {
        let status = match ctx.host().is_ready() {
            true => "200 OK",
            false => "503 Service Unavailable",
        };
        let _ = stream.and_then(|stream| reply(&stream, status)); // the next probe is soon here
    }
    Ok(())
}

fn reply(mut stream: &TcpStream, status: &str) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    for line in BufReader::new(stream).lines() {
        if line?.is_empty() {
            break;
        }
    }
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
}
