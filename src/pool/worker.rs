//! A worker: the whole life of one thread of a pool.

use crate::queue::Home;
use crate::stop::Stopper;
use crate::sync::{Arc, Backoff};
use crate::task::{Me, Queued, State};
use crate::threads;
use crate::unwind;
use std::rc::Rc;

type Hook = Arc<dyn Fn(usize) + Send + Sync>;

/// What a program wants to be told by each worker.
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
        let queue = &self.stopper.queue;
        let slot = queue.slots[self.index].clone();
        let me = Me::install(self.index, slot, Home::new(queue), self.stack_size);
        self.stopper
            .worker_started(self.index, threads::current_id());
        self.log("started");
        self.call(self.hooks.start.as_ref(), "on_worker_start");
        self.work(&me);
        self.call(self.hooks.stop.as_ref(), "on_worker_stop");
        self.log("ends");
        drop(me);
        drop(exit);
    }

    /// Runs tasks until the pool is closed and there is nothing left to do.
    fn work(&self, me: &Rc<Me>) {
        let mut turn = 0;
        me.set_state(State::Looking);
        while let Some(task) = self.next(me, &mut turn) {
            task.run(me);
        }
        me.set_state(State::Left);
        self.stopper.queue.idle_changed();
    }

    /// The next task; `None` when this worker has left the queue for good.
    fn next(&self, me: &Me, turn: &mut u32) -> Option<Queued> {
        let queue = &self.stopper.queue;
        let backoff = Backoff::new();
        let mut was_woken = false;
        loop {
            if me.is_marked() {
                queue.leave(true);
                return None;
            }
            // Read before the look: who leaves must have found nothing after it
            // knew that nothing more would come.
            let closed = queue.is_closed();
            *turn = turn.wrapping_add(1);
            if let Some(task) = queue.take(me, *turn) {
                // One submit woke this worker; those after it left theirs to
                // it, which may be more than it can take.
                if was_woken && queue.has_tasks() {
                    queue.wake_one();
                }
                return Some(task);
            }
            if closed {
                if queue.leave(false) {
                    return None;
                }
            } else if backoff.is_completed() {
                me.set_state(State::Asleep);
                queue.idle_changed();
                queue.sleep(me.index);
                me.set_state(State::Looking);
                was_woken = true;
                backoff.reset();
            } else {
                backoff.snooze();
            }
        }
    }

    fn log(&self, what: &str) {
        let (pool, index) = (&self.stopper.queue.name, self.index);
        unwind::log_guarded(|| log::debug!("pool {pool}: worker {index} {what}"));
    }

    fn call(&self, hook: Option<&Hook>, name: &str) {
        let Some(hook) = hook else { return };
        if let Err(payload) = unwind::catch(|| hook(self.index)) {
            let (pool, index) = (&self.stopper.queue.name, self.index);
            let text = unwind::text(payload.as_ref());
            unwind::log_guarded(|| {
                log::error!("pool {pool}: the {name} hook of worker {index} panicked: {text}");
            });
            unwind::drop_payload(payload);
        }
    }
}

/// Tells the stopper that the worker is gone, also if a bug of ours unwinds it.
struct Exit {
    index: usize,
    stopper: Arc<Stopper>,
}

impl Drop for Exit {
    fn drop(&mut self) {
        Me::retire();
        if threads::is_panicking() {
            self.stopper.worker_died(self.index);
        }
        self.stopper.worker_left(self.index);
    }
}

#[cfg(test)]
mod tests;
