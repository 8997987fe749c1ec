//! Draws the Mandelbrot set into a PNG file, one task a row.
//!
//! ```text
//! $ cargo run --release --example mandelbrot -- --size 1920x1080 set.png
//! mandelbrot: 1920x1080 in 0.48 s: 4.3 million pixels a second
//! ```
//!
//! `--help` lists the options, `RUST_LOG=debug` tells more.
//!
//! # How it works
//!
//! ```text
//! rows ── row number ──> pool: one task a row, gives its pixels
//!    └─── handle ──────> a line of 256 ──> join, compress, write
//! ```
//!
//! The main thread submits rows until 256 are ahead, then joins the oldest,
//! writes it, and submits another. So the rows come in their order, whichever
//! is done first: the file is the same, byte for byte, with any number of
//! threads. A row that is done waits in its handle, out of the queue: it is
//! the line that keeps memory flat, on a picture of any size.
//!
//! Ctrl-C stops the pool. Each row looks at its token after every pixel. No
//! join outlives the stop, and a closed pool refuses to take another row: so
//! the main thread goes on as before, and draws a plain row where it gets none.
//!
//! The file is written under another name in the same folder, and takes its own
//! when it is complete. Until then the one that was there stays as it is.
//!
//! # Exit codes
//!
//! | code | meaning |
//! | --- | --- |
//! | 0 | the picture is there |
//! | 1 | it is not, or a row of it is missing; stderr says why |
//! | 2 | the command line is wrong |
//! | 130 | interrupted: the picture is there, rows that were not finished are grey, the stop report is on stderr |
//!
//! The third Ctrl-C exits at once, and leaves a file behind whose name begins
//! with `.mandelbrot-`.

mod image;
mod view;

use clap::Parser;
use groundcrew::{Cancelled, Pool, StopPlan, TaskHandle, signals};
use indicatif::{ProgressBar, ProgressStyle};
use log::debug;
use std::collections::VecDeque;
use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use view::{Size, View};

/// Draw the Mandelbrot set into a PNG file.
#[derive(Parser)]
#[command(name = "mandelbrot")]
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

/// How many rows are submitted and not yet written, at most.
const AHEAD: usize = 256;

const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    env_logger::init();
    run(&Options::parse()).unwrap_or_else(|error| {
        say(error);
        ExitCode::FAILURE
    })
}

fn run(options: &Options) -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    let started = Instant::now();
    let size = options.size;

    let plan = StopPlan::cancel(Duration::from_secs(2));
    let mut builder = Pool::builder().name("mandelbrot");
    if let Some(threads) = options.threads {
        builder = builder.threads(threads.get());
    }
    let pool = builder.build()?;
    let ctrl_c = signals::stop_on_signal(&pool.stop_handle(), plan)?;

    let mut rows = Rows::new(&pool, View::new(size, options.steps));
    let bar = progress_bar(size.height);
    let saved = image::save(&options.output, size, bar.wrap_iter(&mut rows));
    bar.finish_and_clear();
    let unfinished = rows.unfinished;
    let report = pool.stop(plan);
    saved.map_err(|error| format!("cannot write {:?}: {error}", options.output))?;

    if unfinished > 0 {
        say(format!("{unfinished} of {} rows are grey", size.height));
    }
    if ctrl_c.received() {
        let _ = writeln!(io::stderr(), "{report}");
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

/// The rows of the picture, from the top down.
struct Rows<'a> {
    pool: &'a Pool,
    view: View,
    /// Those not submitted yet.
    left: Range<u32>,
    /// Those submitted, the next one to be written first; `None` is one that
    /// the pool refused, because a signal has closed it.
    ahead: VecDeque<Option<Handle>>,
    /// How many so far were plain, because they did not come to their end.
    unfinished: u32,
}

type Handle = TaskHandle<Result<Vec<u8>, Cancelled>>;

impl Rows<'_> {
    fn new(pool: &Pool, view: View) -> Rows<'_> {
        Rows {
            pool,
            view,
            left: 0..view.size.height,
            ahead: VecDeque::with_capacity(AHEAD),
            unfinished: 0,
        }
    }

    fn submit(&self, y: u32) -> Option<Handle> {
        let view = self.view;
        let task = self.pool.task(format!("row {y}"));
        let handle = task.submit_with(move |ctx| {
            let row = view.row(y, ctx.token())?;
            debug!("row {y} is done");
            Ok(row)
        });
        handle.ok()
    }
}

impl Iterator for Rows<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        while self.ahead.len() < AHEAD {
            let Some(y) = self.left.next() else { break };
            self.ahead.push_back(self.submit(y));
        }
        let handle = self.ahead.pop_front()?;
        match handle.map(TaskHandle::join) {
            Some(Ok(Ok(row))) => Some(row),
            _ => {
                self.unfinished += 1;
                Some(self.view.plain_row())
            }
        }
    }
}

/// A bar on stderr, if that is a terminal.
fn progress_bar(rows: u32) -> ProgressBar {
    let style = ProgressStyle::with_template("[{wide_bar}] {pos} of {len} rows, {elapsed}");
    ProgressBar::new(rows.into()).with_style(style.expect("this template is right"))
}

/// One line on stderr. If that is closed there is nobody to tell.
fn say(what: impl Display) {
    let _ = writeln!(io::stderr(), "mandelbrot: {what}");
}
