//! The engine of a loop.
//!
//! A loop is a scope with one runner a worker. Each takes a chunk of the items from a
//! shared cursor, works on it, adds what came of it to the parts, and comes back for more.
//! The size of a chunk is chosen so that it takes about
//! [`CHUNK_TIME`](crate::parallel::pace::CHUNK_TIME), judged by the one before.

use super::chunk::{Chunk, Cursor};
use super::parts::Parts;
use super::work::Work;
use crate::clock;
use crate::parallel::options::LoopOptions;
use crate::parallel::pace::next_size;
use crate::parallel::scope::{Latch, Scope, ScopedHandle, scope_with};
use crate::queue::{PoolCore, PoolRef, worker_index_in};
use crate::sync::{Arc, AtomicBool, Mutex, Relaxed};
use crate::task::{TaskContext, TaskError, TaskFn};
use crate::trace::Parent;
use std::any::type_name;
use std::mem;
use std::panic::Location;

/// Runs a loop. `Ok(None)`: there were no items.
pub(in crate::parallel) fn run<W: Work>(
    pool_ref: &Arc<PoolRef>,
    items: W::Items,
    work: &W,
    options: &LoopOptions,
    submitted_at: &'static Location<'static>,
) -> Result<Option<W::Part>, TaskError> {
    let core = &*pool_ref.core;
    let cursor = Cursor::new(items);
    let left = cursor.left();
    if left == 0 {
        return Ok(None);
    }
    if core.is_closed() && worker_index_in(core.id).is_none() {
        return Err(TaskError::Unstarted);
    }
    let looping = Loop {
        core,
        work,
        options,
        parent: Parent::current(),
        cursor: Mutex::new(cursor),
        parts: Parts::new(),
        is_cut_short: AtomicBool::new(false),
    };
    let latch = Latch::new(core, options.token.is_some());
    scope_with(pool_ref, latch, |s| looping.run(s, left, submitted_at));
    let Loop {
        cursor,
        parts,
        is_cut_short,
        ..
    } = looping;
    match is_cut_short.load(Relaxed) || cursor.into_inner().left() > 0 {
        true if options.is_cancelled() => Err(TaskError::Cancelled),
        true => Err(TaskError::Unstarted),
        false => Ok(parts.into_whole()),
    }
}

struct Loop<'a, W: Work> {
    core: &'a PoolCore,
    work: &'a W,
    options: &'a LoopOptions,
    parent: Parent,
    cursor: Mutex<Cursor<W::Items>>,
    parts: Parts<W::Part>,
    /// A runner left its chunk unfinished: a stop took the backlog out, the token is cancelled,
    /// or the outcome is decided.
    /// Written by runners, read when they have ended.
    is_cut_short: AtomicBool,
}

impl<'a, W: Work> Loop<'a, W> {
    fn run<'scope>(
        &'scope self,
        s: &'scope Scope<'scope, '_>,
        left: usize,
        submitted_at: &'static Location<'static>,
    ) {
        let runners = left.min(self.core.workers);
        let token = self.options.token.as_ref();
        // Before the first runner is pushed: the cancel wakes the wait below.
        let _listening = token.map(|token| s.listen(token));
        let is_worker = worker_index_in(self.core.id).is_some();
        let handles: Vec<_> = (usize::from(is_worker)..runners)
            .map(|_| self.push_runner(s, submitted_at))
            // So that the first panic is the first in time.
            .inspect(ScopedHandle::detach)
            .collect();
        // The queue keeps the order: when the first has ended, or when this
        // thread has, being a worker, there is nothing left to take.
        match (is_worker, handles.first(), token) {
            (true, ..) => self.take_chunks(),
            (false, Some(first), None) => first.wait(),
            // It may lie in the queue for long: a token takes it back from there.
            (false, Some(first), Some(token)) => {
                s.run_until(|| first.is_finished() || token.is_cancelled());
            }
            (false, None, _) => {}
        }
        handles.iter().for_each(ScopedHandle::take_back);
    }

    fn push_runner<'scope>(
        &'scope self,
        s: &'scope Scope<'scope, '_>,
        submitted_at: &'static Location<'static>,
    ) -> ScopedHandle<'scope, ()> {
        let name = self.options.name.clone();
        s.push_as(Runner(self), name, self.options.on_full(), submitted_at)
    }

    fn take_chunks(&self) {
        let close = CloseOnPanic(self);
        let mut size = 1;
        let mut began = clock::now();
        while let Some(chunk) = self.next_chunk(size) {
            let number = chunk.number;
            let count = chunk.count;
            let part = self.work.on(chunk, || self.goes_on());
            let Some(part) = part else {
                self.is_cut_short.store(true, Relaxed);
                if self.work.is_decided() {
                    self.options.decided();
                }
                break;
            };
            let combine = |earlier, later| self.work.combine(earlier, later);
            self.parts.add(number, part, combine);
            let now = clock::now();
            size = next_size(size, count, now.duration_since(began));
            began = now;
        }
        // Not by a look at whether the thread unwinds: a loop may be called in a drop.
        mem::forget(close);
    }

    /// Neither has a stop taken the backlog out, nor is the token cancelled.
    #[inline]
    fn goes_on(&self) -> bool {
        !self.core.is_sealed() && !self.options.is_cancelled()
    }

    /// The next chunk, of `size` items at most; `None` when there is no more, or
    /// none is to begin.
    fn next_chunk(&self, size: usize) -> Option<Chunk<W::Items>> {
        match self.goes_on() && !self.work.is_decided() {
            false => None,
            true => self.cursor.lock().take(size, self.core.workers),
        }
    }
}

/// Dropped only by a panic of the loop.
struct CloseOnPanic<'a, 'b, W: Work>(&'a Loop<'b, W>);

impl<W: Work> Drop for CloseOnPanic<'_, '_, W> {
    fn drop(&mut self) {
        self.0.cursor.lock().close();
        self.0.options.decided();
    }
}

/// What the pool runs for a loop: as many of them as there are workers.
struct Runner<'a, 'b, W: Work>(&'a Loop<'b, W>);

impl<W: Work> TaskFn for Runner<'_, '_, W> {
    type Output = ();
    const WANTS_CONTEXT: bool = false;

    fn call(self, _: Option<&TaskContext>) {
        // Not if the pool gave it back: then no thread is to run it.
        if worker_index_in(self.0.core.id).is_some() {
            self.0.take_chunks();
        }
    }

    fn take_parent(&mut self) -> Parent {
        self.0.parent.clone()
    }

    fn type_name() -> &'static str {
        type_name::<W::Closure>()
    }
}
