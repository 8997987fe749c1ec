//! When a batch is full. Pure.

use crate::clock::Deadline;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
pub(super) struct Fill {
    pub(super) max_items: usize,
    /// By the program's measure.
    pub(super) max_bytes: usize,
    /// Counted from the first item.
    pub(super) max_age: Duration,
    /// Counted from the last item.
    pub(super) max_idle: Duration,
}

impl Fill {
    pub(super) fn is_full(&self, items: usize, bytes: usize) -> bool {
        items >= self.max_items || bytes >= self.max_bytes
    }

    /// Whether one more item of this size is too much for what is there.
    pub(super) fn overflows(&self, items: usize, bytes: usize, more: usize) -> bool {
        items > 0 && bytes.saturating_add(more) > self.max_bytes
    }

    /// Whether the time of the last item is needed.
    pub(super) fn minds_idleness(&self) -> bool {
        self.max_idle < self.max_age
    }

    /// When a batch is full that was begun and last added to at these moments.
    pub(super) fn due(&self, began: Instant, last: Instant) -> Deadline {
        let old = Deadline::after_from(began, self.max_age);
        match self.minds_idleness() {
            true => old.earlier(Deadline::after_from(last, self.max_idle)),
            false => old,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn fill() -> Fill {
        Fill {
            max_items: 3,
            max_bytes: 100,
            max_age: Duration::from_secs(10),
            max_idle: Duration::from_secs(2),
        }
    }

    #[test]
    fn the_maximum_of_items_or_of_bytes_is_a_full_batch() {
        let full = |items, bytes| fill().is_full(items, bytes);
        assert!(!full(2, 99));
        assert!(full(3, 0) && full(1, 100) && full(1, usize::MAX));
    }

    #[test]
    fn an_item_that_would_make_it_too_large_begins_the_next_one() {
        let overflows = |items, bytes, more| fill().overflows(items, bytes, more);
        assert!(overflows(1, 60, 41) && overflows(1, 1, usize::MAX));
        assert!(!overflows(1, 60, 40));
        // One that is too large by itself is a batch by itself, even after one of nothing.
        assert!(!overflows(0, 0, 1000));
        assert!(overflows(1, 0, 1000));
    }

    #[test]
    fn age_counts_from_the_first_item_and_idleness_from_the_last() {
        let (fill, began) = (fill(), clock::now());
        let after = |seconds| began + Duration::from_secs(seconds);
        assert_eq!(fill.due(began, began), Deadline::at(after(2)));
        assert_eq!(fill.due(began, after(5)), Deadline::at(after(7)));
        assert_eq!(fill.due(began, after(9)), Deadline::at(after(10)));
        let no_limit = Fill {
            max_age: Duration::MAX,
            max_idle: Duration::MAX,
            ..fill
        };
        assert_eq!(no_limit.due(began, after(9)), Deadline::NEVER);
    }
}
