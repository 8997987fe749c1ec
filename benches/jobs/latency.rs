//! How long it takes from the return of `enqueue` until the handler begins, at 100 jobs a second.

use crate::database::{self, Database, Noop};
use crate::harness::figure::{Better, Figure, Series};
use groundcrew::channel::{Receiver, unbounded};
use groundcrew::jobs::Jobs;
use groundcrew::store::JobState;
use groundcrew::store::sqlite::Durability;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

const PAUSE: Duration = Duration::from_millis(10);

pub(crate) fn within(title: &'static str, quick: bool) -> Figure {
    let database = Database::new();
    let jobs = database.open(Durability::Full);
    let (sender, begun) = unbounded();
    let host = database::work(&jobs, move |job| sender.send((job.n, now())).unwrap());
    let latencies = latencies(&jobs, &begun, quick);
    assert!(host.stop().is_clean());
    drop(jobs);
    figure(title, &database, latencies)
}

pub(crate) fn across(title: &'static str, quick: bool) -> Figure {
    let database = Database::new();
    let jobs = database.open(Durability::Full);
    let mut child = database::child("work", &database.file(), 0);
    let child = child.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = child.spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let (sender, begun) = unbounded();
    let reader = thread::spawn(move || {
        for line in stdout.lines() {
            let line = line.unwrap();
            let (n, at) = line.split_once(' ').unwrap();
            sender
                .send((n.parse().unwrap(), at.parse().unwrap()))
                .unwrap();
        }
    });
    let latencies = latencies(&jobs, &begun, quick);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    reader.join().unwrap();
    drop(jobs);
    figure(title, &database, latencies)
}

/// What the child does: it works until its standard input ends, and prints when each job began.
pub(crate) fn child(file: &Path) {
    let jobs = database::open(file, Durability::Full);
    let host = database::work(&jobs, |job| {
        let begun = now();
        println!("{} {begun}", job.n);
    });
    let mut rest = String::new();
    io::stdin().read_to_string(&mut rest).unwrap();
    assert!(host.stop().is_clean());
}

/// In milliseconds.
fn latencies(jobs: &Jobs, begun: &Receiver<(u64, u64)>, quick: bool) -> Vec<f64> {
    let count: u64 = if quick { 20 } else { 2000 };
    // The first one shows that the workers are there, and does not count.
    jobs.enqueue(&Noop { n: 0 }).unwrap();
    begun.recv().unwrap();
    let start = Instant::now();
    let mut returned = vec![0];
    for n in 1..=count {
        thread::sleep((start + PAUSE * n as u32).saturating_duration_since(Instant::now()));
        jobs.enqueue(&Noop { n }).unwrap();
        returned.push(now());
    }
    let latency = |(n, begun): (u64, u64)| {
        // A job may begin before the thread that enqueued it is running again.
        begun.saturating_sub(returned[n as usize]) as f64 / 1e6
    };
    begun.iter().take(count as usize).map(latency).collect()
}

/// In nanoseconds, by the clock that processes share.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_nanos() as u64
}

fn figure(title: &'static str, database: &Database, values: Vec<f64>) -> Figure {
    database.check(JobState::Completed, values.len() as u64 + 1);
    let figure = Figure {
        title,
        unit: "ms",
        better: Better::Lower,
        series: vec![Series {
            name: "groundcrew, FULL",
            values,
        }],
        notes: Vec::new(),
    };
    figure.note_quantiles(&[0.5, 0.99])
}
