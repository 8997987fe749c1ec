//! The circuit breaker, which stops calls of a dependency that is down.
//!
//! `machine` decides, `shared` locks it and logs, `circuit` and `permit` are what a program
//! calls.

mod builder;
mod change;
mod circuit;
mod error;
mod machine;
mod permit;
mod shared;
mod state;
mod window;

pub use builder::BreakerBuilder;
pub use circuit::CircuitBreaker;
pub use error::{BreakerError, CallError, CircuitOpen};
pub use permit::Permit;
pub use state::BreakerState;
