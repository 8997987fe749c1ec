//! How a task with a handle is run that no worker runs: after a stop took it out, or by the
//! thread of its scope.

use super::state::TaskState;
use super::task_cell::TaskCell;
use crate::cancel::CancelToken;
use crate::queue::PoolRef;
use crate::retry::GiveUpReason;
use crate::sync::Arc;
use crate::task::body::{self, Attempt, Next, TaskFn};
use crate::task::context::TaskContext;
use crate::task::error::TaskPanic;
use crate::task::link::Link;
use crate::worker::{RunningCell, TaskControl, TaskInfo};

impl<B: TaskFn<Output: Send>, L: Link> TaskCell<B, L> {
    /// Runs it on this thread, with all its attempts, if it was taken out or given back.
    pub(super) fn run_here(&self) {
        let control = self.control_here();
        let Some((closure, pool_ref)) = self.start_here(control.as_ref()) else {
            return;
        };
        let result = self.attempt_to_the_end(closure, control.as_ref(), &pool_ref);
        let leftover = self.change(|body| {
            body.control = None;
            body.finish(result)
        });
        self.dispose(leftover);
        // The last that the task does: its scope may return now.
        self.link.ended();
    }

    /// The token and note of the run, if its closure can see them.
    fn control_here(&self) -> Option<Arc<TaskControl>> {
        if !B::WANTS_CONTEXT && !B::RETRIES {
            return None;
        }
        Some(match L::SCOPED {
            // Of a scoped task the pool's token still means something.
            true => {
                let pool_ref = self.body.lock().pool_ref.clone();
                pool_ref.control(self.meta.origin.id)
            }
            false => TaskControl::new(CancelToken::new()),
        })
    }

    /// UNSTARTED or WITHDRAWN -> RUNNING.
    fn start_here(&self, control: Option<&Arc<TaskControl>>) -> Option<(B, Arc<PoolRef>)> {
        self.change(|body| {
            let may_run = matches!(body.state, TaskState::Unstarted | TaskState::Withdrawn);
            let closure = may_run.then(|| body.start()).flatten()?;
            body.control = control.cloned();
            Some((closure, body.pool_ref.clone()))
        })
    }

    fn attempt_to_the_end(
        &self,
        mut closure: B,
        control: Option<&Arc<TaskControl>>,
        pool_ref: &Arc<PoolRef>,
    ) -> Result<B::Output, TaskPanic> {
        let info = || TaskInfo::new(&self.meta, self.attempts());
        loop {
            let context = control
                .map(|control| TaskContext::unstarted(info(), pool_ref.clone(), control.clone()));
            let next = match body::attempt(closure, context.as_ref(), pool_ref, info)? {
                Attempt::Ended(result) => return Ok(result),
                Attempt::Failed(failed, next) => {
                    closure = failed;
                    next
                }
            };
            match next.and_then(|next| sleep(context.as_ref(), next)) {
                Ok(Next { was_none: true, .. }) => closure.uncount(),
                Ok(_) => self.body.lock().attempts += 1,
                Err(gave_up) => return body::give_up(closure, gave_up, pool_ref, info),
            }
        }
    }
}

/// Blocks until the next attempt is due.
fn sleep(context: Option<&TaskContext>, next: Next) -> Result<Next, GiveUpReason> {
    match context.map(|context| context.sleep(next.after)) {
        Some(Ok(())) => Ok(next),
        Some(Err(_)) => Err(GiveUpReason::Cancelled),
        None => unreachable!("what retries has a context"),
    }
}
