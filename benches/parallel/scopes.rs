//! Recursion through scopes, against rayon's.

use crate::crew;
use crate::harness::figure::{Better, Contender, Figure};
use crate::harness::millis;
use crate::harness::scale::Scale;
use groundcrew::Pool;
use std::time::Instant;

/// Sequential below this: about 10 us on the machine that it was written on.
const CUTOFF: u32 = 17;

fn fib(n: u32) -> u64 {
    match n {
        0 | 1 => 1,
        _ => fib(n - 1) + fib(n - 2),
    }
}

fn groundcrew_fib(pool: &Pool, n: u32) -> u64 {
    if n < CUTOFF {
        return fib(n);
    }
    let mut second = 0;
    let first = pool.scope(|s| {
        s.execute(|| second = groundcrew_fib(pool, n - 2));
        groundcrew_fib(pool, n - 1)
    });
    first + second
}

fn rayon_fib(n: u32) -> u64 {
    if n < CUTOFF {
        return fib(n);
    }
    let mut second = 0;
    let first = rayon::scope(|s| {
        s.spawn(|_| second = rayon_fib(n - 2));
        rayon_fib(n - 1)
    });
    first + second
}

pub(crate) fn fibonacci(title: &'static str, quick: bool) -> Figure {
    let scale = Scale::new(quick);
    let n = 36 - scale.divisor.ilog2();
    let expected = fib(n);
    let contenders: Vec<Contender<'_>> = vec![
        (
            "groundcrew scope",
            Box::new(move || {
                let pool = crew::groundcrew();
                let start = Instant::now();
                let handle = pool.scope(|s| s.submit(|| groundcrew_fib(&pool, n)).join());
                assert_eq!(handle.unwrap(), expected);
                millis(start)
            }),
        ),
        (
            "rayon scope",
            Box::new(move || {
                let pool = crew::rayon();
                let start = Instant::now();
                assert_eq!(pool.install(|| rayon_fib(n)), expected);
                millis(start)
            }),
        ),
        (
            "sequential",
            Box::new(move || {
                let start = Instant::now();
                assert_eq!(fib(std::hint::black_box(n)), expected);
                millis(start)
            }),
        ),
    ];
    Figure::measure(title, "ms", Better::Lower, scale.rounds, contenders)
        .note(format!("Sequential below fib({CUTOFF})."))
}
