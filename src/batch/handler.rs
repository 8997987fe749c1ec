//! The call of the program's handler, and what follows from its result. It knows nothing of
//! the other batches, and no lock is held here.

use super::chunk::Chunk;
use super::dead_letters::{DeadLetters, counted};
use crate::causes::{BoxError, Permanent, chain, has_cause};
use crate::clock::Deadline;
use crate::queue::{Membership, PoolRef};
use crate::record;
use crate::retry::{DeadLetter, DeadLetterReason, GiveUpReason, Retry};
use crate::sync::Arc;
use crate::task::TaskContext;
use crate::unwind::{self, Guarded};
use std::time::{Duration, Instant};

pub(super) type Handler<T> =
    dyn Fn(&mut Vec<T>, &TaskContext) -> Result<(), BoxError> + Send + Sync;

pub(super) struct BatchHandler<T> {
    pub(super) name: Arc<str>,
    pub(super) closure: Guarded<Box<Handler<T>>>,
    pub(super) retry: Retry<BoxError>,
    pub(super) dead_letters: DeadLetters<T>,
    pub(super) pool_ref: Arc<PoolRef>,
    /// As a service of a host.
    pub(super) membership: Membership,
}

/// What became of a chunk, as far as it has to be moved under the lock.
pub(super) struct Handled<T> {
    /// How many items are handled.
    pub(super) done: usize,
    /// How many items are dead letters.
    pub(super) dead: usize,
    pub(super) rest: Rest<T>,
    /// The vector that the items were in.
    pub(super) spare: Vec<T>,
}

/// The items that are neither handled nor given up.
pub(super) enum Rest<T> {
    None,
    /// Each half is handled by itself.
    Halves([Chunk<T>; 2]),
    /// It is tried again then.
    Retry(Chunk<T>, Deadline),
    /// The stop of the batcher hands it back.
    UntilStop(Chunk<T>),
}

impl<T> Handled<T> {
    fn new(done: usize, dead: usize, rest: Rest<T>) -> Handled<T> {
        Handled {
            done,
            dead,
            rest,
            spare: Vec::new(),
        }
    }

    /// How many items have come to their end.
    pub(super) fn ended(&self) -> usize {
        self.done + self.dead
    }
}

impl<T> Rest<T> {
    /// In their order.
    pub(super) fn into_items(self) -> Vec<T> {
        match self {
            Rest::None => Vec::new(),
            Rest::Halves([first, second]) => {
                let mut items = first.items;
                items.extend(second.items);
                items
            }
            Rest::Retry(chunk, _) | Rest::UntilStop(chunk) => chunk.items,
        }
    }
}

impl<T> BatchHandler<T> {
    /// Passes a chunk to the program's closure, and sees to what follows.
    pub(super) fn handle(
        &self,
        mut chunk: Chunk<T>,
        context: &TaskContext,
        now: Instant,
    ) -> Handled<T> {
        let before = chunk.items.len();
        chunk.attempts.begin(now);
        let result = unwind::catch(|| (self.closure)(&mut chunk.items, context));
        if chunk.items.len() > before {
            // What the handler put in was never accepted.
            let extra = chunk.items.split_off(before);
            self.dead_letters.drop_all(extra.into_iter());
        }
        // What it took out is handled.
        let done = before - chunk.items.len();
        match result {
            Ok(Ok(())) => {
                self.dead_letters.drop_all(chunk.items.drain(..));
                Handled {
                    spare: chunk.items,
                    ..Handled::new(before, 0, Rest::None)
                }
            }
            Ok(Err(error)) => self.failed(chunk, done, error, context),
            Err(payload) => {
                self.pool_ref.clear_states();
                let attempts = chunk.attempts.failed() + 1;
                let why = DeadLetter::panicked(payload, attempts);
                let how = format!("the handler panicked: {}", why.message());
                self.dead_letters.log_failure(chunk.items.len(), &how);
                self.isolate(chunk, done, &why)
            }
        }
    }

    /// No other attempt would help: splits the chunk, until the bad item stands alone.
    fn isolate(&self, mut chunk: Chunk<T>, done: usize, why: &DeadLetter) -> Handled<T> {
        let left = chunk.items.len();
        if left > 1 {
            let second = chunk.items.split_off(left / 2);
            let halves = [chunk.items, second].map(Chunk::new);
            return Handled::new(done, 0, Rest::Halves(halves));
        }
        if left == 1 {
            self.dead_letters.give_up(chunk.items, why);
        }
        Handled::new(done, left, Rest::None)
    }

    /// Decides what follows an error: another attempt, the search for the items that cause it,
    /// or the end of them all.
    fn failed(
        &self,
        mut chunk: Chunk<T>,
        done: usize,
        error: BoxError,
        context: &TaskContext,
    ) -> Handled<T> {
        let error = Guarded::new(error, "the error of a batch");
        let now = self.pool_ref.core.clock().now();
        let retry_after = |chunk, pause| {
            let at = Deadline::after_from(now, pause);
            Handled::new(done, 0, Rest::Retry(chunk, at))
        };
        if chunk.items.is_empty() {
            return Handled::new(done, 0, Rest::None);
        }
        if !has_cause::<Permanent>(error.as_ref()) {
            if context.is_cancelled() {
                // It was cut short: that is none of the attempts.
                return retry_after(chunk, Duration::ZERO);
            }
            if self.is_of_stop(&error) {
                // Nothing helps before its own stop, which follows and hands it back.
                return Handled::new(done, 0, Rest::UntilStop(chunk));
            }
        }
        let reason = match chunk.attempts.fail(&self.retry, &error, now) {
            Ok(pause) => {
                let (name, items) = (&self.name, counted(chunk.items.len()));
                let what = format_args!("batcher {name:?}: {items}");
                let text = chain(error.as_ref());
                chunk.attempts.log_retry(record::BATCH, what, pause, &text);
                return retry_after(chunk, pause);
            }
            Err(reason) => reason,
        };
        let why = DeadLetter::new(reason, error.into_inner(), chunk.attempts.failed());
        match reason {
            // Of some of the items, it may be.
            DeadLetterReason::Permanent | DeadLetterReason::GaveUp(GiveUpReason::Verdict) => {
                self.isolate(chunk, done, &why)
            }
            _ => {
                let dead = chunk.items.len();
                self.dead_letters.give_up(chunk.items, &why);
                Handled::new(done, dead, Rest::None)
            }
        }
    }

    /// Whether something that the handler needs was stopped before the batcher.
    fn is_of_stop(&self, error: &BoxError) -> bool {
        let hosts = [&self.membership, &self.pool_ref.core.membership];
        hosts.iter().any(|host| host.explains(error.as_ref()))
    }
}
