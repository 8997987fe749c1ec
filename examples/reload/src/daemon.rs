//! The daemon: one service, which waits for its signals, for the stop, and for the next greeting.

use crate::program::{self, milliseconds, print_or_stop};
use clap::Parser;
use groundcrew::channel::select;
use groundcrew::host::ServiceResult;
use groundcrew::signals::{self, Signal, SignalReceiver};
use groundcrew::{Host, ServiceContext};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Termination};
use std::time::Duration;

const EXIT_CODES: &str = "\
Exit codes:
    0  it was stopped by SIGINT or SIGTERM, or the reader of stdout has gone
    1  there is no configuration; stderr says why
    2  the command line is wrong
   75  it did not end in time; the report says so
  130  the third signal";

/// Print a greeting at intervals; read it from its file again at SIGHUP.
#[derive(Parser)]
#[command(name = "reload", after_help = EXIT_CODES)]
struct Options {
    /// The file with the greeting
    file: PathBuf,

    /// The time between two greetings
    #[arg(value_name = "MILLISECONDS", default_value = "1000", value_parser = milliseconds)]
    every: Duration,
}

pub(crate) fn run() -> program::Result<ExitCode> {
    let Options { file, every } = Options::parse();
    // First of all: until then these two end the process.
    let (hangup, usr1) = (
        signals::receiver(Signal::Hup)?,
        signals::receiver(Signal::Usr1)?,
    );
    let mut host = Host::builder();
    host.background("greeter", move |ctx| {
        greet(ctx, &file, every, &hangup, &usr1)
    });
    let host = host.build()?;
    Ok(host.run_until_any_of([Signal::Int, Signal::Term])?.report())
}

fn greet(
    ctx: &ServiceContext,
    file: &Path,
    every: Duration,
    hangup: &SignalReceiver,
    usr1: &SignalReceiver,
) -> ServiceResult {
    let mut greeting = read(file)?;
    let (mut greetings, mut times) = (0, 1);
    print_or_stop(ctx, format!("greeting: {greeting}"))?;
    let stopped = ctx.token().receiver();
    loop {
        select! {
            recv(stopped) -> _ => return Ok(()),
            recv(hangup) -> _ => match read(file) {
                Ok(new) => {
                    greeting = new;
                    times += 1;
                    print_or_stop(ctx, format!("greeting: {greeting}"))?;
                }
                Err(error) => print_or_stop(ctx, format!("greeting: {error}; {greeting} stays"))?,
            },
            recv(usr1) -> _ => {
                print_or_stop(ctx, format!("{greetings} greetings, read {times} times"))?;
            }
            default(every) => {
                greetings += 1;
                print_or_stop(ctx, &greeting)?;
            }
        }
    }
}

fn read(file: &Path) -> io::Result<String> {
    let text = fs::read_to_string(file)?;
    match text.trim() {
        "" => Err(io::Error::other("the file is empty")),
        greeting => Ok(greeting.to_owned()),
    }
}
