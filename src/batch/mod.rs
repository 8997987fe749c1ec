//! Items of one type that are handled together: the [`Batcher`], its builder and its report.

// From the bottom up:
//
// - `fill`, `filling`: when a batch is full, and the one that is being filled; pure.
// - `chunk`, `sequence`: a batch, whole or in pieces; and which batches are done; pure.
// - `dead_letters`: items that are given up.
// - `handler`: the call of the program's handler, and what follows from its result.
// - `in_progress`, `unstarted`: batches with a permit; items for the report.
// - `alarms`: what is set in the timer.
// - `state`: the items, from their submit to their end: composed of these, under one lock.
// - `store`: the state with its lock, and the threads that wait for it.
// - `batch_task`: a task of the pool that handles batches.
// - `submit`, `stop`: how items get in, and how they come to an end.
// - `batcher`, `builder`, `report`: what a program holds. `hosted`: a batcher as a service.

mod alarms;
mod batch_task;
mod batcher;
mod builder;
mod chunk;
mod dead_letters;
mod fill;
mod filling;
mod handler;
mod hosted;
mod in_progress;
mod inside;
mod report;
mod sequence;
mod state;
mod stop;
mod store;
mod submit;
mod unstarted;

pub use crate::host::items::BatchStats;
pub use batcher::Batcher;
pub use builder::{BatcherBuilder, BatcherError};
pub use report::BatchReport;

#[cfg(all(test, feature = "testing", not(any(loom, shuttle))))]
mod tests;
