//! What a scope knows of its tasks: how many are left, and which of them its
//! own thread may run.
//!
//! # Invariants
//!
//! 1. A task is counted in `open` before it is pushed, and off as the last that
//!    is done for it ([`Link::ended`]). The scope returns after it has read 0.
//! 2. What the scope's thread can do for a task lies in `to_run`: a task that the pool gave
//!    back; and, where that thread is a worker, any task that was in the queue when it was
//!    noted. The thread that adds one notifies.
//! 3. What lies in there may have started or ended since: that is found when it
//!    is tried, under the task's own lock.
//!
//! Order of locks: the pool's close state or a slot, then this one, then a cell.

use crate::cancel::Listener;
use crate::queue::{PoolCore, Shared, current_worker_in, worker_index_in};
use crate::sync::{AcqRel, Acquire, Arc, AtomicUsize, Backoff, Condvar, Mutex, Relaxed};
use crate::task::{Link, TaskPanic};

pub(in crate::parallel) struct Latch {
    /// The index of the scope's thread, if it is a worker of the scope's pool.
    worker: Option<usize>,
    /// The scope's thread waits for less than the end of all tasks: see `run_until`.
    notifies_each: bool,
    /// How many tasks have not ended. Added to by submitters (Relaxed: each is itself
    /// counted, or is the scope's thread), decremented by the thread that ended a task
    /// (AcqRel), read by the scope's thread (Acquire), which so has seen everything that
    /// the tasks did.
    open: AtomicUsize,
    state: Mutex<State>,
    /// Notified when `to_run` grows, when `open` is 0, and, if `notifies_each`, when any task
    /// ends and when the token of a loop is cancelled.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    to_run: Vec<Arc<dyn Shared>>,
    /// When `to_run` is as long as this it is cleared of what has started.
    tidy_at: usize,
    /// The first panic of a task that will not be joined.
    panic: Option<TaskPanic>,
    /// The scope has returned.
    is_over: bool,
}

const TIDY_AT_LEAST: usize = 64;

impl Latch {
    /// The latch of a scope that the current thread opens.
    pub(in crate::parallel) fn new(core: &PoolCore, notifies_each: bool) -> Arc<Latch> {
        Arc::new(Latch {
            worker: worker_index_in(core.id),
            notifies_each,
            open: AtomicUsize::new(0),
            state: Mutex::new(State {
                tidy_at: TIDY_AT_LEAST,
                ..State::default()
            }),
            changed: Condvar::new(),
        })
    }

    /// One more task is about to be pushed.
    pub(super) fn enter(&self) {
        // Invariant 1: before the push, so that the count never falls to 0 with it pending.
        self.open.fetch_add(1, Relaxed);
    }

    /// The pool has accepted a task. A worker may not wait for it: it claims it in the end,
    /// unless it has started by then.
    pub(super) fn note(&self, task: Arc<dyn Shared>) {
        if self.worker.is_none() {
            return;
        }
        let mut state = self.state.lock();
        if state.to_run.len() >= state.tidy_at {
            state.to_run.retain(|task| !task.has_started());
            state.tidy_at = TIDY_AT_LEAST.max(2 * state.to_run.len());
        }
        state.to_run.push(task);
        drop(state);
        self.changed.notify_one();
    }

    /// Runs what is for this thread to run, and waits for the others. Returns the first
    /// panic that no join returned.
    pub(super) fn complete(&self, core: &PoolCore) -> Option<TaskPanic> {
        self.run_until(core, || self.open.load(Acquire) == 0);
        let mut state = self.state.lock();
        state.is_over = true;
        // Shells that were given back while they were run already.
        let erased = std::mem::take(&mut state.to_run);
        let panic = state.panic.take();
        drop(state);
        drop(erased);
        panic
    }

    /// Runs what is for this thread to run, until there is no more and `is_over` says so. That
    /// is asked under the lock, and again after each notification.
    pub(super) fn run_until(&self, core: &PoolCore, is_over: impl Fn() -> bool) {
        let me = current_worker_in(core.id);
        let backoff = Backoff::new();
        while let Some(task) = self.next_to_run(&backoff, &is_over) {
            // Invariant 3: both do nothing for a task that has started meanwhile.
            if let Some(me) = &me {
                task.clone().claim(me);
            }
            task.run_unstarted();
        }
    }

    /// Waits for the next task to be tried; `None` when it is over.
    fn next_to_run(
        &self,
        backoff: &Backoff,
        is_over: impl Fn() -> bool,
    ) -> Option<Arc<dyn Shared>> {
        loop {
            let mut state = self.state.lock();
            if let Some(task) = state.to_run.pop() {
                return Some(task);
            }
            if is_over() {
                return None;
            }
            if backoff.is_completed() {
                self.changed.wait(&mut state);
            } else {
                drop(state);
                backoff.snooze();
            }
        }
    }
}

impl Link for Arc<Latch> {
    const SCOPED: bool = true;

    fn given_back(&self, task: Arc<dyn Shared>) {
        let mut state = self.state.lock();
        if !state.is_over {
            state.to_run.push(task);
            drop(state);
            self.changed.notify_one();
        }
    }

    fn unheard(&self, panic: TaskPanic) {
        let second = match &mut self.state.lock().panic {
            first @ None => first.replace(panic),
            Some(_) => Some(panic),
        };
        drop(second);
    }

    fn ended(&self) {
        if self.open.fetch_sub(1, AcqRel) == 1 || self.notifies_each {
            self.look_again();
        }
    }
}

/// The token of a loop.
impl Listener for Latch {
    fn cancelled(&self) {
        self.look_again();
    }
}

impl Latch {
    /// Something has changed that the scope's thread looks at under the lock. That orders this
    /// after its look: it either sees the change, or waits already and is notified.
    fn look_again(&self) {
        drop(self.state.lock());
        self.changed.notify_one();
    }
}
