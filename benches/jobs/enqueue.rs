//! How many jobs a second are accepted: by then they are durable.

use crate::database::{self, BOTH, Database, Noop};
use crate::harness::figure::{Better, Contender, Figure, quantile};
use crate::harness::millis;
use groundcrew::jobs::Jobs;
use groundcrew::store::JobState;
use groundcrew::store::sqlite::rusqlite;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) fn one(title: &'static str, quick: bool) -> Figure {
    let figure = measure(title, quick, |jobs, time| callers(jobs, 1, time));
    let synced = syncs();
    let within = |part| quantile(&synced, part);
    let text = format!(
        "SQLite {}. Its disk: 4 KiB are written and synced within {:.2} ms (50 %), {:.2} ms (90 %).",
        rusqlite::version(),
        within(0.5),
        within(0.9)
    );
    figure.note(text)
}

pub(crate) fn eight(title: &'static str, quick: bool) -> Figure {
    measure(title, quick, |jobs, time| callers(jobs, 8, time))
}

pub(crate) fn batches(title: &'static str, quick: bool) -> Figure {
    measure(title, quick, |jobs, time| {
        let start = Instant::now();
        let mut count = 0;
        while start.elapsed() < time {
            database::enqueue(jobs, count..count + 1000);
            count += 1000;
        }
        count
    })
}

/// Each calls again as soon as its job is accepted. Returns how many were.
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
        let counts = threads.into_iter().map(|thread| thread.join().unwrap());
        counts.sum()
    })
}

fn measure(title: &'static str, quick: bool, run: fn(&Jobs, Duration) -> u64) -> Figure {
    let (rounds, millis) = if quick { (1, 200) } else { (5, 1500) };
    let time = Duration::from_millis(millis);
    let contenders = BOTH.map(|(name, durability)| {
        let measure = move || {
            let database = Database::new();
            let jobs = database.open(durability);
            let start = Instant::now();
            let count = run(&jobs, time);
            let rate = count as f64 / start.elapsed().as_secs_f64();
            drop(jobs);
            database.check(JobState::Available, count);
            rate
        };
        (name, Box::new(measure) as Box<dyn FnMut() -> f64>)
    });
    let contenders: Vec<Contender<'_>> = contenders.into();
    Figure::measure(title, "jobs/s", Better::Higher, rounds, contenders)
}

/// How long a sync takes on this disk, in milliseconds.
fn syncs() -> Vec<f64> {
    let database = Database::new();
    let file = File::create(database.file()).unwrap();
    file.write_all_at(&[1; 1 << 20], 0).unwrap();
    file.sync_data().unwrap();
    let sync = |nth: u64| {
        let start = Instant::now();
        file.write_all_at(&[2; 4096], nth * 4096).unwrap();
        file.sync_data().unwrap();
        millis(start)
    };
    (0..200).map(sync).collect()
}
