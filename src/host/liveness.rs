//! What a service says of itself while it runs, and which thread it is.

use crate::sync::{Arc, Mutex};
use crate::threads;
use std::time::Instant;

/// Of one thread of a service. Written by that thread, read by callers of the status and by
/// the supervisor; each lock is held for a copy only.
pub(super) struct Liveness {
    /// The thread's name.
    pub(super) name: Arc<str>,
    note: Mutex<Option<Arc<str>>>,
    beat: Mutex<Option<Instant>>,
    thread: Mutex<Option<ThreadIds>>,
}

#[derive(Clone, Copy)]
struct ThreadIds {
    own: threads::Id,
    system: Option<u64>,
}

impl Liveness {
    pub(super) fn new(name: &str) -> Liveness {
        Liveness {
            name: name.into(),
            note: Mutex::new(None),
            beat: Mutex::new(None),
            thread: Mutex::new(None),
        }
    }

    pub(super) fn note(&self, text: String) {
        *self.note.lock() = Some(text.into());
    }

    pub(super) fn last_note(&self) -> Option<Arc<str>> {
        self.note.lock().clone()
    }

    pub(super) fn beat(&self, now: Instant) {
        *self.beat.lock() = Some(now);
    }

    pub(super) fn last_beat(&self) -> Option<Instant> {
        *self.beat.lock()
    }

    /// The current thread is the one reported.
    pub(super) fn enter(&self) {
        *self.thread.lock() = Some(ThreadIds {
            own: threads::id(),
            system: threads::current_id(),
        });
    }

    /// It is about to be gone.
    pub(super) fn leave(&self) {
        *self.thread.lock() = None;
    }

    pub(super) fn is_here(&self) -> bool {
        self.thread
            .lock()
            .is_some_and(|thread| thread.own == threads::id())
    }

    pub(super) fn is_running(&self) -> bool {
        self.thread.lock().is_some()
    }

    pub(super) fn system_id(&self) -> Option<u64> {
        self.thread.lock().and_then(|thread| thread.system)
    }
}
