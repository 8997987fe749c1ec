//! What the benches have in common: contenders measured in turn, figures with
//! their aims, a table, a CSV file and a chart.
//!
//! The machines that this runs on are noisy, and the cost of passing a cache
//! line from core to core flips between modes for minutes at a time. So all
//! contenders of a figure are measured once in every round, each round in
//! another order, and what counts is the median over the rounds of the ratio
//! within a round.

#![allow(dead_code, reason = "each bench uses a part of it")]

pub(crate) mod chart;
pub(crate) mod figure;
pub(crate) mod process;
pub(crate) mod report;
