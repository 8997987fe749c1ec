//! What an entry runs: the program's closure, as a task of the pool, and the judgement of
//! its errors.

use super::context::RunContext;
use super::planned::{Planned, wall};
use super::shown::utc;
use super::status::RunOutcome;
use crate::cancel::CancelledCause;
use crate::causes::{BoxError, chain, has_cause};
use crate::clock::{self, Now};
use crate::queue::{PoolCore, Queued};
use crate::record::record;
use crate::sync::Arc;
use crate::task::{TaskContext, due_task};
use crate::trace::{self, Parent};
use crate::unwind::{self, RateLimit};
use std::mem;
use std::panic::Location;
use std::time::Duration;

pub(super) type Closure = dyn Fn(&RunContext<'_>) -> Result<(), BoxError> + Send + Sync;

pub(super) struct Job {
    pub(super) name: Arc<str>,
    pub(super) closure: Box<Closure>,
    pub(super) time_limit: Option<Duration>,
    pub(super) pool: Arc<PoolCore>,
    pub(super) added_at: &'static Location<'static>,
    /// The span in which the entry was added.
    pub(super) parent: Parent,
}

impl Job {
    /// A task of the pool, under the name of the entry.
    pub(super) fn task(&self, body: impl FnOnce(&TaskContext) + Send + 'static) -> Queued {
        let name = self.name.clone();
        let parent = self.parent.clone();
        due_task(
            &self.pool,
            name,
            self.added_at,
            self.time_limit,
            parent,
            body,
        )
    }

    /// Calls the closure for a run that begins now. Its panic unwinds out of here.
    pub(super) fn call(&self, context: &TaskContext, due: Planned, now: Now) -> RunOutcome {
        let (nominal, lateness) = (wall(due.nominal, now), due.lateness(now));
        let run = RunContext::new(context, &self.name, nominal, lateness);
        let span = trace::schedule_run(&self.name, || utc(nominal));
        let outcome = match (self.closure)(&run) {
            Ok(()) => RunOutcome::Completed,
            Err(error) => self.judge(context, error),
        };
        span.end(outcome.word());
        outcome
    }

    /// An error is a failure, unless a stop explains it: that of the run itself, or of
    /// something that the run needed.
    fn judge(&self, context: &TaskContext, error: BoxError) -> RunOutcome {
        static LIMIT: RateLimit = RateLimit::new();
        let name = &self.name;
        let obeyed_token = has_cause::<CancelledCause>(error.as_ref()) && context.is_cancelled();
        let is_of_stop = self.pool.membership.explains(error.as_ref());
        let text = chain(error.as_ref());
        unwind::drop_guarded(error, || format!("the error of schedule {name:?}"));
        if obeyed_token {
            return RunOutcome::Cancelled;
        }
        if is_of_stop {
            record!(Warn, SCHEDULE, "schedule {name:?} was cut short: {text}");
            return RunOutcome::Cancelled;
        }
        if let Some(unlogged) = LIMIT.admit(clock::now()) {
            let more = unwind::and_more(unlogged, "failed");
            record!(Error, SCHEDULE, "schedule {name:?} failed: {text}{more}");
        }
        RunOutcome::Failed(text)
    }
}

/// The drop of the closure is the program's code.
impl Drop for Job {
    fn drop(&mut self) {
        let closure = mem::replace(&mut self.closure, Box::new(|_| Ok(())));
        unwind::drop_guarded(closure, || {
            format!("the closure of schedule {:?}", self.name)
        });
    }
}
