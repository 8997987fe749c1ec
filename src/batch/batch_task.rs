//! The tasks of the pool that handle batches, one after the other: how they get into the
//! pool, what they do, and their end.

use super::chunk::Chunk;
use super::handler::{Handled, Rest};
use super::inside::Inside;
use super::state::{Phase, State};
use super::store::Store;
use crate::clock::Deadline;
use crate::retry::DeadLetter;
use crate::sync::{AfterUnlock, Arc, MutexGuard};
use crate::task::{TaskContext, due_task_with_handle};
use std::mem;
use std::time::{Duration, Instant};

/// How long a task goes on with further batches; then it leaves the worker to other tasks.
const LONGEST: Duration = Duration::from_millis(10);

/// Submitters that wait for room are woken after this time, or when there is much room, not
/// after each of many short batches: a woken submitter fills what room there is.
const BETWEEN_WAKES: Duration = Duration::from_micros(50);

pub(super) struct BatchTask<T: Send + 'static> {
    store: Arc<Store<T>>,
    /// The number of the task.
    id: u64,
}

impl<T: Send + 'static> Store<T> {
    /// Puts tasks into the pool for what is ready, as far as there are permits.
    pub(super) fn send_tasks<'a>(&'a self, state: &mut State<T>, after: &mut AfterUnlock<'a>) {
        if self.is_waited_for(state) {
            state.end_filling();
        }
        let mut wakes_worker = false;
        // Each of these takes one batch when it begins (Invariant 2 of the state).
        let mut to_begin = state.in_progress.count_to_begin();
        while state.ready.len() > to_begin
            && state.in_progress.has_permit()
            && !state.has_reached(Phase::Sealed)
            && !self.core().is_closed()
        {
            let Some(store) = self.me.upgrade() else {
                unreachable!("the caller holds the store whose state is locked")
            };
            let (id, task, handle) =
                due_task_with_handle(&self.pool_ref, self.name().clone(), self.built_at, |id| {
                    let task = BatchTask { store, id };
                    move |context: &TaskContext| task.run(context)
                });
            state.in_progress.add_task(id, handle);
            if let Err(refused) = self.core().push_due_quietly(task) {
                // Its drop takes it off again.
                after.call(move || refused.discard());
                break;
            }
            wakes_worker = true;
            to_begin += 1;
        }
        if wakes_worker {
            after.call(|| self.core().wake_one());
        }
        self.notify(state);
    }

    /// Whether there is no room, and nothing to do but what is being filled. As long as other
    /// batches are ready there will be room.
    pub(super) fn is_waited_for(&self, state: &State<T>) -> bool {
        state.held >= self.capacity && state.ready.is_empty()
    }
}

