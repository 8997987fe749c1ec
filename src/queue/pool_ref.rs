//! A reference to the pool: what its tasks ask of it.

use super::core::{Listed, PoolCore, PoolRef, Queued, Shared, WorkerSlot};
use super::current_worker::current_worker_in;
use super::limits::Limit;
use crate::clock::Deadline;
use crate::sync::{Arc, Weak};
use crate::threads::SPAWN_TIMEOUT;
use crate::timer::Alarm;
use crate::worker::{Off, TaskControl, TaskInfo};
use std::rc::Rc;
use std::time::Duration;

impl PoolRef {
    pub(crate) fn new(core: &Arc<PoolCore>) -> Arc<PoolRef> {
        Arc::new(PoolRef {
            core: core.clone(),
            worker: None,
        })
    }

    pub(crate) fn of_worker(core: &Arc<PoolCore>, index: usize) -> Arc<PoolRef> {
        Arc::new(PoolRef {
            core: core.clone(),
            worker: Some(index),
        })
    }

    /// The reference that the current thread is to count on: its own, if it is one of
    /// the pool's workers.
    pub(crate) fn nearest(self: &Arc<Self>) -> Arc<PoolRef> {
        PoolRef::of_current_worker(&self.core).unwrap_or_else(|| self.clone())
    }

    /// The reference of the current thread, if it is one of the pool's workers.
    pub(crate) fn of_current_worker(core: &PoolCore) -> Option<Arc<PoolRef>> {
        current_worker_in(core.id).map(|worker| worker.pool_ref.clone())
    }

    /// What the current thread keeps for tasks, if it is one of the pool's workers.
    pub(crate) fn state<T: 'static>(&self) -> Option<Rc<T>> {
        let worker = current_worker_in(self.core.id)?;
        worker.states.get(&self.core.state_makers, worker.index)
    }

    fn slot(&self) -> Option<&WorkerSlot> {
        self.worker.map(|index| &**self.core.slots[index])
    }

    /// The token and note of a task that this worker runs now, by its number.
    pub(crate) fn control(&self, task: u64) -> Arc<TaskControl> {
        let new = || TaskControl::new(self.core.token.child());
        // It is not on a stack if its scope's own thread runs it.
        self.slot()
            .and_then(|slot| slot.control(task, new))
            .unwrap_or_else(new)
    }

    /// The identity of a task that this worker runs now.
    pub(crate) fn info(&self, task: u64) -> TaskInfo {
        match self.slot().and_then(|slot| slot.info(task)) {
            Some(info) => info,
            None => unreachable!("asked by a task that this worker runs"),
        }
    }

    /// Limits the time of a task, if this worker runs it now.
    pub(crate) fn limit(&self, task: u64, limit: Duration) -> Option<Limit<Listed>> {
        let (core, worker) = (&self.core, self.worker?);
        // The task does not wait for that.
        core.prepare_to_wait(Deadline::after(Duration::ZERO));
        core.limits.start(worker, &core.slots[worker], task, limit)
    }

    /// A task panicked. Runs code of the program, so the caller holds no lock.
    pub(crate) fn panicked(&self, info: &TaskInfo, message: &str) {
        self.core.hooks.panicked(info, message);
        self.clear_states();
    }

    /// Drops what the current thread keeps for tasks, if it is one of the pool's workers: no later
    /// call is given what a panic may have left half done. The caller holds no lock.
    pub(crate) fn clear_states(&self) {
        if let Some(worker) = current_worker_in(self.core.id) {
            worker.clear_states();
        }
    }

    /// A task was called off outside of the workers' loops. Called under the cell's lock;
    /// takes none.
    pub(crate) fn count_called_off(&self, off: Off) {
        self.core.counters.count_called_off(off);
    }

    /// One more task in the queue is a tombstone. The caller holds no lock.
    pub(crate) fn tombstone_made(&self) {
        self.core.counters.count_tombstone();
        self.core.idle.notify();
    }

    /// An attempt failed, and may have to wait. Logs if nothing can wait, so the caller
    /// must hold no lock.
    pub(crate) fn prepare_to_wait(&self) {
        self.core.prepare_to_wait(Deadline::after(SPAWN_TIMEOUT));
    }

    /// An attempt failed, and the next one comes after `after`: keeps the task until then,
    /// or, if the pool is closed, for the report. The caller holds its slot's lock.
    pub(crate) fn wait_to_retry(&self, task: Arc<dyn Shared>, after: Duration) {
        // The timer does not keep the pool alive.
        let alarm: Arc<dyn Alarm> = self.core.clone();
        let alarm: Weak<dyn Alarm> = Arc::downgrade(&alarm);
        let task = Queued::Shared(task);
        self.core.timed.wait_to_retry(task, after, &alarm);
    }

    /// A task that waited for its next attempt was called off. The caller holds no lock.
    pub(crate) fn waits_no_more(&self, task: u64) {
        if self.core.timed.waits_no_more(task) {
            self.core.idle.notify();
        }
    }

    /// Takes a task out of those that are due; `false`: it is not among them. The caller holds
    /// its slot's lock, and runs it.
    pub(crate) fn take_due_task(&self, task: u64) -> bool {
        self.core.timed.take_due_task(task)
    }

    /// Blocks while a task is being called off, until the report of a stop is made or
    /// `deadline` has come. The caller holds no lock, and whether `is_called_off` is looked at
    /// under that of the waiters.
    pub(crate) fn wait_until_called_off(
        &self,
        deadline: Deadline,
        is_called_off: impl Fn() -> bool,
    ) {
        let is_over = || self.core.is_reported() || is_called_off();
        self.core.calling_off.wait(deadline, is_over);
    }

    /// A task has been called off. The caller does not hold its lock.
    pub(crate) fn called_off(&self) {
        self.core.calling_off.notify();
    }

    /// Whether a stop has asked all tasks to end.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.core.token.is_cancelled()
    }
}
