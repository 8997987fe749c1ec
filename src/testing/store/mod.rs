//! A conformance suite for stores of durable jobs (feature `jobs`): what a [`Store`] promises, as
//! checks that any store can be put to.
//!
//! # Examples
//!
//! ```
//! use groundcrew::store::MemoryStore;
//! use groundcrew::testing::{ManualClock, store};
//!
//! // A test of a store of one's own has these lines, with that store.
//! store::check(|| {
//!     let clock = ManualClock::new();
//!     let store = MemoryStore::new().clock(&clock);
//!     store::Subject::new(store.clone()).other(store).clock(&clock)
//! });
//! ```

// `subject` is what is checked, `probe` has the short forms in which the checks are written. The
// other files have the checks: each function is a claim, and its name says it. `random` does
// everything at random, beside `plain`, a model without indexes.

mod attempts;
mod changes;
mod claiming;
mod counting;
mod due;
mod enqueuing;
#[cfg(test)]
mod faults;
mod following;
mod limiting;
mod listing;
mod losing;
mod operating;
mod operating_at_once;
mod pausing;
mod plain;
mod plain_job;
mod probe;
mod random;
mod recurring;
mod subject;

pub use random::{RandomRun, check_random};
pub use subject::Subject;

use crate::unwind;
use probe::Probe;

#[cfg(doc)]
use crate::store::Store;

/// A claim, by its name, and what checks it.
type Check = (&'static str, fn(&Probe));

/// Lists functions with their names.
macro_rules! checks {
    ($($check:ident),+ $(,)?) => {
        pub(super) const CHECKS: &[$crate::testing::store::Check] =
            &[$((stringify!($check), $check)),+];
    };
}
use checks;

/// Puts a store to all checks, and then to [`check_random`] for a few runs. `make` makes an empty
/// store for each.
///
/// # Panics
///
/// If the store fails a check: all failed checks are listed, by name, with the text of their panic.
pub fn check(make: impl Fn() -> Subject) {
    let results = all().map(|check| (check.0, run(check, make())));
    let failed = results.filter_map(|(name, result)| Some(format!("{name}: {}", result.err()?)));
    let failed: Vec<String> = failed.collect();
    assert!(
        failed.is_empty(),
        "{} of {} checks failed:\n{}",
        failed.len(),
        all().count(),
        failed.join("\n")
    );
    for seed in 0..8 {
        check_random(&make, RandomRun::new(seed));
    }
}

fn all() -> impl Iterator<Item = &'static Check> {
    let files = [
        enqueuing::CHECKS,
        due::CHECKS,
        claiming::CHECKS,
        attempts::CHECKS,
        losing::CHECKS,
        operating::CHECKS,
        operating_at_once::CHECKS,
        pausing::CHECKS,
        limiting::CHECKS,
        following::CHECKS,
        listing::CHECKS,
        counting::CHECKS,
        changes::CHECKS,
        recurring::CHECKS,
    ];
    files.into_iter().flatten()
}

/// The text of the panic with which the check fails.
fn run((_, check): &Check, subject: Subject) -> Result<(), String> {
    let probe = Probe::new(subject);
    unwind::catch(|| check(&probe)).map_err(|payload| {
        let text = unwind::text(&*payload).to_owned();
        unwind::drop_payload(payload);
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::store::{LostJob, MemoryStore};
    use std::time::Duration;

    fn subject() -> Subject {
        let clock = ManualClock::new();
        let store = MemoryStore::new().clock(&clock);
        Subject::new(store.clone()).other(store).clock(&clock)
    }

    #[test]
    fn the_store_in_memory_keeps_what_a_store_promises() {
        check(subject);
    }

    #[test]
    fn the_store_in_memory_keeps_it_by_the_real_clock_as_well() {
        check(|| Subject::new(MemoryStore::new()));
    }

    #[test]
    fn a_takeover_gives_up_where_the_process_goes_on_while_it_is_judged() {
        let probe = Probe::new(subject());
        let lively = probe.worker();
        probe.running(lively);
        let beat = probe.beat(lively);
        let judge = |lost: &LostJob| {
            probe.running(lively);
            lost.outcome(Duration::ZERO, 3)
        };
        assert_eq!(probe.take_over(lively, beat, &judge), Ok(None));
        assert_eq!(probe.renew(lively), Ok(()));
    }

    #[test]
    fn the_store_in_memory_does_at_random_what_a_plain_model_does() {
        for seed in 100..124 {
            check_random(subject, RandomRun::new(seed));
        }
    }
}
