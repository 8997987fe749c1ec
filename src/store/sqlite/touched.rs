//! What is to be looked at when a command has run.

use crate::store::JobId;
use crate::store::row::ParentEnd;
use std::collections::BTreeSet;

/// The limits whose jobs have come or left in a transaction, by their numbers in the tables, and the
/// jobs that have ended or are gone. What follows from that is done at the end of the command.
#[derive(Default)]
pub(super) struct Touched {
    limits: BTreeSet<i64>,
    ended: Vec<(JobId, ParentEnd)>,
}

impl Touched {
    pub(super) fn add(&mut self, limit: Option<i64>) {
        self.limits.extend(limit);
    }

    pub(super) fn ended(&mut self, job: JobId, how: ParentEnd) {
        self.ended.push((job, how));
    }

    pub(super) fn take_limits(&mut self) -> BTreeSet<i64> {
        std::mem::take(&mut self.limits)
    }

    pub(super) fn take_ended(&mut self) -> Vec<(JobId, ParentEnd)> {
        std::mem::take(&mut self.ended)
    }
}
