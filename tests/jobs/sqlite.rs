//! The tests of jobs use a store in a file.

use groundcrew::store::sqlite::SqliteStore;
use groundcrew::testing::ManualClock;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// A store in a file of its own, which is removed after its last clone.
#[derive(Clone)]
pub(crate) struct TestStore {
    store: SqliteStore,
    folder: Arc<TempDir>,
}

impl TestStore {
    pub(crate) fn new() -> TestStore {
        // In memory where there is such a folder: an fsync costs nothing there.
        let folder = match Path::new("/dev/shm") {
            memory if memory.is_dir() => tempfile::tempdir_in(memory).unwrap(),
            _ => tempfile::tempdir().unwrap(),
        };
        TestStore {
            store: SqliteStore::open(folder.path().join("jobs.db")).unwrap(),
            folder: Arc::new(folder),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("jobs.db")
    }

    pub(crate) fn clock(self, clock: &ManualClock) -> TestStore {
        let builder = SqliteStore::builder(self.path());
        TestStore {
            store: builder.clock(clock).open().unwrap(),
            folder: self.folder,
        }
    }
}

impl Default for TestStore {
    fn default() -> TestStore {
        TestStore::new()
    }
}

impl Deref for TestStore {
    type Target = SqliteStore;

    fn deref(&self) -> &SqliteStore {
        &self.store
    }
}
