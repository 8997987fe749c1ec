//! A slot: what one worker is doing, what it has done, and its overflow list.
//!
//! Everything in it is written by its worker and read by stoppers, statistics
//! and `wait_idle`, all under its lock. A worker takes the lock once a task, to
//! end one and begin the next (see `slot_guard`), and nearly always alone, on a cache
//! line of its own.
//!
//! # Invariants
//!
//! 1. A worker takes a task from the queue and puts it on its stack under one
//!    lock of its slot: at any moment a task is in the queue or on a stack. No
//!    user code runs under the lock, drops and the logger included.
//! 2. After [`Slot::mark`] the worker takes nothing more from the queue: it
//!    reads the mark under the same lock.
//! 3. After [`Slot::report`] no task gets on the stack any more, and every one
//!    that is on it is settled: its end changes no count but `ended_late`.
//! 4. `epoch` changes with every change of state or stack. Two looks that find
//!    the same epoch know that the worker did nothing in between.
//! 5. Two slots are locked at the same time only by a thief, which tries the
//!    second one and does not wait for it.

use super::abandoned::AbandonedCounter;
use super::control::TaskControl;
use super::counts::Counts;
use super::info::TaskInfo;
use super::running::{Running, Settled};
use crate::sync::{Arc, AtomicUsize, Backoff, Mutex, Relaxed};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What a worker does, as far as others have to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkerState {
    /// Waits for work; also before its first look, while the hook for its start
    /// runs.
    Asleep,
    /// Looks for a task, or runs one.
    Awake,
    /// Has left its loop for good; the hook for its stop may run.
    Left,
    /// Died of an internal bug; what it ran is on its stack forever.
    Dead,
}

/// `T`: what its overflow list holds.
pub(crate) struct Slot<T> {
    pub(super) body: Mutex<Body<T>>,
    /// How many tasks the overflow list holds. Written under the lock, read
    /// without it for a guess.
    overflow_len: AtomicUsize,
}

pub(super) struct Body<T> {
    pub(super) state: WorkerState,
    /// Something of a task that ended is being dropped or logged.
    pub(super) is_tidying: bool,
    pub(super) epoch: u64,
    /// Set once by a stopper: take nothing more.
    pub(super) is_marked: bool,
    /// Set once by a stopper: the report is made.
    pub(super) abandoned: Option<Arc<AbandonedCounter>>,
    /// The task on top of the stack waits in `wait_idle`: the whole stack is
    /// not waited for.
    waiting_idle: bool,
    /// The places of the stack, those that are in use first.
    pub(super) places: Vec<Running>,
    /// How many are in use.
    pub(super) depth: usize,
    pub(super) counts: Counts,
    /// Where this worker's own submits go when the channel is full.
    overflow: VecDeque<T>,
    /// The longest that list has been.
    overflow_peak: usize,
}

/// What `wait_idle` needs to know of a worker.
pub(crate) struct Quiet {
    pub(crate) epoch: u64,
    pub(crate) overflow: usize,
    pub(crate) tombstones_made: u64,
    pub(crate) tombstones_skipped: u64,
}

impl<T> Body<T> {
    /// Everything on the stack, innermost first.
    pub(super) fn stack(&self) -> impl Iterator<Item = &Running> {
        self.places[..self.depth].iter().rev()
    }

    fn stack_mut(&mut self) -> impl Iterator<Item = &mut Running> {
        self.places[..self.depth].iter_mut().rev()
    }
}

impl<T> Slot<T> {
    pub(crate) fn new() -> Slot<T> {
        Slot {
            body: Mutex::new(Body {
                state: WorkerState::Asleep,
                is_tidying: false,
                epoch: 0,
                is_marked: false,
                abandoned: None,
                waiting_idle: false,
                places: Vec::new(),
                depth: 0,
                counts: Counts::default(),
                overflow: VecDeque::new(),
                overflow_peak: 0,
            }),
            overflow_len: AtomicUsize::new(0),
        }
    }

