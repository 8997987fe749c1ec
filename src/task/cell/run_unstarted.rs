//! How a task with a handle is run that no worker runs: after a stop took it out, or by the
//! thread of its scope.

use super::state::TaskState;
use super::task_cell::{AnyCell, Contents, TaskCell};
use crate::cancel::CancelToken;
use crate::queue::PoolRef;
use crate::retry::GiveUpReason;
use crate::sync::Arc;
use crate::task::body::{self, Attempt, Next, TaskFn};
use crate::task::context::TaskContext;
use crate::task::error::TaskPanic;
use crate::task::link::Link;
use crate::worker::TaskControl;

impl<B: TaskFn<Output: Send>, L: Link> TaskCell<Contents<B>, L> {
    /// Runs it on this thread, with all its attempts, if it was taken out or given back.
    pub(super) fn run_here(&self) {
        let control = match B::WANTS_CONTEXT {
            true => Some(self.any().control_here()),
            false => None,
        };
        let Some((closure, pool_ref)) = self.start_here(control.as_ref()) else {
            return;
        };
        let result = self.attempt_to_the_end(closure, control.as_ref(), &pool_ref);
        let leftover = self.store(result, None);
        self.dispose(leftover);
        // The last that the task does: its scope may return now.
        self.link.ended();
    }

    /// UNSTARTED or WITHDRAWN -> RUNNING.
    fn start_here(&self, control: Option<&Arc<TaskControl>>) -> Option<(B, Arc<PoolRef>)> {
        let mut body = self.body.lock();
        if !matches!(body.state, TaskState::Unstarted | TaskState::Withdrawn) {
            return None;
        }
        let closure = body.start()?;
        body.control = control.cloned();
        let pool_ref = body.pool_ref.clone();
        self.any().changed_to(body.state);
        Some((closure, pool_ref))
    }

    fn attempt_to_the_end(
        &self,
        mut closure: B,
        control: Option<&Arc<TaskControl>>,
        pool_ref: &Arc<PoolRef>,
    ) -> Result<B::Output, TaskPanic> {
        loop {
            let context = control.map(|control| self.any().context_here(control, pool_ref));
            let info = || self.any().info();
            let next = match body::attempt(closure, context.as_ref(), None, pool_ref, &info)? {
                Attempt::Ended(result) => return Ok(result),
                Attempt::Failed(failed, next) => {
                    closure = failed;
                    next
                }
            };
            // Not compiled for other closures.
            if !B::RETRIES {
                unreachable!("only what retries fails");
            }
            match next.and_then(|next| sleep(context.as_ref(), next)) {
                Ok(Next { was_none: true, .. }) => closure.uncount(),
                Ok(_) => self.body.lock().attempts += 1,
                Err(gave_up) => return body::give_up(closure, gave_up, pool_ref, &info),
            }
        }
    }
}

impl<L: Link> AnyCell<'_, L> {
    /// The token and note of the run.
    fn control_here(&self) -> Arc<TaskControl> {
        match L::SCOPED {
            // Of a scoped task the pool's token still means something.
            true => {
                let pool_ref = self.body.lock().pool_ref.clone();
                pool_ref.control(self.meta.origin.id)
            }
            false => TaskControl::new(CancelToken::new()),
        }
    }

    fn context_here(&self, control: &Arc<TaskControl>, pool_ref: &Arc<PoolRef>) -> TaskContext {
        let (pool_ref, control) = (pool_ref.clone(), control.clone());
        let stopping = (!L::SCOPED).then(CancelToken::new);
        TaskContext::unstarted(self.info(), pool_ref, control, stopping)
    }
}

/// Blocks until the next attempt is due, in real time: a test that moves the pool's clock has
/// stopped the pool.
fn sleep(context: Option<&TaskContext>, next: Next) -> Result<Next, GiveUpReason> {
    match context.map(|context| context.token().wait_timeout(next.after)) {
        Some(false) => Ok(next),
        Some(true) => Err(GiveUpReason::Cancelled),
        None => unreachable!("what retries has a context"),
    }
}
