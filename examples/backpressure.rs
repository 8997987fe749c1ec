//! A fast producer meets slow workers and a queue of 8 places, once with each
//! verb.
//!
//! ```text
//! $ cargo run --example backpressure
//! submit: on a full queue it waits for a place
//!
//!     50 ms   refused  0   waiting  6 ######
//!    100 ms   refused  0   waiting  8 ########
//!    150 ms   refused  0   waiting  8 ########
//!    200 ms   refused  0   waiting  7 #######
//!    250 ms   refused  0   waiting  5 #####
//!    300 ms   refused  0   waiting  6 ######
//!    350 ms   refused  0   waiting  4 ####
//!    401 ms   refused  0   waiting  0
//!    451 ms   refused  0   waiting  0
//!
//! execute: on a full queue it waits for a place, and gives no handle
//!
//!     50 ms   refused  0   waiting  6 ######
//!    100 ms   refused  0   waiting  8 ########
//!    150 ms   refused  0   waiting  8 ########
//!    200 ms   refused  0   waiting  8 ########
//!    250 ms   refused  0   waiting  8 ########
//!    300 ms   refused  0   waiting  8 ########
//!    350 ms   refused  0   waiting  4 ####
//!    401 ms   refused  0   waiting  0
//!    451 ms   refused  0   waiting  0
//!
//! try_submit: on a full queue it refuses
//!
//!     50 ms   refused  0   waiting  6 ######
//!    100 ms   refused  6   waiting  8 ########
//!    150 ms   refused 13   waiting  7 #######
//!    200 ms   refused 16   waiting  4 ####
//!    250 ms   refused 16   waiting  0
//!
//! when_full(4 ms): on a full queue it waits for a place, 4 ms at most, then refuses
//!
//!     50 ms   refused  0   waiting  6 ######
//!    100 ms   refused  2   waiting  8 ########
//!    150 ms   refused  4   waiting  7 #######
//!    200 ms   refused  6   waiting  8 ########
//!    250 ms   refused  8   waiting  6 ######
//!    300 ms   refused  8   waiting  2 ##
//!    350 ms   refused  8   waiting  0
//!
//! submit in a task: on a full queue it never waits and never refuses, but overflows
//!
//!     50 ms   refused  0   waiting  9 ########+
//!    100 ms   refused  0   waiting 19 ######+++++++++++++
//!    150 ms   refused  0   waiting 28 ###+++++++++++++++++++++++++
//!    200 ms   refused  0   waiting 28 #+++++++++++++++++++++++++++
//!    250 ms   refused  0   waiting 22 ++++++++++++++++++++++
//!    300 ms   refused  0   waiting 18 ++++++++++++++++++
//!    350 ms   refused  0   waiting 12 ++++++++++++
//!    401 ms   refused  0   waiting  8 ++++++++
//!    451 ms   refused  0   waiting  2 ++
//!    501 ms   refused  0   waiting  0
//!
//!                      offered  accepted   refused  producer waits  queue peak  overflow peak
//! submit                    40        40         0          158 ms           8              0
//! execute                   40        40         0          146 ms           8              0
//! try_submit                40        24        16            0 ms           8              0
//! when_full(4 ms)           40        32         8           65 ms           8              0
//! submit in a task          40        40         0            0 ms           8             29
//! ```
//!
//! # Which verb to choose
//!
//! | verb | when |
//! | --- | --- |
//! | `submit` | the producer may wait: it walks a tree, reads a file, empties another queue |
//! | `execute` | the same without a result: no handle, which is cheaper |
//! | `try_submit` | the producer must not wait, and can say no: a server that answers "busy" |
//! | `when_full` with a duration | the same, with some patience for a short burst |
//! | `submit` in a task | tasks that make tasks, of which there are not too many |
//!
//! A refusal gives the closure back, to try again or to run it on the spot.
//!
//! A worker that waited for room in its own queue might wait for itself. So in
//! a task `submit` and `execute` never wait: where the queue is full, what is
//! submitted goes to the worker's overflow list. That is not bounded. Watch it
//! in `stats()`, or let tasks use `try_submit`, which refuses there as well.
//!
//! # How it works
//!
//! Each verb gets a pool of its own, with two workers that take 20 ms for a
//! task. The producer offers 40 tasks, one every 4 ms, unless the verb holds it
//! up. A producer that is itself a task keeps one of the workers busy, so more
//! waits there. Meanwhile the main thread draws what waits every 50 ms: `#` is a task in
//! the queue, `+` one in an overflow list.

#[path = "common/program.rs"]
mod program;

use groundcrew::{Pool, Submitter};
use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

const OFFERED: u64 = 40;
const PLACES: usize = 8;
const WORKERS: usize = 2;
const TIME_OF_A_TASK: Duration = Duration::from_millis(20);
const BETWEEN_OFFERS: Duration = Duration::from_millis(4);
const PATIENCE: Duration = Duration::from_millis(4);
const BETWEEN_LINES: Duration = Duration::from_millis(50);

