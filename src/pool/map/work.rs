//! What the three parallel loops do with their chunks.

use super::{Chunk, Items, Work};
use std::marker::PhantomData;

/// Keeps what `f` returns.
pub(in crate::pool) struct Map<'a, S, F>(&'a F, PhantomData<fn(S)>);

/// Keeps nothing.
pub(in crate::pool) struct ForEach<'a, S, F>(&'a F, PhantomData<fn(S)>);

/// Keeps one value, into which `reduce` puts together what `f` returns.
pub(in crate::pool) struct MapReduce<'a, S, F, G> {
    f: &'a F,
    reduce: &'a G,
    items: PhantomData<fn(S)>,
}

impl<'a, S, F> Map<'a, S, F> {
    pub(in crate::pool) fn new(f: &'a F) -> Self {
        Map(f, PhantomData)
    }
}

impl<'a, S, F> ForEach<'a, S, F> {
    pub(in crate::pool) fn new(f: &'a F) -> Self {
        ForEach(f, PhantomData)
    }
}

impl<'a, S, F, G> MapReduce<'a, S, F, G> {
    pub(in crate::pool) fn new(f: &'a F, reduce: &'a G) -> Self {
        MapReduce {
            f,
            reduce,
            items: PhantomData,
        }
    }
}

impl<S: Items, F, R: Send> Work for Map<'_, S, F>
where
    F: Fn(S::Item) -> R + Sync,
{
    type Items = S;
    type Part = Vec<R>;
    type Closure = F;

    fn on(&self, chunk: Chunk<S>, go_on: impl Fn() -> bool) -> Option<Vec<R>> {
        let mut results = Vec::with_capacity(chunk.room);
        for item in chunk.items {
            if !go_on() {
                return None;
            }
            results.push((self.0)(item));
        }
        Some(results)
    }

    fn combine(&self, mut earlier: Vec<R>, mut later: Vec<R>) -> Vec<R> {
        earlier.append(&mut later);
        earlier
    }
}

impl<S: Items, F> Work for ForEach<'_, S, F>
where
    F: Fn(S::Item) + Sync,
{
    type Items = S;
    type Part = ();
    type Closure = F;

    fn on(&self, mut chunk: Chunk<S>, go_on: impl Fn() -> bool) -> Option<()> {
        chunk
            .items
            .try_for_each(|item| go_on().then(|| (self.0)(item)))
    }

    fn combine(&self, (): (), (): ()) {}
}

impl<S: Items, F, G, R: Send> Work for MapReduce<'_, S, F, G>
where
    F: Fn(S::Item) -> R + Sync,
    G: Fn(R, R) -> R + Sync,
{
    type Items = S;
    type Part = R;
    type Closure = F;

    fn on(&self, mut chunk: Chunk<S>, go_on: impl Fn() -> bool) -> Option<R> {
        let f = |item| go_on().then(|| (self.f)(item));
        let first = f(chunk.items.next()?)?;
        chunk
            .items
            .try_fold(first, |sum, item| Some((self.reduce)(sum, f(item)?)))
    }

    fn combine(&self, earlier: R, later: R) -> R {
        (self.reduce)(earlier, later)
    }
}
