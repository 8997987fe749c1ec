//! Tasks that submit tasks, and recursion that joins.

use crate::crews::{Crew, WORKERS};
use crate::harness::figure::{Better, Contender, Figure};
use crate::scale::Scale;
use crate::{tally, work};
use groundcrew::{Pool, Submitter, TaskContext};
use rayon::ThreadPool as Rayon;
use std::cell::Cell;
use std::time::Instant;

fn nodes(depth: u32) -> u64 {
    (1 << (depth + 1)) - 1
}

/// Millions a second; `start` starts a fan-out of a depth. A small one comes
/// first, for memory that the threads have never touched is slow.
fn rate(depth: u32, start: impl Fn(u32)) -> f64 {
    let mut rate = 0.0;
    for depth in [depth - 3, depth] {
        let before = tally::total();
        let clock = Instant::now();
        start(depth);
        tally::wait_for(before + nodes(depth));
        rate = nodes(depth) as f64 / clock.elapsed().as_secs_f64() / 1e6;
    }
    rate
}

/// As in a program with one pool for all of it, which rayon spawns to as well.
fn fan(submitter: &'static Submitter, depth: u32) {
    tally::count();
    if depth > 0 {
        for _ in 0..2 {
            submitter
                .execute(move || fan(submitter, depth - 1))
                .unwrap();
        }
    }
}

/// A submitter that is never dropped.
fn submitter(pool: &Pool) -> &'static Submitter {
    Box::leak(Box::new(pool.submitter()))
}

fn rayon_fan(depth: u32) {
    tally::count();
    if depth > 0 {
        for _ in 0..2 {
            rayon::spawn(move || rayon_fan(depth - 1));
        }
    }
}

fn rayon_scope_fan<'scope>(scope: &rayon::Scope<'scope>, depth: u32) {
    tally::count();
    if depth > 0 {
        for _ in 0..2 {
            scope.spawn(move |scope| rayon_scope_fan(scope, depth - 1));
        }
    }
}

pub(crate) fn fan_out(scale: &Scale) -> Figure {
    let depth = 18 - scale.divisor.ilog2();
    let in_place = || {
        Pool::builder()
            .threads(WORKERS)
            .run_in_place_when_full()
            .build()
            .unwrap()
    };
    let peak = Cell::new(0);
    let contenders: Vec<Contender<'_>> = vec![
        (
            "groundcrew",
            Box::new(|| {
                let pool = <Pool as Crew>::new();
                let submitter = submitter(&pool);
                let rate = rate(depth, |depth| {
                    submitter.execute(move || fan(submitter, depth)).unwrap()
                });
                peak.set(peak.get().max(pool.stats().overflow_peak()));
                rate
            }),
        ),
        (
            "groundcrew, in place",
            Box::new(|| {
                let pool = in_place();
                let submitter = submitter(&pool);
                rate(depth, |depth| {
                    submitter.execute(move || fan(submitter, depth)).unwrap()
                })
            }),
        ),
        (
            "rayon spawn",
            Box::new(|| {
                let pool = <Rayon as Crew>::new();
                rate(depth, |depth| pool.spawn(move || rayon_fan(depth)))
            }),
        ),
        (
            "rayon scope",
            Box::new(|| {
                let pool = <Rayon as Crew>::new();
                rate(depth, |depth| {
                    pool.scope(|scope| rayon_scope_fan(scope, depth))
                })
            }),
        ),
    ];
    let figure = Figure::measure(
        "5. Fan-out, each task submits two",
        "million/s",
        Better::Higher,
        scale.rounds,
        contenders,
    )
    .aim(2.0, &["rayon spawn"])
    .aim(1.3, &["rayon scope"])
    .aim_of("groundcrew, in place", 3.0, &["rayon spawn"])
    .aim_of("groundcrew, in place", 2.0, &["rayon scope"]);
    figure.note(format!(
        "The overflow lists held {} of {} tasks at most.",
        peak.get(),
        nodes(depth)
    ))
}

/// Below this number of the series it is not worth a task: it takes about 10 us.
fn sequential_below() -> u32 {
    let calls_of = |n: u32| 2 * fib(n) - 1;
    // A call is about as long as some steps of `work`.
    let in_ten_micros = work::steps_a_microsecond() * 10 / 4;
    (1..40).find(|n| calls_of(*n) > in_ten_micros).unwrap_or(20)
}

