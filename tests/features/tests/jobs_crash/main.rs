//! Processes that work on one file are killed, frozen, stopped and started again at random, while
//! the disk fills up, the database is locked, system calls fail and clocks disagree. Then what is
//! left is worked off, and the file, the log of the handlers and the reports have to agree.
//!
//! The parent (`storm`) runs this same binary again for each process (`player`), with the test
//! `scenario`. A trigger in the database records each change of a job in the transaction that makes
//! it (`witness`), so that the check (`check`) does not rely on what the store says of itself.
//!
//! - `GROUNDCREW_KILLS=1000` sets the number of kills, 12 by default.
//! - `GROUNDCREW_SEED=7` sets the seed, 1 by default. The same seed makes the same decisions, as far
//!   as threads and the system allow.
//! - `GROUNDCREW_KEEP=1` leaves the files of a run, and prints where they are.
#![cfg(target_os = "linux")]

mod act;
mod check;
#[path = "../../../common/mod.rs"]
mod common;
mod deck;
mod disk;
mod history;
mod player;
mod process;
mod records;
mod storm;
mod tally;
mod witness;

use common::rounds::number_in_env;
use std::env;
use std::path::Path;

/// Where a player finds what it shares with the parent. Its presence makes a player of the process.
const FOLDER: &str = "GROUNDCREW_CRASH_FOLDER";
/// The number of the player.
const NUMBER: &str = "GROUNDCREW_CRASH_NUMBER";
/// The seed of what the players enqueue.
const SEED: &str = "GROUNDCREW_CRASH_SEED";
/// The player enqueues nothing.
const DRAINS: &str = "GROUNDCREW_CRASH_DRAINS";

#[test]
fn scenario() {
    if let Some(folder) = env::var_os(FOLDER) {
        player::play(Path::new(&folder));
    }
}

#[test]
fn whatever_happens_to_processes_no_accepted_job_is_lost_and_none_is_completed_twice() {
    let kills = number_in_env("GROUNDCREW_KILLS").unwrap_or(12);
    let seed = number_in_env("GROUNDCREW_SEED").unwrap_or(1);
    storm::storm(seed, kills);
}
