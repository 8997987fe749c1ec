//! What a limit costs: the jobs that pass those that it blocks, and the jobs of its key.

use crate::database::{self, Database, Noop};
use crate::harness::figure::{Better, Contender, Figure};
use groundcrew::jobs::{Jobs, NewJob};
use groundcrew::store::JobState;
use groundcrew::store::sqlite::Durability;
use std::ops::Range;
use std::time::Instant;

pub(crate) fn limits(title: &'static str, quick: bool) -> Figure {
    let (rounds, jobs, blocked) = match quick {
        true => (1, 2000, 10_000),
        false => (5, 30_000, 100_000),
    };
    let names = [
        "groundcrew, FULL, no limit",
        "groundcrew, FULL, beside blocked jobs",
        "groundcrew, FULL, all with one limit of 100",
    ];
    let contenders: Vec<Contender<'_>> = vec![
        (names[0], Box::new(move || beside(0, jobs))),
        (names[1], Box::new(move || beside(blocked, jobs))),
        (names[2], Box::new(move || limited(jobs))),
    ];
    let figure = Figure::measure(title, "jobs/s", Better::Higher, rounds, contenders);
    let beside = figure.ratio(names[1], names[0]);
    let limited = figure.ratio(names[2], names[0]);
    figure.note(format!(
        "Beside {blocked} jobs that are blocked by a full limit: {beside} of the rate without. Each \
         with the same key, and 100 at once: {limited}."
    ))
}

fn enqueue(jobs: &Jobs, numbers: Range<u64>, queue: &str, limit: u32) {
    for first in numbers.clone().step_by(1000) {
        let batch = first..numbers.end.min(first + 1000);
        let new = batch.map(|n| NewJob::of(&Noop { n }).queue(queue).limit("key", limit));
        jobs.enqueue_many(new).unwrap();
    }
}

/// The rate of `count` jobs without a limit, beside `blocked` ones in their lane. The place of those
/// is taken by one that no worker looks at.
fn beside(blocked: u64, count: u64) -> f64 {
    let database = Database::new();
    let jobs = database.open(Durability::Full);
    if blocked > 0 {
        enqueue(&jobs, 0..1, "elsewhere", 1);
        enqueue(&jobs, 0..blocked, "default", 1);
    }
    database::enqueue(&jobs, 0..count);
    let rate = rate(&jobs, count);
    let counts = jobs.counts().unwrap();
    let of_state = |state| counts.iter().map(|lane| lane.states[state]).sum::<u64>();
    assert_eq!(of_state(JobState::Completed), count);
    assert_eq!(of_state(JobState::Blocked), blocked);
    rate
}

fn limited(count: u64) -> f64 {
    let database = Database::new();
    let jobs = database.open(Durability::Full);
    enqueue(&jobs, 0..count, "default", 100);
    let rate = rate(&jobs, count);
    drop(jobs);
    database.check(JobState::Completed, count);
    rate
}

fn rate(jobs: &Jobs, count: u64) -> f64 {
    let start = Instant::now();
    let host = database::work(jobs, |_| ());
    database::wait_for_completed(jobs, count);
    let rate = count as f64 / start.elapsed().as_secs_f64();
    let report = host.stop();
    assert_eq!(report.jobs("bench").unwrap().completed(), count);
    rate
}
