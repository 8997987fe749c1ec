//! A batch, whole or in pieces.

use crate::retry::ItemAttempts;
use std::collections::VecDeque;

pub(super) struct Batch<T> {
    pub(super) number: u64,
    /// All of it, or the first of the pieces that it was split into.
    first: Option<Chunk<T>>,
    others: VecDeque<Chunk<T>>,
}

impl<T> Batch<T> {
    pub(super) fn new(number: u64, items: Vec<T>) -> Batch<T> {
        Batch {
            number,
            first: Some(Chunk::new(items)),
            others: VecDeque::new(),
        }
    }

    pub(super) fn pop(&mut self) -> Option<Chunk<T>> {
        self.first.take().or_else(|| self.others.pop_front())
    }

    /// Puts parts back, before the others.
    pub(super) fn push(&mut self, part: Chunk<T>) {
        if let Some(second) = self.first.replace(part) {
            self.others.push_front(second);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parts().next().is_none()
    }

    /// How many items are in it.
    pub(super) fn len(&self) -> usize {
        self.parts().map(|part| part.items.len()).sum()
    }

    fn parts(&self) -> impl Iterator<Item = &Chunk<T>> {
        self.first.iter().chain(&self.others)
    }

    pub(super) fn into_items(self) -> Vec<T> {
        let parts = self.first.into_iter().chain(self.others);
        parts.flat_map(|part| part.items).collect()
    }
}

pub(super) struct Chunk<T> {
    pub(super) items: Vec<T>,
    pub(super) attempts: ItemAttempts,
}

impl<T> Chunk<T> {
    pub(super) fn new(items: Vec<T>) -> Chunk<T> {
        Chunk {
            items,
            attempts: ItemAttempts::default(),
        }
    }
}
