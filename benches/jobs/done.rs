//! How many jobs that do nothing are claimed, run and completed in a second.

use crate::database::{self, Database};
use crate::harness::figure::{Better, Contender, Figure};
use groundcrew::store::JobState;
use groundcrew::store::sqlite::Durability;
use std::cell::Cell;
use std::time::Instant;

pub(crate) fn done(title: &'static str, quick: bool) -> Figure {
    let (rounds, jobs, ended) = match quick {
        true => (1, 2000, 20_000),
        false => (5, 50_000, 1_000_000),
    };
    let filled = Database::new();
    drain(&filled, Durability::Normal, 0, ended);
    // Grows by what is measured.
    let filled = (filled, Cell::new(ended));
    let empty = |durability| {
        let measure = move || drain(&Database::new(), durability, 0, jobs);
        Box::new(measure) as Box<dyn FnMut() -> f64>
    };
    let beside = |durability| {
        let (database, ended) = &filled;
        let measure = move || {
            let rate = drain(database, durability, ended.get(), jobs);
            ended.set(ended.get() + jobs);
            rate
        };
        Box::new(measure) as Box<dyn FnMut() -> f64>
    };
    let (full, normal) = (Durability::Full, Durability::Normal);
    let names = [
        "groundcrew, FULL",
        "groundcrew, FULL, a million ended",
        "groundcrew, NORMAL",
        "groundcrew, NORMAL, a million ended",
    ];
    let contenders: Vec<Contender<'_>> = vec![
        (names[0], empty(full)),
        (names[1], beside(full)),
        (names[2], empty(normal)),
        (names[3], beside(normal)),
    ];
    let figure = Figure::measure(title, "jobs/s", Better::Higher, rounds, contenders);
    let full = figure.ratio(names[1], names[0]);
    let normal = figure.ratio(names[3], names[2]);
    figure.note(format!(
        "Beside {ended} or more jobs that have ended: {full} of the empty table's with FULL, \
         {normal} with NORMAL."
    ))
}

/// The rate of `count` jobs beside `ended` ones.
fn drain(database: &Database, durability: Durability, ended: u64, count: u64) -> f64 {
    let jobs = database.open(durability);
    database::enqueue(&jobs, 0..count);
    let start = Instant::now();
    let host = database::work(&jobs, |_| ());
    database::wait_for_completed(&jobs, ended + count);
    let rate = count as f64 / start.elapsed().as_secs_f64();
    let report = host.stop();
    let report = report.jobs("bench").unwrap();
    assert_eq!((report.claimed(), report.completed()), (count, count));
    drop(jobs);
    database.check(JobState::Completed, ended + count);
    rate
}
