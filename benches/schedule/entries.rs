//! What entries cost that are added, wait, and are removed.

use crate::harness::figure::{Better, Contender, Figure};
use crate::harness::process::{self, CpuTimes};
use crate::harness::{millis, scale::Scale};
use crate::heap::{Heap, Moments};
use groundcrew::schedule::ScheduleEntry;
use groundcrew::{Pool, Schedule, Scheduler};
use std::any::Any;
use std::cell::Cell;
use std::hint::black_box;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);

const CONTENDERS: [&str; 3] = ["groundcrew", "heap, names and closures", "heap of moments"];

/// So far in the future, the same for all contenders, none as the one before.
fn delay(nth: u64) -> Duration {
    HOUR + Duration::from_nanos(nth.wrapping_mul(6_364_136_223_846_793_005) >> 16)
}

/// All numbers up to this, in no order.
fn shuffled(entries: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..entries as usize).collect();
    fastrand::Rng::with_seed(entries).shuffle(&mut order);
    order
}

struct Ours {
    scheduler: Scheduler,
    entries: Vec<ScheduleEntry>,
    _pool: Pool,
}

impl Ours {
    fn new() -> Ours {
        let pool = Pool::new(1).unwrap();
        let scheduler = Scheduler::new(pool.submitter());
        scheduler.start().unwrap();
        Ours {
            scheduler,
            entries: Vec::new(),
            _pool: pool,
        }
    }

    fn add(&mut self, entries: u64) {
        for nth in 0..entries {
            let entry = self
                .scheduler
                .entry(nth.to_string(), Schedule::every(delay(nth)))
                .run(move |_| {
                    black_box(nth);
                    Ok(())
                });
            self.entries.push(entry.unwrap());
        }
    }
}

fn heap(entries: u64) -> (Heap, Vec<u64>) {
    let heap = Heap::default();
    let numbers = (0..entries).map(|nth| {
        let due = Instant::now() + delay(nth);
        let closure = move || {
            black_box(nth);
        };
        heap.add(nth.to_string(), due, Box::new(closure)).unwrap()
    });
    let numbers = numbers.collect();
    (heap, numbers)
}

fn moments(entries: u64) -> Moments {
    let moments = Moments::default();
    for nth in 0..entries {
        moments.add(Instant::now() + delay(nth), nth);
    }
    moments
}

pub(crate) fn adding(title: &'static str, quick: bool) -> Figure {
    let scale = Scale::new(quick);
    let entries = scale.tasks(100_000);
    let contenders: Vec<Contender<'_>> = vec![
        (
            "groundcrew",
            Box::new(|| {
                let mut ours = Ours::new();
                let start = Instant::now();
                ours.add(entries);
                millis(start)
            }),
        ),
        (
            "heap, names and closures",
            Box::new(|| {
                let start = Instant::now();
                let heap = heap(entries);
                let millis = millis(start);
                drop(heap);
                millis
            }),
        ),
        (
            "heap of moments",
            Box::new(|| {
                let start = Instant::now();
                let moments = moments(entries);
                let millis = millis(start);
                drop(moments);
                millis
            }),
        ),
    ];
    Figure::measure(title, "ms", Better::Lower, scale.rounds, contenders)
}

pub(crate) fn removing(title: &'static str, quick: bool) -> Figure {
    let scale = Scale::new(quick);
    let entries = scale.tasks(100_000);
    let order = shuffled(entries);
    let contenders: Vec<Contender<'_>> = vec![
        (
            "groundcrew",
            Box::new(|| {
                let mut ours = Ours::new();
                ours.add(entries);
                let start = Instant::now();
                for nth in &order {
                    ours.entries[*nth].remove();
                }
                // Their closures go with them.
                ours.entries.clear();
                millis(start)
            }),
        ),
        (
            "heap, names and closures",
            Box::new(|| {
                let (heap, numbers) = heap(entries);
                let start = Instant::now();
                for nth in &order {
                    heap.remove(numbers[*nth]);
                }
                millis(start)
            }),
        ),
        (
            "heap of moments",
            Box::new(|| {
                let moments = moments(entries);
                let start = Instant::now();
                for nth in &order {
                    moments.remove(*nth as u64);
                }
                millis(start)
            }),
        ),
    ];
    Figure::measure(title, "ms", Better::Lower, scale.rounds, contenders)
}

/// The memory that is there while they wait, each contender in a process of its own.
pub(crate) fn holding(title: &'static str, quick: bool) -> Figure {
    let entries = Scale::new(quick).tasks(100_000);
    let contenders = CONTENDERS.map(|name| {
        let measure = move || child(name, entries);
        (name, Box::new(measure) as Box<dyn FnMut() -> f64>)
    });
    Figure::measure(title, "bytes each", Better::Lower, 1, contenders.into())
}

/// Runs this bench again, for one number.
fn child(contender: &str, entries: u64) -> f64 {
    let program = std::env::current_exe().unwrap();
    let entries = entries.to_string();
    let arguments = ["--hold", contender, "--entries", &entries];
    let output = Command::new(program).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .unwrap_or_else(|_| panic!("{arguments:?} printed {text:?}"))
}

/// What the child does.
pub(crate) fn hold(contender: &str, entries: u64) {
    let mut ours = Ours::new();
    let before = process::memory();
    let held: Box<dyn Any> = match contender {
        "groundcrew" => {
            ours.add(entries);
            Box::new(())
        }
        "heap, names and closures" => Box::new(heap(entries)),
        _ => Box::new(moments(entries)),
    };
    let grown = process::memory().saturating_sub(before) * 1024;
    println!("{}", grown as f64 / entries as f64);
    drop(held);
}

pub(crate) fn waiting(title: &'static str, quick: bool) -> Figure {
    let rounds = if quick { 1 } else { 5 };
    let wakes = Cell::new(0);
    let keep = |entries: u64| {
        let wakes = &wakes;
        let keep = move || {
            let mut ours = Ours::new();
            ours.add(entries);
            // Until its threads are in bed.
            thread::sleep(Duration::from_millis(50));
            let (woken, busy) = (process::wakes_of_others(), CpuTimes::of_others());
            thread::sleep(Duration::from_secs(1));
            let used = CpuTimes::of_others().since(&busy);
            let woken = process::wakes_of_others().saturating_sub(woken);
            wakes.set(wakes.get().max(woken));
            used.as_secs_f64() * 1e6
        };
        Box::new(keep) as Box<dyn FnMut() -> f64>
    };
    let contenders: Vec<Contender<'_>> =
        vec![("10,000 entries", keep(10_000)), ("10 entries", keep(10))];
    let figure = Figure::measure(title, "us of CPU", Better::Lower, rounds, contenders);
    let most = wakes.get();
    figure.note(format!("Wake-ups in that second: {most} at most."))
}
