//! Random rounds, each with a seed by which it can be had again.

use super::{LONG, within};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// Runs `round` with seeds from a random one on: so many times, or for as long, or
/// with that one only, as `GROUNDCREW_ROUNDS`, `_MINUTES` or `_SEED` says.
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
    let (start, first) = (Instant::now(), fastrand::u64(..1 << 32));
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
