//! Retries, and the circuit breaker.

#[path = "../common/mod.rs"]
mod common;

mod accounting;
mod breaker;
mod joins;
mod places;
mod retry;
mod stop;
