//! A task as its handle sees it.

use super::state::TaskState;
use super::task_cell::TaskCell;
use crate::clock::{self, Deadline};
use crate::queue::Shared;
use crate::sync::{Acquire, Arc, Relaxed};
use crate::task::body::TaskFn;
use crate::task::error::TaskError;
use crate::task::link::Link;
use crate::worker::{Off, RunningCell, TaskInfo};

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

impl<B: TaskFn<Output: Send>, L: Link> Joinable<B::Output> for TaskCell<B, L> {
    fn pool(&self) -> u64 {
        self.pool.load(Relaxed)
    }

    fn info(&self) -> TaskInfo {
        TaskInfo::new(&self.meta, self.attempts())
    }

    fn has_ended(&self) -> bool {
        let has_ended = || self.ended.load(Acquire) != 0;
        if has_ended() || self.start_by() == Deadline::NEVER {
            return has_ended();
        }
        // Otherwise it would end only when a worker comes to it.
        self.call_off(Off::Expired) || has_ended()
    }

    fn into_shell(self: Arc<Self>) -> Arc<dyn Shared>
    where
        Self: 'static,
    {
        self
    }

    fn wait(&self, deadline: Deadline) -> bool {
        self.wait_ended(self.waiter(deadline))
    }

    fn wait_and_claim(&self, claim: &dyn Fn()) {
        let joiner = self.joiner();
        while !self.wait_ended(joiner) {
            claim();
        }
    }

    fn take(&self) -> Result<B::Output, TaskError> {
        let mut body = self.body.lock();
        body.detached = true;
        match body.state {
            TaskState::Completed | TaskState::Panicked => match body.result.take() {
                Some(Ok(value)) => Ok(value),
                Some(Err(panic)) => Err(TaskError::Panicked(panic)),
                None => unreachable!("only a handle takes the result, and there is one"),
            },
            TaskState::CalledOff(Off::Expired) | TaskState::CallingOff(Off::Expired) => {
                Err(TaskError::Expired)
            }
            TaskState::CalledOff(_) | TaskState::CallingOff(_) => Err(TaskError::Cancelled),
            TaskState::Abandoned => Err(TaskError::Abandoned),
            // Taken out while a thread waited, whatever happened to it since.
            TaskState::Unstarted
            | TaskState::Resubmitting
            | TaskState::Withdrawn
            | TaskState::Queued
            | TaskState::Waiting
            | TaskState::Running => Err(TaskError::Unstarted),
        }
    }

    fn cancel(&self) -> bool {
        if self.call_off(Off::Cancelled) {
            return true;
        }
        let mut body = self.body.lock();
        if body.state == TaskState::Running {
            // Kept for a token that the task has not asked for yet.
            body.cancel_asked.get_or_insert_with(clock::now);
            let control = body.control.clone();
            drop(body);
            if let Some(control) = control {
                control.token.cancel();
            }
        }
        false
    }

    fn take_back(&self) {
        self.call_off(Off::TakenBack);
    }

    fn detach(&self) {
        let mut body = self.body.lock();
        body.detached = true;
        let result = body.result.take();
        drop(body);
        self.dispose(result);
    }
}
