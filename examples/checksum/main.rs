//! SHA-256 of every file below the paths given, printed as `sha256sum` prints it.
//!
//! ```text
//! $ cargo run --release --example checksum -- src > SUMS
//! $ head -2 SUMS
//! 4a8e3d0f6a4b9c1f5b0a7d3c8e2f6a1b9d4c7e0f3a6b8c1d5e9f2a4b7c0d3e6f  src/cancel.rs
//! b1946ac92492d2347c6235b4d2611184f1d2d3b4c5a69788796a5b4c3d2e1f00  src/cancel/tests.rs
//! $ sha256sum --check --quiet SUMS
//! ```
//!
//! `--help` lists the options.
//!
//! # How it works
//!
//! A walk finds the files, depth first, each folder sorted by name. Every file
//! is a task of the pool, and the task's handle takes a place in a queue; the
//! printer joins the handles in that order. So the lines come in the order of
//! the walk, whichever file is done first.
//!
//! ```text
//!  walk ── task ───> pool, one task a file
//!     └─── handle ─> queue of 100,000 places ──> printer: join, print
//! ```
//!
//! Both queues are bounded. Where one is full the walk pauses, so that memory
//! stays flat on a tree of any size.
//!
//! Ctrl-C stops the pool, and nobody has to tell the printer: no join waits
//! longer than the stop. Those of finished files still give their line, the
//! others an error, which leaves a gap.
//!
//! # What counts as a file
//!
//! A link given by name is followed, to a file or to a folder, as `find -H`
//! does. Below a folder regular files count and nothing else. A pipe, a socket
//! or a device given by name is an error: reading it might never end.
//!
//! # Exit codes
//!
//! | code | meaning |
//! | --- | --- |
//! | 0 | every file has its line |
//! | 1 | some file has none, or the output could not be written; stderr says why |
//! | 2 | the command line is wrong |
//! | 130 | interrupted: the lines printed are good, the stop report is on stderr |
//! | 141 | nobody reads on, as in `checksum \| head`; a shell says so of `sha256sum` too |

mod failure;
mod printer;
mod sum;
mod walk;

use clap::Parser;
use groundcrew::channel::{self, Sender};
use groundcrew::{Pool, StopPlan, Submitter, signals};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use printer::Turn;
use std::error::Error;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Duration;
use std::{fs, thread};
use walk::Walk;

/// Print the SHA-256 of every regular file below the paths, as sha256sum does.
#[derive(Parser)]
#[command(name = "checksum")]
struct Options {
    /// Files and folders; `-` is not special
    #[arg(default_value = ".")]
    paths: Vec<OsString>,

    /// How many files are read at once [default: one for each CPU]
    #[arg(long, value_name = "COUNT")]
    threads: Option<NonZeroUsize>,

    /// How many files wait to be read, at most
    #[arg(long, value_name = "COUNT", default_value = "1024")]
    queue: NonZeroUsize,

    /// How long Ctrl-C takes, at most
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    stop_timeout: Duration,
}

fn seconds(text: &str) -> Result<Duration, Box<dyn Error + Send + Sync>> {
    Ok(Duration::try_from_secs_f64(text.parse()?)?)
}

/// How many files are past the walk and not yet printed, at most.
const MOST_WAITING: usize = 100_000;

const INTERRUPTED: u8 = 130;
const BROKEN_PIPE: u8 = 141;

fn main() -> ExitCode {
    env_logger::init();
    match run(Options::parse()) {
        Ok(code) => code,
        Err(error) => {
            complain(error);
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    let mut builder = Pool::builder()
        .name("checksum")
        .queue_capacity(options.queue.get());
    if let Some(threads) = options.threads {
        builder = builder.threads(threads.get());
    }
    let pool = builder.build()?;
    // A quarter of the time is for printing, after the pool has stopped.
    let plan = StopPlan::cancel(options.stop_timeout / 4 * 3);
    let interrupt = signals::stop_on_signal(&pool.stop_handle(), plan)?;

    // The walk and the printer have their own threads: a dead disk may hang the
    // one, a reader that does not read the other, and neither holds up a stop.
    let bar = progress_bar();
    let (queue, turns) = channel::bounded(MOST_WAITING);
    thread::spawn({
        let (walk, submitter, bar) = (Walk::new(options.paths), pool.submitter(), bar.clone());
        move || submit_all(walk, &submitter, &queue, &bar)
    });
    let (done, printed) = channel::bounded(1);
    thread::spawn(move || done.send(printer::print(&turns, &bar)));

    let stopping = pool.stop_handle().token();
    let outcome = channel::select! {
        recv(printed) -> outcome => outcome.ok(),
        recv(stopping.receiver()) -> _ => None,
    };
    let report = pool.stop(plan);
    let time_left = options.stop_timeout.saturating_sub(report.elapsed());
    let outcome = outcome.or_else(|| printed.recv_timeout(time_left).ok());

    if interrupt.received() {
        let _ = writeln!(io::stderr(), "{report}");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    match outcome.ok_or("the printer panicked")? {
        Ok(true) => Ok(ExitCode::SUCCESS),
        Ok(false) => Ok(ExitCode::FAILURE),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::from(BROKEN_PIPE)),
        Err(error) => Err(format!("write error: {}", failure::reason(&error)).into()),
    }
}

/// Makes every file a task, and gives every task its turn.
fn submit_all(walk: Walk, submitter: &Submitter, queue: &Sender<Turn>, bar: &ProgressBar) {
    for found in walk {
        let turn = match found {
            Ok(path) => {
                let task = submitter.task(path.to_string_lossy());
                match task.submit_with(move |ctx| sum::line_of(path, ctx)) {
                    Ok(handle) => Turn::File(handle),
                    Err(_) => return, // Ctrl-C has closed the pool
                }
            }
            Err(failure) => Turn::Failed(failure),
        };
        bar.inc_length(1);
        if queue.send(turn).is_err() {
            return; // the printer has given up
        }
    }
}

/// A bar on stderr if that is a terminal. It stays hidden if stdout is a pipe:
/// the other end of it, `less` for one, may draw on the same terminal.
fn progress_bar() -> ProgressBar {
    let redirected = fs::metadata("/dev/stdout").is_ok_and(|stdout| stdout.is_file());
    let target = match io::stdout().is_terminal() || redirected {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let style =
        ProgressStyle::with_template("[{wide_bar}] {human_pos} of {human_len} files, {elapsed}");
    let bar = ProgressBar::with_draw_target(Some(0), target).with_style(style.expect("a template"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// One line on stderr. Where stderr is closed there is nobody to tell.
fn complain(what: impl Display) {
    let _ = writeln!(io::stderr(), "checksum: {what}");
}
