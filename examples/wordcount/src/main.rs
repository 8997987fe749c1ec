//! The most frequent words of all the files below a folder.
//!
//! ```text
//! $ mkdir tale && echo The cat and the dog. > tale/a && echo The end of a cat. > tale/b
//! $ cargo run --release -p wordcount -- --top 3 tale
//!         3 the
//!         2 cat
//!         1 a
//! ```
//!
//! `--help` lists the options and exit codes, `RUST_LOG=debug` logs more.
//!
//! A word is what lies between characters that are neither letters nor digits,
//! in lower case. Bytes that are no UTF-8 count as such characters.
//!
//! # How it works
//!
//! ```text
//! walk ── file ──> pieces, ── portion ──> pool.stream ── failures ──> sorted
//!                  1 MiB       1 MiB          │ ↑
//!                                   words ──> tables ── at the end ──> added up
//! ```
//!
//! The walk finds files as they are wanted. Large ones are cut into pieces, so
//! that none delays the end; small ones are put together.
//!
//! A worker takes a table that is free, or a new one, adds the words of a
//! portion to it, and puts it back. So there is one table for each worker, and
//! memory stays that of the result, times the workers. (A table for each portion,
//! to be added up as they come, would be simpler; but most words would be hashed
//! and stored twice, which takes a third more time.) A table is made of parts, by
//! the beginnings of the words: at the end `map` adds up the first parts of all
//! tables, the second ones, and so on, side by side.
//!
//! The stream is `unordered`, since it makes no difference in which order one
//! adds, and so nothing waits for a file on a slow disk. That for which the
//! order does matter, the list of files that cannot be read, is sorted at the
//! end.
//!
//! Ctrl-C stops the pool: the stream then yields errors in place of counts, and
//! ends. The words of a part of the files are of no use, so none are printed.
//!
//! A folder on a disk that does not answer holds up the walk, and with it the
//! main thread: then it is the third Ctrl-C that ends it.

mod count;
mod piece;
mod portion;
#[path = "../../common/program.rs"]
mod program;
mod total;

use clap::Parser;
use count::Words;
use groundcrew::channel;
use groundcrew::{CancelToken, Pool, StopPlan, TaskError, signals};
use indicatif::{ProgressBar, ProgressStyle};
use log::debug;
use portion::Portions;
use program::{INTERRUPTED, say};
use std::fmt::Write;
use std::io::{self, ErrorKind};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use total::Total;

const EXIT_CODES: &str = "\
Exit codes:
    0  every file is counted
    1  a file is not, or not to its end, or `--check` found a difference, or the output
       cannot be written; stderr says why
    2  the command line is wrong
  130  interrupted: nothing is printed, the stop report is on stderr
  141  the reader of stdout has gone, as in `wordcount | head`";

/// Print the most frequent words of all the files below the paths.
#[derive(Parser)]
#[command(name = "wordcount", after_help = EXIT_CODES)]
struct Options {
    /// Files and folders
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,

    /// How many words are printed
    #[arg(long, value_name = "COUNT", default_value = "20")]
    top: usize,

    /// How many portions are counted at once [default: one for each CPU]
    #[arg(long, value_name = "COUNT")]
    threads: Option<NonZeroUsize>,

    /// Count again, on one thread, and compare
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    env_logger::init();
    program::run(|| run(&Options::parse()))
}

fn run(options: &Options) -> program::Result<ExitCode> {
    let mut builder = Pool::builder().name("wordcount");
    if let Some(threads) = options.threads {
        builder = builder.threads(threads.get());
    }
    let pool = builder.build()?;
    let plan = StopPlan::cancel(Duration::from_secs(2));
    let ctrl_c = program::bounded_by(signals::stop_on_signal(&pool.stop_handle(), plan)?);

    let started = Instant::now();
    let counted = count_all(options, &pool);
    let took = started.elapsed();
    let started = Instant::now();
    let token = pool.stop_handle().token();
    let alone = options.check.then(|| count_alone(options, &token));
    let took_alone = started.elapsed();

    let report = pool.stop(plan);
    if ctrl_c.received() {
        say("interrupted: nothing is printed, not all files are counted");
        program::complain(&report);
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let total = counted?;
    for failure in total.failures() {
        say(failure);
    }
    let mut code = match total.failures().next() {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::FAILURE,
    };
    if let Some(alone) = alone {
        let times = took_alone.as_secs_f64() / took.as_secs_f64();
        let (took, took_alone) = (took.as_secs_f64(), took_alone.as_secs_f64());
        if total == alone {
            say(format!(
                "checked, {times:.2} times as fast as one thread: {took:.2} s, {took_alone:.2} s"
            ));
        } else {
            say("check failed: one thread counts other words");
            code = ExitCode::FAILURE;
        }
    }
    match print(&total, options.top) {
        Ok(()) => Ok(code),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(error.into()),
        Err(error) => Err(format!("write error: {error}").into()),
    }
}

/// What all the files add up to; the error is that of a portion that has not
/// been counted.
fn count_all(options: &Options, pool: &Pool) -> Result<Total, TaskError> {
    let bar = progress_bar();
    let mut total = Total::default();
    let (put, tables) = channel::unbounded::<Words>();
    let portions = Portions::new(options.paths.clone());
    let counted = pool.stream(portions, {
        let tables = tables.clone();
        move |portion| {
            let mut table = tables.try_recv().unwrap_or_default();
            let counted = portion.count(&mut table);
            let _ = put.send(table); // `tables` is there: it takes everything
            counted
        }
    });
    for (number, counted) in counted.unordered().enumerate() {
        let counted = counted?;
        bar.inc(counted.bytes);
        debug!("portion {number} is counted");
        total.add_failures(counted.failures);
    }
    bar.finish_and_clear();
    debug!("all is counted");
    let tables: Vec<Words> = tables.try_iter().collect();
    let parts = pool.map(Words::by_part(tables), count::add_up)?;
    total.words = Words::of_parts(parts);
    Ok(total)
}

/// The same on this thread, as far as it gets.
fn count_alone(options: &Options, token: &CancelToken) -> Total {
    let mut total = Total::default();
    for portion in Portions::new(options.paths.clone()) {
        if token.is_cancelled() {
            break;
        }
        let counted = portion.count(&mut total.words);
        total.add_failures(counted.failures);
    }
    total
}

fn print(total: &Total, top: usize) -> io::Result<()> {
    let mut lines = String::new();
    for (word, count) in total.most_frequent(top) {
        let _ = writeln!(lines, "{count:>9} {word}"); // a string takes everything
    }
    program::print(lines)
}

/// A line on stderr, if that is a terminal. How much is to come is not known.
fn progress_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {bytes} counted, {elapsed}");
    ProgressBar::new_spinner().with_style(style.expect("this template is right"))
}
