//! `stream`, in order, against rayon's `par_bridge`, which has no order, and
//! against a pipeline written by hand with channels and scoped threads.

use crate::crew::{self, WORKERS};
use crate::harness::figure::{Better, Contender, Figure};
use crate::harness::latency;
use crate::harness::millis;
use crate::harness::scale::Scale;
use crate::harness::work::{steps, steps_a_microsecond};
use crossbeam_channel::bounded;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::thread;
use std::time::Instant;

/// A source that does not know its length, as a file's lines.
fn source(items: u64) -> impl Iterator<Item = u64> + Send {
    (0..items).filter(|item| black_box(*item) != u64::MAX)
}

/// What the consumer does: something that depends on the order.
fn digest(before: u64, result: u64) -> u64 {
    before.rotate_left(1) ^ result
}

/// A feeder, two workers, and a consumer that puts the results in order. As
/// many items wait as in groundcrew's queue.
fn pipeline(items: u64, work: impl Fn(u64) -> u64 + Sync) -> u64 {
    let (feed, fed) = bounded(1024);
    let (give, given) = bounded(1024);
    thread::scope(|scope| {
        scope.spawn(move || {
            for numbered in source(items).enumerate() {
                feed.send(numbered).unwrap();
            }
        });
        for _ in 0..WORKERS {
            let (fed, give, work) = (fed.clone(), give.clone(), &work);
            scope.spawn(move || {
                for (number, item) in fed {
                    give.send((number, work(item))).unwrap();
                }
            });
        }
        drop(give);
        let (mut next, mut early, mut sum) = (0, BTreeMap::new(), 0);
        for (number, result) in given {
            early.insert(number, result);
            while let Some(result) = early.remove(&next) {
                sum = digest(sum, result);
                next += 1;
            }
        }
        sum
    })
}

fn measure(title: &'static str, quick: bool, items: u64, micros: u64) -> Figure {
    let scale = Scale::new(quick);
    let items = scale.tasks(items);
    let count = micros * steps_a_microsecond();
    let work = move |item: u64| steps(count, item);
    let expected = source(items).map(work).fold(0, digest);
    let contenders: Vec<Contender<'_>> = vec![
        (
            "groundcrew stream",
            Box::new(move || {
                let pool = crew::groundcrew();
                let start = Instant::now();
                let results = pool.stream(source(items), work);
                let sum = results.map(Result::unwrap).fold(0, digest);
                let took = millis(start);
                assert_eq!(sum, expected);
                took
            }),
        ),
        (
            "groundcrew unordered",
            Box::new(move || {
                let pool = crew::groundcrew();
                let start = Instant::now();
                let results = pool.stream(source(items), work).unordered();
                let sum = results.map(Result::unwrap).fold(0, digest);
                let took = millis(start);
                black_box(sum);
                took
            }),
        ),
        (
            "rayon par_bridge",
            Box::new(move || {
                let pool = crew::rayon();
                let start = Instant::now();
                let sum = pool.install(|| {
                    let results = source(items).par_bridge().map(work);
                    results.reduce(|| 0, |a, b| a ^ b)
                });
                black_box(sum);
                millis(start)
            }),
        ),
        (
            "scoped threads",
            Box::new(move || {
                let start = Instant::now();
                assert_eq!(pipeline(items, work), expected);
                millis(start)
            }),
        ),
        (
            "sequential",
            Box::new(move || {
                let start = Instant::now();
                assert_eq!(source(items).map(work).fold(0, digest), expected);
                millis(start)
            }),
        ),
    ];
    let figure = Figure::measure(title, "ms", Better::Lower, scale.rounds, contenders);
    latency::note(figure, |pool| {
        pool.stream(source(items), work).for_each(drop);
    })
}

pub(crate) fn microseconds(title: &'static str, quick: bool) -> Figure {
    measure(title, quick, 200_000, 1)
}

pub(crate) fn long(title: &'static str, quick: bool) -> Figure {
    measure(title, quick, 4_000, 50)
}
