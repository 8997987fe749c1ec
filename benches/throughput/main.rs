//! What a task costs, here and elsewhere, measured side by side.
//!
//! ```text
//! cargo bench -p benches --bench throughput                 # two minutes
//! cargo bench -p benches --bench throughput -- --quick      # a look that it works
//! cargo bench -p benches --bench throughput -- fan-out      # figures whose title says so
//! ```
//!
//! Ends with the tables, and with `target/bench/throughput.csv` and `.svg`. How
//! it is measured is said in `benches/harness/mod.rs`. All pools have two
//! workers, whatever the machine, and each measurement makes its pool anew.

#[path = "../harness/mod.rs"]
#[allow(dead_code, reason = "each bench uses its part of it")]
mod harness;

mod answers;
mod crews;
mod fan_out;
mod joins;
mod memory;
mod outside;
mod tally;

use clap::Parser;
use harness::options::{Measure, Options};

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    /// How this calls itself, to measure memory.
    #[arg(long, hide = true)]
    flood: Option<String>,
    #[arg(long, hide = true, default_value_t = 0)]
    tasks: u64,
}

const FIGURES: &[Measure] = &[
    ("1. Empty tasks, one producer", outside::one_producer),
    ("2. Empty tasks, four producers", outside::four_producers),
    ("3. Tasks of 1 us, one producer", outside::short_tasks),
    ("4. A thousand results at a time", answers::thousand),
    ("5. Fan-out, each task submits two", fan_out::measure),
    ("6a. Recursion by joins, Fibonacci", joins::fibonacci),
    ("6b. Recursion by joins, quicksort", joins::quicksort),
    ("7. Round trip, median", answers::one),
    ("8. Peak memory of a flood of tasks", memory::peak),
];

fn main() {
    let arguments = Arguments::parse();
    match &arguments.flood {
        Some(contender) => memory::flood(contender, arguments.tasks),
        None => arguments.options.measure("throughput", FIGURES),
    }
}
