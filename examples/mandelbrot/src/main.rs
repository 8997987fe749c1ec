//! Draws the Mandelbrot set into a PNG file, row by row.
//!
//! ```text
//! $ cargo run --release -p mandelbrot -- --size 1920x1080 set.png
//! mandelbrot: 1920x1080 in 0.48 s: 4.3 million pixels a second
//! ```
//!
//! `--help` lists the options and exit codes, `RUST_LOG=debug` logs more.
//!
//! # How it works
//!
//! ```text
//! 0, 1, 2 .. ── stream ──> pool: draws a row, gives its pixels
//!                  └─────> in their order ──> compress, write
//! ```
//!
//! `Pool::stream` draws the rows on the pool and yields them in their order,
//! whichever is done first: the file is the same, byte for byte, with any number
//! of threads. It begins no more than 256 rows ahead of the one that is written:
//! that keeps memory flat, on a picture of any size.
//!
//! Ctrl-C stops the pool. Each row looks at the pool's token after every pixel,
//! and the stream soon ends: what is missing then is drawn as a plain row.
//!
//! The file is written under another name in the same folder, and takes its own
//! when it is complete. Until then the one that was there stays as it is.
//!
//! The third Ctrl-C exits at once, and leaves a file behind whose name begins
//! with `.mandelbrot-`.

mod image;
#[path = "../../common/program.rs"]
mod program;
mod view;

use clap::Parser;
use groundcrew::cancel::Cancelled;
use groundcrew::{Pool, StopPlan, signals};
use indicatif::{ProgressBar, ProgressStyle};
use log::debug;
use program::{INTERRUPTED, say};
use std::iter;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use view::{Size, View};

const EXIT_CODES: &str = "\
Exit codes:
    0  the picture is there
    1  it is not, or a row of it is missing; stderr says why
    2  the command line is wrong
  130  interrupted: the picture is there, rows that were not finished are grey, the stop
       report is on stderr";

/// Draw the Mandelbrot set into a PNG file.
#[derive(Parser)]
#[command(name = "mandelbrot", after_help = EXIT_CODES)]
struct Options {
    /// The file to write; one that is there is replaced
    output: PathBuf,

    /// How many pixels, at most 32768 each way
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "1200x800")]
    size: Size,

    /// How many rows are drawn at once [default: one for each CPU]
    #[arg(long, value_name = "COUNT")]
    threads: Option<NonZeroUsize>,

    /// After how many steps a point counts as one of the set, at most 1000000
    #[arg(long, value_name = "COUNT", default_value = "1000")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    steps: u32,
}

/// How many rows are begun and not yet written, at most.
const AHEAD: usize = 256;

fn main() -> ExitCode {
    env_logger::init();
    program::run(|| run(&Options::parse()))
}

fn run(options: &Options) -> program::Result<ExitCode> {
    let started = Instant::now();
    let size = options.size;

    let plan = StopPlan::cancel(Duration::from_secs(2));
    let mut builder = Pool::builder().name("mandelbrot");
    if let Some(threads) = options.threads {
        builder = builder.threads(threads.get());
    }
    let pool = builder.build()?;
    let ctrl_c = program::bounded_by(signals::stop_on_signal(&pool.stop_handle(), plan)?);

    let view = View::new(size, options.steps);
    let mut unfinished = 0;
    let rows = rows(&pool, view).map(|row| {
        unfinished += u32::from(row.is_none());
        row.unwrap_or_else(|| view.plain_row())
    });
    let bar = progress_bar(size.height);
    let saved = image::save(&options.output, size, bar.wrap_iter(rows));
    bar.finish_and_clear();
    let report = pool.stop(plan);
    saved.map_err(|error| format!("cannot write {:?}: {error}", options.output))?;

    if unfinished > 0 {
        say(format!("{unfinished} of {} rows are grey", size.height));
    }
    if ctrl_c.received() {
        program::complain(&report);
        return Ok(ExitCode::from(INTERRUPTED));
    }
    if unfinished > 0 {
        return Ok(ExitCode::FAILURE); // they panicked, and have said so
    }
    let seconds = started.elapsed().as_secs_f64();
    let speed = size.pixels() / seconds / 1e6;
    say(format!(
        "{size} in {seconds:.2} s: {speed:.1} million pixels a second"
    ));
    Ok(ExitCode::SUCCESS)
}

/// The rows of the picture, from the top down; `None` for one that did not come
/// to its end, or that a signal kept from being begun.
fn rows(pool: &Pool, view: View) -> impl Iterator<Item = Option<Vec<u8>>> {
    let height = view.size.height;
    let token = pool.stop_handle().token();
    let draw = move |y| {
        let row = view.row(y, &token)?;
        debug!("row {y} is done");
        Ok::<_, Cancelled>(row)
    };
    let drawn = pool.stream(0..height, draw).in_flight(AHEAD);
    drawn
        .map(|row| row.ok()?.ok())
        .chain(iter::repeat_with(|| None))
        .take(height as usize)
}

/// A bar on stderr, if that is a terminal.
fn progress_bar(rows: u32) -> ProgressBar {
    let style = ProgressStyle::with_template("[{wide_bar}] {pos} of {len} rows, {elapsed}");
    ProgressBar::new(rows.into()).with_style(style.expect("this template is right"))
}
