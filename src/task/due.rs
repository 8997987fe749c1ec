//! Tasks that are put in when they are due: runs of schedules, and batches.

use super::body::{Labelled, WithContext};
use super::cell::{TaskCell, TaskLimits};
use super::context::TaskContext;
use super::handle::TaskHandle;
use super::plain::Plain;
use crate::clock::{self, Deadline};
use crate::queue::{PoolCore, PoolRef, Queued, Shared};
use crate::sync::Arc;
use crate::trace::Parent;
use crate::worker::{Origin, next_id};
use std::panic::Location;
use std::time::Duration;

/// A task without a handle.
pub(crate) fn due_task(
    pool: &PoolCore,
    name: Arc<str>,
    submitted_at: &'static Location<'static>,
    time_limit: Option<Duration>,
    parent: Parent,
    body: impl FnOnce(&TaskContext) + Send + 'static,
) -> Queued {
    let id = next_id();
    let origin = Origin { id, submitted_at };
    let body = Labelled {
        name: Some(name),
        start_by: Deadline::NEVER,
        time_limit,
        queued_at: pool.is_observed().then(clock::now),
        body: WithContext::below(parent, body),
    };
    Queued::Plain(Box::new(Plain { origin, body }))
}

/// A task with its number and its handle. `body` makes what is run of the number.
pub(crate) fn due_task_with_handle<B>(
    pool_ref: &Arc<PoolRef>,
    name: Arc<str>,
    submitted_at: &'static Location<'static>,
    body: impl FnOnce(u64) -> B,
) -> (u64, Queued, TaskHandle<()>)
where
    B: FnOnce(&TaskContext) + Send + 'static,
{
    let id = next_id();
    let origin = Origin { id, submitted_at };
    let body = WithContext::below(Parent::default(), body(id));
    let limits = TaskLimits::NONE;
    let cell = TaskCell::new(origin, Some(name), limits, body, pool_ref.clone(), ());
    let task: Arc<dyn Shared> = cell.clone();
    (id, Queued::Shared(task), TaskHandle::new(cell))
}
