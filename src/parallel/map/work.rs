//! What the parallel loops do with their chunks.

use super::chunk::Chunk;
use super::items::ParallelItems;
use crate::unwind::{Guarded, GuardedVec};
use std::marker::PhantomData;

pub(super) const A_RESULT: &str = "a result of a parallel loop";

/// What a loop does with its items.
pub(in crate::parallel) trait Work: Sync {
    type Items: ParallelItems;
    type Part: Send;
    /// The program's closure, whose type names the runners.
    type Closure;
    /// Works on a chunk, as long as `go_on` says so; `None` if it said no, or this chunk
    /// decided the outcome.
    fn on(&self, chunk: Chunk<Self::Items>, go_on: impl Fn() -> bool) -> Option<Self::Part>;
    fn combine(&self, earlier: Self::Part, later: Self::Part) -> Self::Part;
    /// Whether no further chunk is to begin, since the outcome does not depend on it.
    fn is_decided(&self) -> bool {
        false
    }
}

/// Keeps what `f` returns.
pub(in crate::parallel) struct Map<'a, S, F>(&'a F, PhantomData<fn(S)>);

/// Keeps nothing.
pub(in crate::parallel) struct ForEach<'a, S, F>(&'a F, PhantomData<fn(S)>);

/// Keeps one value, into which `reduce` puts together what `f` returns.
pub(in crate::parallel) struct MapReduce<'a, S, F, G> {
    f: &'a F,
    reduce: &'a G,
    items: PhantomData<fn(S)>,
}

impl<'a, S, F> Map<'a, S, F> {
    pub(in crate::parallel) fn new(f: &'a F) -> Self {
        Map(f, PhantomData)
    }
}

impl<'a, S, F> ForEach<'a, S, F> {
    pub(in crate::parallel) fn new(f: &'a F) -> Self {
        ForEach(f, PhantomData)
    }
}

impl<'a, S, F, G> MapReduce<'a, S, F, G> {
    pub(in crate::parallel) fn new(f: &'a F, reduce: &'a G) -> Self {
        MapReduce {
            f,
            reduce,
            items: PhantomData,
        }
    }
}

impl<S: ParallelItems, F, R: Send> Work for Map<'_, S, F>
where
    F: Fn(S::Item) -> R + Sync,
{
    type Items = S;
    type Part = GuardedVec<R>;
    type Closure = F;

    fn on(&self, mut chunk: Chunk<S>, go_on: impl Fn() -> bool) -> Option<GuardedVec<R>> {
        let mut results = GuardedVec::with_capacity(chunk.room, A_RESULT);
        while let Some(item) = chunk.next(&go_on)? {
            results.push((self.0)(item));
        }
        Some(results)
    }

    fn combine(&self, mut earlier: GuardedVec<R>, mut later: GuardedVec<R>) -> GuardedVec<R> {
        earlier.append(&mut later);
        earlier
    }
}

impl<S: ParallelItems, F> Work for ForEach<'_, S, F>
where
    F: Fn(S::Item) + Sync,
{
    type Items = S;
    type Part = ();
    type Closure = F;

    fn on(&self, mut chunk: Chunk<S>, go_on: impl Fn() -> bool) -> Option<()> {
        while let Some(item) = chunk.next(&go_on)? {
            (self.0)(item);
        }
        Some(())
    }

    fn combine(&self, (): (), (): ()) {}
}

impl<S: ParallelItems, F, G, R: Send> Work for MapReduce<'_, S, F, G>
where
    F: Fn(S::Item) -> R + Sync,
    G: Fn(R, R) -> R + Sync,
{
    type Items = S;
    type Part = Guarded<R>;
    type Closure = F;

    fn on(&self, mut chunk: Chunk<S>, go_on: impl Fn() -> bool) -> Option<Guarded<R>> {
        let f = |item| Guarded::new((self.f)(item), A_RESULT);
        let mut sum = f(chunk.next(&go_on)??);
        while let Some(item) = chunk.next(&go_on)? {
            sum = self.combine(sum, f(item));
        }
        Some(sum)
    }

    #[inline]
    fn combine(&self, earlier: Guarded<R>, later: Guarded<R>) -> Guarded<R> {
        let sum = (self.reduce)(earlier.into_inner(), later.into_inner());
        Guarded::new(sum, A_RESULT)
    }
}
