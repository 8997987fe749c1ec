//! How long a stop takes, what an idle pool costs, and how long the crate takes
//! to build.
//!
//! ```text
//! cargo bench --bench stop                 # half a minute
//! cargo bench --bench stop -- --quick      # a look that it works
//! cargo bench --bench stop -- idle         # figures whose title says so
//! ```
//!
//! Ends with a table, and with `target/bench/stop.csv` and `.svg`.

#[path = "../harness/mod.rs"]
mod harness;

mod build;
mod idle;
mod stops;

use clap::Parser;
use harness::figure::Figure;
use harness::report;

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
}

type Measure = fn(bool) -> Figure;

const FIGURES: &[(&str, Measure)] = &[
    (stops::IDLE, stops::idle),
    (stops::OVERSHOOT, stops::overshoot),
    (idle::TITLE, idle::left_alone),
    (build::TITLE, build::clean),
];

fn main() {
    let options = Options::parse();
    let part = options.figure.unwrap_or_default().to_lowercase();
    let wanted = FIGURES
        .iter()
        .filter(|(title, _)| title.to_lowercase().contains(&part));
    let figures: Vec<Figure> = wanted
        .map(|(_, measure)| report::show(measure(options.quick)))
        .collect();
    report::keep("stop", &figures);
}
