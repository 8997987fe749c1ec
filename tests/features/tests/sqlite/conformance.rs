//! The suite for all stores.

use super::folder;
use groundcrew::store::sqlite::{Durability, SqliteStore};
use groundcrew::testing::ManualClock;
use groundcrew::testing::store::{RandomRun, Subject, check, check_random};
use std::path::Path;

fn open(path: &Path, clock: &ManualClock) -> SqliteStore {
    let store = SqliteStore::builder(path).durability(Durability::Normal);
    store.clock(clock).open().unwrap()
}

/// Two handles that know nothing of each other, as in two processes.
fn subject() -> Subject {
    let folder = folder();
    let path = folder.path().join("jobs.db");
    let clock = ManualClock::new();
    let subject = Subject::new(open(&path, &clock)).other(open(&path, &clock));
    subject.clock(&clock).keep(folder)
}

#[test]
fn the_store_in_a_file_keeps_what_a_store_promises() {
    check(subject);
}

#[test]
fn the_store_in_a_file_keeps_it_by_the_real_clock_as_well() {
    check(|| {
        let folder = folder();
        let path = folder.path().join("jobs.db");
        let open = || SqliteStore::open(&path).unwrap();
        Subject::new(open()).other(open()).keep(folder)
    });
}

#[test]
fn the_store_in_a_file_does_at_random_what_a_plain_model_does() {
    for seed in 100..103 {
        check_random(subject, RandomRun::new(seed));
    }
}
