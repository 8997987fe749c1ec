//! What depends on a pool, and has to know when that runs nothing any more.

use crate::sync::{Arc, Mutex, Weak};

/// A store of items that tasks of the pool handle.
pub(crate) trait CloseWatcher: Send + Sync {
    /// The pool was closed, or sealed. Called with no lock held. May not call or drop the
    /// program's code.
    fn pool_changed(self: Arc<Self>);
}

#[derive(Default)]
pub(super) struct CloseWatchers(Mutex<Vec<Weak<dyn CloseWatcher>>>);

impl CloseWatchers {
    pub(super) fn add(&self, watcher: Weak<dyn CloseWatcher>) {
        let mut watchers = self.0.lock();
        watchers.retain(|watcher| watcher.strong_count() > 0);
        watchers.push(watcher);
    }

    /// After the change, so that one that is added meanwhile sees it by itself.
    pub(super) fn notify(&self) {
        let watchers = self.0.lock().clone();
        let watchers = watchers.iter().filter_map(Weak::upgrade);
        watchers.for_each(|watcher| watcher.pool_changed());
    }
}
