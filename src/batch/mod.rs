//! Items of one type that are handled together: the [`Batcher`], its builder, its report and its
//! dead letters.

// - `fill`: when a batch is full; pure.
// - `sequence`: which batches are done; pure.
// - `chunk`: a batch, whole or in pieces.
// - `store`: the items, from their submit to their end, under one lock.
// - `batch_task`: a task of the pool that handles batches.
// - `stop`, `report`: how it ends, and what is said.
// - `builder`, `batcher`, `dead`: what a program holds.
// - `hosted`: a batcher as a service.

mod aftermath;
mod batch_task;
mod batcher;
mod builder;
mod chunk;
mod dead;
mod fill;
mod hosted;
mod report;
mod sequence;
mod stop;
mod store;

pub use crate::host::items::BatchStats;
pub use batcher::Batcher;
pub use builder::{BatcherBuilder, BatcherError};
pub use dead::{DeadLetter, DeadLetterReason};
pub use report::BatchReport;

#[cfg(all(test, feature = "testing", not(any(loom, shuttle))))]
mod tests;
