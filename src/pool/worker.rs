//! A worker: the whole life of one thread of a pool.

use crate::queue::{CurrentWorker, PoolRef};
use crate::record::record;
use crate::stop::Stopper;
use crate::sync::{Arc, Backoff};
use crate::threads;
use crate::unwind;
use crate::worker::WorkerState;

type Hook = Arc<dyn Fn(usize) + Send + Sync>;

/// The program's hooks, called by each worker.
#[derive(Clone, Default)]
pub(super) struct Hooks {
    pub(super) start: Option<Hook>,
    pub(super) stop: Option<Hook>,
}

/// What a thread is given to become a worker.
pub(super) struct Worker {
    pub(super) index: usize,
    pub(super) stack_size: usize,
    pub(super) stopper: Arc<Stopper>,
    pub(super) hooks: Hooks,
}

impl Worker {
    pub(super) fn run(self) {
        // The first local, so that it is dropped last, whatever happens.
        let exit = Exit {
            index: self.index,
            stopper: self.stopper.clone(),
        };
        let core = &self.stopper.core;
        let slot = core.slots[self.index].clone();
        let worker = CurrentWorker::install(
            self.index,
            slot,
            PoolRef::of_worker(core, self.index),
            self.stack_size,
        );
        self.stopper
            .worker_started(self.index, threads::current_id());
        self.log("started");
        self.call(self.hooks.start.as_ref(), "on_worker_start");
        self.work(&worker);
        worker.clear_states();
        self.call(self.hooks.stop.as_ref(), "on_worker_stop");
        // The hook may have run tasks, which have made new ones.
        worker.clear_states();
        self.log("ends");
        drop(worker);
        drop(exit);
    }

    /// Runs tasks until the pool is closed and there is nothing left to do.
    fn work(&self, worker: &CurrentWorker) {
        let core = &self.stopper.core;
        let mut slot = worker.lock_slot();
        slot.set_state(WorkerState::Awake);
        let backoff = Backoff::new();
        let mut number = 0;
        loop {
            if slot.is_marked() {
                slot.unlocked(|| core.leave(true));
                // It may have been woken for a task, which it leaves to another one.
                slot.unlocked(|| core.wake_one());
                break;
            }
            // Read before the look: a worker that leaves must have found nothing after it
            // knew that nothing more would come.
            let closed = core.is_closed();
            number = u32::wrapping_add(number, 1);
            if core.run_next(&mut slot, worker, number) {
                backoff.reset();
            } else if closed {
                if slot.unlocked(|| core.leave(false)) {
                    break;
                }
                slot.unlocked(|| backoff.snooze());
            } else if backoff.is_completed() {
                slot.set_state(WorkerState::Asleep);
                slot.unlocked(|| self.sleep(worker));
                slot.set_state(WorkerState::Awake);
                backoff.reset();
            } else {
                slot.unlocked(|| backoff.snooze());
            }
        }
        slot.set_state(WorkerState::Left);
        drop(slot);
        core.idle_changed();
    }

    fn sleep(&self, worker: &CurrentWorker) {
        let core = &self.stopper.core;
        core.idle_changed();
        core.sleep(worker.index);
        worker.clock.woke_up();
        // One submit woke this worker; those after it left theirs to it, which
        // may be more than it can take.
        if core.has_several() {
            core.wake_one();
        }
    }

    fn log(&self, what: &str) {
        let (pool, index) = (&self.stopper.core.name, self.index);
        record!(Debug, POOL, "pool {pool}: worker {index} {what}");
    }

    fn call(&self, hook: Option<&Hook>, name: &str) {
        let Some(hook) = hook else { return };
        if let Err(payload) = unwind::catch(|| hook(self.index)) {
            let (pool, index) = (&self.stopper.core.name, self.index);
            let text = unwind::text(payload.as_ref());
            record!(
                Error,
                POOL,
                "pool {pool}: the {name} hook of worker {index} panicked: {text}"
            );
            unwind::drop_payload(payload);
        }
    }
}

/// Notifies the stopper that the worker is gone, also if an internal bug unwinds it.
struct Exit {
    index: usize,
    stopper: Arc<Stopper>,
}

impl Drop for Exit {
    fn drop(&mut self) {
        CurrentWorker::retire();
        if threads::is_panicking() {
            self.stopper.worker_died(self.index);
        }
        self.stopper.worker_left(self.index);
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
