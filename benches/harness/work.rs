//! Work that takes a known time.

use std::hint::black_box;
use std::sync::OnceLock;
use std::time::Instant;

/// Goes through `steps` of a random number generator.
pub(crate) fn steps(steps: u64, seed: u64) -> u64 {
    (0..steps).fold(seed, |state, step| {
        black_box(
            state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(step),
        )
    })
}

/// How many steps a microsecond takes: the most of some tries, since whatever
/// disturbs one makes it slower.
pub(crate) fn steps_a_microsecond() -> u64 {
    static STEPS: OnceLock<u64> = OnceLock::new();
    *STEPS.get_or_init(|| {
        const TRY: u64 = 200_000;
        let tries = (0..20).map(|_| {
            let start = Instant::now();
            black_box(steps(TRY, 1));
            (TRY as f64 / start.elapsed().as_secs_f64() / 1e6) as u64
        });
        tries.max().unwrap_or(1).max(1)
    })
}

/// A microsecond of work.
pub(crate) fn microsecond(seed: u64) {
    black_box(steps(steps_a_microsecond(), seed));
}

/// This many microseconds of work. Never inlined: the same machine code for every contender.
#[inline(never)]
pub(crate) fn microseconds(count: u64, seed: u64) {
    black_box(steps(count * steps_a_microsecond(), seed));
}
