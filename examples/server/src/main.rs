//! A TCP server: a pool with a limit, readiness for a load balancer, and a stop that waits for no
//! idle client.
//!
//! ```text
//! $ cargo run -p server -- --stop-delay 2000
//! server: listening on 127.0.0.1:7000, health on http://127.0.0.1:7001
//! ^C
//! signal received, stopping; the next one reports at once what still runs (within 0.5 s it is the same request)
//! ```
//!
//! Meanwhile, in another terminal:
//!
//! ```text
//! $ nc 127.0.0.1 7000
//! hello
//! HELLO
//! wait 500
//! waited 500 ms
//! $ curl -i http://127.0.0.1:7001
//! HTTP/1.1 200 OK
//! ```
//!
//! It answers each line in capitals; `wait 500` takes that many milliseconds. `--help` lists the
//! options and exit codes, `RUST_LOG=info` logs more.
//!
//! # How it works
//!
//! ```text
//! client ──> listener ──> queue, 16 places ──> worker: reads a line, answers it, ...
//!               │
//!               └── no place: "busy"
//! ```
//!
//! A connection is a task, and keeps a worker as long as it is open. So as many clients are served
//! at once as there are workers, as many wait as the queue has places, and all others are refused
//! at once: the number of threads and of open connections has a limit. The connection of a client
//! that says nothing for half a minute is closed.
//!
//! # How it stops
//!
//! 1. On the first signal the server is no longer ready: `health` answers 503. For the time of
//!    `--stop-delay` it goes on as before, so that the load balancer can notice.
//! 2. The listener stops, and closes its socket.
//! 3. The pool stops: `ctx.stopping()` is cancelled. That ends the reading of every connection, so
//!    that a client that says nothing holds up no worker. A line that has arrived is still answered.
//!    A client that sends one line after the other would keep its task, which looks at the token
//!    after each answer.
//! 4. In the last quarter of the time `ctx.token()` is cancelled: a `wait` ends early. A task that
//!    goes on even then is named in the report, and the exit code is 75.
//!
//! # Under systemd
//!
//! As `Type=notify` it says when it is ready and when it stops, and with `WatchdogSec` that it is
//! alive. `SuccessExitStatus=75` belongs into the unit; `groundcrew::guide::systemd` says why.
//!
//! `listener.rs` is the server.

mod health;
mod listener;
#[path = "../../common/program.rs"]
mod program;
#[cfg(unix)]
mod systemd;

use clap::Parser;
use groundcrew::{Host, Pool};
use program::milliseconds;
use std::net::{SocketAddr, TcpListener};
use std::process::{ExitCode, Termination};
use std::time::Duration;

const EXIT_CODES: &str = "\
Exit codes:
    0  it was stopped, and every client got its answers
    1  something failed: an address is taken, say
    2  the command line is wrong
   75  a connection did not end in time; the report names it
  130  the third Ctrl-C";

/// Answer lines of text over TCP, until Ctrl-C.
#[derive(Parser)]
#[command(name = "server", after_help = EXIT_CODES)]
struct Options {
    /// Where to listen; port 0 is any that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7000")]
    listen: SocketAddr,

    /// Where to answer whether it is ready
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7001")]
    health: SocketAddr,

    /// How many clients are served at once
    #[arg(long, value_name = "COUNT", default_value = "64")]
    clients: usize,

    /// How many clients wait for that, before others are refused
    #[arg(long, value_name = "COUNT", default_value = "16")]
    waiting: usize,

    /// How long it goes on after the first signal, no longer ready
    #[arg(long, value_name = "MILLISECONDS", default_value = "0", value_parser = milliseconds)]
    stop_delay: Duration,

    /// How long the whole stop may take
    #[arg(long, value_name = "MILLISECONDS", default_value = "8000", value_parser = milliseconds)]
    stop_timeout: Duration,
}

fn main() -> ExitCode {
    env_logger::init();
    program::run(|| run(&Options::parse()))
}

fn run(options: &Options) -> program::Result<ExitCode> {
    let listener = TcpListener::bind(options.listen)?;
    let health = TcpListener::bind(options.health)?;
    let (listens, answers) = (listener.local_addr()?, health.local_addr()?);
    program::say(format!(
        "listening on {listens}, health on http://{answers}"
    ));
    let pool = Pool::builder()
        .name("clients")
        .threads(options.clients)
        .queue_capacity(options.waiting)
        .build()?;
    let workers = pool.submitter();

    let mut host = Host::builder();
    host.name("server")
        .stop_delay(options.stop_delay)
        .stop_timeout(options.stop_timeout);
    host.background("health", move |ctx| health::answer(&health, ctx));
    host.add("clients", pool);
    host.background("listener", move |ctx| {
        listener::serve(&listener, &workers, ctx)
    })
    .after("clients");
    #[cfg(unix)]
    host.background("systemd", systemd::supervise)
        .after(["listener", "health"]);
    Ok(host.build()?.run_until_signal()?.report())
}
