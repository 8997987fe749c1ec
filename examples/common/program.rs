//! How a program runs, prints and ends: what the examples have in common.
//!
//! Where a program handles signals, a pipe that is full keeps a write for as long as its reader
//! likes, and Ctrl-C does not end that by itself. So these functions write on a thread of their
//! own. As long as no signal has come they wait for the reader; from then on for one more second.

#![allow(
    dead_code,
    reason = "every example is a crate of its own and uses a part"
)]

use groundcrew::ServiceContext;
use groundcrew::channel::{self, RecvTimeoutError};
use groundcrew::host::ServiceResult;
use groundcrew::signals::SignalGuard;
use std::env;
use std::error::Error;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

pub(crate) const FAILED: u8 = 1;
/// The command line is wrong.
pub(crate) const USAGE: u8 = 2;
/// Work is left for the next start: `EX_TEMPFAIL` of `sysexits.h`.
pub(crate) const TRY_AGAIN: u8 = 75;
/// 128 and the number of SIGINT.
pub(crate) const INTERRUPTED: u8 = 130;
/// 128 and the number of SIGPIPE, which Rust's programs ignore.
pub(crate) const BROKEN_PIPE: u8 = 141;

/// Runs the program. An error is printed on stderr, and the exit code is 1. If the reader of
/// stdout has gone, as in `program | head -1`, nothing is printed, and the exit code is 141.
pub(crate) fn run(program: impl FnOnce() -> Result<ExitCode>) -> ExitCode {
    match program() {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&*error) => BROKEN_PIPE.into(),
        Err(error) => {
            say(error);
            FAILED.into()
        }
    }
}

/// Runs a program that takes no arguments but `--help`.
pub(crate) fn run_without_options(
    help: &str,
    program: impl FnOnce() -> Result<ExitCode>,
) -> ExitCode {
    run(|| match env::args_os().nth(1) {
        None => program(),
        Some(option) if option == "--help" || option == "-h" => {
            print(help)?;
            Ok(ExitCode::SUCCESS)
        }
        Some(other) => {
            say(format!(
                "unexpected argument {other:?}; it takes `--help` alone"
            ));
            Ok(USAGE.into())
        }
    })
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// Parses an option.
pub(crate) fn milliseconds(text: &str) -> Result<Duration> {
    Ok(Duration::from_millis(text.parse()?))
}

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

/// Writes a line to stdout. If the reader has gone, as in `program | head -1`, the host is
/// stopped, and that is no error of the service.
pub(crate) fn print_or_stop(ctx: &ServiceContext, line: impl Display) -> ServiceResult {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            ctx.request_stop("the output is not read");
            Ok(())
        }
        written => Ok(written?),
    }
}

/// Writes a line to stderr, after the name of the program.
pub(crate) fn say(what: impl Display) {
    complain(format!("{}: {what}", env!("CARGO_BIN_NAME")));
}

/// Writes the line to stderr. Where that cannot be written to, there is nowhere else to say so.
pub(crate) fn complain(line: impl Display) {
    let line = format!("{line}\n");
    let _ = finish(is_stopping, move || io::stderr().write_all(line.as_bytes()));
}

/// Writes the account and the list of what is lost to stdout, and where that fails to stderr:
/// what is in no file has to be named somewhere. If the reader of stdout has gone, the account
/// alone is not worth a complaint.
pub(crate) fn tell(account: String, lost: String) {
    match print(account.clone() + &lost) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe && lost.is_empty() => {}
        Err(error) => complain(format!("stdout: {error}\n{}", (account + &lost).trim_end())),
        Ok(()) => {}
    }
}

fn is_stopping() -> bool {
    SIGNALS.get().is_some_and(SignalGuard::received)
}

/// How long a program that is being stopped waits for a reader.
const PATIENCE: Duration = Duration::from_secs(1);

/// Calls `write` on a thread of its own, which a write that does not end keeps. Blocks until
/// it has returned, but for no more than a second once `is_stopping` returns true.
pub(crate) fn finish(
    is_stopping: impl Fn() -> bool,
    write: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> io::Result<()> {
    let (tell, told) = channel::bounded(1);
    let write = Arc::new(Mutex::new(Some(write)));
    let take = |write: &Mutex<Option<_>>| write.lock().map_or(None, |mut write| write.take());
    let taken = write.clone();
    let helper = thread::Builder::new().name("output".to_owned());
    let helper = helper.spawn(move || take(&taken).map(|write| tell.send(write())));
    if helper.is_err() {
        // There is no thread to be had.
        return take(&write).map_or(Ok(()), |write| write());
    }
    let mut deadline = None;
    loop {
        match told.recv_timeout(A_MOMENT) {
            Ok(written) => return written,
            Err(RecvTimeoutError::Disconnected) => return Err(ErrorKind::Other.into()),
            Err(RecvTimeoutError::Timeout) if is_stopping() => {
                if Instant::now() >= *deadline.get_or_insert_with(|| Instant::now() + PATIENCE) {
                    let error = "it is not read";
                    return Err(io::Error::new(ErrorKind::TimedOut, error));
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

const A_MOMENT: Duration = Duration::from_millis(10);
