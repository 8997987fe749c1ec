//! Batchers.

#[path = "../common/mod.rs"]
mod common;

mod batch;
mod faults;
mod items;
mod stop;
