//! Recursion on a pool: a parallel quicksort, and the sizes of all folders below
//! one, as `du` prints them.
//!
//! ```text
//! $ cargo run --release -p recursive -- sort 10000000 --check
//! recursive: 10000000 numbers sorted in 0.09 s
//! recursive: the same as one thread makes of it in 0.16 s: 1.88 times as fast
//! $ mkdir -p words/few && echo hello > words/en && echo ciao > words/few/it
//! $ cargo run --release -p recursive -- du words
//! 11      words
//! 5       words/few
//! ```
//!
//! `--help` lists the commands, options and exit codes, `RUST_LOG=debug` logs more.
//!
//! # How it works
//!
//! ```text
//! sort:  scope ── task: divide ─┬─ left half, goes on with it
//!                               └─ task: right half ─ ...
//! du:    scope ── task: list ───┬─ its files, adds them up
//!                               ├─ task: a folder ─ ...
//!                               └─ task: a folder ─ ...
//! ```
//!
//! Both are one scope, shared by all tasks, which submit more to it as they go
//! and wait for nothing: so no worker ever sits idle beside a queue that is not
//! empty, the stack stays flat, and a task costs about a microsecond. Tasks
//! borrow: halves of one slice, which the compiler sees to be apart, and the
//! list that folders are put into.
//!
//! A scope for each call, inside of its caller's, is for those who need what came
//! of the parts. The first division of the sort does, since by one thread alone it would keep the
//! others waiting: it lets two halves be divided, and then goes on with what both
//! have found.
//!
//! Ctrl-C stops the pool, but nothing stops a scope: tasks borrow from its
//! caller. So every task looks at its token and ends early. Those that the stop
//! finds unstarted are run by the scope's own thread, look too, and take no time.

mod du;
mod folders;
#[path = "../../common/program.rs"]
mod program;
mod quicksort;
mod sort;

use clap::{Args, Parser, Subcommand};
use groundcrew::{Pool, StopPlan, signals};
use indicatif::{ProgressBar, ProgressStyle};
use program::{BROKEN_PIPE, INTERRUPTED, say};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Duration;

const EXIT_CODES: &str = "\
Exit codes:
    0  all is sorted, or every folder has its size
    1  a folder could not be read, so that sizes lack something; or `--check` has found
       a difference; stderr says which
    2  the command line is wrong
  130  interrupted: no result is printed, the stop report is on stderr
  141  the reader of stdout has gone, as in `recursive du | head`";

/// Recursion on a pool: sort numbers, or sum up folders.
#[derive(Parser)]
#[command(name = "recursive", after_help = EXIT_CODES)]
struct Options {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    common: Common,
}

#[derive(Subcommand)]
enum Command {
    /// Sort random numbers by a parallel quicksort
    Sort(sort::Options),
    /// Print how many bytes are in the files below each folder
    Du(du::Options),
}

#[derive(Args)]
struct Common {
    /// How many threads work at once [default: one for each CPU]
    #[arg(long, global = true, value_name = "COUNT")]
    threads: Option<NonZeroUsize>,

    /// Do it again with one thread: compare, and say how much faster it was
    #[arg(long, global = true)]
    check: bool,
}

/// What a command has to say in the end.
enum Outcome {
    Good,
    /// What went wrong was said.
    Bad,
    /// By Ctrl-C; said, too.
    Interrupted,
    /// The output is not read any more.
    BrokenPipe,
}

fn main() -> ExitCode {
    env_logger::init();
    program::run(|| run(&Options::parse()))
}

fn run(options: &Options) -> program::Result<ExitCode> {
    let mut builder = Pool::builder().name("recursive");
    if let Some(threads) = options.common.threads {
        builder = builder.threads(threads.get());
    }
    let pool = builder.build()?;
    let plan = StopPlan::cancel(Duration::from_secs(2));
    let ctrl_c = program::bounded_by(signals::stop_on_signal(&pool.stop_handle(), plan)?);

    let check = options.common.check;
    let outcome = match &options.command {
        Command::Sort(options) => sort::run(&pool, options, check)?,
        Command::Du(options) => du::run(&pool, options, check)?,
    };
    let report = pool.stop(plan);
    match outcome {
        Outcome::Good => Ok(ExitCode::SUCCESS),
        Outcome::Bad => Ok(ExitCode::FAILURE),
        Outcome::Interrupted => {
            debug_assert!(ctrl_c.received());
            program::complain(&report);
            Ok(ExitCode::from(INTERRUPTED))
        }
        Outcome::BrokenPipe => Ok(ExitCode::from(BROKEN_PIPE)),
    }
}

/// Says how long one thread took for the same, and how much longer that is.
fn say_speedup(alone: Duration, together: Duration) {
    let times = alone.as_secs_f64() / together.as_secs_f64();
    say(format!(
        "the same as one thread makes of it in {:.2} s: {times:.2} times as fast",
        alone.as_secs_f64()
    ));
}

/// A bar on stderr, if that is a terminal.
fn progress_bar(length: Option<u64>, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template);
    let bar = match length {
        Some(length) => ProgressBar::new(length),
        None => ProgressBar::new_spinner(),
    };
    bar.enable_steady_tick(Duration::from_millis(200));
    bar.with_style(style.expect("this template is right"))
}
