//! Durable jobs on the store in memory.

#[path = "../common/mod.rs"]
mod common;

mod contracts;
mod face;
mod faulty;
mod lease;
mod observe;
mod outage;
mod outcomes;
mod parts;
mod random;
mod stop;
