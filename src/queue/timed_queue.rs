//! What comes back by itself: failed attempts that wait for the next one, and what is
//! due.
//!
//! A task that is retried waits here between its attempts, and is then *due*, as are the
//! runs of schedules and the batches of a batcher: it lies in a list of its own, from
//! which the workers take in turn with the channel. The timer never waits for room in the
//! channel, and a full pool only delays it. The list is bounded by what puts tasks in: by
//! the permits for retried tasks, the entries of a scheduler and what they may run at once,
//! the batches in progress.
//!
//! # Invariants
//!
//! 1. A task is in `waiting`, or in `due`, or was taken from there under this lock by a
//!    worker that holds its slot's, or by a stop: never in none of them.
//! 2. Once `closed` is set nothing waits any more: what did, and what would, is in `out`,
//!    for the report; and nothing more becomes due. The pool's own flag is set after this
//!    one, so that a worker that reads it as set finds everything that was put in.
//! 3. `due_len` is the length of `due`, written under the lock and read without it. A
//!    thread that puts a task in writes it and then reads `sleepers`; a worker that sleeps
//!    or leaves does the reverse. All SeqCst.
//!
//! Order of locks: a slot's, or that of `closing`; then this one; then a cell's, or the
//! timer's.

use super::entry::{Entry, TakenOut};
use super::pool_timer::PoolTimer;
use crate::sync::{Arc, AtomicUsize, Mutex, MutexGuard, Relaxed, SeqCst, Weak};
use crate::timer::{Alarm, Due, Key};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub(super) struct TimedQueue<T> {
    timer: Arc<PoolTimer>,
    state: Mutex<TimedTasks<T>>,
    due_len: AtomicUsize,
}

struct TimedTasks<T> {
    /// By the number of the task, so that a report lists them as they were submitted.
    waiting: BTreeMap<u64, Waiting<T>>,
    due: VecDeque<T>,
    closed: bool,
    /// What waited when the pool was closed, or would have afterwards.
    out: TakenOut<T>,
    /// How often a task was put in that had been in the queue before.
    repeated: u64,
}

struct Waiting<T> {
    task: T,
    key: Option<Key>,
}

/// What there is now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backlog {
    /// Failed attempts that wait for the next one.
    pub(crate) waiting: usize,
    /// Due, and not yet taken by a worker.
    pub(crate) due: usize,
    pub(crate) repeated: u64,
    /// For the report, and not yet in it.
    pub(crate) out: usize,
}

impl<T: Entry> TimedQueue<T> {
    pub(super) fn new(timer: Arc<PoolTimer>) -> TimedQueue<T> {
        TimedQueue {
            timer,
            state: Mutex::new(TimedTasks {
                waiting: BTreeMap::new(),
                due: VecDeque::new(),
                closed: false,
                out: TakenOut::default(),
                repeated: 0,
            }),
            due_len: AtomicUsize::new(0),
        }
    }

    /// Puts in a task that is due. `Err`: nothing becomes due any more.
    pub(super) fn put_due(&self, task: T) -> Result<(), T> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(task);
        }
        state.due.push_back(task);
        self.note_due(&state);
        Ok(())
    }

    /// Invariant 3.
    fn note_due(&self, state: &MutexGuard<'_, TimedTasks<T>>) {
        self.due_len.store(state.due.len(), SeqCst);
    }

    #[inline]
    pub(super) fn has_due(&self) -> bool {
        self.due_len.load(Relaxed) > 0
    }

    /// How many are due, for a worker that has announced that it sleeps or leaves.
    pub(super) fn count_due(&self) -> usize {
        self.due_len.load(SeqCst)
    }

    /// The one that has been due for the longest. The caller holds its slot.
    #[cold]
    pub(super) fn take_due(&self) -> Option<T> {
        let mut state = self.state.lock();
        let task = state.due.pop_front();
        self.note_due(&state);
        task
    }

    /// Takes this task out of those that are due; `false`: it is not among them. The caller
    /// holds its slot, and runs it.
    pub(super) fn take_due_task(&self, id: u64) -> bool {
        // Not without the lock: the thread that puts it in notifies its joiner first.
        let mut state = self.state.lock();
        let place = state.due.iter().position(|task| task.id() == id);
        let task = place.and_then(|place| state.due.remove(place));
        self.note_due(&state);
        task.is_some()
    }

    pub(super) fn backlog(&self) -> Backlog {
        let state = self.state.lock();
        Backlog {
            waiting: state.waiting.len(),
            due: state.due.len(),
            repeated: state.repeated,
            out: state.out.unstarted.len(),
        }
    }

    /// A failed attempt: `alarm` is called when the next one is due, `after` from now. The
    /// caller holds its slot.
    pub(super) fn wait_to_retry(&self, task: T, after: Duration, alarm: &Weak<dyn Alarm>) {
        let timer = self.timer.get();
        let clock = self.timer.clock();
        // Held from here on, so that the alarm finds the task in `waiting`.
        let mut state = self.state.lock();
        if state.closed {
            state.out.sort(task);
            return;
        }
        // Its handle may have called it off since it failed.
        if !task.is_waiting() {
            return;
        }
        let id = task.id();
        // A moment that no clock reaches is not set: only the close ends this wait.
        let due = clock.read().mono.checked_add(after);
        let key = due
            .zip(timer)
            .map(|(due, timer)| timer.set(Due::Mono(due), alarm, id));
        state.waiting.insert(id, Waiting { task, key });
        clock.count_waiting(true);
    }

    /// A task that waited was called off. `false`: it does not wait.
    pub(super) fn waits_no_more(&self, id: u64) -> bool {
        let waiting = self.state.lock().waiting.remove(&id);
        if let Some(waiting) = &waiting {
            self.clear(waiting);
        }
        waiting.is_some()
    }

    fn clear(&self, waiting: &Waiting<T>) {
        if let (Some(key), Some(timer)) = (waiting.key, self.timer.get()) {
            timer.clear(key);
        }
        self.timer.clock().count_waiting(false);
    }

    /// The next attempt of this task is due. `false`: it does not wait.
    pub(super) fn ring(&self, id: u64) -> bool {
        let mut state = self.state.lock();
        // Invariant 2: what waits, waits in an open queue.
        let Some(Waiting { task, .. }) = state.waiting.remove(&id) else {
            return false;
        };
        self.timer.clock().count_waiting(false);
        if task.requeue() {
            state.repeated += 1;
            state.due.push_back(task);
            self.note_due(&state);
        }
        true
    }

    /// Nothing waits any more: what did is unstarted. Nothing becomes due any more, either.
    pub(super) fn close(&self) {
        self.close_locked(&mut self.state.lock());
    }

    fn close_locked(&self, state: &mut TimedTasks<T>) {
        state.closed = true;
        // Invariant 1: sorted under the same lock.
        for waiting in std::mem::take(&mut state.waiting).into_values() {
            self.clear(&waiting);
            state.out.sort(waiting.task);
        }
    }

    /// Everything that is here, for the report. Nothing is taken or put in any more.
    pub(super) fn take_out(&self, out: &mut TakenOut<T>) {
        let mut state = self.state.lock();
        self.close_locked(&mut state);
        out.add(std::mem::take(&mut state.out));
        for task in std::mem::take(&mut state.due) {
            out.take(task);
        }
        self.note_due(&state);
    }
}
