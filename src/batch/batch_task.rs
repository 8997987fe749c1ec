//! A task of the pool that handles batches, one after the other.

use super::aftermath::Aftermath;
use super::chunk::Chunk;
use super::dead::{DeadLetter, DeadLetterReason};
use super::store::{State, Store};
use crate::async_log::LOG_TIMEOUT;
use crate::causes::{BoxError, PermanentError, chain, has_cause};
use crate::clock::{self, Deadline};
use crate::queue::worker_index_in;
use crate::sync::{Arc, MutexGuard};
use crate::task::TaskContext;
use crate::threads;
use crate::unwind::{self, RateLimit};
use std::cell::RefCell;
use std::mem;
use std::time::{Duration, Instant};

thread_local! {
    /// The tasks that the current thread is in: their batchers, and their numbers.
    static INSIDE: RefCell<Vec<(usize, u64)>> = const { RefCell::new(Vec::new()) };
}

pub(super) struct BatchTask<T: Send + 'static> {
    store: Arc<Store<T>>,
    /// The number of the task.
    id: u64,
}

/// How long a task goes on with further batches; then it leaves the worker to other tasks.
const LONGEST: Duration = Duration::from_millis(10);

/// The pause before a batch is given to its handler again that was refused by something that
/// the host's stop had stopped.
const UNTIL_STOP: Duration = Duration::from_millis(10);

/// Submitters that wait for room are woken after this time, or when there is much room, not
/// after each of many short batches: a woken submitter fills what room there is.
const BETWEEN_WAKES: Duration = Duration::from_micros(50);

/// The outcome of a part, as far as it has to be moved under the lock.
struct Handled<T> {
    /// The number of items handled.
    done: usize,
    /// The number of dead letters.
    dead: usize,
    /// These go on.
    parts: [Option<Chunk<T>>; 2],
    /// When they are tried again.
    retry_at: Option<Deadline>,
    /// What they lay in.
    spare: Vec<T>,
}

impl<T> Handled<T> {
    fn new(done: usize, dead: usize) -> Handled<T> {
        Handled {
            done,
            dead,
            parts: [None, None],
            retry_at: None,
            spare: Vec::new(),
        }
    }

    fn retry(done: usize, part: Chunk<T>, at: Deadline) -> Handled<T> {
        Handled {
            parts: [Some(part), None],
            retry_at: Some(at),
            ..Handled::new(done, 0)
        }
    }

    fn split(done: usize, parts: [Vec<T>; 2]) -> Handled<T> {
        Handled {
            parts: parts.map(|items| Some(Chunk::new(items))),
            ..Handled::new(done, 0)
        }
    }

    /// The number of items that are done.
    fn ended(&self) -> usize {
        self.done + self.dead
    }
}

impl<T: Send + 'static> BatchTask<T> {
    pub(super) fn new(store: Arc<Store<T>>, id: u64) -> BatchTask<T> {
        BatchTask { store, id }
    }

    pub(super) fn run(self, context: &TaskContext) {
        let store = &self.store;
        let _inside = Inside::enter(store.address(), self.id);
        let clock = store.queue().clock();
        let since = clock.now();
        let (mut now, mut wake_from) = (since, since);
        let mut state = store.state.lock();
        if let Some(task) = state.tasks.get_mut(&self.id) {
            task.has_begun = true;
        }
        let mut room = 0;
        while now < since + LONGEST {
            let Some((part, number, aftermath)) = self.next_part(&mut state) else {
                break;
            };
            let handled = MutexGuard::unlocked(&mut state, || {
                drop(aftermath);
                let handled = store.handle(part, context, now);
                now = clock.now();
                handled
            });
            room += handled.ended();
            let returned = self.put(&mut state, number, handled);
            if !returned.is_empty() {
                // No caller can take these any more.
                MutexGuard::unlocked(&mut state, || store.bury_late(returned));
            }
            let is_much = room >= store.capacity / 8;
            if state.submitters > 0 && (is_much || now >= wake_from) {
                wake_from = now + BETWEEN_WAKES;
                let (waiting, room) = (state.submitters, mem::take(&mut room));
                MutexGuard::unlocked(&mut state, || store.wake_submitters(waiting, room));
            }
        }
        let waiting = state.submitters;
        drop(state);
        store.wake_submitters(waiting, room);
    }

    /// The next thing to do: of the batch that this task is at, or of the next one.
    fn next_part(&self, state: &mut State<T>) -> Option<(Chunk<T>, u64, Option<Aftermath<'_>>)> {
        if state.sealed {
            return None;
        }
        let others = state.tasks.len() + state.retrying.len() - 1;
        let State { tasks, ready, .. } = &mut *state;
        let task = tasks.get_mut(&self.id)?;
        if let Some(batch) = &mut task.batch {
            task.is_handling = true;
            return Some((batch.pop()?, batch.number, None));
        }
        if others >= self.store.in_flight {
            return None; // one waits for its next attempt in the place of this task
        }
        let batch = task.batch.insert(ready.pop_front()?);
        task.is_handling = true;
        let (part, number) = (batch.pop()?, batch.number);
        // Was it the last one, what waits for room is behind nothing any more.
        let aftermath = ready.is_empty().then(|| self.store.send_tasks(state));
        Some((part, number, aftermath))
    }

    /// Returns items that came back after the report.
    fn put(&self, state: &mut State<T>, number: u64, handled: Handled<T>) -> Vec<T> {
        let store = &self.store;
        state.stats.calls += 1;
        state.stats.handled += handled.done as u64;
        state.stats.dead += handled.dead as u64;
        state.held -= handled.ended();
        if let Some(task) = state.tasks.get_mut(&self.id) {
            task.is_handling = false;
        }
        if state.sealed {
            // The rest of the batch was taken out already.
            let parts = handled.parts.into_iter().flatten();
            let items: Vec<T> = parts.flat_map(|part| part.items).collect();
            if !state.reported {
                state.put_out(number, items);
                state.numbers.end(number);
                store.notify(state);
                return Vec::new();
            }
            state.numbers.end(number);
            store.notify(state);
            state.held -= items.len();
            state.stats.dead += items.len() as u64;
            return items;
        }
        state.keep(handled.spare);
        let State { tasks, .. } = &mut *state;
        let slot = tasks.get_mut(&self.id).map(|task| &mut task.batch);
        let Some((slot, mut batch)) = slot.and_then(|slot| slot.take().map(|batch| (slot, batch)))
        else {
            unreachable!("until this is sealed a task keeps its batch")
        };
        let parts = handled.parts.into_iter().rev().flatten();
        parts.for_each(|part| batch.push(part));
        if let Some(until) = handled.retry_at {
            state.stats.retries += 1;
            store.park(state, batch, until);
        } else if batch.is_empty() {
            state.stats.batches += 1;
            state.numbers.end(number);
            store.notify(state);
        } else {
            *slot = Some(batch);
        }
        Vec::new()
    }
}

