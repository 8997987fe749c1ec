//! What recurring jobs cost: a process that has many of them and nothing to do, and many that are due
//! at the same instant.

use crate::database::{self, Database, Noop};
use crate::footprint::output;
use crate::harness::figure::{Better, Figure, Series};
use crate::harness::process::CpuTimes;
use groundcrew::host::RunningHost;
use groundcrew::jobs::{JobContext, Jobs};
use groundcrew::store::JobState;
use groundcrew::store::sqlite::Durability;
use groundcrew::{Host, Schedule};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

pub(crate) fn idle(title: &'static str, quick: bool) -> Figure {
    let (rounds, seconds) = if quick { (1, 1) } else { (3, 20) };
    let values = |count: u64| {
        let rounds = (0..rounds).map(|_| {
            let database = Database::new();
            let what = format!("idle-recurring-{count}");
            output(&database, &what, seconds)[0]
        });
        rounds.collect()
    };
    let figure = Figure {
        title,
        unit: "% of a core",
        better: Better::Lower,
        series: vec![
            Series {
                name: "no recurring jobs",
                values: values(0),
            },
            Series {
                name: "10,000 recurring jobs",
                values: values(10_000),
            },
        ],
        notes: Vec::new(),
    };
    figure.note(format!("Two threads and nothing to do, {seconds} s."))
}

/// What the child of the idle process does.
pub(crate) fn idle_child(file: &Path, count: u64, seconds: u64) {
    let jobs = database::open(file, Durability::Full);
    let later = Schedule::at(SystemTime::now() + Duration::from_secs(86_400));
    let host = start(&jobs, count, &later);
    // Until all threads have begun to wait.
    thread::sleep(Duration::from_millis(500));
    let (start, before) = (Instant::now(), CpuTimes::now());
    thread::sleep(Duration::from_secs(seconds));
    let used = CpuTimes::now().since(&before);
    println!(
        "{}",
        used.as_secs_f64() / start.elapsed().as_secs_f64() * 100.0
    );
    assert!(host.stop().is_clean());
}

/// A host that declares so many, all of one schedule.
fn start(jobs: &Jobs, count: u64, schedule: &Schedule) -> RunningHost {
    let mut host = Host::builder();
    let mut workers = host
        .jobs("bench", jobs)
        .threads(2)
        .queues(["elsewhere"])
        .on(|_: Noop, _: &JobContext| ());
    for n in 0..count {
        workers = workers.recurring(format!("key-{n}"), schedule.clone(), &Noop { n });
    }
    drop(workers);
    let host = host.build().unwrap().start().unwrap();
    while (jobs.all_recurring().unwrap().len() as u64) < count {
        thread::sleep(Duration::from_millis(10));
    }
    host
}

/// From the instant to the commit of the last job.
pub(crate) fn due_at_once(title: &'static str, quick: bool) -> Figure {
    let rounds = if quick { 1 } else { 5 };
    let series = database::BOTH.map(|(name, durability)| {
        let values = (0..rounds).map(|_| {
            let database = Database::new();
            let jobs = database.open(durability);
            let instant = SystemTime::now() + Duration::from_secs(3);
            let host = start(&jobs, 1000, &Schedule::at(instant));
            let enqueued = || -> u64 {
                let counts = jobs.counts().unwrap();
                counts.iter().map(|lane| lane.enqueued()).sum()
            };
            while enqueued() < 1000 {
                thread::sleep(Duration::from_micros(200));
            }
            let took = instant.elapsed().unwrap();
            assert!(host.stop().is_clean());
            database.check(JobState::Available, 1000);
            took.as_secs_f64() * 1e3
        });
        Series {
            name,
            values: values.collect(),
        }
    });
    let figure = Figure {
        title,
        unit: "ms",
        better: Better::Lower,
        series: series.into(),
        notes: Vec::new(),
    };
    figure.note("From the instant to the moment at which all 1,000 are there.".to_owned())
}
