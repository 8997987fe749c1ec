//! An item of a queue, between its submit and its end.

use crate::retry::{DeadLetter, ItemAttempts};
use crate::unwind;

/// An item, its number, and what was tried with it.
pub(super) struct Item<T> {
    pub(super) value: T,
    pub(super) number: u64,
    /// `None`: it has not failed.
    pub(super) tried: Option<Box<Tried>>,
}

/// What an item that has failed keeps while it waits for its next attempt.
pub(super) struct Tried {
    pub(super) attempts: ItemAttempts,
    /// For the case that there is none, because of a stop.
    pub(super) last: DeadLetter,
}

/// Items are the program's code, their drops too.
pub(super) fn drop_items<T>(items: impl IntoIterator<Item = T>) {
    for item in items {
        unwind::drop_guarded(item, || "an item of a queue".to_owned());
    }
}
