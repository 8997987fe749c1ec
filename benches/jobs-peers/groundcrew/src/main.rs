//! One measurement of groundcrew: `one`, `eight` and `batches` enqueue for a number of seconds, `done`
//! runs a number of jobs with a number of workers; then FULL or NORMAL. Prints a number of jobs and the
//! seconds they took.

use groundcrew::Host;
use groundcrew::jobs::{Job, JobContext, Jobs, NewJob};
use groundcrew::store::JobState;
use groundcrew::store::sqlite::{Durability, SqliteStore};
use serde::{Deserialize, Serialize};
use std::env;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

#[derive(Serialize, Deserialize)]
struct Noop {
    n: u64,
}

impl Job for Noop {
    const KIND: &'static str = "noop";
}

fn callers(jobs: &Jobs, callers: usize, time: Duration) -> u64 {
    let start = Instant::now();
    let call = || {
        let mut count = 0;
        while start.elapsed() < time {
            jobs.enqueue(&Noop { n: count }).unwrap();
            count += 1;
        }
        count
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..callers).map(|_| scope.spawn(call)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    })
}

fn batch(jobs: &Jobs, numbers: std::ops::Range<u64>) {
    let new = numbers.map(|n| NewJob::of(&Noop { n }));
    jobs.enqueue_many(new).unwrap();
}

fn batches(jobs: &Jobs, time: Duration) -> u64 {
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < time {
        batch(jobs, count..count + 1000);
        count += 1000;
    }
    count
}

/// Until the store has all of them as completed, which is later than the end of the last handler.
fn done(jobs: &Jobs, amount: u64, threads: usize) -> Duration {
    for first in (0..amount).step_by(1000) {
        batch(jobs, first..amount.min(first + 1000));
    }
    let mut host = Host::builder();
    let _ = host
        .jobs("bench", jobs)
        .threads(threads)
        .on(|_: Noop, _: &JobContext| ());
    let start = Instant::now();
    let host = host.build().unwrap().start().unwrap();
    while completed(jobs) < amount {
        thread::sleep(Duration::from_millis(1));
    }
    let took = start.elapsed();
    assert!(host.stop().is_clean());
    took
}

fn completed(jobs: &Jobs) -> u64 {
    let counts = jobs.counts().unwrap();
    counts
        .iter()
        .map(|lane| lane.states[JobState::Completed])
        .sum()
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let file = Path::new(&arguments[2]).join("peer.db");
    let amount: u64 = arguments[3].parse().unwrap();
    let durability = match arguments.last().unwrap().as_str() {
        "FULL" => Durability::Full,
        _ => Durability::Normal,
    };
    let store = SqliteStore::builder(file).durability(durability).open();
    let jobs = Jobs::open(store.unwrap()).unwrap();
    let time = Duration::from_secs(amount);
    let start = Instant::now();
    let (count, took) = match arguments[1].as_str() {
        "done" => (amount, done(&jobs, amount, arguments[4].parse().unwrap())),
        "one" => (callers(&jobs, 1, time), start.elapsed()),
        "eight" => (callers(&jobs, 8, time), start.elapsed()),
        _ => (batches(&jobs, time), start.elapsed()),
    };
    println!("{count} {}", took.as_secs_f64());
}
