//! What an operator does to several jobs.

/// The verb of [`Store::operate`](super::Store::operate).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// As [`Store::cancel`](super::Store::cancel).
    Cancel,
    /// As [`Store::retry`](super::Store::retry).
    Retry,
    /// As [`Store::delete`](super::Store::delete).
    Delete,
}
