//! What a task costs, here and elsewhere, measured side by side.
//!
//! ```text
//! cargo bench --bench throughput                 # two minutes
//! cargo bench --bench throughput -- --quick      # a look that it works
//! cargo bench --bench throughput -- fan-out      # figures whose title says so
//! ```
//!
//! Ends with a table, and with `target/bench/throughput.csv` and `.svg`. How
//! it is measured is said in `benches/harness/mod.rs`.

#[path = "../harness/mod.rs"]
mod harness;

mod answers;
mod crews;
mod memory;
mod nested;
mod outside;
mod scale;
mod tally;
mod work;

use clap::Parser;
use harness::figure::Figure;
use harness::report;
use scale::Scale;

#[derive(Parser)]
struct Options {
    /// Measure little: to see that it works.
    #[arg(long)]
    quick: bool,
    /// Only figures whose title contains this.
    figure: Option<String>,
    /// Cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
    /// What the benchmark calls itself with, to measure memory.
    #[arg(long, hide = true)]
    flood: Option<String>,
    #[arg(long, hide = true, default_value_t = 0)]
    tasks: u64,
}

type Measure = fn(&Scale) -> Figure;

const FIGURES: &[(&str, Measure)] = &[
    ("1. Empty tasks, one producer", outside::one_producer),
    ("2. Empty tasks, four producers", outside::four_producers),
    ("3. Tasks of 1 us, one producer", outside::short_tasks),
    ("4. A thousand results at a time", answers::thousand),
    ("5. Fan-out, each task submits two", nested::fan_out),
    ("6a. Fibonacci by joins", nested::recursion),
    ("6b. Quicksort by joins", nested::quicksort),
    ("7. Round trip, median", answers::one),
    ("8. Peak memory of ten million tasks", memory::peak),
];

fn main() {
    let options = Options::parse();
    if let Some(contender) = &options.flood {
        return memory::flood(contender, options.tasks);
    }
    let scale = match options.quick {
        true => Scale::quick(),
        false => Scale::full(),
    };
    let is_wanted = |title: &str| {
        let part = options.figure.as_deref().unwrap_or_default();
        title.to_lowercase().contains(&part.to_lowercase())
    };
    let wanted = FIGURES.iter().filter(|(title, _)| is_wanted(title));
    let figures: Vec<Figure> = wanted
        .map(|(_, measure)| report::show(measure(&scale)))
        .collect();
    report::keep("throughput", &figures);
}
