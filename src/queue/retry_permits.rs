//! How many tasks with a retry policy there may be: each holds a permit from its submit to
//! its end, wherever it waits meanwhile.

use super::monitor::Monitor;
use super::on_full::OnFull;
use super::refusal::Refusal;
use crate::sync::Arc;

pub(crate) struct RetryPermits {
    /// As the builder says.
    most: usize,
    /// Notified when a permit is free, and when the pool is closed.
    state: Arc<Monitor<PermitState>>,
}

#[derive(Default)]
struct PermitState {
    taken: usize,
    closed: bool,
}

/// Free again when this is dropped.
pub(crate) struct RetryPermit(Arc<Monitor<PermitState>>);

impl Drop for RetryPermit {
    fn drop(&mut self) {
        self.0.lock().taken -= 1;
        self.0.notify_one();
    }
}

impl RetryPermits {
    pub(super) fn new(most: usize) -> RetryPermits {
        RetryPermits {
            most,
            state: Arc::default(),
        }
    }

    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.state.notify_all();
    }

    /// Takes a permit. Blocks as `on_full` says; a worker of the pool that is not to wait
    /// gets one in any case.
    pub(crate) fn take(
        &self,
        on_full: OnFull<'_>,
        is_own_worker: bool,
    ) -> Result<RetryPermit, Refusal> {
        let overflows = is_own_worker && on_full.overflows();
        let wait = on_full.wait();
        let _listening = wait.and_then(|wait| wait.listen(&self.state));
        let mut state = self.state.lock();
        // A worker that waited might be the one whose tasks hold the permits.
        while !overflows && (state.closed || state.taken >= self.most) {
            if state.closed {
                return Err(Refusal::Closed);
            }
            let wait = wait.ok_or(Refusal::Full)?;
            if let Some(refusal) = wait.is_over() {
                return Err(refusal);
            }
            self.state.wait(wait.deadline(), &mut state);
        }
        state.taken += 1;
        Ok(RetryPermit(self.state.clone()))
    }
}
