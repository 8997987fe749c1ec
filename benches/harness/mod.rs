//! What the benches have in common: contenders measured in turn, a table, a
//! CSV file and a chart.
//!
//! The machines that this runs on are noisy, and the cost of passing a cache
//! line from core to core flips between modes for minutes at a time. So all
//! contenders of a figure are measured once in every round, each round in an
//! order of its own, and none before the threads of the one before it are gone.
//! What counts is the median over the rounds of the ratio within a round.

pub(crate) mod chart;
pub(crate) mod figure;
pub(crate) mod latency;
pub(crate) mod options;
pub(crate) mod process;
pub(crate) mod report;
pub(crate) mod scale;
pub(crate) mod work;

use std::time::Instant;

pub(crate) fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
