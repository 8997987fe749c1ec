//! What a full queue costs: submitters that wait for room, tasks of several
//! lengths, queues of several capacities.
//!
//! ```text
//! cargo bench -p benches --bench full_queue                     # ten minutes
//! cargo bench -p benches --bench full_queue -- --quick          # a look that it works
//! cargo bench -p benches --bench full_queue -- "10 us"          # rows whose name says so
//! ```
//!
//! Every row compares `groundcrew` with a raw loop: two threads that take boxed
//! closures from a crossbeam channel of the same capacity. At 1024, the default
//! capacity, it also compares with pools whose queues have no bound. Each
//! contender runs once in every round, in shuffled order. A row shows, for each
//! of them, the medians of the speed-up over one thread, of the CPU time of the
//! whole process, and of the context switches of all threads, the submitters
//! included; then the median of the ratio ours / theirs within a round, with
//! its 10 % to 90 % range.

#[path = "../throughput/crews.rs"]
#[allow(dead_code, reason = "each bench uses its part of it")]
mod crews;
#[path = "../harness/mod.rs"]
#[allow(dead_code, reason = "each bench uses its part of it")]
mod harness;
mod load;
mod row;
#[path = "../throughput/tally.rs"]
mod tally;

use clap::Parser;
use load::Load;
use row::Row;

#[derive(Parser)]
struct Arguments {
    /// Measure little: to see that it works.
    #[arg(long)]
    quick: bool,
    /// Only rows whose name contains this, like "10 us" or "4 producers".
    #[arg(default_value = "")]
    row: String,
    /// Given by `cargo bench`; without it, as by `cargo test`, little is measured.
    #[arg(long, hide = true)]
    bench: bool,
    #[arg(long, default_value_t = 15)]
    rounds: usize,
}

fn main() {
    let arguments = Arguments::parse();
    let quick = arguments.quick || !arguments.bench;
    println!(
        "groundcrew wins where the ratio of speed-ups is above 1, and the others are below 1.\n"
    );
    println!(
        "| row | contender | speed-up | CPU, ms | switches | speed-up, groundcrew / this | CPU | switches |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for load in Load::all(quick) {
        if !load.to_string().contains(&arguments.row) {
            continue;
        }
        print!(
            "{}",
            Row::measure(load, if quick { 2 } else { arguments.rounds })
        );
    }
}
