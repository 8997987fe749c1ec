//! What becomes of time, by a clock that the tests move.

#[path = "../../../common/mod.rs"]
mod common;

mod batch;
mod breaker;
mod host;
mod limits;
mod queue;
mod retry;
mod schedule;
mod schedule_clock;
mod schedule_remember;
