//! Recursion that joins: sequential below some 10 us of work.

use crate::crews::Crew;
use crate::harness::figure::{Better, Contender, Figure};
use crate::harness::millis;
use crate::harness::scale::Scale;
use groundcrew::{Pool, TaskContext};
use rayon::ThreadPool as Rayon;
use std::hint::black_box;
use std::time::Instant;

/// From which number of the series on a task is worth it: measured, so that it
/// takes about 10 us below it on whatever machine.
fn cutoff() -> u32 {
    let takes = |n: u32| {
        let tries = (0..20).map(|_| {
            let start = Instant::now();
            black_box(fib(black_box(n)));
            start.elapsed()
        });
        tries.min().unwrap_or_default()
    };
    let long_enough = |n: &u32| takes(*n).as_nanos() >= 10_000;
    (10..40).find(long_enough).unwrap_or(20)
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

pub(crate) fn fibonacci(title: &'static str, quick: bool) -> Figure {
    let scale = Scale::new(quick);
    let n = 34 - scale.divisor.ilog2();
    let cutoff = cutoff();
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
    Figure::measure(title, "ms", Better::Lower, scale.rounds, contenders)
        .note(format!("Sequential below fib({cutoff})."))
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

pub(crate) fn quicksort(title: &'static str, quick: bool) -> Figure {
    let scale = Scale::new(quick);
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
    Figure::measure(title, "ms", Better::Lower, scale.rounds, contenders)
}
