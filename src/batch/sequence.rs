//! Which batches are done. Pure.

use std::collections::VecDeque;

/// Batches are numbered from 1 in the order in which they were filled.
#[derive(Default)]
pub(super) struct BatchSequence {
    /// All up to this one are done.
    done_up_to: u64,
    /// Of those after it, in their order.
    done: VecDeque<bool>,
}

impl BatchSequence {
    /// The number of the next batch.
    pub(super) fn begin(&mut self) -> u64 {
        self.done.push_back(false);
        self.done_up_to + self.done.len() as u64
    }

    pub(super) fn end(&mut self, number: u64) {
        let place = number.checked_sub(self.done_up_to + 1);
        let place = place.and_then(|place| self.done.get_mut(usize::try_from(place).ok()?));
        if let Some(done) = place {
            *done = true;
        }
        while self.done.front() == Some(&true) {
            self.done.pop_front();
            self.done_up_to += 1;
        }
    }

    /// The last one that was begun.
    pub(super) fn last(&self) -> u64 {
        self.done_up_to + self.done.len() as u64
    }

    pub(super) fn are_done(&self, up_to: u64) -> bool {
        self.done_up_to >= up_to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_ends_early_counts_when_those_before_it_have_ended() {
        let mut numbers = BatchSequence::default();
        assert!(numbers.are_done(0));
        assert_eq!([(); 3].map(|()| numbers.begin()), [1, 2, 3]);
        numbers.end(2);
        numbers.end(3);
        assert!(numbers.are_done(0) && !numbers.are_done(1));
        numbers.end(1);
        assert!(numbers.are_done(3) && !numbers.are_done(4));
        assert_eq!((numbers.last(), numbers.begin()), (3, 4));
        // Twice, and never begun: nothing.
        numbers.end(1);
        numbers.end(100);
        assert!(numbers.are_done(3) && !numbers.are_done(4));
    }
}
