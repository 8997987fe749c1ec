//! Compresses a file or a pipe on every core, so that `gzip -d` reads it.
//!
//! ```text
//! $ tar -c /usr/share/doc | cargo run --release -p gzip > doc.tar.gz
//! $ gzip -dc doc.tar.gz | tar -t | wc -l
//! ```
//!
//! `--help` lists the options and exit codes, `RUST_LOG=debug` logs more.
//!
//! # How it works
//!
//! ```text
//! input ── block of 256 KiB ──> pool.stream: each becomes a member ──> output
//!            as members are taken          in the order of the blocks
//! ```
//!
//! A gzip file may have several members, one behind the other, each a gzip file
//! of its own (RFC 1952, 2.2). So the blocks need to know nothing of each other,
//! and the output is the same, byte for byte, with any number of threads. It is
//! a little larger than that of `gzip`, because no member refers to the one
//! before it.
//!
//! The stream pulls a block when a member is taken. A slow reader of the output
//! thereby slows down the reading of the input, and memory stays flat:
//! four blocks a thread, whatever the size of the input.
//!
//! A read or a write may hang, where the other end of a pipe does nothing. So
//! they are made on a thread of their own, while the main thread waits for its
//! end, or for Ctrl-C.
//!
//! # After Ctrl-C
//!
//! There is no file: it is written under another name in the same folder, and
//! takes its own when it is complete; one that was there stays as it was. A pipe
//! cannot be taken back: it ends with a whole member, so that `gzip -d` reads
//! what is there, without a warning. (If it is not read for two seconds the last
//! member is cut, and stderr says so.)
//!
//! The third Ctrl-C exits at once, and leaves a file behind whose name begins
//! with `.gzip-`.

mod blocks;
mod check;
mod failure;
mod job;
mod output;
#[path = "../../common/program.rs"]
mod program;

use clap::Parser;
use failure::Failure;
use groundcrew::channel::{self, select};
use groundcrew::{Pool, StopPlan, signals};
use indicatif::{ProgressBar, ProgressStyle};
use job::Job;
use os_display::Quotable;
use output::{NewFile, SharedWriter};
use program::{INTERRUPTED, say};
use std::fs::{self, File};
use std::io::{self, ErrorKind, IsTerminal, Read};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

const EXIT_CODES: &str = "\
Exit codes:
    0  the output is complete
    1  it is not, or `--check` found a difference; stderr says why
    2  the command line is wrong
  130  interrupted: the stop report is on stderr
  141  the reader of stdout has gone, as in `gzip | head`: what SIGPIPE makes of others";

/// Compress a file or a pipe on every core.
#[derive(Parser)]
#[command(name = "gzip", after_help = EXIT_CODES)]
struct Options {
    /// The file to compress; `-` is stdin
    #[arg(default_value = "-")]
    input: PathBuf,

    /// The file to write, which is replaced if it is there [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// How hard to try, from 0 to 9
    #[arg(long, default_value = "6", value_parser = clap::value_parser!(u32).range(0..=9))]
    level: u32,

    /// How large a block is, from 1 to 65536
    #[arg(long, value_name = "KIB", default_value = "256")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=65_536))]
    block: u32,

    /// How many blocks are compressed at once [default: one for each CPU]
    #[arg(long, value_name = "COUNT")]
    threads: Option<NonZeroUsize>,

    /// Decompress what was written, compress it again on one thread, and compare
    #[arg(long, requires = "output")]
    check: bool,
}

/// How long the stop after Ctrl-C may take, and then the write that is under way.
const PATIENCE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    env_logger::init();
    program::run(|| run(Options::parse()))
}

fn run(options: Options) -> program::Result<ExitCode> {
    let mut builder = Pool::builder().name("gzip");
    if let Some(threads) = options.threads {
        builder = builder.threads(threads.get());
    }
    let pool = builder.build()?;
    let plan = StopPlan::cancel(PATIENCE);
    let ctrl_c = program::bounded_by(signals::stop_on_signal(&pool.stop_handle(), plan)?);

    let (input, length) = open(&options)?;
    let (writer, file) = create(options.output.as_deref())?;
    let job = Job {
        level: options.level,
        block: options.block as usize * 1024,
        check: options
            .check
            .then_some(options.input)
            .zip(file.as_ref().map(NewFile::name)),
        bar: progress_bar(length),
    };
    let (tell, done) = channel::bounded(1);
    thread::spawn({
        let (submitter, token) = (pool.submitter(), pool.stop_handle().token());
        let in_flight = 4 * pool.threads();
        let writer = writer.clone();
        move || tell.send(job.run(input, &writer, &submitter, in_flight, &token))
    });

    let cancelled = pool.stop_handle().token();
    let done = select! {
        recv(done) -> done => done.ok(),
        recv(cancelled.receiver()) -> _ => None,
    };
    let report = pool.stop(plan);
    if ctrl_c.received() {
        if !writer.close(PATIENCE) {
            say("the output is not taken: its last member is cut");
        }
        program::complain(&report);
        return Ok(ExitCode::from(INTERRUPTED));
    }
    match done.ok_or("a thread has ended early")? {
        Ok(done) => {
            if let Some(file) = file {
                let to = options.output.unwrap_or_default();
                let written = file.complete();
                written.map_err(|error| format!("cannot write {}: {error}", to.quote()))?;
                say(done);
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(Failure::Write(error)) if error.kind() == ErrorKind::BrokenPipe => Err(error.into()),
        Err(failure) => Err(failure.into()),
    }
}

/// The input, and its length if that is known.
fn open(options: &Options) -> Result<(Box<dyn Read + Send>, Option<u64>), String> {
    if options.input == Path::new("-") {
        return match options.check {
            true => Err("stdin cannot be read again to check it: name a file".to_owned()),
            false => Ok((Box::new(io::stdin()), None)),
        };
    }
    let failed = |error| format!("cannot read {}: {error}", options.input.quote());
    let found = fs::metadata(&options.input).map_err(failed)?;
    let file = File::open(&options.input).map_err(failed)?;
    Ok((Box::new(file), found.is_file().then_some(found.len())))
}

/// Where the members go, and the file that is to take its name in the end.
fn create(path: Option<&Path>) -> Result<(SharedWriter, Option<NewFile>), String> {
    let Some(path) = path else {
        return match io::stdout().is_terminal() {
            true => Err("the output is not for a terminal: send it to a pipe or a file".to_owned()),
            false => Ok((SharedWriter::new(io::stdout()), None)),
        };
    };
    let failed = |error| format!("cannot write {}: {error}", path.quote());
    let (file, name) = NewFile::create(path).map_err(failed)?;
    Ok((SharedWriter::new(file), Some(name)))
}

/// A bar on stderr, if that is a terminal.
fn progress_bar(length: Option<u64>) -> ProgressBar {
    let template = match length {
        Some(_) => "[{wide_bar}] {bytes} of {total_bytes}, {elapsed}",
        None => "{bytes} compressed, {elapsed}, {bytes_per_sec}",
    };
    let style = ProgressStyle::with_template(template);
    ProgressBar::new(length.unwrap_or(0)).with_style(style.expect("this template is right"))
}