/// The task is over: it has no more to do, or no more time, or never began.
impl<T: Send + 'static> Drop for BatchTask<T> {
    fn drop(&mut self) {
        let mut state = self.store.state.lock();
        let mut task = state.tasks.remove(&self.id);
        if let Some(rest) = task.as_mut().and_then(|task| task.batch.take()) {
            state.ready.push_front(rest);
        }
        let aftermath = self.store.send_tasks(&mut state);
        drop(state);
        drop((aftermath, task));
    }
}

impl<T: Send + 'static> Store<T> {
    /// Whether the current thread is in a task of this batcher.
    pub(super) fn is_inside(&self) -> bool {
        !self.own_tasks().is_empty()
    }

    /// Whether the current thread handles batches, and so must not wait for room.
    pub(super) fn is_own_worker(&self) -> bool {
        worker_index_in(self.queue().id).is_some() || self.is_inside()
    }

    /// The tasks of this batcher that the current thread is in.
    pub(super) fn own_tasks(&self) -> Vec<u64> {
        let own = |inside: &RefCell<Vec<(usize, u64)>>| {
            let inside = inside.borrow();
            let own = inside.iter().filter(|(store, _)| *store == self.address());
            own.map(|(_, task)| *task).collect()
        };
        // None in the destructors of other thread-locals.
        INSIDE.try_with(own).unwrap_or_default()
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Gives a part to the handler, and sees to what comes of it.
    fn handle(&self, mut part: Chunk<T>, context: &TaskContext, now: Instant) -> Handled<T> {
        let before = part.items.len();
        let first = *part.began.get_or_insert(now);
        let result = unwind::catch(|| (self.handler)(&mut part.items, context));
        if part.items.len() > before {
            // What the handler put in was never accepted.
            let extra = part.items.split_off(before);
            self.drop_all(extra.into_iter());
        }
        let done = before - part.items.len();
        let (cause, error) = match result {
            Ok(Ok(())) => {
                self.drop_all(part.items.drain(..));
                return Handled {
                    spare: part.items,
                    ..Handled::new(before, 0)
                };
            }
            Ok(Err(error)) => match has_cause::<PermanentError>(error.as_ref()) {
                true => (DeadLetterReason::Permanent, Some(error)),
                false => return self.failed(part, done, first, error, context),
            },
            Err(payload) => {
                let text = unwind::text(payload.as_ref());
                self.log_failure(part.items.len(), &format!("the handler panicked: {text}"));
                unwind::drop_payload(payload);
                (DeadLetterReason::Panicked, None)
            }
        };
        let attempts = part.failed + 1;
        let why = DeadLetter::new(cause, error, attempts);
        let left = part.items.len();
        if left > 1 {
            let second = part.items.split_off(left / 2);
            return Handled::split(done, [part.items, second]);
        }
        if left == 1 {
            self.bury(part.items, &why);
        }
        Handled::new(done, left)
    }

    /// It may be better another time.
    fn failed(
        &self,
        mut part: Chunk<T>,
        done: usize,
        first: Instant,
        error: BoxError,
        context: &TaskContext,
    ) -> Handled<T> {
        if part.items.is_empty() {
            self.drop_error(error);
            return Handled::new(done, 0);
        }
        let now = self.queue().clock().now();
        if context.is_cancelled() {
            // It was cut short: that is none of the attempts.
            self.drop_error(error);
            return Handled::retry(done, part, Deadline::at(now));
        }
        let hosts = [&self.membership, &self.queue().membership];
        if hosts.iter().any(|host| host.explains(error.as_ref())) {
            // What it needs was stopped before it. Its own stop follows, and hands it back.
            self.drop_error(error);
            return Handled::retry(done, part, Deadline::after_from(now, UNTIL_STOP));
        }
        part.failed = part.failed.saturating_add(1);
        let elapsed = now.saturating_duration_since(first);
        let judge = || self.retry.judge(&error, part.failed, elapsed).next;
        let cause = match unwind::catch(judge) {
            Ok(Ok(after)) => {
                self.log_retry(part.items.len(), part.failed, after, &chain(error.as_ref()));
                self.drop_error(error);
                return Handled::retry(done, part, Deadline::after_from(now, after));
            }
            Ok(Err(gave_up)) => DeadLetterReason::GaveUp(gave_up),
            Err(payload) => {
                unwind::drop_payload(payload);
                DeadLetterReason::Panicked
            }
        };
        let dead = part.items.len();
        let why = DeadLetter::new(cause, Some(error), part.failed);
        self.bury(part.items, &why);
        Handled::new(done, dead)
    }

    fn drop_error(&self, error: BoxError) {
        unwind::drop_guarded(error, || format!("the error of batcher {:?}", self.name));
    }

    /// Gives items to the handler for dead letters.
    pub(super) fn bury(&self, items: Vec<T>, why: &DeadLetter) {
        self.log_failure(items.len(), &format!("given up: {}", why.text()));
        self.bury_silently(items, why);
    }

    fn bury_silently(&self, items: Vec<T>, why: &DeadLetter) {
        let Some(bury) = &self.bury else {
            return self.drop_all(items.into_iter());
        };
        for item in items {
            if let Err(payload) = unwind::catch(|| bury(item, why)) {
                let text = unwind::text(payload.as_ref());
                self.log_failure(1, &format!("the closure for dead letters panicked: {text}"));
                unwind::drop_payload(payload);
            }
        }
    }

    /// Of a batcher that is dropped: the drop does not wait for the logger without end.
    pub(super) fn bury_in_time(&self, items: Vec<T>, why: &DeadLetter) {
        if let Some(text) = self.failure(items.len(), &format!("given up: {}", why.text())) {
            threads::run_until("log", Deadline::after(LOG_TIMEOUT), move || {
                log_error(&text)
            });
        }
        self.bury_silently(items, why);
    }

    /// Items that a handler gave back when the report had been made.
    fn bury_late(&self, items: Vec<T>) {
        self.bury(items, &DeadLetter::new(DeadLetterReason::Stopped, None, 1));
    }

    pub(super) fn drop_all(&self, items: impl Iterator<Item = T>) {
        if mem::needs_drop::<T>() {
            for item in items {
                unwind::drop_guarded(item, || format!("an item of batcher {:?}", self.name));
            }
        }
    }

    fn log_failure(&self, items: usize, how: &str) {
        if let Some(text) = self.failure(items, how) {
            log_error(&text);
        }
    }

    /// What to log, unless there was too much of it.
    fn failure(&self, items: usize, how: &str) -> Option<String> {
        static LIMIT: RateLimit = RateLimit::new();
        let unlogged = LIMIT.admit(clock::now())?;
        let (name, more) = (&self.name, unwind::and_more(unlogged, "failed"));
        Some(format!("batcher {name:?}: {} {how}{more}", counted(items)))
    }

    fn log_retry(&self, items: usize, failed: u32, after: Duration, error: &str) {
        static LIMIT: RateLimit = RateLimit::new();
        if let Some(unlogged) = LIMIT.admit(clock::now()) {
            let (name, more) = (&self.name, unwind::and_more(unlogged, "failed"));
            unwind::log_guarded(|| {
                log::warn!(
                    "batcher {name:?}: {} failed, attempt {failed}; again in {after:.1?}: \
                     {error}{more}",
                    counted(items)
                );
            });
        }
    }
}

fn log_error(text: &str) {
    unwind::log_guarded(|| log::error!("{text}"));
}

fn counted(items: usize) -> String {
    match items {
        1 => "1 item".to_owned(),
        _ => format!("{items} items"),
    }
}

/// The current thread is in a task of a batcher.
struct Inside;

impl Inside {
    fn enter(store: usize, task: u64) -> Inside {
        let _ = INSIDE.try_with(|inside| inside.borrow_mut().push((store, task)));
        Inside
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = INSIDE.try_with(|inside| inside.borrow_mut().pop());
    }
}
