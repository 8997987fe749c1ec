//! Which worker the current thread is, if it is one, and how it begins and ends a task.

use super::core::{CurrentWorker, PoolRef, WorkerSlot, WorkerSlotGuard};
use super::worker_states::WorkerStates;
#[cfg(any(loom, shuttle))]
use crate::sync::model::{LocalCell as _, thread_local};
use crate::sync::{Arc, CachePadded};
use crate::worker::{Ended, How, SlotGuard, StackSize, TaskClock, TaskInfo};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

thread_local! {
    /// The pool's number and the worker's index in it; pool 0 is none. A `Cell`
    /// without a destructor: cheap to read, and readable for as long as the
    /// thread lives.
    static PLACE: Cell<(u64, usize)> = const { Cell::new((0, 0)) };
    static WORKER: RefCell<Option<Rc<CurrentWorker>>> = const { RefCell::new(None) };
}

/// The index of the current thread among the workers of this pool.
#[inline]
pub(crate) fn worker_index_in(pool: u64) -> Option<usize> {
    let (own_pool, index) = PLACE.get();
    (own_pool == pool).then_some(index)
}

/// The current thread as a worker of this pool.
#[inline]
pub(crate) fn current_worker_in(pool: u64) -> Option<Rc<CurrentWorker>> {
    worker_index_in(pool)?;
    let worker = WORKER.try_with(|worker| worker.borrow().clone());
    worker.ok().flatten()
}

/// The task that the current thread runs, and the name of its pool. For a panic hook, so this
/// neither panics nor waits for a lock: the panic may have come anywhere.
pub(crate) fn current_task() -> Option<(TaskInfo, Arc<str>)> {
    let worker = WORKER.try_with(|worker| worker.try_borrow().ok()?.clone());
    let worker = worker.ok().flatten()?;
    let task = worker.slot.try_top_info()?;
    Some((task, worker.pool_ref.core.name.clone()))
}

impl CurrentWorker {
    /// Makes the current thread this worker, until [`CurrentWorker::retire`].
    pub(crate) fn install(
        index: usize,
        slot: Arc<CachePadded<WorkerSlot>>,
        pool_ref: Arc<PoolRef>,
        stack_size: usize,
    ) -> Rc<CurrentWorker> {
        let pool = pool_ref.core.id;
        let worker = Rc::new(CurrentWorker {
            index,
            slot,
            is_observed: pool_ref.core.is_observed(),
            pool_ref,
            spare_refs: RefCell::default(),
            clock: TaskClock::new(),
            stack: StackSize::new(stack_size),
            states: WorkerStates::default(),
        });
        // In this order: a thread with a place has a worker, until it retires.
        WORKER.with(|here| *here.borrow_mut() = Some(worker.clone()));
        PLACE.set((pool, index));
        worker
    }

    /// The current thread runs no task from here on. It stays one of the pool's
    /// own workers to those that ask [`worker_index_in`]: destructors of thread-locals
    /// may still drop the pool, or stop it, and must not wait for themselves.
    pub(crate) fn retire() {
        let worker = WORKER.try_with(|here| here.borrow_mut().take());
        drop(worker);
    }

    /// Drops what it keeps for tasks.
    pub(crate) fn clear_states(&self) {
        self.states.clear();
    }

    /// Whether another task may run on top of those that run.
    pub(crate) fn has_stack_left(&self) -> bool {
        self.stack.has_half_left()
    }

    /// The right to change its slot.
    pub(crate) fn lock_slot(&self) -> WorkerSlotGuard<'_> {
        SlotGuard::take(&self.slot)
    }

    /// Skips what this worker need not keep of tasks that it called off.
    pub(crate) fn skip_own_tombstones(&self) {
        self.lock_slot()
            .skip_own_tombstones(|task| task.tombstone());
    }

    /// The identity of the task that it runs now.
    #[cold]
    pub(crate) fn top_info(&self) -> TaskInfo {
        self.lock_slot().top_info()
    }

    /// A reference to the pool, for the context of a task that begins now.
    #[inline]
    pub(crate) fn lend_ref(&self) -> Arc<PoolRef> {
        let spare = self.spare_refs.borrow_mut().pop();
        spare.unwrap_or_else(|| self.pool_ref.clone())
    }

    #[inline]
    pub(crate) fn take_back_ref(&self, pool_ref: Arc<PoolRef>) {
        self.spare_refs.borrow_mut().push(pool_ref);
    }

    /// When a task that begins now began.
    #[inline]
    pub(crate) fn begin_stamp(&self, slot: &WorkerSlotGuard<'_>, how: How) -> Instant {
        slot.begin_stamp(&self.clock, how, self.is_observed)
    }

    /// The task on top of the stack has ended, and left nothing: counts it, unless a report has,
    /// and takes it off. After that observers are called.
    #[inline]
    pub(crate) fn end_task(&self, slot: &mut WorkerSlotGuard<'_>, panicked: bool) {
        if self.is_observed {
            return self.end_observed(slot, panicked);
        }
        let began = slot.began();
        let settled = slot.count_end(panicked);
        slot.take_off(settled);
        self.task_ended(slot, began);
    }

    #[cold]
    fn end_observed(&self, slot: &mut WorkerSlotGuard<'_>, panicked: bool) {
        let ended = self.measure(slot, panicked);
        let settled = slot.count_end(panicked);
        slot.take_off(settled);
        self.observe(slot, &ended);
    }

    /// A task that is not observed was taken off the stack, and nothing is left of it.
    #[inline]
    pub(crate) fn task_ended(&self, slot: &mut WorkerSlotGuard<'_>, began: Instant) {
        slot.pass_time_on(began, false);
        self.clock.task_ended();
        self.notify_if_quiet(slot);
    }

    /// What observers are given of the task on top of the stack, which has ended. Called before
    /// its place is left for another one.
    #[cold]
    pub(crate) fn measure(&self, slot: &mut WorkerSlotGuard<'_>, panicked: bool) -> Ended {
        slot.measure(self.clock.task_ended_at(), panicked)
    }

    /// The same as [`task_ended`](Self::task_ended) for a task that is observed: calls the
    /// observers, who see it counted.
    #[cold]
    pub(crate) fn observe(&self, slot: &mut WorkerSlotGuard<'_>, ended: &Ended) {
        slot.tidy(&mut || self.pool_ref.core.hooks.ended(self.index, ended));
        slot.pass_observed_time_on(ended);
        self.notify_if_quiet(slot);
    }

    /// The attempt on top of the stack has failed, and another one follows: takes it off,
    /// uncounted. The task waits for that already, so that it is always somewhere.
    #[cold]
    pub(crate) fn put_off_task(&self, slot: &mut WorkerSlotGuard<'_>) {
        let began = slot.began();
        slot.take_off_uncounted();
        slot.pass_time_on(began, self.is_observed);
        self.clock.task_ended();
        self.notify_if_quiet(slot);
    }

    #[inline]
    fn notify_if_quiet(&self, slot: &mut WorkerSlotGuard<'_>) {
        // In a hook: there is no loop that does this before the worker sleeps.
        if slot.is_quiet_in_a_hook() {
            slot.unlocked(|| self.pool_ref.core.idle.notify());
        }
    }
}