    /// Records that this worker's whole stack waits in `wait_idle`, or no longer does.
    pub(crate) fn set_waiting_idle(&self, waiting: bool) {
        let mut body = self.body.lock();
        body.epoch += 1;
        body.waiting_idle = waiting;
    }

    // The overflow list. It is not bounded: a worker that waited for room would
    // be a worker that makes none.

    #[inline]
    pub(crate) fn push_overflow(&self, task: T) {
        let mut body = self.body.lock();
        body.overflow.push_back(task);
        let len = body.overflow.len();
        self.overflow_len.store(len, Relaxed);
        if len > body.overflow_peak {
            body.overflow_peak = len;
        }
    }

    /// Takes a task from the list, by its worker (`pop_back`) or a thief.
    #[inline]
    pub(super) fn pop_overflow(
        &self,
        body: &mut Body<T>,
        pop: impl FnOnce(&mut VecDeque<T>) -> Option<T>,
    ) -> Option<T> {
        let task = pop(&mut body.overflow)?;
        self.overflow_len.store(body.overflow.len(), Relaxed);
        Some(task)
    }

    /// Takes the newest or the oldest of the list, if `found` finds in it what it looks for.
    pub(super) fn pop_end_if<R>(
        &self,
        body: &mut Body<T>,
        found: impl Fn(&T) -> Option<R>,
    ) -> Option<R> {
        if let Some(newest) = found(body.overflow.back()?) {
            self.pop_overflow(body, VecDeque::pop_back);
            return Some(newest);
        }
        let oldest = found(body.overflow.front()?)?;
        self.pop_overflow(body, VecDeque::pop_front);
        Some(oldest)
    }

    /// The oldest task of the list, for another worker, which holds its own
    /// slot's lock: so this does not wait.
    #[inline]
    pub(crate) fn try_steal(&self) -> Option<T> {
        if self.overflow_len() == 0 {
            return None;
        }
        // Invariant 5.
        self.pop_overflow(&mut *self.body.try_lock()?, VecDeque::pop_front)
    }

    /// The identity of the task on top of the stack, if there is one, for the worker's own thread.
    /// It may hold the lock already, if the panic is in the code of this crate: so this only
    /// tries, for as long as a reader of the slot holds it.
    pub(crate) fn try_top_info(&self) -> Option<TaskInfo> {
        let backoff = Backoff::new();
        loop {
            if let Some(body) = self.body.try_lock() {
                // The number of its attempts is behind another lock.
                return body.stack().next().map(|it| TaskInfo::new(&it.meta, 1));
            } else if backoff.is_completed() {
                return None;
            }
            backoff.snooze();
        }
    }

    /// Everything in the list, the oldest first.
    pub(crate) fn drain_overflow(&self) -> VecDeque<T> {
        let mut body = self.body.lock();
        self.overflow_len.store(0, Relaxed);
        std::mem::take(&mut body.overflow)
    }

    /// How long the list is, or was a moment ago.
    #[inline]
    pub(crate) fn overflow_len(&self) -> usize {
        self.overflow_len.load(Relaxed)
    }

    pub(crate) fn overflow_peak(&self) -> usize {
        self.body.lock().overflow_peak
    }

    /// How long the list is. Looks under the lock, so that a push that has ended
    /// before is seen, or its pusher sees what the caller did before.
    pub(crate) fn count_overflow(&self) -> usize {
        self.body.lock().overflow.len()
    }

    // What others call.

    /// From now on the worker takes nothing from the queue.
    pub(crate) fn mark(&self) {
        self.body.lock().is_marked = true;
    }

    /// Whether the worker is to take nothing more.
    pub(crate) fn is_marked(&self) -> bool {
        self.body.lock().is_marked
    }

