//! Tasks that submit tasks.

use crate::crews::{Crew, WORKERS};
use crate::harness::figure::{Better, Contender, Figure};
use crate::harness::scale::Scale;
use crate::tally;
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

/// By what a program keeps in a static: nobody counts references to it. The
/// same for rayon below.
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

fn context_fan(context: &TaskContext, depth: u32) {
    tally::count();
    if depth > 0 {
        let submitter = context.submitter();
        for _ in 0..2 {
            submitter
                .execute_with(move |context| context_fan(context, depth - 1))
                .unwrap();
        }
    }
}

fn rayon_fan(pool: &'static Rayon, depth: u32) {
    tally::count();
    if depth > 0 {
        for _ in 0..2 {
            pool.spawn(move || rayon_fan(pool, depth - 1));
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

fn forever<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// Of the others only rayon is made for this: a task of threadpool or
/// rusty_pool that submits goes through the one queue that all share.
pub(crate) fn measure(title: &'static str, quick: bool) -> Figure {
    let scale = Scale::new(quick);
    let depth = 18 - scale.divisor.ilog2();
    let in_place = || {
        let builder = Pool::builder().threads(WORKERS).caller_runs_when_full();
        builder.build().unwrap()
    };
    let peak = Cell::new(0);
    // Made once, since what is leaked keeps its threads; idle ones sleep.
    let rayon: &'static Rayon = forever(Crew::new());
    let by_submitter = |pool: Pool| {
        let submitter = forever(pool.submitter());
        let start = |depth| submitter.execute(move || fan(submitter, depth)).unwrap();
        let rate = rate(depth, start);
        (rate, pool.stats().overflow_peak())
    };
    let contenders: Vec<Contender<'_>> = vec![
        (
            "groundcrew",
            Box::new(|| {
                let (rate, overflow) = by_submitter(Crew::new());
                peak.set(peak.get().max(overflow));
                rate
            }),
        ),
        (
            "groundcrew, by context",
            Box::new(|| {
                let pool: Pool = Crew::new();
                let start = |depth| pool.execute_with(move |context| context_fan(context, depth));
                rate(depth, |depth| start(depth).unwrap())
            }),
        ),
        (
            "groundcrew, in place",
            Box::new(|| by_submitter(in_place()).0),
        ),
        (
            "rayon spawn",
            Box::new(|| rate(depth, |depth| rayon.spawn(move || rayon_fan(rayon, depth)))),
        ),
        (
            "rayon scope",
            Box::new(|| {
                rate(depth, |depth| {
                    rayon.scope(|scope| rayon_scope_fan(scope, depth))
                })
            }),
        ),
    ];
    let figure = Figure::measure(title, "million/s", Better::Higher, scale.rounds, contenders);
    let (peak, nodes) = (peak.get(), nodes(depth));
    let in_place = |theirs| figure.ratio("groundcrew, in place", theirs).to_string();
    let (spawn, scope) = (in_place("rayon spawn"), in_place("rayon scope"));
    figure
        .note(format!(
            "In place, groundcrew / rayon spawn is {spawn}, and groundcrew / rayon scope {scope}."
        ))
        .note(format!(
            "The overflow lists held at most {peak} of {nodes} tasks."
        ))
}
