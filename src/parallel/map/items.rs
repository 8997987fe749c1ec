//! What a parallel loop can go over.

use std::iter::{Chain, Copied, Enumerate, Rev, Take, Zip};
use std::ops::{Range, RangeInclusive};
use std::{array, collections, slice, vec};

/// An iterator that can be cut into chunks, for [`Pool::map`](crate::Pool::map), `for_each` and
/// `map_reduce`.
///
/// It is implemented for the iterators of the standard library that run no code of the program:
/// those of slices (by shared and exclusive reference, and in chunks or windows), `Vec`, arrays,
/// ranges and the collections; `enumerate`, `zip`, `chain`, `take` and `copied` of those; and `rev`
/// except of a `zip`. Collect any other iterator into a `Vec` first, or use
/// [`Pool::stream`](crate::Pool::stream), which takes any iterator and pulls from it as needed.
///
/// The trait is sealed: it cannot be implemented outside of this crate.
///
/// # Examples
///
/// ```
/// let pool = groundcrew::Pool::new(2)?;
/// let words = vec!["to", "be"];
/// assert_eq!(pool.map(&words, |word| word.len())?, [2, 2]);
/// let numbered = pool.map(words.iter().enumerate(), |(n, word)| format!("{n} {word}"))?;
/// assert_eq!(numbered, ["0 to", "1 be"]);
/// assert_eq!(pool.map(words, str::to_uppercase)?, ["TO", "BE"]);
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "a parallel loop cannot cut `{Self}` into chunks",
    note = "collect it into a `Vec` first (if it is a `filter`, a `map` or a `lines()`, say), or use `stream`, which takes any iterator"
)]
pub trait ParallelItems: Iterator + Send + sealed::Sealed {
    #[doc(hidden)]
    type Chunk: Iterator<Item = Self::Item>;

    /// Takes the next `count` items, or as many as there are. Runs no code of
    /// the program: it is called under a lock.
    #[doc(hidden)]
    fn take_chunk(&mut self, count: usize) -> Self::Chunk;
}

mod sealed {
    pub trait Sealed {}
}

impl<T: Sync> sealed::Sealed for slice::Iter<'_, T> {}
impl<'a, T: Sync> ParallelItems for slice::Iter<'a, T> {
    type Chunk = slice::Iter<'a, T>;

    fn take_chunk(&mut self, count: usize) -> Self::Chunk {
        let (chunk, rest) = self.as_slice().split_at(count.min(self.len()));
        *self = rest.iter();
        chunk.iter()
    }
}

impl<T: Send> sealed::Sealed for slice::IterMut<'_, T> {}
impl<'a, T: Send> ParallelItems for slice::IterMut<'a, T> {
    type Chunk = slice::IterMut<'a, T>;

    fn take_chunk(&mut self, count: usize) -> Self::Chunk {
        let all = std::mem::take(self).into_slice();
        let (chunk, rest) = all.split_at_mut(count.min(all.len()));
        *self = rest.iter_mut();
        chunk.iter_mut()
    }
}

macro_rules! ranges {
    ($($number:ty)*) => { $(
        impl sealed::Sealed for Range<$number> {}
        impl ParallelItems for Range<$number> {
            type Chunk = Range<$number>;

            fn take_chunk(&mut self, count: usize) -> Self::Chunk {
                let count = count.min(self.size_hint().0);
                let start = self.start;
                match count.checked_sub(1) {
                    Some(skipped) => {
                        self.nth(skipped);
                        start..self.start
                    }
                    None => start..start,
                }
            }
        }
    )* };
}

ranges!(i8 u8 i16 u16 i32 u32 i64 u64 isize usize);

/// What drops nothing when it is gone through from the end, as `zip` would, of
/// the longer one.
trait Whole {}

impl<T> Whole for slice::Iter<'_, T> {}
impl<T> Whole for slice::IterMut<'_, T> {}
impl<T> Whole for vec::IntoIter<T> {}
impl<N> Whole for Range<N> {}
impl<T> Whole for slice::Chunks<'_, T> {}
impl<T> Whole for slice::ChunksMut<'_, T> {}
impl<I: Whole> Whole for Enumerate<I> {}
impl<I: Whole> Whole for Rev<I> {}
impl<I: Whole> Whole for Copied<I> {}

/// Collections whose items have to be moved out one by one.
macro_rules! moved {
    ($(($($generics:tt)*) $iterator:ty;)*) => { $(
        impl<$($generics)*> sealed::Sealed for $iterator {}
        impl<$($generics)*> ParallelItems for $iterator {
            type Chunk = vec::IntoIter<Self::Item>;

            fn take_chunk(&mut self, count: usize) -> Self::Chunk {
                self.by_ref().take(count).collect::<Vec<_>>().into_iter()
            }
        }
    )* };
}

