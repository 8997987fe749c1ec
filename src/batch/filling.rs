//! The batch that is being filled.

use super::fill::Fill;
use crate::clock::Deadline;
use std::mem;
use std::time::Instant;

pub(super) struct Filling<T> {
    rule: Fill,
    items: Vec<T>,
    bytes: usize,
    /// When the first and the last item came.
    began: Instant,
    last: Instant,
    /// Empty vectors with room, to be filled next.
    spares: Vec<Vec<T>>,
}

/// The number of empty vectors kept.
const MOST_SPARES: usize = 8;

impl<T> Filling<T> {
    pub(super) fn new(rule: Fill, now: Instant) -> Filling<T> {
        Filling {
            rule,
            items: Vec::new(),
            bytes: 0,
            began: now,
            last: now,
            spares: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether one more item of this size would make the batch too large.
    pub(super) fn overflows_with(&self, bytes: usize) -> bool {
        self.rule.overflows(self.items.len(), self.bytes, bytes)
    }

    pub(super) fn push(&mut self, item: T, bytes: usize) {
        self.items.push(item);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    pub(super) fn is_full(&self) -> bool {
        self.rule.is_full(self.items.len(), self.bytes)
    }

    /// Whether the moment at which the last item came decides when the batch is due.
    pub(super) fn needs_time(&self) -> bool {
        self.items.len() == 1 || self.rule.minds_idleness()
    }

    /// The last item came now. Returns whether it is the first one, too.
    pub(super) fn set_time(&mut self, now: Instant) -> bool {
        let is_first = self.items.len() == 1;
        self.last = now;
        if is_first {
            self.began = now;
        }
        is_first
    }

    /// When the batch is full by its age, or by the time without a new item.
    pub(super) fn due(&self) -> Deadline {
        self.rule.due(self.began, self.last)
    }

    /// Takes the items as a batch, if there are any.
    pub(super) fn take(&mut self) -> Option<Vec<T>> {
        if self.items.is_empty() {
            return None;
        }
        let mut next = self.spares.pop().unwrap_or_default();
        next.reserve(self.items.len());
        self.bytes = 0;
        Some(mem::replace(&mut self.items, next))
    }

    /// Keeps an empty vector for another batch.
    pub(super) fn reuse(&mut self, spare: Vec<T>) {
        if spare.capacity() > 0 && self.spares.len() < MOST_SPARES {
            self.spares.push(spare);
        }
    }
}
