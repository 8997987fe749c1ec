//! The items of a batcher, from their submit to their end.
//!
//! # Invariants
//!
//! 1. An item that was accepted is in exactly one place: in `filling`, in a batch in
//!    `ready`, in one in `retrying`, in the rest of one that a task is at, in the hands of
//!    the handler, or in `out`; or it is counted, as handled or as dead. All moves are made
//!    under the one lock. `held` counts those that are not yet counted nor in `out`.
//! 2. A task takes a batch only when it begins to work, and keeps nothing of it but what
//!    the handler has in hand: a task that a pool takes out of its queue loses no item.
//! 3. Tasks, and batches that wait for another attempt, are never more than `in_flight`
//!    together; but for the moment in which a task puts a batch back.
//! 4. Once `sealed` is set nothing is given to a handler any more, and what was in the four
//!    first places is in `out`.
//! 5. Nothing of the program's is called or dropped under the lock.
//!
//! Order of locks: this one; then those of the queue, of the timer, of the manual clock.

use super::dead::DeadLetter;
use super::fill::Fill;
use super::flight::Flight;
use super::numbers::Numbers;
use super::stats::BatchStats;
use crate::causes::BoxError;
use crate::clock::{Deadline, Now};
use crate::queue::{Home, Queue, Refusal, SubmitError};
use crate::retry::Retry;
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use crate::task::{Queued, TaskContext, TaskHandle, index_in};
use crate::timer::{Alarm, Due, Key, drop_elsewhere};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::mem;
use std::panic::Location;
use std::time::Instant;

pub(super) type Handler<T> =
    dyn Fn(&mut Vec<T>, &TaskContext) -> Result<(), BoxError> + Send + Sync;
pub(super) type Measure<T> = dyn Fn(&T) -> usize + Send + Sync;
pub(super) type Bury<T> = dyn Fn(T, &DeadLetter) + Send + Sync;

pub(super) struct Store<T> {
    pub(super) me: Weak<Store<T>>,
    pub(super) name: Arc<str>,
    pub(super) fill: Fill,
    pub(super) measure: Option<Box<Measure<T>>>,
    pub(super) capacity: usize,
    pub(super) in_flight: usize,
    pub(super) retry: Retry,
    pub(super) handler: Box<Handler<T>>,
    pub(super) bury: Option<Box<Bury<T>>>,
    pub(super) home: Arc<Home>,
    pub(super) built_at: &'static Location<'static>,
    pub(super) state: Mutex<State<T>>,
    /// There is room, or there never will be.
    pub(super) room: Condvar,
    /// A batch is done, or is to be handled, or a task is gone.
    pub(super) changed: Condvar,
}

pub(super) struct State<T> {
    filling: Vec<T>,
    bytes: usize,
    /// When the first and the last item of `filling` came.
    began: Instant,
    last: Instant,
    /// Somebody in the timer will look at `filling`.
    is_watched: bool,
    pub(super) ready: VecDeque<Batch<T>>,
    /// By the number of the batch.
    pub(super) retrying: HashMap<u64, (Batch<T>, Option<Key>)>,
    /// By the number of the task.
    pub(super) tasks: BTreeMap<u64, Task<T>>,
    pub(super) numbers: Numbers,
    pub(super) held: usize,
    pub(super) closed: bool,
    pub(super) sealed: bool,
    /// The report was made.
    pub(super) reported: bool,
    pub(super) out: Vec<T>,
    /// A service has it, or had it.
    pub(super) hosted: bool,
    submitters: usize,
    pub(super) waiters: usize,
    pub(super) stats: BatchStats,
}

/// A task of the pool that handles batches.
pub(super) struct Task<T> {
    pub(super) handle: Arc<TaskHandle<()>>,
    pub(super) has_begun: bool,
    /// The rest of what it is at.
    pub(super) batch: Option<Batch<T>>,
}

pub(super) struct Batch<T> {
    pub(super) number: u64,
    /// All of it, or the pieces that it was split into.
    pub(super) parts: VecDeque<Part<T>>,
}

pub(super) struct Part<T> {
    pub(super) items: Vec<T>,
    /// How often it failed.
    pub(super) failed: u32,
    /// When it was tried for the first time.
    pub(super) began: Option<Instant>,
}

impl<T> Part<T> {
    pub(super) fn new(items: Vec<T>) -> Part<T> {
        Part {
            items,
            failed: 0,
            began: None,
        }
    }
}