fn fib(n: u32) -> u64 {
    match n {
        0 | 1 => 1,
        _ => fib(n - 1) + fib(n - 2),
    }
}

fn groundcrew_fib(context: &TaskContext, n: u32, cutoff: u32) -> u64 {
    if n < cutoff {
        return fib(n);
    }
    let submitter = context.submitter();
    let second = submitter.submit_with(move |context| groundcrew_fib(context, n - 2, cutoff));
    let first = groundcrew_fib(context, n - 1, cutoff);
    first + second.unwrap().join().unwrap()
}

fn rayon_fib(n: u32, cutoff: u32) -> u64 {
    if n < cutoff {
        return fib(n);
    }
    let (first, second) = rayon::join(|| rayon_fib(n - 1, cutoff), || rayon_fib(n - 2, cutoff));
    first + second
}

fn millis(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

pub(crate) fn recursion(scale: &Scale) -> Figure {
    let n = 34 - scale.divisor.ilog2();
    let cutoff = sequential_below();
    let expected = fib(n);
    let contenders: Vec<Contender<'_>> = vec![
        (
            "groundcrew",
            Box::new(move || {
                let pool = <Pool as Crew>::new();
                let start = Instant::now();
                let handle = pool.submit_with(move |context| groundcrew_fib(context, n, cutoff));
                assert_eq!(handle.unwrap().join().unwrap(), expected);
                millis(start)
            }),
        ),
        (
            "rayon join",
            Box::new(move || {
                let pool = <Rayon as Crew>::new();
                let start = Instant::now();
                assert_eq!(pool.install(|| rayon_fib(n, cutoff)), expected);
                millis(start)
            }),
        ),
    ];
    Figure::measure(
        "6a. Fibonacci by joins",
        "ms",
        Better::Lower,
        scale.rounds,
        contenders,
    )
    .aim(1.5, &["rayon join"])
}

/// Splits off what is less than the pivot: two parts, and the pivot in between.
fn partition(mut items: Vec<u64>) -> (Vec<u64>, u64, Vec<u64>) {
    let middle = items.len() / 2;
    let pivot = items.swap_remove(middle);
    let (less, more) = items.into_iter().partition(|item| *item < pivot);
    (less, pivot, more)
}

const SORT_SEQUENTIALLY: usize = 500;

fn append(mut less: Vec<u64>, pivot: u64, more: Vec<u64>) -> Vec<u64> {
    less.push(pivot);
    less.extend(more);
    less
}

fn groundcrew_sort(context: &TaskContext, mut items: Vec<u64>) -> Vec<u64> {
    if items.len() < SORT_SEQUENTIALLY {
        items.sort_unstable();
        return items;
    }
    let (less, pivot, more) = partition(items);
    let more = context
        .submitter()
        .submit_with(move |context| groundcrew_sort(context, more));
    let less = groundcrew_sort(context, less);
    append(less, pivot, more.unwrap().join().unwrap())
}

fn rayon_sort(mut items: Vec<u64>) -> Vec<u64> {
    if items.len() < SORT_SEQUENTIALLY {
        items.sort_unstable();
        return items;
    }
    let (less, pivot, more) = partition(items);
    let (less, more) = rayon::join(|| rayon_sort(less), || rayon_sort(more));
    append(less, pivot, more)
}

pub(crate) fn quicksort(scale: &Scale) -> Figure {
    let mut random = fastrand::Rng::with_seed(7);
    let items: Vec<u64> = (0..scale.tasks(400_000)).map(|_| random.u64(..)).collect();
    let items = &items;
    let contenders: Vec<Contender<'_>> = vec![
        (
            "groundcrew",
            Box::new(move || {
                let pool = <Pool as Crew>::new();
                let items = items.clone();
                let start = Instant::now();
                let sorted = pool
                    .submit_with(|context| groundcrew_sort(context, items))
                    .unwrap()
                    .join()
                    .unwrap();
                let millis = millis(start);
                assert!(sorted.is_sorted());
                millis
            }),
        ),
        (
            "rayon join",
            Box::new(move || {
                let pool = <Rayon as Crew>::new();
                let items = items.clone();
                let start = Instant::now();
                let sorted = pool.install(|| rayon_sort(items));
                let millis = millis(start);
                assert!(sorted.is_sorted());
                millis
            }),
        ),
    ];
    Figure::measure(
        "6b. Quicksort by joins",
        "ms",
        Better::Lower,
        scale.rounds,
        contenders,
    )
    .aim(1.5, &["rayon join"])
}
