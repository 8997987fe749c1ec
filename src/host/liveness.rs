//! What the threads of a service report while they run: notes, heartbeats, and which threads
//! they are.

use crate::sync::{Arc, Mutex};
use crate::threads;
use std::time::Instant;

/// What one thread of a service reports. Written by that thread, read by callers of the status
/// and by the supervisor. Each lock is held for a copy only.
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

    /// From now on the current thread is the one reported.
    pub(super) fn enter(&self) {
        *self.thread.lock() = Some(ThreadIds {
            own: threads::id(),
            system: threads::current_id(),
        });
    }

    /// The reported thread is about to end.
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

/// What all threads of a service report: its own thread first.
pub(super) struct ServiceLiveness {
    threads: Mutex<Vec<Arc<Liveness>>>,
}

impl ServiceLiveness {
    pub(super) fn new(own: &str) -> ServiceLiveness {
        ServiceLiveness {
            threads: Mutex::new(vec![Arc::new(Liveness::new(own))]),
        }
    }

    pub(super) fn own(&self) -> Arc<Liveness> {
        self.threads.lock()[0].clone()
    }

    /// Adds a thread that the service starts, in the place of one of that name that an earlier
    /// incarnation had.
    pub(super) fn add(&self, thread: &str) -> Arc<Liveness> {
        let added = Arc::new(Liveness::new(thread));
        let mut threads = self.threads.lock();
        // The own thread stays first.
        if let Some(place) = threads[1..].iter().position(|other| *other.name == *thread) {
            threads.remove(place + 1);
        }
        threads.push(added.clone());
        added
    }

    pub(super) fn running(&self) -> Vec<Arc<Liveness>> {
        // Cloned, so that no two of these locks are held while a caller looks at the records.
        let mut threads = self.threads.lock().clone();
        threads.retain(|thread| thread.is_running());
        threads
    }

    /// The last note, that of the service's own thread before others.
    pub(super) fn last_note(&self) -> Option<Arc<str>> {
        let threads = self.threads.lock();
        threads.iter().find_map(|thread| thread.last_note())
    }

    pub(super) fn last_beat(&self) -> Option<Instant> {
        let threads = self.threads.lock();
        let beats = threads.iter().filter_map(|thread| thread.last_beat());
        beats.max()
    }
}
