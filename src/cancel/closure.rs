//! A closure of the program that a cancel calls.

use crate::clock;
use crate::record::record;
use crate::sync::{Arc, Mutex};
use crate::unwind::{self, RateLimit};
use std::panic::Location;

/// Called once at most.
pub(super) struct Closure {
    /// Taken by the thread that calls it, or drops it.
    closure: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    /// Where it was registered.
    registered_at: &'static Location<'static>,
}

impl Closure {
    #[track_caller]
    pub(super) fn new(closure: impl FnOnce() + Send + 'static) -> Arc<Closure> {
        Arc::new(Closure {
            closure: Mutex::new(Some(Box::new(closure))),
            registered_at: Location::caller(),
        })
    }

    fn take(&self) -> Option<Box<dyn FnOnce() + Send>> {
        self.closure.lock().take()
    }

    /// Calls it, unless that has begun already.
    pub(super) fn call(&self) {
        static LIMIT: RateLimit = RateLimit::new();
        let Some(closure) = self.take() else { return };
        let Err(payload) = unwind::catch(closure) else {
            return;
        };
        if let Some(unlogged) = LIMIT.admit(clock::now()) {
            let text = unwind::text(payload.as_ref());
            let and_more = unwind::and_more(unlogged, "panicked");
            record!(
                Error,
                CANCEL,
                "a closure of on_cancel, from {}, panicked: {text}{and_more}",
                self.registered_at
            );
        }
        unwind::drop_payload(payload);
    }

    /// Drops it, unless its call has begun.
    pub(super) fn discard(&self) {
        let what = || format!("a closure of on_cancel, from {}", self.registered_at);
        unwind::drop_guarded(self.take(), what);
    }
}
