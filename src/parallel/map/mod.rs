//! Parallel loops over items that can be cut, by one engine.
//!
//! - `items`: what a loop can go over.
//! - `chunk`: how the items are cut.
//! - `work`: what the loops do with a chunk; `early`: those that may end before all items are done.
//! - `parts`: how what came of the chunks is put together.
//! - `engine`: the runners, as tasks of a scope.

mod chunk;
mod early;
mod engine;
mod items;
mod parts;
mod work;

pub(super) use early::{FindAny, TryMap};
pub(super) use engine::run;
pub use items::ParallelItems;
pub(super) use work::{ForEach, Map, MapReduce, Work};
