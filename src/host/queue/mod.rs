//! A bounded queue of items, as a service.
//!
//! - `work_queue`, `failed`, `outcome`: what a program holds.
//! - `store`: the items, from their submit to their end, under one lock.
//! - `service`, `worker`: the service that handles them, and its threads.
//! - `log`: what is logged of items.

mod failed;
mod log;
mod outcome;
mod service;
mod store;
mod work_queue;
mod worker;

pub use failed::FailedItem;
pub use outcome::ItemOutcome;
pub use work_queue::WorkQueue;
