//! The tests of jobs use the store in memory.

use groundcrew::store::MemoryStore;
use groundcrew::testing::ManualClock;
use std::ops::Deref;

/// A store of its own.
#[derive(Clone, Default)]
pub(crate) struct TestStore(MemoryStore);

impl TestStore {
    pub(crate) fn new() -> TestStore {
        TestStore::default()
    }

    pub(crate) fn clock(self, clock: &ManualClock) -> TestStore {
        TestStore(self.0.clock(clock))
    }
}

impl Deref for TestStore {
    type Target = MemoryStore;

    fn deref(&self) -> &MemoryStore {
        &self.0
    }
}
