//! A bounded queue of items, as a service.
//!
//! - `work_queue`, `failed`, `outcome`: what a program holds.
//! - `options`: what happens to items that fail.
//! - `item`, `retrying`, `items`: the items, from their submit to their end.
//! - `store`: these under one lock, and the threads that wait for them.
//! - `service`, `worker`: the service that handles them, and its threads.
//! - `log`: what is logged of items.

mod failed;
mod item;
mod items;
mod log;
mod options;
mod outcome;
mod retrying;
mod service;
mod store;
mod work_queue;
mod worker;

pub use failed::FailedItem;
pub use outcome::ItemOutcome;
pub use work_queue::WorkQueue;
