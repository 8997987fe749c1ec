//! Parallel loops: `map`, `for_each` and `map_reduce`, by one engine.
//!
//! - `items`: what a loop can go over.
//! - `chunk`: how the items are cut.
//! - `work`: what the three loops do with a chunk.
//! - `parts`: how what came of the chunks is put together.
//! - `engine`: the runners, as tasks of a scope.

mod chunk;
mod engine;
mod items;
mod parts;
mod work;

pub(super) use engine::run;
pub use items::ParallelItems;
pub(super) use work::{ForEach, Map, MapReduce};
