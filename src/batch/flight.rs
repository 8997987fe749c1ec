//! A task of the pool that handles batches, one after the other.

use super::dead::{DeadCause, DeadLetter};
use super::store::{Batch, Part, Refused, State, Store};
use crate::causes::{BoxError, Permanent, chain, has_cause};
use crate::clock::{self, Deadline};
use crate::retry::{Verdict, random};
use crate::sync::{Arc, MutexGuard};
use crate::task::TaskContext;
use crate::unwind::{self, RateLimit};
use std::cell::RefCell;
use std::time::{Duration, Instant};

thread_local! {
    /// The tasks that the current thread is in: their batchers, and their numbers.
    static INSIDE: RefCell<Vec<(usize, u64)>> = const { RefCell::new(Vec::new()) };
}

pub(super) struct Flight<T: Send + 'static> {
    store: Arc<Store<T>>,
    /// The number of the task.
    id: u64,
}

/// A task goes on with the next batch for so long: then it is somebody else's turn.
const LONGEST: Duration = Duration::from_millis(10);

/// What became of a part, as far as it is to be moved under the lock.
enum Handled<T> {
    /// So many items are done with: handled, and dead.
    Ended(usize, usize),
    /// So many were handled; the others go on in these.
    Split(usize, [Part<T>; 2]),
    /// So many were handled; the others are tried again.
    Retry(usize, Part<T>, Deadline),
}

impl<T: Send + 'static> Flight<T> {
    pub(super) fn new(store: Arc<Store<T>>, id: u64) -> Flight<T> {
        Flight { store, id }
    }

    pub(super) fn run(self, context: &TaskContext) {
        let store = &self.store;
        let _inside = Inside::enter(store.address(), self.id);
        let since = store.queue().clock().now();
        let mut now = since;
        let mut state = store.state.lock();
        if let Some(task) = state.tasks.get_mut(&self.id) {
            task.has_begun = true;
        }
        while let Some((part, number, refused)) = self.next_part(&mut state) {
            let handled = MutexGuard::unlocked(&mut state, || {
                drop(refused);
                let handled = store.handle(part, context, now);
                now = store.queue().clock().now();
                handled
            });
            let (goes_on, returned) = self.put(&mut state, number, handled);
            if !returned.is_empty() {
                // Nobody takes these any more.
                MutexGuard::unlocked(&mut state, || store.bury_late(returned));
            }
            if !goes_on || now >= since + LONGEST {
                break;
            }
        }
    }

    /// The next thing to do: of the batch that this task is at, or of the next one.
    fn next_part(&self, state: &mut State<T>) -> Option<(Part<T>, u64, Option<Refused>)> {
        if state.sealed {
            return None;
        }
        let mut refused = None;
        let at = state.tasks.get_mut(&self.id)?;
        if at.batch.is_none() {
            at.batch = state.ready.pop_front();
            // Some may have waited for room behind the last one that was ready.
            refused = (state.ready.is_empty()).then(|| self.store.send_tasks(state));
        }
        let at = state.tasks.get_mut(&self.id)?;
        let batch = at.batch.as_mut()?;
        Some((batch.parts.pop_front()?, batch.number, refused))
    }

    /// `false`: this task is to handle nothing more. Returns items as well that came back
    /// after the report.
    fn put(&self, state: &mut State<T>, number: u64, handled: Handled<T>) -> (bool, Vec<T>) {
        let store = &self.store;
        let mut goes_on = true;
        let (done, dead, parts, retry_at) = match handled {
            Handled::Ended(done, dead) => (done, dead, Vec::new(), None),
            Handled::Split(done, parts) => (done, 0, Vec::from(parts), None),
            Handled::Retry(done, part, at) => (done, 0, vec![part], Some(at)),
        };
        state.stats.handled += done as u64;
        state.stats.dead += dead as u64;
        state.stats.calls += 1;
        store.release(state, done + dead);
        if state.sealed {
            // The rest of the batch was taken out already.
            let items: Vec<T> = parts.into_iter().flat_map(|part| part.items).collect();
            store.notify(state);
            if state.reported {
                state.held -= items.len();
                state.stats.dead += items.len() as u64;
                return (false, items);
            }
            state.put_out(number, items);
            return (false, Vec::new());
        }
        let Some(at) = state.tasks.get_mut(&self.id) else {
            unreachable!("a task is there until it is dropped")
        };
        if let Some(batch) = &mut at.batch {
            parts
                .into_iter()
                .rev()
                .for_each(|part| batch.parts.push_front(part));
        }
        if let Some(until) = retry_at {
            state.stats.retries += 1;
            if let Some(batch) = at.batch.take() {
                store.park(state, batch, until);
            }
            goes_on = false;
        } else if at
            .batch
            .as_ref()
            .is_some_and(|batch| batch.parts.is_empty())
        {
            at.batch = None;
            state.stats.batches += 1;
            state.numbers.end(number);
            store.notify(state);
        }
        (goes_on, Vec::new())
    }
}

/// The task is over: it has no more to do, or no more time, or never began.
impl<T: Send + 'static> Drop for Flight<T> {
    fn drop(&mut self) {
        let mut state = self.store.state.lock();
        let mut task = state.tasks.remove(&self.id);
        if let Some(rest) = task.as_mut().and_then(|task| task.batch.take()) {
            state.ready.push_front(rest);
        }
        let refused = self.store.send_tasks(&mut state);
        drop(state);
        drop((refused, task));
    }
}

