//! Failure handling: [`Retry`] retries failed work, and a [`CircuitBreaker`] stops
//! calls of a dependency that is down.

// `policy` and `backoff` decide, `state` keeps the attempts of one task or call, `call` makes
// them on the calling thread. The tasks of a pool and the batches of a batcher do their own
// waiting.

mod backoff;
mod breaker;
mod call;
mod error;
mod policy;
mod random;
mod state;
mod verdict;

pub use crate::causes::PermanentError;
pub use backoff::{Backoff, Jitter};
pub use breaker::{
    BreakerBuilder, BreakerError, BreakerState, CallError, CircuitBreaker, CircuitOpen, Permit,
};
pub use error::{FailedAttempt, RetryError};
pub use policy::{AnyError, Retry, RetryPolicy};
pub use verdict::{GiveUpReason, Verdict};

pub(crate) use policy::IntoRetry;
pub(crate) use random::random;
pub(crate) use state::RetryState;