/// What a verb is to do where there is no room.
pub(super) enum NoRoom {
    Wait(Deadline),
    /// Wait; in a worker of the pool go beyond the capacity.
    Exceed,
    Refuse,
}

/// The alarm for the batch that is being filled; those for others are their numbers.
const FILLING: u64 = 0;

impl<T> State<T> {
    pub(super) fn new(now: Instant) -> State<T> {
        State {
            filling: Vec::new(),
            bytes: 0,
            began: now,
            last: now,
            is_watched: false,
            ready: VecDeque::new(),
            retrying: HashMap::new(),
            tasks: BTreeMap::new(),
            numbers: Numbers::default(),
            held: 0,
            closed: false,
            sealed: false,
            reported: false,
            out: Vec::new(),
            hosted: false,
            submitters: 0,
            waiters: 0,
            stats: BatchStats::default(),
        }
    }

    /// What is in `filling` is a batch.
    pub(super) fn end_filling(&mut self, fill: &Fill) {
        if self.filling.is_empty() {
            return;
        }
        let room = self.filling.len().min(fill.max_items);
        let items = mem::replace(&mut self.filling, Vec::with_capacity(room));
        self.bytes = 0;
        let number = self.numbers.begin();
        self.ready.push_back(Batch {
            number,
            parts: VecDeque::from([Part::new(items)]),
        });
    }

    pub(super) fn tasks_to_begin(&self) -> impl Iterator<Item = &Task<T>> {
        self.tasks.values().filter(|task| !task.has_begun)
    }

    /// How many tasks have begun.
    pub(super) fn running(&self) -> usize {
        self.tasks.len() - self.tasks_to_begin().count()
    }
}

