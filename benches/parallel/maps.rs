//! `map` over a slice, against rayon's `par_iter`.

use crate::crew;
use crate::harness::figure::{Better, Contender, Figure};
use crate::harness::latency;
use crate::harness::millis;
use crate::harness::scale::Scale;
use crate::harness::work::{steps, steps_a_microsecond};
use rayon::prelude::*;
use std::time::Instant;

/// An item is the number of steps that it takes.
fn work(item: &u64) -> u64 {
    steps(*item, *item)
}

fn contenders(items: &[u64]) -> Vec<Contender<'_>> {
    let expected: Vec<u64> = items.iter().map(work).collect();
    let check = move |results: Vec<u64>, start: Instant| {
        let took = millis(start);
        assert!(results == expected);
        took
    };
    let (first, second) = (check.clone(), check.clone());
    vec![
        (
            "groundcrew map",
            Box::new(move || {
                let pool = crew::groundcrew();
                pool.map(&items[..items.len() / 8], work).unwrap();
                let start = Instant::now();
                check(pool.map(items, work).unwrap(), start)
            }),
        ),
        (
            "rayon par_iter",
            Box::new(move || {
                let pool = crew::rayon();
                let map = |items: &[u64]| pool.install(|| items.par_iter().map(work).collect());
                let _: Vec<u64> = map(&items[..items.len() / 8]);
                let start = Instant::now();
                first(map(items), start)
            }),
        ),
        (
            "sequential",
            Box::new(move || {
                let start = Instant::now();
                second(items.iter().map(work).collect(), start)
            }),
        ),
    ]
}

fn measure(title: &'static str, scale: &Scale, items: &[u64]) -> Figure {
    let us = steps_a_microsecond() as f64;
    let total = items.iter().sum::<u64>() as f64 / us / 1e3;
    let longest = *items.iter().max().unwrap() as f64 / us;
    let count = items.len();
    let rounds = scale.rounds;
    let figure = Figure::measure(title, "ms", Better::Lower, rounds, contenders(items)).note(
        format!("{count} items, {total:.0} ms of work, the longest {longest:.2} us."),
    );
    latency::note(figure, |pool| drop(pool.map(items, work)))
}

pub(crate) fn microseconds(title: &'static str, quick: bool) -> Figure {
    let scale = Scale::new(quick);
    let items = vec![steps_a_microsecond(); scale.tasks(200_000) as usize];
    measure(title, &scale, &items)
}

pub(crate) fn fifty_nanoseconds(title: &'static str, quick: bool) -> Figure {
    let scale = Scale::new(quick);
    let items = vec![steps_a_microsecond() / 20; scale.tasks(4_000_000) as usize];
    measure(title, &scale, &items)
}

pub(crate) fn rare(title: &'static str, quick: bool) -> Figure {
    let scale = Scale::new(quick);
    let us = steps_a_microsecond();
    let mut random = fastrand::Rng::with_seed(7);
    let items: Vec<u64> = (0..scale.tasks(60_000))
        .map(|_| if random.u8(..100) == 0 { 200 * us } else { us })
        .collect();
    measure(title, &scale, &items)
}

pub(crate) fn falling(title: &'static str, quick: bool) -> Figure {
    let scale = Scale::new(quick);
    let count = scale.tasks(20_000);
    let us = steps_a_microsecond();
    // From 40 us down to nothing, by the cube: the first eighth takes two fifths.
    let items: Vec<u64> = (1..=count)
        .rev()
        .map(|left| (40.0 * us as f64 * (left as f64 / count as f64).powi(3)) as u64)
        .collect();
    measure(title, &scale, &items)
}
