//! Tasks from outside the pool: empty ones from one and from four producers,
//! and short ones.

use crate::crews::{Crew, Raw, RustyPool};
use crate::harness::figure::{Better, Contender, Figure};
use crate::harness::latency;
use crate::harness::scale::Scale;
use crate::harness::work;
use crate::tally;
use rayon::ThreadPool as Rayon;
use scheduled_thread_pool::ScheduledThreadPool;
use std::hint::black_box;
use std::thread;
use std::time::Instant;
use threadpool::ThreadPool;

/// Millions a second: `tasks` tasks from `producers` threads, each running
/// `body`. Some come first that do not count: memory that was never touched is
/// slow.
fn rate<C: Crew>(producers: u64, tasks: u64, body: fn(u64)) -> f64 {
    let crew = C::new();
    run(&crew, producers, tasks / 8, body);
    let start = Instant::now();
    run(&crew, producers, tasks, body);
    tasks as f64 / start.elapsed().as_secs_f64() / 1e6
}

fn run<C: Crew>(crew: &C, producers: u64, tasks: u64, body: fn(u64)) {
    let before = tally::total();
    let produce = |producer: u64| {
        for task in (producer..tasks).step_by(producers as usize) {
            crew.execute(move || {
                body(task);
                tally::count();
            });
        }
    };
    match producers {
        1 => produce(0),
        _ => thread::scope(|scope| {
            for producer in 0..producers {
                let produce = &produce;
                scope.spawn(move || produce(producer));
            }
        }),
    }
    tally::wait_for(before + tasks);
}

fn empty(task: u64) {
    black_box(task);
}

fn contenders(producers: u64, tasks: u64, body: fn(u64)) -> Vec<Contender<'static>> {
    vec![
        (
            "groundcrew",
            Box::new(move || rate::<groundcrew::Pool>(producers, tasks, body)),
        ),
        (
            "rayon spawn",
            Box::new(move || rate::<Rayon>(producers, tasks, body)),
        ),
        (
            "threadpool",
            Box::new(move || rate::<ThreadPool>(producers, tasks, body)),
        ),
        (
            "rusty_pool",
            Box::new(move || rate::<RustyPool>(producers, tasks, body)),
        ),
        (
            "scheduled-thread-pool",
            Box::new(move || rate::<ScheduledThreadPool>(producers, tasks, body)),
        ),
        (
            "raw channel loop",
            Box::new(move || rate::<Raw>(producers, tasks, body)),
        ),
    ]
}

pub(crate) fn one_producer(title: &'static str, quick: bool) -> Figure {
    let scale = Scale::new(quick);
    let contenders = contenders(1, scale.tasks(400_000), empty);
    Figure::measure(title, "million/s", Better::Higher, scale.rounds, contenders)
}

pub(crate) fn four_producers(title: &'static str, quick: bool) -> Figure {
    let scale = Scale::new(quick);
    let contenders = contenders(4, scale.tasks(400_000), empty);
    Figure::measure(title, "million/s", Better::Higher, scale.rounds, contenders)
}

/// The speed-up over running them one after the other.
pub(crate) fn short_tasks(title: &'static str, quick: bool) -> Figure {
    let scale = Scale::new(quick);
    let tasks = scale.tasks(60_000);
    let mut contenders = contenders(1, tasks, work::microsecond);
    let in_turn = move || {
        let start = Instant::now();
        (0..tasks).for_each(work::microsecond);
        tasks as f64 / start.elapsed().as_secs_f64() / 1e6
    };
    contenders.push(("one after the other", Box::new(in_turn)));
    let unit = "multiples of the sequential speed";
    let mut figure = Figure::measure(title, unit, Better::Higher, scale.rounds, contenders);
    let sequential = figure
        .series
        .pop()
        .unwrap_or_else(|| unreachable!("it was pushed last"));
    for series in &mut figure.series {
        for (value, sequential) in series.values.iter_mut().zip(&sequential.values) {
            *value /= sequential;
        }
    }
    latency::note(figure, |pool| {
        run(pool, 1, tasks, work::microsecond);
    })
}
