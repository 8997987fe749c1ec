//! Memory: tasks through a pool that is slower than their producer, each
//! contender in a process of its own.

use crate::crews::{Crew, Raw, RustyPool};
use crate::harness::figure::{Better, Contender, Figure};
use crate::harness::process;
use crate::harness::scale::Scale;
use crate::harness::work;
use crate::tally;
use rayon::ThreadPool as Rayon;
use std::hint::black_box;
use std::process::Command;
use threadpool::ThreadPool;

const CONTENDERS: [&str; 5] = [
    "groundcrew",
    "rayon spawn",
    "threadpool",
    "rusty_pool",
    "raw channel loop",
];

/// The peak in MiB.
pub(crate) fn peak(title: &'static str, quick: bool) -> Figure {
    let scale = Scale::new(quick);
    let tasks = scale.tasks(10_000_000);
    let contenders = CONTENDERS.iter().map(|name| {
        let measure = move || child(&["--flood", name, "--tasks", &tasks.to_string()]) / 1024.0;
        (*name, Box::new(measure) as Box<dyn FnMut() -> f64>)
    });
    let contenders: Vec<Contender<'_>> = contenders.collect();
    let figure = Figure::measure(title, "MiB", Better::Lower, 1, contenders);
    let queued = child(&["--flood", "queued", "--tasks", "1000000"]) * 1024.0 / 1e6;
    figure
        .note(format!(
            "{tasks} tasks, submitted faster than two workers run them."
        ))
        .note(format!(
            "A queued task with 8 bytes captured takes {queued:.0} bytes, its place in the channel \
             included."
        ))
}

/// Runs this bench again, for one number: KiB.
fn child(arguments: &[&str]) -> f64 {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .unwrap_or_else(|_| panic!("{arguments:?} printed {text:?}"))
}

/// What the child does.
pub(crate) fn flood(contender: &str, tasks: u64) {
    let kib = match contender {
        "groundcrew" => flood_with::<groundcrew::Pool>(tasks),
        "rayon spawn" => flood_with::<Rayon>(tasks),
        "threadpool" => flood_with::<ThreadPool>(tasks),
        "rusty_pool" => flood_with::<RustyPool>(tasks),
        "raw channel loop" => flood_with::<Raw>(tasks),
        "queued" => queued(tasks),
        other => panic!("no contender {other}"),
    };
    println!("{kib}");
}

fn flood_with<C: Crew>(tasks: u64) -> u64 {
    let crew = C::new();
    let steps = work::steps_a_microsecond() / 3;
    for task in 0..tasks {
        crew.execute(move || {
            black_box(work::steps(steps, task));
            tally::count();
        });
    }
    tally::wait_for(tasks);
    process::peak_memory()
}

/// The memory of so many tasks in the queue.
fn queued(tasks: u64) -> u64 {
    let before = process::memory();
    let pool = groundcrew::Pool::builder()
        .threads(1)
        .queue_capacity(tasks as usize)
        .build()
        .unwrap();
    let (open, gate) = crossbeam_channel::bounded::<()>(0);
    pool.execute(move || gate.recv().unwrap_or_default())
        .unwrap();
    while pool.running().is_empty() {
        std::thread::yield_now();
    }
    for task in 0..tasks {
        pool.execute(move || assert_ne!(black_box(task), u64::MAX))
            .unwrap();
    }
    let after = process::memory();
    drop(open);
    after.saturating_sub(before)
}
