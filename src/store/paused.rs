//! Queues that are paused.

use std::time::SystemTime;

/// A queue from which nothing is claimed, since an operator has
/// [paused](super::Store::pause) it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PausedQueue {
    /// Its name.
    pub queue: String,
    /// When it was paused, by the store's clock.
    pub since: SystemTime,
}
