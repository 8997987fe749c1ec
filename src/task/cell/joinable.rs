//! A task as its handle sees it.

use super::state::TaskState;
use super::task_cell::{AnyCell, Contents, TaskCell};
use crate::clock::{self, Deadline};
use crate::queue::Shared;
use crate::sync::{Acquire, Arc, Relaxed};
use crate::task::body::TaskFn;
use crate::task::error::TaskError;
use crate::task::link::Link;
use crate::worker::{Off, TaskInfo};

pub(crate) trait Joinable<T>: Send + Sync {
    fn pool(&self) -> u64;
    fn info(&self) -> TaskInfo;
    /// Whether it has ended. One whose time to start is over ends here.
    fn has_ended(&self) -> bool;
    /// As the pool sees it.
    fn into_shell(self: Arc<Self>) -> Arc<dyn Shared>
    where
        Self: 'static;
    /// Blocks until it has ended or `deadline` has come; returns which. Also
    /// returns `false` when the pool gave it back to its scope.
    fn wait(&self, deadline: Deadline) -> bool;
    /// Blocks until it has ended, for which `claim` may help: called on a worker of its
    /// pool whenever another attempt is due.
    fn wait_and_claim(&self, claim: &dyn Fn());
    /// The outcome of a task that was waited for.
    fn take(&self) -> Result<T, TaskError>;
    /// Asks it to end; `true` if it never starts.
    fn cancel(&self) -> bool;
    /// Takes it back, uncounted, if it has not started.
    fn take_back(&self);
    /// The result will not be taken.
    fn detach(&self);
}

impl<B: TaskFn<Output: Send>, L: Link> Joinable<B::Output> for TaskCell<Contents<B>, L> {
    fn pool(&self) -> u64 {
        self.pool.load(Relaxed)
    }

    fn info(&self) -> TaskInfo {
        self.any().info()
    }

    fn has_ended(&self) -> bool {
        if self.ended.load(Acquire) != 0 {
            return true;
        }
        if self.any().start_by() == Deadline::NEVER {
            return false;
        }
        // Otherwise it would end only when a worker comes to it.
        self.call_off(Off::Expired) || self.ended.load(Acquire) != 0
    }

    fn into_shell(self: Arc<Self>) -> Arc<dyn Shared>
    where
        Self: 'static,
    {
        self
    }

    fn wait(&self, deadline: Deadline) -> bool {
        self.wait_ended(self.any().waiter(deadline))
    }

    fn wait_and_claim(&self, claim: &dyn Fn()) {
        let joiner = self.any().joiner();
        while !self.wait_ended(joiner) {
            claim();
        }
    }

    fn take(&self) -> Result<B::Output, TaskError> {
        let mut body = self.body.lock();
        body.detached = true;
        match body.contents.result.take() {
            Some(result) => result.map_err(TaskError::Panicked),
            None => Err(body.state.error()),
        }
    }

    fn cancel(&self) -> bool {
        if self.call_off(Off::Cancelled) {
            return true;
        }
        self.any().request_cancel();
        false
    }

    fn take_back(&self) {
        self.call_off(Off::TakenBack);
    }

    fn detach(&self) {
        let mut body = self.body.lock();
        body.detached = true;
        let result = body.contents.result.take();
        drop(body);
        self.dispose(result);
    }
}

impl<L: Link> AnyCell<'_, L> {
    fn request_cancel(&self) {
        let mut body = self.body.lock();
        if body.state == TaskState::Running {
            // Kept for a token that the task has not asked for yet.
            body.cancel_requested.get_or_insert_with(clock::now);
            let control = body.control.clone();
            drop(body);
            if let Some(control) = control {
                control.token.cancel();
            }
        }
    }
}
