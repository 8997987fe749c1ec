//! Parallel loops: `map`, `for_each` and `map_reduce`, by one engine.
//!
//! A loop is a scope with one runner a worker. Each takes a chunk of the items from a
//! shared cursor, works on it, adds what came of it to the parts, and comes back for more.
//! The size of a chunk is chosen so that it takes about [`CHUNK`], judged by the one
//! before, and is no larger than a share of what is left: so the cursor's lock costs
//! nothing where items are short, and no runner has much left when the others are idle.

mod items;
mod parts;
mod work;

pub use items::ParallelItems;
pub(super) use work::{ForEach, Map, MapReduce};

use super::pace::next_size;
use super::scope::{Scope, ScopedHandle, scope};
use crate::clock;
use crate::queue::{PoolCore, PoolRef};
use crate::sync::{Arc, AtomicBool, Mutex, Relaxed};
use crate::task::{TaskContext, TaskError, TaskFn, worker_index_in};
use crate::threads;
use crate::unwind::{Guarded, GuardedItems};
use parts::Parts;
use std::any::type_name;
use std::panic::Location;
use std::time::Duration;

/// How long a chunk should take: long compared to the cursor's lock and a clock read, short
/// for a caller that waits.
const CHUNK: Duration = Duration::from_micros(100);
/// No runner takes more than this fraction of an equal share of the rest.
const SHARE: usize = 2;
/// But nothing smaller than this part of a chunk that would take `CHUNK`.
const SMALLEST: usize = 32;

const AN_ITEM: &str = "an item of a parallel loop";

/// What a loop does with its items.
pub(super) trait Work: Sync {
    type Items: ParallelItems;
    type Part: Send;
    /// The program's closure, whose type names the runners.
    type Closure;
    /// Works on a chunk, as long as `go_on` says so; `None` if it said no.
    fn on(&self, chunk: Chunk<Self::Items>, go_on: impl Fn() -> bool) -> Option<Self::Part>;
    fn combine(&self, earlier: Self::Part, later: Self::Part) -> Self::Part;
}

/// Runs a loop. `Ok(None)`: there were no items.
pub(super) fn run<W: Work>(
    pool_ref: &Arc<PoolRef>,
    items: W::Items,
    work: &W,
    submitted_at: &'static Location<'static>,
) -> Result<Option<W::Part>, TaskError> {
    let queue = &*pool_ref.queue;
    // What is not taken of them may panic in its drop, and so may what they lay in.
    let items = Guarded::new(GuardedItems::new(items, AN_ITEM), AN_ITEM);
    let left = items.size_hint().0;
    if left == 0 {
        return Ok(None);
    }
    if queue.is_closed() && worker_index_in(queue.id).is_none() {
        return Err(TaskError::Unstarted);
    }
    let looping = Loop {
        queue,
        work,
        cursor: Mutex::new(Cursor {
            items,
            chunk: 0,
            is_closed: false,
        }),
        parts: Parts::new(),
        is_cut_short: AtomicBool::new(false),
    };
    scope(pool_ref, |s| looping.run(s, left, submitted_at));
    let Loop {
        cursor,
        parts,
        is_cut_short,
        ..
    } = looping;
    match is_cut_short.load(Relaxed) || cursor.into_inner().items.size_hint().0 > 0 {
        true => Err(TaskError::Unstarted),
        false => Ok(parts.into_whole()),
    }
}

struct Loop<'a, W: Work> {
    queue: &'a PoolCore,
    work: &'a W,
    cursor: Mutex<Cursor<W::Items>>,
    parts: Parts<W::Part>,
    /// A runner left its chunk unfinished, since a stop took the backlog out.
    /// Written by runners, read when they have ended.
    is_cut_short: AtomicBool,
}

/// What the runners have not taken yet.
struct Cursor<S: ParallelItems> {
    items: Guarded<GuardedItems<S>>,
    /// The number of the next chunk.
    chunk: usize,
    /// A runner panicked: no runner takes any more items.
    is_closed: bool,
}

