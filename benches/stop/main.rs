//! How long a stop takes, what an idle pool costs, and how long the crate takes
//! to build.
//!
//! ```text
//! cargo bench -p benches --bench stop                 # half a minute
//! cargo bench -p benches --bench stop -- --quick      # a look that it works
//! cargo bench -p benches --bench stop -- idle         # figures whose title says so
//! ```
//!
//! Ends with the tables, and with `target/bench/stop.csv` and `.svg`.

#[path = "../harness/mod.rs"]
#[allow(dead_code, reason = "each bench uses its part of it")]
mod harness;

mod build;
mod idle;
mod stops;

use clap::Parser;
use harness::options::{Measure, Options};

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    options: Options,
}

const FIGURES: &[Measure] = &[
    ("9a. Stop of 64 idle workers", stops::idle),
    ("9b. Past the deadline, all cores busy", stops::overshoot),
    ("10. Idle, wake-ups of all workers", idle::left_alone),
    ("11a. Clean build of the library, debug", build::clean),
    ("11b. Crates in its tree, itself included", build::crates),
];

fn main() {
    Arguments::parse().options.measure("stop", FIGURES);
}
