//! What a queue does with items that fail.

use crate::causes::BoxError;
use crate::retry::{DeadLetterHandler, IntoRetry, Retry};
use crate::sync::Arc;
use std::time::Duration;

/// What the workers of one incarnation go by.
pub(super) struct Options<T> {
    pub(super) retry: Retry<BoxError>,
    /// How many items may wait for a retry; `None`: as many as the capacity.
    pub(super) max_retrying: Option<usize>,
    /// Without it, items that are given up are kept.
    pub(super) dead_letter: Option<Arc<DeadLetterHandler<T>>>,
}

impl<T> Options<T> {
    /// How many items of a queue of this capacity may wait for a retry.
    pub(super) fn most_retrying(&self, capacity: usize) -> usize {
        self.max_retrying.unwrap_or(capacity)
    }
}

impl<T> Default for Options<T> {
    /// One attempt.
    fn default() -> Options<T> {
        Options {
            retry: Retry::fixed(Duration::ZERO).attempts(1).into_retry(),
            max_retrying: None,
            dead_letter: None,
        }
    }
}

impl<T> Clone for Options<T> {
    fn clone(&self) -> Options<T> {
        Options {
            retry: self.retry.clone(),
            max_retrying: self.max_retrying,
            dead_letter: self.dead_letter.clone(),
        }
    }
}
