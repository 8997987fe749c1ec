//! How a task gets in: into the channel, into the overflow list of its worker, or in place.
//!
//! | the submitter | there is room | there is none |
//! | --- | --- | --- |
//! | refuses | channel | refused |
//! | waits up to a moment | channel | the gate |
//! | from outside, waits | channel | the gate |
//! | a worker of the pool, waits | channel, or its list if that is not empty | its list, or in place (invariant 4 of the queue) |
//!
//! Two rules of fairness go before room in the channel. A worker whose list is not empty puts
//! its next task there too, so that it runs its newest first. A thread from outside stands
//! back behind submitters at the gate that were overtaken.

use super::core::{CurrentWorker, Listed, PoolCore, Queued, Shared};
use super::current_worker::{current_worker_in, worker_index_in};
#[cfg(test)]
use super::entry::Entry;
use super::gate::Attempt;
use super::on_full::{OnFull, Wait};
use super::queued::Pointer;
use super::refusal::Refusal;
use crate::sync::Arc;
use std::rc::Rc;

impl PoolCore {
    /// Puts a task in; `id` is its number. Blocks as `on_full` says. Counts a refusal.
    pub(crate) fn push_quickly<T: Pointer>(
        &self,
        task: T,
        id: u64,
        on_full: OnFull<'_>,
    ) -> Result<(), (Queued, Refusal)> {
        self.counted(self.push_uncounted(task, id, on_full))
    }

    /// The two usual ways in, by which the task stays one pointer, in registers, up to its
    /// place in the list or the channel. All others are `push_slowly`.
    #[inline]
    fn push_uncounted<T: Pointer>(
        &self,
        task: T,
        id: u64,
        on_full: OnFull<'_>,
    ) -> Result<(), (Queued, Refusal)> {
        if on_full.overflows() && !self.in_place {
            match worker_index_in(self.id) {
                // A close has to find the list as it is: `push_slowly` refuses.
                Some(index) if self.slots[index].overflow_len() > 0 && !self.is_closed() => {
                    return self.push_overflow(task.into_box(), id, index);
                }
                None if !self.has_to_queue_up() => {
                    // No waiter was overtaken, so that nothing is taken from one.
                    return match self.channel.try_send(task.into_queued()) {
                        Ok(()) => self.pushed(id, None),
                        Err(task) => self.push_slowly(task, id, on_full),
                    };
                }
                _ => {}
            }
        }
        self.push_slowly(task.into_queued(), id, on_full)
    }

    /// Puts a task of a scope or a stream in, like `submit`. `false`: refused, and
    /// not counted as such, since the caller sees to it.
    pub(crate) fn push_shared(&self, task: Arc<dyn Shared>, on_full: OnFull<'_>) -> bool {
        // A push that raced the close may get in, one after it may not: the fast way does
        // not ask.
        if self.is_closed() {
            return false;
        }
        let id = task.meta().origin.id;
        self.push_uncounted(task, id, on_full).is_ok()
    }

    fn push_slowly(
        &self,
        task: Queued,
        id: u64,
        on_full: OnFull<'_>,
    ) -> Result<(), (Queued, Refusal)> {
        if self.is_closed() {
            return Err((task, Refusal::Closed));
        }
        let Some(wait) = on_full.wait() else {
            return self.push_now(task, id);
        };
        match worker_index_in(self.id) {
            // Invariant 4 of the module: what would make room may be this worker.
            Some(index) if on_full.overflows() => self.push_own(task, id, index),
            _ => self.push_waiting(task, id, wait),
        }
    }

    /// Puts a task in as it is; otherwise like `push_quickly`.
    pub(crate) fn push(
        &self,
        task: Queued,
        id: u64,
        on_full: OnFull<'_>,
    ) -> Result<(), (Queued, Refusal)> {
        self.counted(self.push_slowly(task, id, on_full))
    }

    #[inline]
    pub(crate) fn counted<T>(&self, pushed: Result<(), T>) -> Result<(), T> {
        if pushed.is_err() {
            self.count_refused();
        }
        pushed
    }

    pub(crate) fn count_refused(&self) {
        self.counters.count_refused();
    }

    /// Puts a task in, for a test.
    #[cfg(test)]
    pub(crate) fn push_raw(&self, task: Queued) {
        let id = task.id();
        assert!(self.push(task, id, OnFull::WAIT).is_ok());
    }

    #[inline]
    fn has_to_queue_up(&self) -> bool {
        self.gate.has_to_queue_up(|| self.channel.len())
    }

    /// Puts a task into the channel, waiting for room.
    fn push_waiting(
        &self,
        mut task: Queued,
        id: u64,
        wait: Wait<'_>,
    ) -> Result<(), (Queued, Refusal)> {
        if !self.has_to_queue_up() {
            match self.channel.try_send(task) {
                Ok(()) => return self.pushed(id, None),
                Err(back) => task = back,
            }
        }
        // There while the task has not got in.
        let mut outside = Some(task);
        let attempt = || {
            if self.is_closed() {
                return Attempt::Closed;
            }
            outside = outside
                .take()
                .and_then(|task| self.channel.try_send(task).err());
            match outside {
                Some(_) => Attempt::Full,
                None => Attempt::Entered,
            }
        };
        let waited = self.gate.wait(wait, || self.channel.len(), attempt);
        match (waited, outside) {
            (Err(refusal), Some(task)) => Err((task, refusal)),
            _ => self.pushed(id, None),
        }
    }

    fn push_now(&self, task: Queued, id: u64) -> Result<(), (Queued, Refusal)> {
        match self.channel.try_send(task) {
            Ok(()) => self.pushed(id, None),
            Err(task) => Err((task, Refusal::Full)),
        }
    }

    /// A worker's own task: where the channel is full it goes to the worker's
    /// list, or is run in place.
    fn push_own(&self, task: Queued, id: u64, index: usize) -> Result<(), (Queued, Refusal)> {
        let task = match self.channel.try_send(task) {
            Ok(()) => return self.pushed(id, Some(index)),
            Err(task) => task,
        };
        match self.in_place() {
            Some(worker) => task
                .run_in_place(&worker)
                .map_err(|task| (task, Refusal::Closed)),
            None => self.push_overflow(task.into_box(), id, index),
        }
    }

    #[inline]
    fn push_overflow(&self, task: Listed, id: u64, index: usize) -> Result<(), (Queued, Refusal)> {
        self.slots[index].push_overflow(task);
        self.pushed(id, Some(index))
    }

    #[inline]
    pub(crate) fn in_place_if_full(&self, on_full: OnFull<'_>) -> Option<Rc<CurrentWorker>> {
        let is_full = self.in_place && on_full.overflows() && self.channel.is_full();
        if !is_full {
            return None;
        }
        self.channel.note_full();
        self.in_place()
    }

    /// The current thread, if it is to run its own tasks at once where the
    /// channel is full.
    #[inline]
    fn in_place(&self) -> Option<Rc<CurrentWorker>> {
        match self.in_place {
            true => current_worker_in(self.id).filter(|worker| worker.has_stack_left()),
            false => None,
        }
    }

    /// What follows every push: Invariant 3 of the module. `index`: of the worker in whose
    /// list the task lies, unless it is in the channel.
    #[inline]
    fn pushed(&self, id: u64, index: Option<usize>) -> Result<(), (Queued, Refusal)> {
        if self.is_closed() {
            // Not woken if it is refused: there is nothing to take.
            self.settle_late_push(id, index)
                .map_err(|task| (task, Refusal::Closed))?;
        }
        self.wake_one();
        Ok(())
    }
}
