//! Processes that work on one file are killed, frozen, stopped and started again at random, while
//! the disk fills up, the database is locked, system calls fail and clocks disagree. Then what is
//! left is worked off, and the file, the log of the handlers and the reports have to agree.
//!
//! The parent (`storm`) runs this same binary again for each process (`player`), with the test
//! `scenario`. A trigger in the database records each change of a job in the transaction that makes
//! it (`witness`), so that the check (`check`) does not rely on what the store says of itself.
//!
//! - `GROUNDCREW_KILLS=1000` sets the number of kills, 12 by default, and begins at a random seed.
//! - `GROUNDCREW_SEED=7` repeats the same decisions, as far as threads and the system allow.
//! - `GROUNDCREW_KEEP=1` leaves the files of a run, and prints where they are.
#![cfg(target_os = "linux")]

mod act;
mod check;
#[path = "../../../common/mod.rs"]
mod common;
mod disk;
mod player;
mod process;
mod records;
mod storm;
mod tally;
mod witness;

use common::rounds::number_in_env;
use std::env;
use std::path::PathBuf;

/// Where a player finds what it shares with the parent. Its presence makes a player of the process.
const FOLDER: &str = "GROUNDCREW_CRASH_FOLDER";
/// The number of the player.
const NUMBER: &str = "GROUNDCREW_CRASH_NUMBER";
/// The player enqueues nothing.
const DRAINS: &str = "GROUNDCREW_CRASH_DRAINS";

#[test]
fn scenario() {
    if let Some(folder) = env::var_os(FOLDER) {
        player::play(PathBuf::from(folder));
    }
}

#[test]
fn whatever_happens_to_processes_no_accepted_job_is_lost_and_none_is_completed_twice() {
    let kills = number_in_env("GROUNDCREW_KILLS");
    let seed = number_in_env("GROUNDCREW_SEED");
    let usual = || match kills {
        Some(_) => fastrand::u64(..1 << 32),
        None => 1,
    };
    storm::storm(seed.unwrap_or_else(usual), kills.unwrap_or(12));
}
