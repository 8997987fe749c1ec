//! What to do about failures: [`Retry`] says when to try again, a [`CircuitBreaker`] when not to
//! try at all.

// Pure functions of the number of the attempt, of the time and of a random number; the
// waiting is others', but for `call`.

mod backoff;
mod breaker;
mod call;
mod error;
mod policy;
mod random;

pub use crate::causes::PermanentError;
pub use backoff::{Backoff, Jitter};
pub use breaker::{
    BreakerBuilder, BreakerError, BreakerState, CallError, CircuitBreaker, CircuitOpen, Permit,
};
pub use error::{FailedAttempt, RetryError};
pub use policy::{GiveUpReason, Retry, Verdict};

pub(crate) use error::History;
pub(crate) use random::random;
