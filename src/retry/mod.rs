//! Failure handling: [`Retry`] retries failed work, a [`DeadLetter`] says why an item was given up,
//! and a [`CircuitBreaker`] stops calls of a dependency that is down.

// `policy` and `backoff` decide, `state` keeps the attempts of one task or call, `item_attempts`
// those of an item or a batch; `call` makes them on the calling thread. The tasks of a pool, the
// items of a queue and the batches of a batcher do their own waiting. `dead_letter` is what they
// are when they are given up.

mod backoff;
mod breaker;
mod call;
mod dead_letter;
mod error;
mod item_attempts;
mod policy;
mod random;
mod state;
mod verdict;

pub use crate::causes::PermanentError;
pub use backoff::{Backoff, Jitter};
pub use breaker::{
    BreakerBuilder, BreakerError, BreakerState, CallError, CircuitBreaker, CircuitOpen, Permit,
};
pub use dead_letter::{DeadLetter, DeadLetterReason};
pub use error::{FailedAttempt, RetryError};
pub use policy::{AnyError, Retry, RetryPolicy};
pub use verdict::{GiveUpReason, Verdict};

#[cfg(not(loom))]
pub(crate) use dead_letter::DeadLetterHandler;
#[cfg(not(loom))]
pub(crate) use item_attempts::ItemAttempts;
pub(crate) use policy::IntoRetry;
pub(crate) use random::random;
pub(crate) use state::RetryState;
