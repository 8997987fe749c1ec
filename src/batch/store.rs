//! The items of a batcher, from their submit to their end.
//!
//! # Invariants
//!
//! 1. An item that was accepted is in exactly one place: in `filling`, in a batch in
//!    `ready`, in one in `retrying`, in the rest of one that a task is at, in the hands of
//!    the handler, or in `out`; or it is counted, as handled or as dead. All moves are made
//!    under the one lock. `held` counts those that are not yet counted nor in `out`.
//! 2. A task takes a batch only when it begins to work, and keeps nothing of it but what is
//!    being handled: a task that a pool takes out of its queue loses no item.
//! 3. Tasks, and batches that wait for another attempt, are never more than `in_flight`
//!    together; but for the moment in which a task puts a batch back.
//! 4. Once `sealed` is set nothing is given to a handler any more, and what was in the four
//!    first places is in `out`.
//! 5. No user code is called or dropped under the lock, nor the timer, whose thread may be
//!    waiting for it.
//!
//! Order of locks: this one; then those of the queue, of the timer, of the manual clock.

use super::aftermath::Aftermath;
use super::batch_task::BatchTask;
use super::chunk::Batch;
use super::dead::DeadLetter;
use super::fill::Fill;
use super::sequence::BatchSequence;
use super::stop::LOOK_AT_POOL;
use crate::causes::BoxError;
use crate::clock::{Deadline, Now};
use crate::host::items::BatchStats;
use crate::queue::{Membership, OnFull, PoolCore, PoolRef, Refusal, Room, Wait};
use crate::retry::Retry;
use crate::submit::SubmitError;
use crate::sync::{Arc, Backoff, CachePadded, Condvar, Mutex, MutexGuard, Weak};
use crate::task::{TaskContext, TaskHandle, due_task_with_handle};
use crate::timer::{Alarm, Due, Key, Timer, drop_elsewhere};
use crate::unwind::{Guarded, GuardedItems};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::mem;
use std::panic::Location;
use std::time::Instant;

pub(super) type Handler<T> =
    dyn Fn(&mut Vec<T>, &TaskContext) -> Result<(), BoxError> + Send + Sync;
pub(super) type Measure<T> = dyn Fn(&T) -> usize + Send + Sync;
pub(super) type DeadLetterFn<T> = dyn Fn(T, &DeadLetter) + Send + Sync;

pub(super) struct Store<T> {
    pub(super) me: Weak<Store<T>>,
    pub(super) name: Arc<str>,
    pub(super) fill: Fill,
    pub(super) measure: Option<Guarded<Box<Measure<T>>>>,
    pub(super) capacity: usize,
    pub(super) in_flight: usize,
    pub(super) retry: Retry<BoxError>,
    pub(super) handler: Guarded<Box<Handler<T>>>,
    pub(super) bury: Option<Guarded<Box<DeadLetterFn<T>>>>,
    pub(super) pool_ref: Arc<PoolRef>,
    pub(super) built_at: &'static Location<'static>,
    /// As a service of a host.
    pub(super) membership: Membership,
    pub(super) state: CachePadded<Mutex<State<T>>>,
    /// There is room, or there never will be.
    pub(super) room: Room,
    /// A batch is done, or is to be handled, or a task is gone.
    pub(super) changed: Condvar,
}

pub(super) struct State<T> {
    filling: Vec<T>,
    /// Empty ones with room, to be filled next.
    spares: Vec<Vec<T>>,
    bytes: usize,
    /// When the first and the last item of `filling` came.
    began: Instant,
    last: Instant,
    /// What in the timer will look at `filling`. Cleared once this is sealed, so that the timer
    /// keeps nothing of it until then.
    watch: Option<Key>,
    pub(super) ready: VecDeque<Batch<T>>,
    /// By the number of the batch.
    pub(super) retrying: HashMap<u64, (Batch<T>, Option<Key>)>,
    /// By the number of the task.
    pub(super) tasks: BTreeMap<u64, Task<T>>,
    pub(super) numbers: BatchSequence,
    pub(super) held: usize,
    pub(super) closed: bool,
    pub(super) sealed: bool,
    /// The report was made.
    pub(super) reported: bool,
    /// With the numbers of their batches, in that order.
    pub(super) out: Vec<(u64, Vec<T>)>,
    /// The first batch of which something was in `out`.
    pub(super) first_out: u64,
    /// There until this is sealed.
    timer: Option<Arc<Timer>>,
    /// A service has it, or had it.
    pub(super) hosted: bool,
    /// They sleep until there is room.
    pub(super) submitters: usize,
    pub(super) waiters: usize,
    pub(super) stats: BatchStats,
}