moved! {
    (T: Send) vec::IntoIter<T>;
    (T: Send, const N: usize) array::IntoIter<T, N>;
    ('a, T: Send) vec::Drain<'a, T>;
    () RangeInclusive<u8>;
    () RangeInclusive<u16>;
    () RangeInclusive<u32>;
    () RangeInclusive<u64>;
    () RangeInclusive<usize>;
    () RangeInclusive<i8>;
    () RangeInclusive<i16>;
    () RangeInclusive<i32>;
    () RangeInclusive<i64>;
    () RangeInclusive<isize>;
    () RangeInclusive<char>;
    ('a, T: Sync) slice::Chunks<'a, T>;
    ('a, T: Sync) slice::ChunksExact<'a, T>;
    ('a, T: Sync) slice::RChunks<'a, T>;
    ('a, T: Sync) slice::Windows<'a, T>;
    ('a, T: Send) slice::ChunksMut<'a, T>;
    ('a, T: Send) slice::ChunksExactMut<'a, T>;
    ('a, T: Send) slice::RChunksMut<'a, T>;
    (T: Send) collections::vec_deque::IntoIter<T>;
    ('a, T: Sync) collections::vec_deque::Iter<'a, T>;
    ('a, T: Send) collections::vec_deque::IterMut<'a, T>;
    (K: Send, V: Send) collections::hash_map::IntoIter<K, V>;
    ('a, K: Sync, V: Sync) collections::hash_map::Iter<'a, K, V>;
    ('a, K: Sync, V: Sync) collections::hash_map::Keys<'a, K, V>;
    ('a, K: Sync, V: Sync) collections::hash_map::Values<'a, K, V>;
    ('a, K: Send + Sync, V: Send) collections::hash_map::IterMut<'a, K, V>;
    ('a, K: Send + Sync, V: Send) collections::hash_map::ValuesMut<'a, K, V>;
    (K: Send, V: Send) collections::btree_map::IntoIter<K, V>;
    ('a, K: Sync, V: Sync) collections::btree_map::Iter<'a, K, V>;
    ('a, K: Sync, V: Sync) collections::btree_map::Keys<'a, K, V>;
    ('a, K: Sync, V: Sync) collections::btree_map::Values<'a, K, V>;
    ('a, K: Send + Sync, V: Send) collections::btree_map::IterMut<'a, K, V>;
    ('a, K: Send + Sync, V: Send) collections::btree_map::ValuesMut<'a, K, V>;
    (T: Send) collections::hash_set::IntoIter<T>;
    ('a, T: Sync) collections::hash_set::Iter<'a, T>;
    (T: Send) collections::btree_set::IntoIter<T>;
    ('a, T: Sync) collections::btree_set::Iter<'a, T>;
    (I: ParallelItems<Item: Send>) Enumerate<I>;
    (I: ParallelItems<Item: Send>) Take<I>;
    (I: ParallelItems<Item: Send>, J: ParallelItems<Item = I::Item>) Chain<I, J>;
    (I: Whole + ParallelItems<Item: Send> + DoubleEndedIterator) Rev<I>;
    (I: ParallelItems<Item: Send>, J: ParallelItems<Item: Send>) Zip<I, J>;
    ('a, T: Copy + Send + Sync + 'a, I: ParallelItems<Item = &'a T>) Copied<I>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Debug;

    /// Takes it apart in chunks of two.
    fn in_twos<S: ParallelItems<Item: Debug>>(mut items: S) -> String {
        let mut chunks = Vec::new();
        while items.size_hint().0 > 0 {
            chunks.push(items.take_chunk(2).collect::<Vec<_>>());
        }
        format!("{chunks:?}")
    }

    #[test]
    fn every_kind_of_items_comes_apart_in_order() {
        let expected = "[[1, 2], [3, 4], [5]]";
        let mut numbers = vec![1, 2, 3, 4, 5];
        assert_eq!(in_twos(numbers.iter()), expected);
        assert_eq!(in_twos(numbers.iter_mut()), expected);
        assert_eq!(in_twos(numbers.iter().rev().rev()), expected);
        assert_eq!(in_twos(numbers.into_iter()), expected);
        assert_eq!(in_twos(1..6_u8), expected);
        assert_eq!(in_twos(1..=5_u64), expected);
        assert_eq!(in_twos([1, 2, 3, 4, 5].into_iter()), expected);
        assert_eq!(in_twos(251..255_u8), "[[251, 252], [253, 254]]");
        assert_eq!(in_twos(0..0_usize), "[]");
        let pairs = [7, 8, 9].iter().zip("abc".as_bytes()).enumerate();
        assert_eq!(
            in_twos(pairs),
            "[[(0, (7, 97)), (1, (8, 98))], [(2, (9, 99))]]"
        );
    }
}
