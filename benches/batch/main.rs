//! What an item costs that is handled in a batch, beside a loop written by hand.
//!
//! ```text
//! cargo bench -p benches --bench batch                 # a minute
//! cargo bench -p benches --bench batch -- --quick      # a look that it works
//! cargo bench -p benches --bench batch -- "of 100,"    # figures whose title says so
//! ```
//!
//! Ends with the tables, and with `target/bench/batch.csv` and `.svg`. How it is measured
//! is said in `benches/harness/mod.rs`.

#[path = "../harness/mod.rs"]
#[allow(dead_code, reason = "each bench uses its part of it")]
mod harness;

mod items;
mod loops;

use clap::Parser;
use harness::options::{Measure, Options};
use items::measure;

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    options: Options,
}

const FIGURES: &[Measure] = &[
    ("22a. Batches of 1, one producer", measure::<1, 1>),
    ("22b. Batches of 10, one producer", measure::<10, 1>),
    ("22c. Batches of 100, one producer", measure::<100, 1>),
    ("22d. Batches of 1000, one producer", measure::<1000, 1>),
    ("23a. Batches of 1, two producers", measure::<1, 2>),
    ("23b. Batches of 10, two producers", measure::<10, 2>),
    ("23c. Batches of 100, two producers", measure::<100, 2>),
    ("23d. Batches of 1000, two producers", measure::<1000, 2>),
    ("24a. Batches of 1, four producers", measure::<1, 4>),
    ("24b. Batches of 10, four producers", measure::<10, 4>),
    ("24c. Batches of 100, four producers", measure::<100, 4>),
    ("24d. Batches of 1000, four producers", measure::<1000, 4>),
];

fn main() {
    Arguments::parse().options.measure("batch", FIGURES);
}
