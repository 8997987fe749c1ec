//! What the system has reported: where to look.

use crate::sync::channel::{self, Receiver, Sender};
use crate::sync::{Arc, Mutex};
use std::collections::BTreeSet;
use std::mem;
use std::path::PathBuf;

/// The maximum number of paths that are remembered.
pub(super) const MOST_PATHS: usize = if cfg!(test) { 64 } else { 65_536 };

/// Written by the thread of the system's watcher, read by the service's.
pub(super) struct EventSink {
    pending: Mutex<PendingEvents>,
    /// Has room for one message: more wake-ups would be of no use.
    wakeup: Sender<()>,
}

/// What was reported since the last look.
#[derive(Default)]
pub(super) struct PendingEvents {
    pub(super) paths: BTreeSet<PathBuf>,
    /// Something has changed, and it is not known what: the system lost events, or there were
    /// too many. It may have missed new folders, too.
    pub(super) all: bool,
    /// The folder itself may have been removed or renamed.
    pub(super) may_be_gone: bool,
    /// Why not everything is watched.
    pub(super) trouble: Option<String>,
}

impl EventSink {
    /// Returns the sink, and what receives a message once there are events in it.
    pub(super) fn new() -> (Arc<EventSink>, Receiver<()>) {
        let (wakeup, woken) = channel::bounded(1);
        let pending = Mutex::default();
        (Arc::new(EventSink { pending, wakeup }), woken)
    }

    pub(super) fn take(&self) -> PendingEvents {
        mem::take(&mut self.pending.lock())
    }

    pub(super) fn add(&self, paths: impl IntoIterator<Item = PathBuf>) {
        let mut pending = self.pending.lock();
        pending.paths.extend(paths);
        if pending.paths.len() > MOST_PATHS {
            pending.paths.clear();
            pending.all = true;
        }
        drop(pending);
        self.wake();
    }

    pub(super) fn add_all(&self, trouble: Option<String>) {
        let mut pending = self.pending.lock();
        pending.all = true;
        pending.trouble = trouble.or(pending.trouble.take());
        drop(pending);
        self.wake();
    }

    /// Followed by the paths of the event, which wake the service.
    pub(super) fn set_gone(&self) {
        self.pending.lock().may_be_gone = true;
    }

    fn wake(&self) {
        // Full: the service is about to wake up.
        let _ = self.wakeup.try_send(());
    }
}