/// A task of the pool that handles batches.
pub(super) struct Task<T> {
    pub(super) handle: Arc<TaskHandle<()>>,
    pub(super) has_begun: bool,
    /// It waits in the stop of this batcher, and so is not to be waited for.
    pub(super) is_stopping: bool,
    /// A part of the batch is being handled.
    pub(super) is_handling: bool,
    /// The rest of what it is at.
    pub(super) batch: Option<Batch<T>>,
}

/// The number of empty vectors kept.
const MOST_SPARES: usize = 8;
/// The alarm for the batch that is being filled; those for others are their numbers.
const FILLING: u64 = 0;
/// The alarm for the moment at which a stop cancels what runs.
pub(super) const CANCEL: u64 = u64::MAX;

impl<T> State<T> {
    pub(super) fn new(now: Instant, timer: Option<Arc<Timer>>) -> State<T> {
        State {
            filling: Vec::new(),
            spares: Vec::new(),
            bytes: 0,
            began: now,
            last: now,
            watch: None,
            ready: VecDeque::new(),
            retrying: HashMap::new(),
            tasks: BTreeMap::new(),
            numbers: BatchSequence::default(),
            held: 0,
            closed: false,
            sealed: false,
            reported: false,
            out: Vec::new(),
            first_out: u64::MAX,
            timer,
            hosted: false,
            submitters: 0,
            waiters: 0,
            stats: BatchStats::default(),
        }
    }

    /// What is in `filling` is a batch.
    pub(super) fn end_filling(&mut self) {
        if self.filling.is_empty() {
            return;
        }
        let mut next = self.spares.pop().unwrap_or_default();
        next.reserve(self.filling.len());
        let items = mem::replace(&mut self.filling, next);
        self.bytes = 0;
        let number = self.numbers.begin();
        self.ready.push_back(Batch::new(number, items));
    }

    /// Keeps what a batch lay in for another one.
    pub(super) fn keep(&mut self, spare: Vec<T>) {
        if spare.capacity() > 0 && self.spares.len() < MOST_SPARES {
            self.spares.push(spare);
        }
    }

    pub(super) fn tasks_to_begin(&self) -> impl Iterator<Item = &Task<T>> {
        self.tasks.values().filter(|task| !task.has_begun)
    }

    /// How many tasks have begun, and have to be waited for.
    pub(super) fn running(&self) -> usize {
        self.tasks.len() - self.tasks_to_begin().count() - self.stopping()
    }

    /// How many tasks wait in the stop.
    pub(super) fn stopping(&self) -> usize {
        self.tasks.values().filter(|task| task.is_stopping).count()
    }

    /// Items for the report, from the front of what is there of their batch.
    pub(super) fn put_out(&mut self, batch: u64, items: Vec<T>) {
        if items.is_empty() {
            return;
        }
        self.held -= items.len();
        self.first_out = self.first_out.min(batch);
        let place = self.out.partition_point(|(other, _)| *other < batch);
        self.out.insert(place, (batch, items));
    }

    pub(super) fn stats(&self) -> BatchStats {
        let out: usize = self.out.iter().map(|(_, items)| items.len()).sum();
        BatchStats {
            waiting: self.held as u64,
            in_progress: self.in_progress() as u64,
            unstarted: self.stats.unstarted + out as u64,
            ..self.stats.clone()
        }
    }

    pub(super) fn take_out(&mut self) -> Vec<T> {
        let out = mem::take(&mut self.out);
        let items: Vec<T> = out.into_iter().flat_map(|(_, items)| items).collect();
        self.stats.unstarted += items.len() as u64;
        items
    }

    /// How many items are being handled.
    pub(super) fn in_progress(&self) -> usize {
        let retrying = self.retrying.values().map(|(batch, _)| batch);
        let rests = self.tasks.values().filter_map(|task| task.batch.as_ref());
        let batches = self.ready.iter().chain(retrying).chain(rests);
        self.held - self.filling.len() - batches.map(Batch::len).sum::<usize>()
    }
}

