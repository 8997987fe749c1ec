//! The version of the store, and the waits for its change.

use crate::clock::Deadline;
use crate::store::Version;
use crate::sync::{Condvar, Mutex};
use std::time::Duration;

/// The version changes after the change of the store, never before: a thread that reads the
/// version, finds nothing in the store, and waits, misses nothing.
#[derive(Default)]
pub(super) struct Changes {
    version: Mutex<u64>,
    changed: Condvar,
}

impl Changes {
    pub(super) fn version(&self) -> Version {
        Version::new(*self.version.lock())
    }

    pub(super) fn change(&self) {
        *self.version.lock() += 1;
        self.changed.notify_all();
    }

    pub(super) fn wait(&self, seen: Version, timeout: Duration) -> Version {
        let mut version = self.version.lock();
        let is_same = |version: &mut u64| *version == seen.get();
        Deadline::after(timeout).wait_while(&self.changed, &mut version, is_same);
        Version::new(*version)
    }
}
