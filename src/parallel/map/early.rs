//! Loops that may end before all items are done: at an error, or at a hit.

use super::chunk::Chunk;
use super::items::ParallelItems;
use super::work::{A_RESULT, Work};
use crate::sync::{AtomicBool, AtomicUsize, Mutex, Relaxed};
use crate::unwind::{Guarded, GuardedVec};
use std::marker::PhantomData;

/// Keeps what `f` returns, up to the first error.
///
/// The error is that of a sequential run: the chunks are taken in order, so that those before
/// the one with the error have begun, and are finished. Those behind it are cut short. If the first
/// error ends the others by a token, it is the first in time: theirs may come from that.
pub(in crate::parallel) struct TryMap<'a, S, F, E> {
    f: &'a F,
    keeps_first_in_time: bool,
    /// The first chunk with an error; `usize::MAX` while there is none. A copy of what `first`
    /// knows, written under its lock, that only saves work: hence Relaxed.
    failed_chunk: AtomicUsize,
    /// The error with the lowest index, or the first in time.
    first: Mutex<Option<(usize, Guarded<E>)>>,
    items: PhantomData<fn(S)>,
}

impl<'a, S, F, E> TryMap<'a, S, F, E> {
    pub(in crate::parallel) fn new(f: &'a F, keeps_first_in_time: bool) -> Self {
        TryMap {
            f,
            keeps_first_in_time,
            failed_chunk: AtomicUsize::new(usize::MAX),
            first: Mutex::new(None),
            items: PhantomData,
        }
    }

    pub(in crate::parallel) fn into_error(self) -> Option<(usize, E)> {
        let first = self.first.into_inner();
        first.map(|(index, error)| (index, error.into_inner()))
    }

    fn failed(&self, chunk: usize, index: usize, error: E) {
        let failed = (index, Guarded::new(error, "an error of a parallel loop"));
        let mut first = self.first.lock();
        // Of each chunk only one error comes here, so that the order of the chunks is that of
        // their errors.
        let failed_before = self.failed_chunk.load(Relaxed);
        let is_first = failed_before == usize::MAX;
        let replaces = is_first || (chunk < failed_before && !self.keeps_first_in_time);
        let later = match replaces {
            true => {
                self.failed_chunk.store(chunk, Relaxed);
                first.replace(failed)
            }
            false => Some(failed),
        };
        drop(first);
        drop(later);
    }
}

impl<S: ParallelItems, F, R: Send, E: Send> Work for TryMap<'_, S, F, E>
where
    F: Fn(S::Item) -> Result<R, E> + Sync,
{
    type Items = S;
    type Part = GuardedVec<R>;
    type Closure = F;

    fn on(&self, mut chunk: Chunk<S>, go_on: impl Fn() -> bool) -> Option<GuardedVec<R>> {
        let mut results = GuardedVec::with_capacity(chunk.room, A_RESULT);
        let number = chunk.number;
        let go_on = || go_on() && number < self.failed_chunk.load(Relaxed);
        while let Some(item) = chunk.next(go_on)? {
            match (self.f)(item) {
                Ok(result) => results.push(result),
                Err(error) => {
                    self.failed(number, chunk.start + results.len(), error);
                    return None;
                }
            }
        }
        Some(results)
    }

    fn combine(&self, mut earlier: GuardedVec<R>, mut later: GuardedVec<R>) -> GuardedVec<R> {
        earlier.append(&mut later);
        earlier
    }

    fn is_decided(&self) -> bool {
        self.failed_chunk.load(Relaxed) != usize::MAX
    }
}

/// Keeps the first hit, in time, that `find` returns.
pub(in crate::parallel) struct FindAny<S, F, G, R> {
    find: G,
    /// There is a hit. It only saves work: hence Relaxed.
    is_found: AtomicBool,
    hit: Mutex<Option<Guarded<R>>>,
    /// `F`: the program's closure.
    types: PhantomData<fn(S, F)>,
}

impl<S, F, G, R> FindAny<S, F, G, R> {
    pub(in crate::parallel) fn new(find: G) -> Self {
        FindAny {
            find,
            is_found: AtomicBool::new(false),
            hit: Mutex::new(None),
            types: PhantomData,
        }
    }

    pub(in crate::parallel) fn into_hit(self) -> Option<R> {
        self.hit.into_inner().map(Guarded::into_inner)
    }
}

impl<S, F, G, R> Work for FindAny<S, F, G, R>
where
    S: ParallelItems,
    G: Fn(S::Item) -> Option<R> + Sync,
    R: Send,
{
    type Items = S;
    type Part = ();
    type Closure = F;

    fn on(&self, mut chunk: Chunk<S>, go_on: impl Fn() -> bool) -> Option<()> {
        let go_on = || go_on() && !self.is_decided();
        while let Some(item) = chunk.next(go_on)? {
            if let Some(found) = (self.find)(item) {
                let found = Guarded::new(found, A_RESULT);
                self.is_found.store(true, Relaxed);
                let second = match &mut *self.hit.lock() {
                    hit @ None => hit.replace(found),
                    Some(_) => Some(found),
                };
                drop(second);
                return None;
            }
        }
        Some(())
    }

    fn combine(&self, (): (), (): ()) {}

    fn is_decided(&self) -> bool {
        self.is_found.load(Relaxed)
    }
}
