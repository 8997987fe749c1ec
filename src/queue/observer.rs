//! The observers of the tasks that a worker ran.

use super::PoolCore;
use crate::sync::Arc;
use crate::task::{Ended, TaskInfo, TaskOutcome};
use std::any::Any;
use std::time::Duration;

/// `PoolBuilder::observer`.
pub(crate) type Observer =
    Arc<dyn Fn(&TaskInfo, TaskOutcome, Option<Duration>, Duration) + Send + Sync>;

/// Keeps the times of tasks. Is ours: it does not panic, and may hold a lock.
pub(crate) trait Meter: Send + Sync {
    /// Called by each worker, with its index, for its own tasks.
    fn record(&self, worker: usize, waited: Option<Duration>, ran: Duration);
    /// For its creator, to read it.
    fn as_any(&self) -> &dyn Any;
}

impl PoolCore {
    #[inline]
    pub(crate) fn is_observed(&self) -> bool {
        self.is_observed
    }

    /// Runs user code: the caller holds no lock.
    pub(super) fn tell_observers(&self, worker: usize, task: &Ended) {
        // First, so that an observer that looks finds its task there.
        if let Some(meter) = &self.meter {
            meter.record(worker, task.waited, task.ran);
        }
        if let Some(observer) = &self.observer {
            let info = task.info();
            self.call_hook("observer", || {
                observer(&info, task.outcome, task.waited, task.ran);
            });
        }
    }
}