    /// Settles everything on the stack, as `settled`, and calls `each` for it,
    /// innermost first. Returns the worker's final counts.
    pub(crate) fn report(
        &self,
        settled: Settled,
        abandoned: &Arc<AbandonedCounter>,
        mut each: impl FnMut(&Running),
    ) -> Counts {
        let mut body = self.body.lock();
        // Invariant 3: from now on `may_begin` refuses, and what is on the stack is settled.
        body.abandoned = Some(abandoned.clone());
        for running in body.stack_mut() {
            running.settled = Some(settled);
            if settled == Settled::Abandoned {
                abandoned.one_more();
            }
            each(running);
        }
        body.counts
    }

    /// Calls `each` for everything on the stack, innermost first.
    pub(crate) fn running(&self, mut each: impl FnMut(&Running)) {
        self.body.lock().stack().for_each(&mut each);
    }

    /// The token and note of a task on the stack, which `make` makes if it has
    /// not asked for them yet; `None` for a task that is not there.
    pub(crate) fn control(
        &self,
        task: u64,
        make: impl FnOnce() -> Arc<TaskControl>,
    ) -> Option<Arc<TaskControl>> {
        let mut body = self.body.lock();
        let mut stack = body.stack_mut();
        let running = stack.find(|running| running.meta.origin.id == task)?;
        Some(running.control_or(make))
    }

    /// From now on what runs on top of this task is none of its time. `false`: it is not
    /// on the stack.
    pub(crate) fn limit(&self, task: u64) -> bool {
        self.change(task, |running| {
            running.is_limited = true;
            true
        })
    }

    /// Counts this task as overrun. `false`: it is not on the stack, or has been counted.
    pub(crate) fn overran(&self, task: u64) -> bool {
        let is_news = self.change(task, |running| {
            !std::mem::replace(&mut running.is_overrun, true)
        });
        self.body.lock().counts.overrun += u64::from(is_news);
        is_news
    }

    fn change(&self, task: u64, change: impl FnOnce(&mut Running) -> bool) -> bool {
        let mut body = self.body.lock();
        let mut stack = body.stack_mut();
        let running = stack.find(|running| running.meta.origin.id == task);
        running.is_some_and(change)
    }

    /// How long others ran on top of this task, up to now.
    pub(crate) fn on_top(&self, task: u64, now: Instant) -> Option<Duration> {
        let body = self.body.lock();
        let places = &body.places[..body.depth];
        let own = places
            .iter()
            .position(|running| running.meta.origin.id == task)?;
        // What runs on top right now has not been added to `on_top` yet.
        let covered = places.get(own + 1).map_or(Duration::ZERO, |above| {
            now.saturating_duration_since(above.since)
        });
        Some(places[own].on_top + covered)
    }

    /// Its worker has left, and another one begins in its place.
    pub(crate) fn revive(&self) {
        let mut body = self.body.lock();
        body.is_marked = false;
        body.state = WorkerState::Asleep;
        body.epoch += 1;
    }

    /// The identity of a task on the stack.
    pub(crate) fn info(&self, task: u64) -> Option<TaskInfo> {
        let body = self.body.lock();
        let mut stack = body.stack();
        let running = stack.find(|running| running.meta.origin.id == task)?;
        Some(running.info())
    }

    /// How many tasks are on the stack, and what the worker has done so far.
    pub(crate) fn counts(&self) -> (usize, Counts) {
        let body = self.body.lock();
        (body.depth, body.counts)
    }

    /// What there is to know of a worker that runs nothing, or only tasks that
    /// are themselves inside `wait_idle`; `None` of another.
    pub(crate) fn quiet(&self) -> Option<Quiet> {
        let body = self.body.lock();
        // A dead worker ends nothing any more, and is not waited for.
        let runs = body.depth > 0 || body.is_tidying || body.state == WorkerState::Awake;
        let is_quiet = !runs || body.waiting_idle || body.state == WorkerState::Dead;
        is_quiet.then_some(Quiet {
            epoch: body.epoch,
            overflow: body.overflow.len(),
            tombstones_made: body.counts.tombstones_made,
            tombstones_skipped: body.counts.tombstones_skipped,
        })
    }
}
