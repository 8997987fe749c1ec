//! The command `sort`.

use crate::quicksort::Quicksort;
use crate::{Outcome, progress_bar, say, say_speedup};
use clap::Args;
use fastrand::Rng;
use groundcrew::{Pool, TaskError};
use std::error::Error;
use std::time::{Duration, Instant};

#[derive(Args)]
pub(crate) struct Options {
    /// How many numbers
    count: usize,

    /// Draw them from 0 to this one: a small one makes many equal
    #[arg(long, value_name = "NUMBER", default_value_t = u64::MAX)]
    largest: u64,
}

pub(crate) fn run(
    pool: &Pool,
    options: &Options,
    check: bool,
) -> Result<Outcome, Box<dyn Error + Send + Sync>> {
    let mut numbers = Vec::new();
    numbers.try_reserve_exact(options.count)?;
    numbers.resize(options.count, 0);
    if draw(pool, &mut numbers, options.largest).is_err() {
        return Ok(interrupted());
    }
    let unsorted = check.then(|| numbers.clone());

    let bar = progress_bar(
        Some(numbers.len() as u64),
        "[{wide_bar}] {human_pos} of {human_len} numbers, {elapsed}",
    );
    let started = Instant::now();
    let sorted = Quicksort::new(pool, numbers.len(), &bar).sort(&mut numbers);
    let time = started.elapsed();
    bar.finish_and_clear();
    if sorted.is_err() {
        return Ok(interrupted());
    }
    say(format!(
        "{} numbers sorted in {:.2} s",
        numbers.len(),
        time.as_secs_f64()
    ));
    let Some(unsorted) = unsorted else {
        return Ok(Outcome::Good);
    };
    match sort_alone(pool, unsorted) {
        Ok((expected, alone)) if expected == numbers => {
            say_speedup(alone, time);
            Ok(Outcome::Good)
        }
        Ok(_) => {
            say("it is not what one thread makes of it");
            Ok(Outcome::Bad)
        }
        Err(TaskError::Panicked(panic)) => Err(panic.into()),
        Err(_) => Ok(interrupted()),
    }
}

/// The same numbers each time, with any number of threads.
fn draw(pool: &Pool, numbers: &mut [u64], largest: u64) -> Result<(), TaskError> {
    const PIECE: usize = 1 << 16;
    pool.for_each(numbers.chunks_mut(PIECE).enumerate(), |(seed, piece)| {
        let mut rng = Rng::with_seed(seed as u64);
        piece.fill_with(|| rng.u64(..=largest));
    })
}

/// What the standard library makes of them, and how long it takes. It cannot be
/// asked to end: so it is a task, since no join outlives a stop.
fn sort_alone(pool: &Pool, mut numbers: Vec<u64>) -> Result<(Vec<u64>, Duration), TaskError> {
    let task = pool.task("sort_unstable").submit(move || {
        let started = Instant::now();
        numbers.sort_unstable();
        (numbers, started.elapsed())
    });
    task.map_err(|_closed| TaskError::Unstarted)?.join()
}

fn interrupted() -> Outcome {
    say("interrupted: the numbers are not sorted");
    Outcome::Interrupted
}
