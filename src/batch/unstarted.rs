//! The items that a stop hands back.

use std::mem;

/// In the order of their batches.
pub(super) struct Unstarted<T> {
    parts: Vec<(u64, Vec<T>)>,
    /// The first batch of which there was something here.
    first: u64,
}

/// The batch of items that were dropped with their refusal: after all others.
const REFUSED: u64 = u64::MAX;

impl<T> Unstarted<T> {
    pub(super) fn new() -> Unstarted<T> {
        Unstarted {
            parts: Vec::new(),
            first: u64::MAX,
        }
    }

    /// Adds items of a batch, from the front of what is here of it.
    pub(super) fn add(&mut self, batch: u64, items: Vec<T>) {
        if items.is_empty() {
            return;
        }
        self.first = self.first.min(batch);
        let place = self.parts.partition_point(|(other, _)| *other < batch);
        self.parts.insert(place, (batch, items));
    }

    /// Adds an item that was refused, and dropped with its refusal.
    pub(super) fn add_refused(&mut self, item: T) {
        match self.parts.last_mut() {
            Some((REFUSED, items)) => items.push(item),
            _ => self.parts.push((REFUSED, vec![item])),
        }
    }

    /// Whether there never was anything of the batches up to this one.
    pub(super) fn has_none_up_to(&self, batch: u64) -> bool {
        batch < self.first
    }

    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(|(_, items)| items.len()).sum()
    }

    pub(super) fn take(&mut self) -> Vec<T> {
        let parts = mem::take(&mut self.parts);
        parts.into_iter().flat_map(|(_, items)| items).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_in_the_order_of_their_batches_and_refused_ones_are_the_last() {
        let mut unstarted = Unstarted::new();
        assert!(unstarted.has_none_up_to(100));
        unstarted.add_refused('x');
        unstarted.add(3, vec!['e', 'f']);
        unstarted.add(1, vec!['b']);
        // What its handler gave back comes before the rest of the batch.
        unstarted.add(1, vec!['a']);
        unstarted.add(2, Vec::new());
        unstarted.add_refused('y');
        assert_eq!(unstarted.len(), 6);
        assert!(unstarted.has_none_up_to(0) && !unstarted.has_none_up_to(1));
        assert_eq!(unstarted.take(), ['a', 'b', 'e', 'f', 'x', 'y']);
        assert_eq!(unstarted.take(), []);
        // It stays known that there were some.
        assert!(!unstarted.has_none_up_to(1));
    }
}
