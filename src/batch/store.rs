//! What the clones of a batcher and its tasks share: its state, and the threads that wait for
//! a change of that.
//!
//! No user code is called or dropped under the lock of the state, nor the timer, whose thread
//! may be waiting for that lock: see [`AfterUnlock`](crate::sync::AfterUnlock).
//!
//! # Invariant
//!
//! A thread that makes a change that others wait for, in a flush or a stop, calls `notify`
//! before it releases the lock under which it made the change. A waiter that released the
//! lock since it looked, to run a task, waits only if `changes` is still what it was: a
//! notification that came meanwhile woke no thread.
//!
//! Order of locks: this one; then those of the queue, of the timer, of the manual clock.

use super::chunk::Batch;
use super::handler::BatchHandler;
use super::inside;
use super::state::State;
use crate::clock::{Clock, Deadline};
use crate::queue::{CloseWatcher, PoolCore, PoolRef, Room, worker_index_in};
use crate::sync::{Arc, CachePadded, Condvar, Mutex, Weak};
use crate::timer::drop_elsewhere;
use crate::unwind::{Guarded, GuardedItems};
use std::panic::Location;

pub(super) type Measure<T> = dyn Fn(&T) -> usize + Send + Sync;

pub(super) struct Store<T> {
    pub(super) me: Weak<Store<T>>,
    pub(super) measure: Option<Guarded<Box<Measure<T>>>>,
    pub(super) capacity: usize,
    pub(super) handler: BatchHandler<T>,
    pub(super) pool_ref: Arc<PoolRef>,
    pub(super) built_at: &'static Location<'static>,
    pub(super) state: CachePadded<Mutex<State<T>>>,
    /// There is room, or there never will be.
    pub(super) room: Room,
    /// Notified by `notify` only.
    pub(super) changed: Condvar,
}

impl<T> Store<T> {
    pub(super) fn name(&self) -> &Arc<str> {
        &self.handler.name
    }

    pub(super) fn core(&self) -> &Arc<PoolCore> {
        &self.pool_ref.core
    }

    pub(super) fn clock(&self) -> &Clock {
        self.core().clock()
    }

    /// What tells this batcher from others.
    pub(super) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// The tasks of this batcher that the current thread is in.
    pub(super) fn own_tasks(&self) -> Vec<u64> {
        inside::tasks_of(self.address())
    }

    /// Whether the current thread is in a task of this batcher.
    pub(super) fn is_inside(&self) -> bool {
        !self.own_tasks().is_empty()
    }

    pub(super) fn is_worker_of_pool(&self) -> bool {
        worker_index_in(self.core().id).is_some()
    }

    /// Whether the current thread handles batches, and so must not wait for room.
    pub(super) fn is_own_worker(&self) -> bool {
        self.is_worker_of_pool() || self.is_inside()
    }

    /// Whether no task will handle what is left.
    pub(super) fn is_lost(&self, state: &State<T>) -> bool {
        let core = self.core();
        let runs_no_more = || core.is_closed() && !state.in_progress.has_tasks();
        core.is_sealed() || runs_no_more() || state.in_progress.is_held_by_stop()
    }

    /// A batch waits for its next attempt until then.
    pub(super) fn wait_to_retry(&self, state: &mut State<T>, batch: Batch<T>, until: Deadline) {
        let key = state.alarms.set_retry(batch.number, until);
        self.clock().count_waiting(true);
        state.in_progress.retry(batch, key);
    }

    /// Wakes the threads that wait for work to be done, or for work to do: a batch is done, or
    /// is to be handled, a task is gone, or what they wait for may never come.
    pub(super) fn notify(&self, state: &mut State<T>) {
        state.changes += 1;
        if state.waiters > 0 {
            self.changed.notify_all();
        }
    }

    /// There is room for this number of items more than before.
    pub(super) fn wake_submitters(&self, waiting: usize, room: usize) {
        self.room.announce(room.min(waiting));
    }
}

impl<T: Send + 'static> CloseWatcher for Store<T> {
    /// What the pool held back may be lost by now.
    fn pool_changed(self: Arc<Self>) {
        // Under the lock: a thread that looked at the pool before it changed waits by now, or
        // finds that `changes` has grown.
        self.notify(&mut self.state.lock());
        self.room.announce_to_all();
        // The drops of items and closures must not delay what closes the pool.
        drop_elsewhere(self);
    }
}

impl<T> Drop for Store<T> {
    /// The items that are still here may panic in their drop, each by itself.
    fn drop(&mut self) {
        let items = self.state.get_mut().drain();
        drop(GuardedItems::new(items.into_iter(), "an item of a batcher"));
    }
}
