//! How the items of a loop are cut: large enough that the cursor's lock costs nothing where
//! items are short, and no larger than a share of what is left, so that no runner has much
//! left when the others are idle.

use super::items::ParallelItems;
use crate::unwind::{Guarded, GuardedItems};

/// No runner takes more than this fraction of an equal share of the rest.
const SHARE: usize = 2;
/// But nothing smaller than this part of a chunk that takes its time.
const SMALLEST: usize = 32;

const AN_ITEM: &str = "an item of a parallel loop";

/// What the runners have not taken yet.
pub(super) struct Cursor<S: ParallelItems> {
    items: Guarded<GuardedItems<S>>,
    /// The number of the next chunk, and of its first item.
    chunk: usize,
    item: usize,
    is_closed: bool,
}

impl<S: ParallelItems> Cursor<S> {
    pub(super) fn new(items: S) -> Cursor<S> {
        Cursor {
            // What is not taken of them may panic in its drop, and so may what they lay in.
            items: Guarded::new(GuardedItems::new(items, AN_ITEM), AN_ITEM),
            chunk: 0,
            item: 0,
            is_closed: false,
        }
    }

    pub(super) fn left(&self) -> usize {
        self.items.size_hint().0
    }

    /// A runner panicked: no runner takes any more items.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }

    /// The next chunk, of `size` items at most; `None` when there is no more.
    pub(super) fn take(&mut self, size: usize, workers: usize) -> Option<Chunk<S>> {
        let left = self.left();
        if left == 0 || self.is_closed {
            return None;
        }
        let count = chunk_size(size, left, workers);
        let number = self.chunk;
        let start = self.item;
        self.chunk += 1;
        self.item += count;
        Some(Chunk {
            items: GuardedItems::new(self.items.items.take_chunk(count), AN_ITEM),
            number,
            start,
            count,
            // The others' results are going to be put behind the first's.
            room: if number == 0 { left } else { count },
        })
    }
}

/// How many of the items that are left to take, where `size` would take as long as a chunk
/// should. `left` is not 0.
fn chunk_size(size: usize, left: usize, workers: usize) -> usize {
    let share = left / (SHARE * workers);
    size.min(share.max(size / SMALLEST).max(1)).min(left)
}

/// A piece of the items.
pub(in crate::parallel) struct Chunk<S: ParallelItems> {
    items: GuardedItems<S::Chunk>,
    pub(super) number: usize,
    /// The index of its first item.
    pub(super) start: usize,
    pub(super) count: usize,
    /// The number of results to reserve room for in the output.
    pub(super) room: usize,
}

impl<S: ParallelItems> Chunk<S> {
    /// The next item; `None` if there is one and `go_on` says no.
    #[inline]
    pub(super) fn next(&mut self, go_on: impl Fn() -> bool) -> Option<Option<S::Item>> {
        // An item that was taken and is not worked on would be dropped here, unguarded.
        if self.items.size_hint().0 > 0 && !go_on() {
            return None;
        }
        Some(self.items.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_no_larger_than_half_a_share_of_the_rest_and_never_tiny() {
        assert_eq!(chunk_size(100, 10_000, 2), 100);
        assert_eq!(chunk_size(100, 200, 2), 50);
        assert_eq!(chunk_size(64, 4, 2), 2);
        assert_eq!(chunk_size(640, 4, 2), 4);
        assert_eq!(chunk_size(640, 100, 64), 20);
        assert_eq!(chunk_size(1, 3, 64), 1);
    }
}
