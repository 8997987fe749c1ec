//! The places for tasks that are retried: each holds one from its submit to its end,
//! wherever it waits meanwhile.

use super::PoolCore;
use super::refusal::Refusal;
use super::when_full::WhenFull;
use crate::clock::Deadline;
use crate::sync::{Arc, Condvar, Mutex};
use crate::task::worker_index_in;

/// As many as the builder's `max_retrying`.
pub(super) struct RetryPermits {
    most: usize,
    state: Mutex<State>,
    /// A place is free, or the pool is closed.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    taken: usize,
    closed: bool,
}

/// A place that is taken; free again when this is dropped.
pub(crate) struct Place {
    queue: Arc<PoolCore>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.retry_permits.state.lock().taken -= 1;
        self.queue.retry_permits.changed.notify_one();
    }
}

impl RetryPermits {
    pub(super) fn new(most: usize) -> RetryPermits {
        RetryPermits {
            most,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }
}

impl PoolCore {
    /// Takes a place. Blocks as `when_full` says; a worker of the pool that is not to wait
    /// gets one in any case.
    pub(crate) fn take_place(self: &Arc<Self>, when_full: WhenFull) -> Result<Place, Refusal> {
        let never_waits =
            matches!(when_full, WhenFull::WaitOrOverflow) && worker_index_in(self.id).is_some();
        let mut state = self.retry_permits.state.lock();
        let mut is_late = false;
        while !never_waits && (state.closed || state.taken >= self.retry_permits.most) {
            if state.closed {
                return Err(Refusal::Closed);
            }
            let deadline = match when_full {
                WhenFull::Refuse => return Err(Refusal::Full),
                WhenFull::Wait(_) if is_late => return Err(Refusal::TimedOut),
                WhenFull::Wait(deadline) => deadline,
                WhenFull::WaitOrOverflow => Deadline::NEVER,
            };
            is_late = deadline.wait(&self.retry_permits.changed, &mut state);
        }
        state.taken += 1;
        Ok(Place {
            queue: self.clone(),
        })
    }
}