impl<T: Send + 'static> BatchTask<T> {
    fn run(self, context: &TaskContext) {
        let store = &self.store;
        let _inside = Inside::enter(store.address(), self.id);
        let mut wakes = Wakes::new(store.clock().now());
        let mut now = wakes.since;
        let mut after = AfterUnlock::new();
        let mut state = store.state.lock();
        state.in_progress.begin_task(self.id);
        while now < wakes.since + LONGEST && !state.has_reached(Phase::Sealed) {
            let Some((chunk, number)) = self.next_chunk(&mut state, &mut after) else {
                break;
            };
            let handled = MutexGuard::unlocked(&mut state, || {
                // Workers are woken for other batches before the handler, which may take long.
                after.run();
                let handled = store.handler.handle(chunk, context, now);
                now = store.clock().now();
                handled
            });
            wakes.room += handled.ended();
            let late = self.put_back(&mut state, number, handled);
            if !late.is_empty() {
                MutexGuard::unlocked(&mut state, || store.give_up_late(late));
            }
            if state.submitters > 0 && wakes.are_due(now, store.capacity) {
                let (waiting, room) = (state.submitters, mem::take(&mut wakes.room));
                MutexGuard::unlocked(&mut state, || store.wake_submitters(waiting, room));
            }
        }
        let waiting = state.submitters;
        drop(state);
        store.wake_submitters(waiting, wakes.room);
    }

    /// The next chunk: of the batch that this task is at, or of the next one.
    fn next_chunk<'a>(
        &'a self,
        state: &mut State<T>,
        after: &mut AfterUnlock<'a>,
    ) -> Option<(Chunk<T>, u64)> {
        let rest = state.in_progress.next_chunk(self.id);
        if rest.is_some() {
            return rest;
        }
        let next = state.begin_batch(self.id)?;
        if state.ready.is_empty() {
            // That was the last one: what waits for room is behind nothing any more.
            self.store.send_tasks(state, after);
        }
        Some(next)
    }

    /// Puts what the handler left where it belongs. Returns items that come too late for the
    /// report: no caller can get these any more.
    fn put_back(&self, state: &mut State<T>, number: u64, handled: Handled<T>) -> Vec<T> {
        state.count(&handled);
        let batch = state.in_progress.end_chunk(self.id);
        if state.has_reached(Phase::Sealed) {
            return self.put_back_sealed(state, number, handled.rest.into_items());
        }
        state.filling.reuse(handled.spare);
        let Some(mut batch) = batch else {
            unreachable!("until this is sealed a task keeps its batch")
        };
        match handled.rest {
            Rest::Retry(chunk, until) => {
                batch.push(chunk);
                state.stats.retries += 1;
                self.store.wait_to_retry(state, batch, until);
                return Vec::new();
            }
            Rest::UntilStop(chunk) => {
                batch.push(chunk);
                self.store.wait_to_retry(state, batch, Deadline::NEVER);
                return Vec::new();
            }
            Rest::Halves([first, second]) => {
                batch.push(second);
                batch.push(first);
            }
            Rest::None => {}
        }
        if batch.is_empty() {
            state.stats.batches += 1;
            state.sequence.end(number);
            self.store.notify(state);
        } else {
            state.in_progress.set_batch(self.id, batch);
        }
        Vec::new()
    }

    /// The rest of the batch was taken out already (Invariant 4 of the state).
    fn put_back_sealed(&self, state: &mut State<T>, number: u64, items: Vec<T>) -> Vec<T> {
        let late = if state.has_reached(Phase::Reported) {
            state.held -= items.len();
            state.stats.dead += items.len() as u64;
            items
        } else {
            state.hand_back(number, items);
            Vec::new()
        };
        state.sequence.end(number);
        self.store.notify(state);
        late
    }
}

/// When waiting submitters are woken.
struct Wakes {
    since: Instant,
    next: Instant,
    /// For how many items there is room since they were woken last.
    room: usize,
}

impl Wakes {
    fn new(now: Instant) -> Wakes {
        Wakes {
            since: now,
            next: now,
            room: 0,
        }
    }

    fn are_due(&mut self, now: Instant, capacity: usize) -> bool {
        let is_much = self.room >= capacity / 8;
        let are_due = is_much || now >= self.next;
        if are_due {
            self.next = now + BETWEEN_WAKES;
        }
        are_due
    }
}

/// The task is over: it has no more to do, or no more time, or never began.
impl<T: Send + 'static> Drop for BatchTask<T> {
    fn drop(&mut self) {
        let mut after = AfterUnlock::new();
        let mut state = self.store.state.lock();
        let mut task = state.in_progress.remove_task(self.id);
        if let Some(rest) = task.as_mut().and_then(|task| task.take_batch()) {
            state.ready.push_front(rest);
        }
        after.drop(task);
        self.store.send_tasks(&mut state, &mut after);
        if self.store.core().is_closed() {
            // It may have been the last one that could make room.
            after.call(|| self.store.room.announce_to_all());
        }
    }
}

impl<T: Send + 'static> Store<T> {
    /// Items that a handler gave back when the report had been made.
    fn give_up_late(&self, items: Vec<T>) {
        let why = DeadLetter::stopped(1);
        self.handler.dead_letters.give_up(items, &why);
    }
}
