//! SHA-256 of every file below the paths given, as `sha256sum` prints it.
//!
//! ```text
//! $ mkdir words && echo hello > words/en && echo ciao > words/it
//! $ cargo run --release --example checksum -- words
//! 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03  words/en
//! 6f0378f21a495f5c13247317d158e9d51da45a5bf68fc2f366e450deafdc8302  words/it
//! ```
//!
//! `--help` lists the options and exit codes, `RUST_LOG=debug` logs more.
//!
//! # How it works
//!
//! ```text
//! walk ── path ───> pool: one task a file, gives its line
//!    └─── handle ─> queue of 100,000 places ──> printer: join, print
//! ```
//!
//! The walk goes depth first, each folder sorted by name. Every file becomes a
//! task, and the task's handle takes a place in a queue. The printer joins the
//! handles one after the other: so the lines come in the order of the walk,
//! whichever file is done first.
//!
//! Where the pool or the queue is full the walk pauses. So memory stays flat,
//! on a tree of any size.
//!
//! Ctrl-C stops the pool, and the printer needs no notice, because no join
//! outlives the stop: it gives the line if the file is done, otherwise an
//! error, and the printer goes on to the next.
//!
//! # What counts as a file
//!
//! A path given is followed if it is a link, to a file or to a folder, as by
//! `find -H`. Below a folder it is regular files that count, and nothing else.
//! A pipe, a socket or a device given is an error: it might never end.

mod failure;
mod line;
mod options;
mod printer;
#[path = "../../common/program.rs"]
mod program;
mod sum;
mod walk;

use groundcrew::channel::{self, Sender, select};
use groundcrew::{Pool, StopPlan, Submitter, signals};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use log::debug;
use options::{Command, Options};
use printer::Turn;
use program::{INTERRUPTED, USAGE, say};
use std::io::{self, ErrorKind, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;
use std::{fs, thread};
use sum::Block;
use walk::Walk;

/// How many files wait to be printed, read or not.
const MOST_WAITING: usize = 100_000;

fn main() -> ExitCode {
    env_logger::init();
    program::run(|| match Command::parse() {
        Ok(Command::Sum(options)) => run(options),
        Ok(Command::Help) => {
            program::print(options::HELP)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            say(format!("{error}; `--help` lists the options"));
            Ok(USAGE.into())
        }
    })
}

fn run(options: Options) -> program::Result<ExitCode> {
    let mut builder = Pool::builder()
        .name("checksum")
        .queue_capacity(options.queue.get())
        .worker_state(|_| Block::new());
    if let Some(threads) = options.threads {
        builder = builder.threads(threads.get());
    }
    let pool = builder.build()?;

    // A quarter of the time is left to print what is done by then.
    let plan = StopPlan::cancel(options.stop_timeout / 4 * 3);
    let ctrl_c = program::bounded_by(signals::stop_on_signal(&pool.stop_handle(), plan)?);

    // The walk may hang on a dead disk, the printer on a reader that does not
    // read. On threads of their own they do not keep this one from stopping.
    let (queue, turns) = channel::bounded(MOST_WAITING);
    let (tell, printed) = channel::bounded(1);
    let bar = progress_bar();
    thread::spawn({
        let (walk, submitter, bar) = (Walk::new(options.paths), pool.submitter(), bar.clone());
        move || submit_all(walk, &submitter, &queue, &bar)
    });
    thread::spawn(move || tell.send(printer::print(&turns, &bar)));

    let cancelled = pool.stop_handle().token();
    let outcome = select! {
        recv(printed) -> outcome => outcome.ok(),
        recv(cancelled.receiver()) -> _ => None,
    };
    let report = pool.stop(plan);
    let time_left = options.stop_timeout.saturating_sub(report.elapsed());
    let outcome = outcome.or_else(|| printed.recv_timeout(time_left).ok());

    if ctrl_c.received() {
        if outcome.is_none() {
            say("the output is not read: some lines are lost");
        }
        program::complain(&report);
        return Ok(ExitCode::from(INTERRUPTED));
    }
    match outcome.ok_or("the printer has ended early")? {
        Ok(true) => Ok(ExitCode::SUCCESS),
        Ok(false) => Ok(ExitCode::FAILURE),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(error.into()),
        Err(error) => Err(format!("write error: {}", failure::reason(&error)).into()),
    }
}

/// Makes a task of every file, and gives it its turn to be printed.
fn submit_all(walk: Walk, submitter: &Submitter, queue: &Sender<Turn>, bar: &ProgressBar) {
    for found in walk {
        let turn = match found {
            Ok(path) => {
                let task = submitter.task(path.to_string_lossy());
                match task.submit_with(move |ctx| sum::line_of(path, ctx)) {
                    Ok(handle) => Turn::File(handle),
                    Err(_closed) => return,
                }
            }
            Err(failure) => Turn::Failure(failure),
        };
        bar.inc_length(1);
        if queue.send(turn).is_err() {
            return; // the printer cannot write any more
        }
    }
    debug!("the walk has ended");
}

/// A bar on stderr, if that is a terminal. It stays hidden while stdout is a
/// pipe: who reads that, `less` for one, may draw on the same terminal.
fn progress_bar() -> ProgressBar {
    let to_file = fs::metadata("/dev/stdout").is_ok_and(|stdout| stdout.is_file());
    let target = match to_file || io::stdout().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let style = ProgressStyle::with_template("[{wide_bar}] {pos} of {len} files, {elapsed}");
    let bar = ProgressBar::with_draw_target(Some(0), target)
        .with_style(style.expect("this template is right"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
