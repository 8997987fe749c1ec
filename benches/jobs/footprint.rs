//! What a worker process needs: CPU time while there is nothing to do, and memory.

use crate::database::{self, Database};
use crate::harness::figure::{Better, Figure, Series};
use crate::harness::process::{self, CpuTimes};
use groundcrew::store::JobState;
use groundcrew::store::sqlite::Durability;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) fn idle(title: &'static str, quick: bool) -> Figure {
    let (rounds, seconds) = if quick { (1, 1) } else { (3, 10) };
    let values = (0..rounds).map(|_| {
        let database = Database::new();
        output(&database, "idle", seconds)[0]
    });
    let figure = Figure {
        title,
        unit: "% of a core",
        better: Better::Lower,
        series: vec![Series {
            name: "groundcrew",
            values: values.collect(),
        }],
        notes: Vec::new(),
    };
    figure.note(format!("Two threads and an empty store, {seconds} s."))
}

/// After a tenth of the jobs, and after all of them.
pub(crate) fn memory(title: &'static str, quick: bool) -> Figure {
    let jobs = if quick { 20_000 } else { 1_000_000 };
    let database = Database::new();
    let values = output(&database, "drain", jobs);
    database.check(JobState::Completed, jobs);
    let names = ["groundcrew, 100,000 jobs", "groundcrew, 1,000,000 jobs"];
    let series = names.iter().zip(&values).map(|(name, value)| Series {
        name,
        values: vec![*value],
    });
    let figure = Figure {
        title,
        unit: "MiB",
        better: Better::Lower,
        series: series.collect(),
        notes: Vec::new(),
    };
    let [tenth, all] = values[..] else {
        panic!("two values, not {values:?}")
    };
    figure.note(format!(
        "{:.1} MiB more after {jobs} than after a tenth.",
        all - tenth
    ))
}

/// The numbers that the child prints.
pub(crate) fn output(database: &Database, what: &str, amount: u64) -> Vec<f64> {
    let output = database::child(what, &database.file(), amount)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers = text.split_whitespace().map(|word| word.parse().unwrap());
    numbers.collect()
}

/// What the child of the idle process does.
pub(crate) fn idle_child(file: &Path, seconds: u64) {
    let jobs = database::open(file, Durability::Full);
    let host = database::work(&jobs, |_| ());
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

/// What the child does that shows its memory: ten thousand jobs at a time.
pub(crate) fn drain_child(file: &Path, jobs_in_all: u64) {
    let jobs = database::open(file, Durability::Full);
    let host = database::work(&jobs, |_| ());
    let step = jobs_in_all / 100;
    for done in 1..=100 {
        database::enqueue(&jobs, (done - 1) * step..done * step);
        database::wait_for_completed(&jobs, done * step);
        if done == 10 || done == 100 {
            println!("{}", process::memory() as f64 / 1024.0);
        }
    }
    assert!(host.stop().is_clean());
}
