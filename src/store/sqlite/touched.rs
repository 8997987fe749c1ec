//! Which limits are to be looked at.

use std::collections::BTreeSet;

/// The limits whose jobs have come or left in a transaction, by their numbers in the tables. Their
/// places are given at the end of the command.
#[derive(Default)]
pub(super) struct Touched(BTreeSet<i64>);

impl Touched {
    pub(super) fn add(&mut self, limit: Option<i64>) {
        self.0.extend(limit);
    }

    pub(super) fn take(&mut self) -> BTreeSet<i64> {
        std::mem::take(&mut self.0)
    }
}
