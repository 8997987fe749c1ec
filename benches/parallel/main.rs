//! Parallel loops, here and elsewhere, measured side by side.
//!
//! ```text
//! cargo bench -p benches --bench parallel                 # two minutes
//! cargo bench -p benches --bench parallel -- --quick      # a look that it works
//! cargo bench -p benches --bench parallel -- stream       # figures whose title says so
//! ```
//!
//! Ends with the tables, and with `target/bench/parallel.csv` and `.svg`. How
//! it is measured is said in `benches/harness/mod.rs`. All pools have two
//! workers, whatever the machine, and each measurement makes its pool anew.

#[path = "../harness/mod.rs"]
#[allow(dead_code, reason = "each bench uses its part of it")]
mod harness;

mod crew;
mod maps;
mod scopes;
mod streams;

use clap::Parser;
use harness::options::{Measure, Options};

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    options: Options,
}

const FIGURES: &[Measure] = &[
    ("12. Map over items of 1 us", maps::microseconds),
    ("13. Map over items of 50 ns", maps::fifty_nanoseconds),
    ("14. Map, one item in a hundred takes 200 us", maps::rare),
    ("15. Map, the first items take the longest", maps::falling),
    ("16. Stream in order, items of 1 us", streams::microseconds),
    ("17. Stream in order, items of 50 us", streams::long),
    ("18. Recursion through scopes, Fibonacci", scopes::fibonacci),
];

fn main() {
    Arguments::parse().options.measure("parallel", FIGURES);
}