impl<T: Send + 'static> Store<T> {
    /// Whether the current thread is in a task of this batcher.
    pub(super) fn is_inside(&self) -> bool {
        !self.own_tasks().is_empty()
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
    fn handle(&self, mut part: Part<T>, context: &TaskContext, now: Instant) -> Handled<T> {
        let before = part.items.len();
        let first = *part.began.get_or_insert(now);
        let result = unwind::catch(|| (self.handler)(&mut part.items, context));
        if part.items.len() > before {
            // What the handler put in was never accepted.
            let extra = part.items.split_off(before);
            self.drop_all(extra);
        }
        let done = before - part.items.len();
        let (cause, error) = match result {
            Ok(Ok(())) => {
                self.drop_all(part.items);
                return Handled::Ended(before, 0);
            }
            Ok(Err(error)) => match has_cause::<Permanent>(error.as_ref()) {
                true => (DeadCause::Permanent, Some(error)),
                false => return self.failed(part, done, first, error, context),
            },
            Err(payload) => {
                let text = unwind::text(payload.as_ref());
                self.log_failure(part.items.len(), &format!("the handler panicked: {text}"));
                unwind::drop_payload(payload);
                (DeadCause::Panicked, None)
            }
        };
        let attempts = part.failed + 1;
        let why = DeadLetter::new(cause, error, attempts);
        match part.items.len() {
            0 => Handled::Ended(done, 0),
            1 => {
                let dead = part.items.len();
                self.bury(part.items, &why);
                Handled::Ended(done, dead)
            }
            many => {
                let second = part.items.split_off(many / 2);
                Handled::Split(done, [Part::new(part.items), Part::new(second)])
            }
        }
    }

    /// It may be better another time.
    fn failed(
        &self,
        mut part: Part<T>,
        done: usize,
        first: Instant,
        error: BoxError,
        context: &TaskContext,
    ) -> Handled<T> {
        if part.items.is_empty() {
            self.drop_error(error);
            return Handled::Ended(done, 0);
        }
        let now = self.queue().clock().now();
        if context.is_cancelled() {
            // It was cut short: that is none of the attempts.
            self.drop_error(error);
            return Handled::Retry(done, part, Deadline::at(now));
        }
        part.failed = part.failed.saturating_add(1);
        let elapsed = now.saturating_duration_since(first);
        let decide = || {
            self.retry
                .decide(part.failed, elapsed, Verdict::Retry, random())
        };
        let cause = match unwind::catch(decide) {
            Ok(Ok(after)) => {
                self.log_retry(part.items.len(), part.failed, after, &chain(error.as_ref()));
                self.drop_error(error);
                return Handled::Retry(done, part, Deadline::after_from(now, after));
            }
            Ok(Err(gave_up)) => DeadCause::GaveUp(gave_up),
            Err(payload) => {
                unwind::drop_payload(payload);
                DeadCause::Panicked
            }
        };
        let dead = part.items.len();
        let why = DeadLetter::new(cause, Some(error), part.failed);
        self.bury(part.items, &why);
        Handled::Ended(done, dead)
    }

    fn drop_error(&self, error: BoxError) {
        unwind::drop_guarded(error, || format!("the error of batcher {:?}", self.name));
    }

    /// Gives items to who takes dead letters.
    pub(super) fn bury(&self, items: Vec<T>, why: &DeadLetter) {
        self.log_failure(items.len(), &format!("given up: {}", why.text()));
        let Some(bury) = &self.bury else {
            return self.drop_all(items);
        };
        for item in items {
            if let Err(payload) = unwind::catch(|| bury(item, why)) {
                let text = unwind::text(payload.as_ref());
                self.log_failure(1, &format!("the closure for dead letters panicked: {text}"));
                unwind::drop_payload(payload);
            }
        }
    }

    /// Items that a handler gave back when the report had been made.
    fn bury_late(&self, items: Vec<T>) {
        self.bury(items, &DeadLetter::new(DeadCause::Stopped, None, 1));
    }

    pub(super) fn drop_all(&self, items: Vec<T>) {
        if std::mem::needs_drop::<T>() {
            for item in items {
                unwind::drop_guarded(item, || format!("an item of batcher {:?}", self.name));
            }
        }
    }

    fn log_failure(&self, items: usize, how: &str) {
        static LIMIT: RateLimit = RateLimit::new();
        if let Some(unlogged) = LIMIT.admit(clock::now()) {
            let (name, more) = (&self.name, unwind::and_more(unlogged, "failed"));
            unwind::log_guarded(|| log::error!("batcher {name:?}: {items} items {how}{more}"));
        }
    }

    fn log_retry(&self, items: usize, failed: u32, after: Duration, error: &str) {
        static LIMIT: RateLimit = RateLimit::new();
        if let Some(unlogged) = LIMIT.admit(clock::now()) {
            let (name, more) = (&self.name, unwind::and_more(unlogged, "failed"));
            unwind::log_guarded(|| {
                log::warn!(
                    "batcher {name:?}: {items} items failed, attempt {failed}; again in \
                     {after:.1?}: {error}{more}"
                );
            });
        }
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

impl<T> Batch<T> {
    /// How many items are in it.
    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.items.len()).sum()
    }
}
