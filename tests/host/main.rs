//! Hosts: the start, failures, queues and pools of the host, the stop.

#[path = "../common/mod.rs"]
mod common;

mod drops;
mod ends;
mod failure;
mod faults;
mod items;
mod look_up;
mod pool;
mod queue;
mod start;
mod start_failure;
mod stop;
