//! Quicksort in place, on all workers.

use groundcrew::cancel::Cancelled;
use groundcrew::parallel::Scope;
use groundcrew::{CancelToken, Pool};
use indicatif::ProgressBar;
use log::debug;

/// The pool, and what every call of the recursion looks at.
pub(crate) struct Quicksort<'a> {
    pool: &'a Pool,
    token: CancelToken,
    bar: &'a ProgressBar,
    /// A piece no longer than this is sorted by the standard library.
    piece: usize,
    /// A part no longer than this is divided by one thread alone.
    part: usize,
}

/// So many pieces a worker, for all workers to end at about the same time.
const PIECES: usize = 8;
/// Longer pieces would keep Ctrl-C waiting, shorter ones cost more than they
/// take.
const LONGEST: usize = 1 << 20;
const SHORTEST: usize = 1 << 12;
/// The pivot is the median of this many numbers.
const SAMPLE: usize = 1023;

impl<'a> Quicksort<'a> {
    pub(crate) fn new(pool: &'a Pool, length: usize, bar: &'a ProgressBar) -> Quicksort<'a> {
        let share = length.div_ceil(pool.threads());
        Quicksort {
            pool,
            token: pool.stop_handle().token(),
            bar,
            piece: (share / PIECES).clamp(SHORTEST, LONGEST),
            part: share.max(SHORTEST),
        }
    }

    /// Sorts the numbers. If the pool's token is cancelled meanwhile they are all
    /// there afterwards, in any order.
    pub(crate) fn sort(&self, numbers: &mut [u64]) -> Result<(), Cancelled> {
        self.pool
            .scope(|scope| scope.execute(|| self.sort_in(scope, numbers)));
        self.token.check()
    }

    /// The task: puts the smaller half of the numbers on the left, and the
    /// other on the right, which is another task; goes on with the left one.
    fn sort_in<'s>(&'s self, scope: &'s Scope<'s, '_>, mut numbers: &'s mut [u64]) {
        while numbers.len() > self.piece {
            if self.token.is_cancelled() {
                return;
            }
            let (left, right) = self.halves(numbers);
            scope.execute(move || self.sort_in(scope, right));
            numbers = left;
        }
        if !self.token.is_cancelled() {
            numbers.sort_unstable();
            self.bar.inc(numbers.len() as u64);
            debug!("a piece of {} is sorted", numbers.len());
        }
    }

    /// Two slices still to be sorted, no number of the left one larger than any of
    /// the right. What is in neither is in its place.
    fn halves<'n>(&self, numbers: &'n mut [u64]) -> (&'n mut [u64], &'n mut [u64]) {
        let pivot = pivot(numbers);
        let smaller = self.partition(numbers, |number| number < pivot);
        if smaller > 0 {
            return numbers.split_at_mut(smaller);
        }
        // There is none smaller than the pivot, perhaps many that are equal.
        let equal = self.partition(numbers, |number| number <= pivot);
        self.bar.inc(equal as u64);
        (&mut [], &mut numbers[equal..])
    }

    /// Puts those that belong there on the left; returns how many they are.
    /// Where there is much to do, each half is done by itself, both at a time;
    /// then what is wrong in the left half changes places with what is wrong in
    /// the right one.
    fn partition(
        &self,
        numbers: &mut [u64],
        belongs_left: impl Fn(u64) -> bool + Copy + Sync,
    ) -> usize {
        if numbers.len() <= self.part {
            return partition(numbers, belongs_left);
        }
        let (left, right) = numbers.split_at_mut(numbers.len() / 2);
        let (on_left, on_right) = self.both(
            || self.partition(left, belongs_left),
            || self.partition(right, belongs_left),
        );
        let too_large = &mut left[on_left..];
        let too_small = &mut right[..on_right];
        let wrong = too_large.len().min(too_small.len());
        let kept = too_small.len() - wrong;
        let (a, b) = too_large[..wrong].split_at_mut(wrong / 2);
        let (c, d) = too_small[kept..].split_at_mut(wrong / 2);
        self.both(|| a.swap_with_slice(c), || b.swap_with_slice(d));
        on_left + on_right
    }

    /// Calls both, at the same time if a worker is free.
    fn both<A: Send, B: Send>(
        &self,
        here: impl FnOnce() -> A,
        there: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        self.pool.scope(|scope| {
            let there = scope.submit(there);
            (here(), there.join().unwrap())
        })
    }
}

/// About the median.
fn pivot(numbers: &[u64]) -> u64 {
    let mut sample: Vec<u64> = (0..SAMPLE)
        .map(|_| numbers[fastrand::usize(..numbers.len())])
        .collect();
    *sample.select_nth_unstable(SAMPLE / 2).1
}

/// Without a branch that the processor could guess wrong.
fn partition(numbers: &mut [u64], belongs_left: impl Fn(u64) -> bool) -> usize {
    let mut left = 0;
    for at in 0..numbers.len() {
        let number = numbers[at];
        numbers.swap(at, left);
        left += usize::from(belongs_left(number));
    }
    left
}
