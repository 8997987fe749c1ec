//! Durable jobs on the store in memory. `on_sqlite.rs` is the same on a store in a file.

#[path = "../common/mod.rs"]
mod common;

mod contracts;
mod face;
mod faulty;
mod followers;
mod lease;
mod limits;
mod observe;
mod operate;
mod outage;
mod outcomes;
mod parts;
mod payloads;
mod random;
mod recurring;
mod rolling;
#[path = "memory.rs"]
mod setup;
mod stop;
