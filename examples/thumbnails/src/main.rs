//! Thumbnails of all PNG files in a folder.
//!
//! ```text
//! $ cargo run --release -p thumbnails -- --make 100 target/pictures
//! thumbnails: 100 in 1.84 s, in target/pictures/thumbnails
//! $ cargo run --release -p thumbnails -- --check target/pictures
//! thumbnails: 100 in 1.52 s; the same by one thread in 2.70 s: 1.78 times as fast
//! ```
//!
//! The first command draws the pictures first; leave `--make` out to use your
//! own. `--help` lists the options and exit codes, `RUST_LOG=debug` logs more.
//!
//! # How it works
//!
//! ```text
//! pictures ── for_each ──> workers: read, decode, shrink, encode, write
//!     └── outcome <────────── in the picture's own place
//! ```
//!
//! `for_each` goes over the list of pictures by exclusive reference, and leaves
//! with each what became of it: so all is told in the order of the names, and
//! it is still there after Ctrl-C. (`map` returns all results, in order, or
//! an error if a stop cut it short: right for `--check`, which needs all.)
//!
//! A picture is in memory while it is worked on, so as many as there are
//! threads.
//!
//! Ctrl-C stops the pool. No more pictures are begun; those that were are given up
//! at the next few kilobytes that they read. A thumbnail is written under
//! another name in the same folder, and takes its own when it is complete.
//!
//! The third Ctrl-C exits at once, and may leave files behind whose names begin
//! with `.thumbnails-`.

mod check;
mod folder;
mod make;
#[path = "../../common/program.rs"]
mod program;
mod thumbnail;
mod write;

use clap::Parser;
use groundcrew::{Pool, StopPlan, signals};
use indicatif::{ProgressBar, ProgressStyle};
use os_display::Quotable;
use program::{INTERRUPTED, Result, say};
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

const EXIT_CODES: &str = "\
Exit codes:
    0  every picture has its thumbnail
    1  one has not, or `--check` has found a difference; stderr says which and why
    2  the command line is wrong
  130  interrupted: the thumbnails that are there are complete, stderr says how many
       were made, and has the stop report";

/// Make thumbnails of all PNG files in a folder.
#[derive(Parser)]
#[command(name = "thumbnails", after_help = EXIT_CODES)]
struct Options {
    /// The folder with the pictures; those in folders below it do not count
    folder: PathBuf,

    /// Where the thumbnails go, each under its picture's name; those that are
    /// there are replaced [default: thumbnails, in the folder]
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,

    /// How many pixels the longer side of a thumbnail has, at most
    #[arg(long, value_name = "PIXELS", default_value = "256")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=16_384))]
    size: u32,

    /// How many pictures are worked on at once [default: one for each CPU]
    #[arg(long, value_name = "COUNT")]
    threads: Option<NonZeroUsize>,

    /// Write nothing: make all thumbnails in memory, then again with one thread,
    /// compare them, and say how much faster it was
    #[arg(long)]
    check: bool,

    /// Draw so many pictures first, to try it with
    #[arg(long, value_name = "COUNT")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=9999))]
    make: Option<u32>,
}

fn main() -> ExitCode {
    env_logger::init();
    program::run(|| run(&Options::parse()))
}

fn run(options: &Options) -> Result<ExitCode> {
    let plan = StopPlan::cancel(Duration::from_secs(2));
    let mut builder = Pool::builder().name("thumbnails");
    if let Some(threads) = options.threads {
        builder = builder.threads(threads.get());
    }
    let pool = builder.build()?;
    let ctrl_c = program::bounded_by(signals::stop_on_signal(&pool.stop_handle(), plan)?);

    let worked = work(&pool, options);
    let report = pool.stop(plan);
    if ctrl_c.received() {
        if let Err(error) = worked {
            say(error);
        }
        program::complain(&report);
        return Ok(ExitCode::from(INTERRUPTED));
    }
    match worked? {
        true => Ok(ExitCode::SUCCESS),
        false => Ok(ExitCode::FAILURE),
    }
}

/// Returns whether all is as it should be; what is not was said.
fn work(pool: &Pool, options: &Options) -> Result<bool> {
    let folder = &options.folder;
    let cannot = |what, folder: &Path, error| format!("cannot {what} {}: {error}", folder.quote());
    if let Some(count) = options.make {
        let bar = progress_bar(count.into(), "drawn");
        let made = make::pictures(pool, folder, count, &bar);
        bar.finish_and_clear();
        let made = made.map_err(|_stopped| format!("{} of {count} are drawn", bar.position()))?;
        made.map_err(|error| cannot("draw into", folder, error))?;
    }
    let paths = folder::pictures(folder).map_err(|error| cannot("read", folder, error))?;
    if paths.is_empty() {
        let none = format!("no PNG files in {}: --make draws some", folder.quote());
        return Err(none.into());
    }
    if options.check {
        return check::all(pool, &paths, options.size);
    }

    let output = options.output.clone();
    let output = output.unwrap_or_else(|| folder.join("thumbnails"));
    fs::create_dir_all(&output).map_err(|error| cannot("make", &output, error))?;
    if fs::canonicalize(&output)? == fs::canonicalize(folder)? {
        return Err("the thumbnails would replace the pictures".into());
    }
    Ok(write::all(pool, paths, &output, options.size))
}

/// A bar on stderr, if that is a terminal.
fn progress_bar(length: u64, what: &str) -> ProgressBar {
    let template = format!("[{{wide_bar}}] {{pos}} of {{len}} {what}, {{elapsed}}");
    let style = ProgressStyle::with_template(&template);
    ProgressBar::new(length).with_style(style.expect("this template is right"))
}
