//! What durable jobs in an SQLite file cost: enqueuing them, working them off, waiting for them.
//!
//! ```text
//! cargo bench -p benches --bench jobs --features sqlite               # five minutes
//! cargo bench -p benches --bench jobs --features sqlite -- --quick    # a look that it works
//! cargo bench -p benches --bench jobs --features sqlite -- enqueue    # figures whose title says so
//! ```
//!
//! The databases lie in `target/bench`, so on the disk that the target folder is on. After each
//! measurement the table of jobs is read, and has to hold what was measured. Ends with the tables,
//! and with `target/bench/jobs.csv` and `.svg`. Other libraries are measured by
//! `benches/jobs-peers/run.py`.

#[path = "../harness/mod.rs"]
#[allow(dead_code, reason = "each bench uses its part of it")]
mod harness;

mod database;
mod done;
mod enqueue;
mod footprint;
mod fsyncs;
mod latency;
mod limits;
mod recurring;

use clap::Parser;
use harness::options::{Measure, Options};
use std::path::PathBuf;

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    /// Of a child: what it does, and how much of it.
    #[arg(long, hide = true, requires = "file")]
    child: Option<String>,
    #[arg(long, hide = true)]
    file: Option<PathBuf>,
    #[arg(long, hide = true, default_value_t = 0)]
    amount: u64,
}

const FIGURES: &[Measure] = &[
    ("26a. Enqueue, one caller", enqueue::one),
    ("26b. Enqueue, eight callers", enqueue::eight),
    ("26c. Enqueue, batches of 1,000", enqueue::batches),
    ("26d. Syncs of the file for each enqueue", fsyncs::enqueue),
    (
        "27. No-op jobs from claim to completed, two workers",
        done::done,
    ),
    (
        "27b. No-op jobs, two workers, beside jobs that a limit blocks",
        limits::limits,
    ),
    ("28a. From enqueued to begun, one process", latency::within),
    (
        "28b. From enqueued to begun, two processes",
        latency::across,
    ),
    ("29. CPU time of an idle worker process", footprint::idle),
    (
        "30. Memory after jobs have been worked off",
        footprint::memory,
    ),
    (
        "32. CPU time of an idle process with recurring jobs",
        recurring::idle,
    ),
    (
        "33. 1,000 recurring jobs due at the same instant",
        recurring::due_at_once,
    ),
];

fn main() {
    let arguments = Arguments::parse();
    let file = arguments.file.unwrap_or_default();
    match arguments.child.as_deref() {
        None => arguments.options.measure("jobs", FIGURES),
        Some("enqueue-one") => fsyncs::child(&file, 1, arguments.amount),
        Some("enqueue-eight") => fsyncs::child(&file, 8, arguments.amount),
        Some("work") => latency::child(&file),
        Some("idle") => footprint::idle_child(&file, arguments.amount),
        Some("idle-recurring-0") => recurring::idle_child(&file, 0, arguments.amount),
        Some("idle-recurring-10000") => {
            recurring::idle_child(&file, 10_000, arguments.amount);
        }
        Some("drain") => footprint::drain_child(&file, arguments.amount),
        Some(other) => panic!("no child {other:?}"),
    }
}