struct Verb {
    name: &'static str,
    does: &'static str,
    /// Offers a task; `false` is a refusal.
    offer: fn(&Submitter) -> bool,
    /// Whether the producer is itself a task of the pool.
    in_a_task: bool,
}

const VERBS: [Verb; 5] = [
    Verb {
        name: "submit",
        does: "waits for a place",
        offer: |pool| pool.submit(work).is_ok(),
        in_a_task: false,
    },
    Verb {
        name: "execute",
        does: "waits for a place, and gives no handle",
        offer: |pool| pool.execute(work).is_ok(),
        in_a_task: false,
    },
    Verb {
        name: "try_submit",
        does: "refuses",
        offer: |pool| pool.try_submit(work).is_ok(),
        in_a_task: false,
    },
    Verb {
        name: "when_full(4 ms)",
        does: "waits for a place, 4 ms at most, then refuses",
        offer: |pool| pool.task("work").when_full(PATIENCE).submit(work).is_ok(),
        in_a_task: false,
    },
    Verb {
        name: "submit in a task",
        does: "never waits and never refuses, but overflows",
        offer: |pool| pool.submit(work).is_ok(),
        in_a_task: true,
    },
];

/// The task.
fn work() {
    thread::sleep(TIME_OF_A_TASK);
}

const HELP: &str = "\
Draw the queue of a pool whose producer is faster than its workers, once for each verb.

Usage: backpressure

Options:
  -h, --help  Print help

Exit codes:
    0  everything is drawn
    1  a pool cannot be built, for want of threads
    2  the command line is wrong
  141  the reader of stdout has gone, as in `backpressure | head -1`
";

fn main() -> ExitCode {
    program::run_without_options(HELP, compare)
}

fn compare() -> program::Result<ExitCode> {
    let mut table = format!(
        "{:<18}{:>10}{:>10}{:>10}{:>16}{:>12}{:>15}\n",
        "", "offered", "accepted", "refused", "producer waits", "queue peak", "overflow peak"
    );
    for verb in VERBS {
        let (name, does) = (verb.name, verb.does);
        writeln!(io::stdout(), "{name}: on a full queue it {does}\n")?;
        table += &run(&verb)?;
        writeln!(io::stdout())?;
    }
    program::print(table)?;
    Ok(ExitCode::SUCCESS)
}

/// Draws the queue while the producer offers its tasks and the workers do them;
/// returns a line for the table.
fn run(verb: &Verb) -> program::Result<String> {
    let pool = Pool::builder()
        .threads(WORKERS)
        .queue_capacity(PLACES)
        .build()?;
    let offer = verb.offer;
    let started = Instant::now();
    let outcome = thread::scope(|scope| {
        let producer = scope.spawn(|| {
            let outcome = match verb.in_a_task {
                false => produce(&pool.submitter(), offer),
                true => pool
                    .submit_with(move |ctx| produce(&ctx.submitter(), offer))?
                    .join()?,
            };
            pool.wait_idle();
            program::Result::Ok(outcome)
        });
        while !producer.is_finished() {
            thread::sleep(BETWEEN_LINES);
            draw(&pool, started.elapsed())?;
        }
        producer.join().expect("the producer does not panic")
    })?;

    let stats = pool.stats();
    assert_eq!(stats.refused(), outcome.refused);
    assert_eq!(
        stats.completed(),
        outcome.accepted + u64::from(verb.in_a_task)
    );
    Ok(format!(
        "{:<18}{:>10}{:>10}{:>10}{:>13} ms{:>12}{:>15}\n",
        verb.name,
        outcome.accepted + outcome.refused,
        outcome.accepted,
        outcome.refused,
        outcome.waited.as_millis(),
        stats.queue_peak(),
        stats.overflow_peak(),
    ))
}

#[derive(Default)]
struct Outcome {
    accepted: u64,
    refused: u64,
    /// How long the verb has held the producer up, in all.
    waited: Duration,
}

fn produce(pool: &Submitter, offer: fn(&Submitter) -> bool) -> Outcome {
    let mut outcome = Outcome::default();
    for _ in 0..OFFERED {
        thread::sleep(BETWEEN_OFFERS);
        let asked = Instant::now();
        match offer(pool) {
            true => outcome.accepted += 1,
            false => outcome.refused += 1,
        }
        outcome.waited += asked.elapsed();
    }
    outcome
}

fn draw(pool: &Pool, time: Duration) -> io::Result<()> {
    let stats = pool.stats();
    let (queued, overflow) = (stats.queued(), stats.overflow());
    writeln!(
        io::stdout(),
        "{:>6} ms   refused {:>2}   waiting {:>2} {}{}",
        time.as_millis(),
        stats.refused(),
        queued + overflow,
        "#".repeat(queued),
        "+".repeat(overflow)
    )
}