impl<T: Send + 'static> Store<T> {
    pub(super) fn queue(&self) -> &Arc<Queue> {
        &self.home.queue
    }

    pub(super) fn submit(&self, item: T, no_room: NoRoom) -> Result<(), SubmitError<T>> {
        let bytes = self.measure.as_ref().map_or(0, |measure| measure(&item));
        let exceeds = matches!(no_room, NoRoom::Exceed) && index_in(self.queue().id).is_some();
        let mut state = self.state.lock();
        let mut is_late = false;
        while state.closed || (state.held >= self.capacity && !exceeds) {
            if state.closed {
                return Err(SubmitError::new(item, Refusal::BatcherClosed));
            }
            let deadline = match no_room {
                NoRoom::Refuse => return Err(SubmitError::new(item, Refusal::Full)),
                NoRoom::Wait(_) if is_late => {
                    return Err(SubmitError::new(item, Refusal::TimedOut));
                }
                NoRoom::Wait(deadline) => deadline,
                NoRoom::Exceed => Deadline::NEVER,
            };
            // Who waits for room waits for no later item to fill the batch.
            state.end_filling(&self.fill);
            let refused = self.send_tasks(&mut state);
            MutexGuard::unlocked(&mut state, || drop(refused));
            if state.held < self.capacity {
                continue;
            }
            state.submitters += 1;
            is_late = deadline.wait(&self.room, &mut state);
            state.submitters -= 1;
        }
        let refused = self.fill_in(&mut state, item, bytes);
        drop(state);
        drop(refused);
        Ok(())
    }

    #[inline]
    fn fill_in(&self, state: &mut State<T>, item: T, bytes: usize) -> Vec<Queued> {
        let mut refused = Vec::new();
        if self.fill.overflows(state.bytes, bytes) {
            state.end_filling(&self.fill);
            refused = self.send_tasks(state);
        }
        state.stats.accepted += 1;
        state.held += 1;
        let is_first = state.filling.is_empty();
        if is_first || self.fill.minds_idleness() {
            state.last = self.queue().clock().now();
        }
        state.filling.push(item);
        state.bytes = state.bytes.saturating_add(bytes);
        if self.fill.is_full(state.filling.len(), state.bytes) {
            state.end_filling(&self.fill);
            refused.append(&mut self.send_tasks(state));
        } else if is_first {
            state.began = state.last;
            self.watch(state);
        }
        refused
    }

    /// Lets the timer look at what is being filled when it is due. One that looks already
    /// will come earlier.
    fn watch(&self, state: &mut State<T>) {
        let due = self.fill.due(state.began, state.last).moment();
        if let (false, Some(due), Some(timer)) = (state.is_watched, due, self.queue().timer()) {
            timer.set(Due::Mono(due), &self.alarm(), FILLING);
            state.is_watched = true;
        }
    }

    pub(super) fn alarm(&self) -> Weak<dyn Alarm> {
        self.me.clone()
    }

    /// Puts tasks into the pool for what is ready. Returns those that it refused, to be
    /// dropped without the lock.
    pub(super) fn send_tasks(&self, state: &mut State<T>) -> Vec<Queued> {
        let mut refused = Vec::new();
        let mut to_begin = state.tasks_to_begin().count();
        while state.ready.len() > to_begin
            && state.tasks.len() + state.retrying.len() < self.in_flight
            && !state.sealed
            && !self.queue().is_closed()
        {
            let Some(store) = self.me.upgrade() else {
                unreachable!("somebody holds the store whose state is locked")
            };
            let (id, task, handle) = self.queue().due_task_with_handle(
                &self.home,
                self.name.clone(),
                self.built_at,
                |id| {
                    let flight = Flight::new(store, id);
                    move |context: &TaskContext| flight.run(context)
                },
            );
            let task_of = Task {
                handle: Arc::new(handle),
                has_begun: false,
                batch: None,
            };
            state.tasks.insert(id, task_of);
            if let Err(task) = self.queue().push_due(task) {
                refused.push(task);
                break;
            }
            to_begin += 1;
        }
        self.notify(state);
        refused
    }

    /// Wakes those who wait for something to be done, or to do.
    pub(super) fn notify(&self, state: &State<T>) {
        if state.waiters > 0 {
            self.changed.notify_all();
        }
    }

    /// So many items are done with.
    pub(super) fn release(&self, state: &mut State<T>, items: usize) {
        state.held -= items;
        if state.submitters > 0 && items > 0 {
            self.room.notify_all();
        }
    }

    /// What is being filled is a batch; returns the number of the last one.
    pub(super) fn end_filling(&self) -> u64 {
        let mut state = self.state.lock();
        state.end_filling(&self.fill);
        let refused = self.send_tasks(&mut state);
        let last = state.numbers.last();
        drop(state);
        drop(refused);
        last
    }

    /// Nothing more gets in.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.end_filling(&self.fill);
        let refused = self.send_tasks(&mut state);
        drop(state);
        drop(refused);
        self.room.notify_all();
        self.changed.notify_all();
    }

    /// A batch waits for its next attempt until then.
    pub(super) fn park(&self, state: &mut State<T>, batch: Batch<T>, until: Deadline) {
        let number = batch.number;
        let timer = self.queue().timer();
        let key = until
            .moment()
            .zip(timer)
            .map(|(due, timer)| timer.set(Due::Mono(due), &self.alarm(), number));
        self.queue().clock().count_waiting(true);
        state.retrying.insert(number, (batch, key));
    }

    /// Takes out everything that no handler has in hand. From here on nothing is given to
    /// one.
    pub(super) fn seal(&self, state: &mut State<T>) {
        state.closed = true;
        state.end_filling(&self.fill);
        state.sealed = true;
        let mut batches: Vec<Batch<T>> = Vec::new();
        for (batch, key) in mem::take(&mut state.retrying).into_values() {
            if let (Some(key), Some(timer)) = (key, self.queue().timer()) {
                timer.clear(key);
            }
            self.queue().clock().count_waiting(false);
            batches.push(batch);
        }
        batches.extend(
            state
                .tasks
                .values_mut()
                .filter_map(|task| task.batch.take()),
        );
        batches.extend(mem::take(&mut state.ready));
        // As they came.
        batches.sort_by_key(|batch| batch.number);
        for batch in batches {
            state.numbers.end(batch.number);
            for part in batch.parts {
                state.held -= part.items.len();
                state.out.extend(part.items);
            }
        }
        self.room.notify_all();
        self.changed.notify_all();
    }
}

impl<T: Send + 'static> Alarm for Store<T> {
    fn ring(self: Arc<Self>, what: u64, now: Now) {
        let mut state = self.state.lock();
        if what == FILLING {
            state.is_watched = false;
            if !state.filling.is_empty() {
                let due = self.fill.due(state.began, state.last);
                match due.has_passed(now.mono) {
                    true => state.end_filling(&self.fill),
                    false => self.watch(&mut state),
                }
            }
        } else if let Some((batch, _)) = state.retrying.remove(&what) {
            self.queue().clock().count_waiting(false);
            state.ready.push_front(batch);
        }
        let refused = self.send_tasks(&mut state);
        drop(state);
        // These hold on to the store.
        drop(refused);
        drop_elsewhere(self);
    }
}