impl<'a, W: Work> Loop<'a, W> {
    fn run<'scope>(
        &'scope self,
        s: &'scope Scope<'scope, '_>,
        left: usize,
        submitted_at: &'static Location<'static>,
    ) {
        let runners = left.min(self.queue.workers);
        let is_worker = worker_index_in(self.queue.id).is_some();
        let handles: Vec<_> = (usize::from(is_worker)..runners)
            .map(|_| s.push(Runner(self), submitted_at))
            // So that the first panic is the first in time.
            .inspect(ScopedHandle::detach)
            .collect();
        // The queue keeps the order: when the first has ended, or when this
        // thread has, being a worker, there is nothing left to take.
        match is_worker {
            true => self.take_chunks(),
            false => handles.iter().take(1).for_each(ScopedHandle::wait),
        }
        handles.iter().for_each(ScopedHandle::take_back);
    }

    fn take_chunks(&self) {
        let close = CloseOnPanic(self);
        let mut size = 1;
        let mut began = clock::now();
        while let Some(chunk) = self.next_chunk(size) {
            let number = chunk.number;
            let count = chunk.count;
            let part = self.work.on(chunk, || !self.queue.is_sealed());
            let Some(part) = part else {
                self.is_cut_short.store(true, Relaxed);
                break;
            };
            let combine = |earlier, later| self.work.combine(earlier, later);
            self.parts.add(number, part, combine);
            let now = clock::now();
            size = next_size(CHUNK, size, count, now.duration_since(began));
            began = now;
        }
        drop(close);
    }

    /// The next chunk, of `size` items at most; `None` when there is no more, or
    /// a stop took the backlog out.
    fn next_chunk(&self, size: usize) -> Option<Chunk<W::Items>> {
        let mut cursor = self.cursor.lock();
        let left = cursor.items.size_hint().0;
        if left == 0 || cursor.is_closed || self.queue.is_sealed() {
            return None;
        }
        let share = left / (SHARE * self.queue.workers);
        let count = size.min(share.max(size / SMALLEST).max(1)).min(left);
        let number = cursor.chunk;
        cursor.chunk += 1;
        Some(Chunk {
            items: GuardedItems::new(cursor.items.items.take_chunk(count), AN_ITEM),
            number,
            count,
            // The others' results are going to be put behind the first's.
            room: if number == 0 { left } else { count },
        })
    }
}

/// A piece of the items.
pub(super) struct Chunk<S: ParallelItems> {
    items: GuardedItems<S::Chunk>,
    number: usize,
    count: usize,
    /// The number of results to reserve room for in the output.
    room: usize,
}

impl<S: ParallelItems> Chunk<S> {
    /// The next item; `None` if there is one and `go_on` says no.
    #[inline]
    fn next(&mut self, go_on: impl Fn() -> bool) -> Option<Option<S::Item>> {
        // An item that was taken and is not worked on would be dropped here, unguarded.
        if self.items.size_hint().0 > 0 && !go_on() {
            return None;
        }
        Some(self.items.next())
    }
}

struct CloseOnPanic<'a, 'b, W: Work>(&'a Loop<'b, W>);

impl<W: Work> Drop for CloseOnPanic<'_, '_, W> {
    fn drop(&mut self) {
        if threads::is_panicking() {
            self.0.cursor.lock().is_closed = true;
        }
    }
}

/// What the pool runs for a loop: as many of them as there are workers.
struct Runner<'a, 'b, W: Work>(&'a Loop<'b, W>);

impl<W: Work> TaskFn for Runner<'_, '_, W> {
    type Output = ();
    const WANTS_CONTEXT: bool = false;

    fn call(self, _: Option<&TaskContext>) {
        // Not if the pool gave it back: then no thread is to run it.
        if worker_index_in(self.0.queue.id).is_some() {
            self.0.take_chunks();
        }
    }

    fn type_name() -> &'static str {
        type_name::<W::Closure>()
    }
}
