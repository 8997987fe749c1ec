//! Random rounds, each with a seed that repeats it.

use super::{LONG, within};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// Runs `round` once for each of `otherwise` seeds, always the same ones, so that a
/// test that passed passes again. `GROUNDCREW_ROUNDS` sets another number of seeds,
/// `GROUNDCREW_SEED` a single one, and `GROUNDCREW_MINUTES` a time: such a run begins
/// at a random seed, to find what the usual ones do not.
pub(crate) fn rounds(name: &str, otherwise: u64, round: fn(u64)) {
    if let Some(seed) = number_in_env::<u64>("GROUNDCREW_SEED") {
        println!("{name}: seed {seed}");
        round(seed);
        return;
    }
    let minutes = number_in_env::<u64>("GROUNDCREW_MINUTES");
    let rounds = match minutes {
        Some(_) => u64::MAX,
        None => number_in_env("GROUNDCREW_ROUNDS").unwrap_or(otherwise),
    };
    let time = Duration::from_secs(60 * minutes.unwrap_or_default());
    let start = Instant::now();
    let first = if minutes.is_some() {
        fastrand::u64(..1 << 32)
    } else {
        1
    };
    println!("{name}: from seed {first} on");
    let mut done = 0;
    while done < rounds && (minutes.is_none() || start.elapsed() < time) {
        let seed = first + done;
        let what = format!("{name}, the round with seed {seed}");
        let ended = within(LONG, &what, || {
            catch_unwind(AssertUnwindSafe(|| round(seed)))
        });
        assert!(ended.is_ok(), "{what}, failed");
        done += 1;
    }
    println!("{name}: {done} rounds in {:.0?}", start.elapsed());
}

/// The value of an environment variable that holds a whole number.
pub(crate) fn number_in_env<N: FromStr>(name: &str) -> Option<N> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name}={text}: a whole number is wanted")))
}
