//! The end of items that are given up, or dropped. They are the program's code: no lock is
//! held here.

use crate::async_log::LOG_TIMEOUT;
use crate::clock::{self, Deadline};
use crate::record::record;
use crate::retry::{DeadLetter, DeadLetterHandler};
use crate::sync::Arc;
use crate::threads;
use crate::unwind::{self, RateLimit};
use std::mem;

pub(super) struct DeadLetters<T> {
    name: Arc<str>,
    handler: Option<DeadLetterHandler<T>>,
}

impl<T> DeadLetters<T> {
    pub(super) fn new(name: Arc<str>, handler: Option<DeadLetterHandler<T>>) -> DeadLetters<T> {
        DeadLetters { name, handler }
    }

    /// Whether the program gets them; otherwise they are only logged.
    pub(super) fn has_handler(&self) -> bool {
        self.handler.is_some()
    }

    /// Logs that items are given up, and passes each to the program's handler.
    pub(super) fn give_up(&self, items: Vec<T>, why: &DeadLetter) {
        self.log_failure(items.len(), &given_up(why));
        self.pass(items, why);
    }

    /// The same for the drop of a batcher, which waits only briefly for the logger.
    pub(super) fn give_up_in_time(&self, items: Vec<T>, why: &DeadLetter) {
        if let Some(text) = self.failure(items.len(), &given_up(why)) {
            threads::run_until("log", Deadline::after(LOG_TIMEOUT), move || {
                log_error(&text)
            });
        }
        self.pass(items, why);
    }

    fn pass(&self, items: Vec<T>, why: &DeadLetter) {
        let Some(handler) = &self.handler else {
            return self.drop_all(items.into_iter());
        };
        for item in items {
            if let Some(wrong) = handler.pass(item, why) {
                self.log_failure(1, &wrong);
            }
        }
    }

    pub(super) fn drop_all(&self, items: impl Iterator<Item = T>) {
        if mem::needs_drop::<T>() {
            for item in items {
                unwind::drop_guarded(item, || format!("an item of batcher {:?}", self.name));
            }
        }
    }

    /// Logs, at a limited rate, what went wrong with a number of items.
    pub(super) fn log_failure(&self, items: usize, how: &str) {
        if let Some(text) = self.failure(items, how) {
            log_error(&text);
        }
    }

    /// The record, unless there were too many.
    fn failure(&self, items: usize, how: &str) -> Option<String> {
        static LIMIT: RateLimit = RateLimit::new();
        let unlogged = LIMIT.admit(clock::now())?;
        let (name, more) = (&self.name, unwind::and_more(unlogged, "failed"));
        Some(format!("batcher {name:?}: {} {how}{more}", counted(items)))
    }
}

fn given_up(why: &DeadLetter) -> String {
    match why.error() {
        Some(_) => format!("given up: {}: {}", why.reason(), why.message()),
        None => format!("given up: {}", why.reason()),
    }
}

fn log_error(text: &str) {
    record!(Error, BATCH, "{text}");
}

pub(super) fn counted(items: usize) -> String {
    match items {
        1 => "1 item".to_owned(),
        _ => format!("{items} items"),
    }
}
