//! A look at a pool, for those that do not own it.

use super::stats::PoolStats;
use crate::stop::{RunningTask, Stopper};
use crate::sync::Arc;

/// What a host keeps of its pools for its status. It neither keeps the pool open nor a task.
pub(crate) struct PoolView {
    pub(super) stopper: Arc<Stopper>,
}

impl PoolView {
    pub(crate) fn stats(&self) -> PoolStats {
        PoolStats::of(&self.stopper.core)
    }

    pub(crate) fn running(&self) -> Vec<RunningTask> {
        self.stopper.running()
    }
}
