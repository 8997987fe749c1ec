//! How late scheduled runs are, and what entries cost that wait.
//!
//! ```text
//! cargo bench -p benches --bench schedule                 # two minutes
//! cargo bench -p benches --bench schedule -- --quick      # a look that it works
//! cargo bench -p benches --bench schedule -- lateness     # figures whose title says so
//! ```
//!
//! Ends with the tables, and with `target/bench/schedule.csv` and `.svg`.

#[path = "../harness/mod.rs"]
#[allow(dead_code, reason = "each bench uses its part of it")]
mod harness;

mod entries;
mod heap;
mod lateness;

use clap::Parser;
use harness::options::{Measure, Options};

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    /// Of a child that measures memory.
    #[arg(long, hide = true)]
    hold: Option<String>,
    #[arg(long, hide = true, default_value_t = 0)]
    entries: u64,
}

const FIGURES: &[Measure] = &[
    ("19a. Lateness of 99 %, 1,000 entries, idle", lateness::idle),
    (
        "19b. Lateness of 99 %, 1,000 entries, half busy",
        lateness::half_busy,
    ),
    (
        "19c. Lateness of 99 %, 1,000 entries, all cores busy",
        lateness::busy,
    ),
    ("20a. Adding 100,000 entries", entries::adding),
    ("20b. Removing 100,000 entries", entries::removing),
    ("20c. Holding 100,000 entries", entries::holding),
    ("21. Keeping entries that wait, a second", entries::waiting),
];

fn main() {
    let arguments = Arguments::parse();
    match &arguments.hold {
        Some(contender) => entries::hold(contender, arguments.entries),
        None => arguments.options.measure("schedule", FIGURES),
    }
}