impl<T> Drop for Store<T> {
    /// What is still here of the program's may panic in its drop, each item by itself.
    fn drop(&mut self) {
        let state = self.state.get_mut();
        let retrying = mem::take(&mut state.retrying).into_values();
        let tasks = mem::take(&mut state.tasks).into_values();
        let batches = mem::take(&mut state.ready).into_iter();
        let items = batches
            .chain(retrying.map(|(batch, _)| batch))
            .chain(tasks.filter_map(|task| task.batch))
            .map(Batch::into_items)
            .chain(
                mem::take(&mut state.out)
                    .into_iter()
                    .map(|(_, items)| items),
            )
            .chain([mem::take(&mut state.filling)]);
        let items: Vec<T> = items.flatten().collect();
        drop(GuardedItems::new(items.into_iter(), "an item of a batcher"));
    }
}

impl<T: Send + 'static> Store<T> {
    pub(super) fn queue(&self) -> &Arc<PoolCore> {
        &self.pool_ref.queue
    }

    pub(super) fn submit(&self, item: T, on_full: OnFull<'_>) -> Result<(), SubmitError<T>> {
        let bytes = self.measure.as_ref().map_or(0, |measure| measure(&item));
        let overflows = on_full.overflows() && self.is_own_worker();
        let mut state = self.state.lock();
        let backoff = Backoff::new();
        while state.closed || (state.held >= self.capacity && !overflows) {
            let refusal = match on_full.wait().map(|wait| (wait, wait.is_over())) {
                _ if state.closed || self.is_lost(&state) => Refusal::Closed,
                None => Refusal::Full,
                Some((_, Some(refusal))) => refusal,
                Some((wait, None)) => {
                    self.wait_for_room(&mut state, &backoff, wait);
                    continue;
                }
            };
            drop(state);
            return Err(self.refuse(item, on_full.reason(refusal)));
        }
        let aftermath = self.fill_in(&mut state, item, bytes);
        drop(state);
        drop(aftermath);
        Ok(())
    }

    fn wait_for_room(
        &self,
        state: &mut MutexGuard<'_, State<T>>,
        backoff: &Backoff,
        wait: Wait<'_>,
    ) {
        if !backoff.is_completed() {
            // A short batch ends within microseconds; a sleep costs more than that.
            return MutexGuard::unlocked(state, || backoff.snooze());
        }
        state.submitters += 1;
        let ticket = self.room.ticket();
        // Nothing announces that the pool runs nothing any more.
        let wait = wait.up_to(Deadline::after(LOOK_AT_POOL));
        MutexGuard::unlocked(state, || self.room.wait(ticket, wait));
        state.submitters -= 1;
    }

    #[inline]
    fn fill_in(&self, state: &mut State<T>, item: T, bytes: usize) -> Option<Aftermath<'_>> {
        let overflows = self.fill.overflows(state.filling.len(), state.bytes, bytes);
        if overflows {
            state.end_filling();
        }
        state.stats.accepted += 1;
        state.held += 1;
        state.filling.push(item);
        state.bytes = state.bytes.saturating_add(bytes);
        let items = state.filling.len();
        let is_full = self.fill.is_full(items, state.bytes) || self.is_waited_for(state);
        if is_full {
            state.end_filling();
        } else if items == 1 || self.fill.minds_idleness() {
            state.last = self.queue().clock().now();
            if items == 1 {
                state.began = state.last;
                self.watch(state);
            }
        }
        (overflows || is_full).then(|| self.send_tasks(state))
    }

    /// Whether there is room for nothing more, and nothing to do but what is being filled.
    /// As long as others are ready there will be room.
    fn is_waited_for(&self, state: &State<T>) -> bool {
        state.held >= self.capacity && state.ready.is_empty()
    }

    /// Lets the timer look at what is being filled when it is due. One that looks already
    /// will come earlier.
    fn watch(&self, state: &mut State<T>) {
        let due = self.fill.due(state.began, state.last).moment();
        if let (None, Some(due), Some(timer)) = (state.watch, due, &state.timer) {
            state.watch = Some(timer.set(Due::Mono(due), &self.alarm(), FILLING));
        }
    }

    pub(super) fn alarm(&self) -> Weak<dyn Alarm> {
        self.me.clone()
    }

    /// Puts tasks into the pool for what is ready.
    pub(super) fn send_tasks(&self, state: &mut State<T>) -> Aftermath<'_> {
        if self.is_waited_for(state) {
            state.end_filling();
        }
        let mut aftermath = Aftermath {
            queue: self.queue(),
            wakes_worker: false,
            refused: None,
        };
        let mut to_begin = state.tasks_to_begin().count();
        while state.ready.len() > to_begin
            && state.tasks.len() + state.retrying.len() < self.in_flight
            && !state.sealed
            && !self.queue().is_closed()
        {
            let Some(store) = self.me.upgrade() else {
                unreachable!("somebody holds the store whose state is locked")
            };
            let (id, task, handle) =
                due_task_with_handle(&self.pool_ref, self.name.clone(), self.built_at, |id| {
                    let flight = BatchTask::new(store, id);
                    move |context: &TaskContext| flight.run(context)
                });
            let task_of = Task {
                handle: Arc::new(handle),
                has_begun: false,
                is_stopping: false,
                is_handling: false,
                batch: None,
            };
            state.tasks.insert(id, task_of);
            if let Err(task) = self.queue().push_due_quietly(task) {
                aftermath.refused = Some(task);
                break;
            }
            aftermath.wakes_worker = true;
            to_begin += 1;
        }
        self.notify(state);
        aftermath
    }

    /// Wakes the threads that wait for work to be done, or for work to do.
    pub(super) fn notify(&self, state: &State<T>) {
        if state.waiters > 0 {
            self.changed.notify_all();
        }
    }

    /// There is room for this number of items more than before.
    pub(super) fn wake_submitters(&self, waiting: usize, room: usize) {
        self.room.announce(room.min(waiting));
    }

    /// What is being filled is a batch; returns the number of the last one.
    pub(super) fn end_filling(&self) -> u64 {
        let mut state = self.state.lock();
        state.end_filling();
        let aftermath = self.send_tasks(&mut state);
        let last = state.numbers.last();
        drop(state);
        drop(aftermath);
        last
    }

    /// Nothing more gets in.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.end_filling();
        let aftermath = self.send_tasks(&mut state);
        drop(state);
        drop(aftermath);
        self.room.announce_to_all();
        self.changed.notify_all();
    }

    /// A batch waits for its next attempt until then.
    pub(super) fn park(&self, state: &mut State<T>, batch: Batch<T>, until: Deadline) {
        let number = batch.number;
        let key = until
            .moment()
            .zip(state.timer.as_ref())
            .map(|(due, timer)| timer.set(Due::Mono(due), &self.alarm(), number));
        self.queue().clock().count_waiting(true);
        state.retrying.insert(number, (batch, key));
    }

    /// Takes out everything that is not being handled. From here on nothing is given to
    /// one. Returns the timer.
    #[must_use]
    pub(super) fn seal(&self, state: &mut State<T>) -> Option<Arc<Timer>> {
        state.closed = true;
        state.end_filling();
        state.sealed = true;
        let timer = state.timer.take();
        if let (Some(key), Some(timer)) = (state.watch.take(), &timer) {
            timer.clear(key);
        }
        let mut batches = mem::take(&mut state.ready);
        for (batch, key) in mem::take(&mut state.retrying).into_values() {
            if let (Some(key), Some(timer)) = (key, &timer) {
                timer.clear(key);
            }
            self.queue().clock().count_waiting(false);
            batches.push_back(batch);
        }
        let mut in_progress = Vec::new();
        for task in state.tasks.values_mut() {
            let batch = task.batch.take();
            in_progress.extend(
                batch
                    .as_ref()
                    .filter(|_| task.is_handling)
                    .map(|it| it.number),
            );
            batches.extend(batch);
        }
        for batch in batches {
            let number = batch.number;
            state.put_out(number, batch.into_items());
            if !in_progress.contains(&number) {
                state.numbers.end(number);
            }
        }
        self.room.announce_to_all();
        self.changed.notify_all();
        timer
    }

    /// Cancels the tokens of what runs, and calls off what has not begun.
    pub(super) fn cancel_tasks(&self) {
        let state = self.state.lock();
        let tasks = state.tasks.values();
        let handles: Vec<Arc<TaskHandle<()>>> = tasks.map(|task| task.handle.clone()).collect();
        drop(state);
        for handle in handles {
            handle.cancel();
        }
    }
}

impl<T: Send + 'static> Alarm for Store<T> {
    fn ring(self: Arc<Self>, what: u64, now: Now) {
        if what == CANCEL {
            self.cancel_tasks();
            return drop_elsewhere(self);
        }
        let mut state = self.state.lock();
        if what == FILLING {
            state.watch = None;
            if !state.filling.is_empty() {
                let due = self.fill.due(state.began, state.last);
                match due.has_passed(now.mono) {
                    true => state.end_filling(),
                    false => self.watch(&mut state),
                }
            }
        } else if let Some((batch, _)) = state.retrying.remove(&what) {
            self.queue().clock().count_waiting(false);
            state.ready.push_front(batch);
        }
        let aftermath = self.send_tasks(&mut state);
        drop(state);
        drop(aftermath);
        drop_elsewhere(self);
    }
}
