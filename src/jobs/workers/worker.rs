//! A thread that runs handlers.

use super::super::attempt::{Attempt, shortened};
use super::super::context::JobContext;
use super::super::dead_job::DeadJob;
use super::super::job::JobResult;
use super::super::meaning::Meaning;
use super::core::{Core, Next};
use super::ending::{Facts, Returned, default_policy};
use super::handler::{Around, Handler, Run};
use crate::causes::{self, BoxError};
use crate::clock;
use crate::host::ServiceContext;
use crate::record;
use crate::retry::{self, Retry, Verdict};
use crate::store::{AttemptId, Due, Outcome, WorkerId};
use crate::sync::Arc;
use crate::table::trimmed;
use crate::trace;
use crate::unwind::{self, Payload, RateLimit};

/// One thread, with its handlers.
pub(super) struct Worker<'a> {
    core: &'a Core,
    /// The number of the thread.
    slot: usize,
    /// By the place of their kind.
    handlers: Vec<Handler>,
    /// In a host.
    service: Option<Arc<ServiceContext>>,
}

impl<'a> Worker<'a> {
    /// # Errors
    ///
    /// That of a factory of the program.
    pub(super) fn new(
        core: &'a Core,
        slot: usize,
        service: Option<Arc<ServiceContext>>,
    ) -> JobResult<Worker<'a>> {
        Ok(Worker {
            core,
            slot,
            handlers: core.setup.make_handlers()?,
            service,
        })
    }

    /// Runs jobs until a stop is requested, or until a handler that panicked cannot be replaced.
    pub(super) fn work(&mut self) -> JobResult {
        loop {
            let next = self.core.next(self.slot);
            if let Next::Leave = next {
                return Ok(());
            }
            self.go_on(next)?;
        }
    }

    /// Does what is next, without a wait; `false`: there is nothing.
    ///
    /// # Errors
    ///
    /// As [`go_on`](Self::go_on).
    pub(super) fn work_once(&mut self) -> JobResult<bool> {
        match self.core.next_now(self.slot) {
            Some(next) => self.go_on(next).map(|()| true),
            None => Ok(false),
        }
    }

    /// Runs one job, or calls the closure for one that is dead.
    ///
    /// # Errors
    ///
    /// That of a factory of the program, after a panic.
    fn go_on(&mut self, next: Next) -> JobResult {
        match next {
            Next::Run {
                attempt,
                payload,
                worker,
            } => self.run(attempt, &payload, worker),
            Next::Dead(dead) => {
                pass_dead(self.core, &dead);
                Ok(())
            }
            Next::Leave => Ok(()),
        }
    }

    fn run(&mut self, attempt: Arc<Attempt>, payload: &[u8], worker: WorkerId) -> JobResult {
        let core = self.core;
        let place = core.setup.place_of(&attempt.kind);
        let span = enter_span(core, &attempt);
        let timeout = core.begin(&attempt, worker);
        let ctx = JobContext::new(
            attempt.clone(),
            core.stopping.clone(),
            core.clock.clone(),
            self.service.clone(),
        );
        let returned = match place {
            Some(place) => {
                let (handler, policy) = (&mut self.handlers[place], core.setup.policy(place));
                call(&core.setup.around, handler, policy, payload, &ctx)
            }
            // The store gave what it was not asked for.
            None => Returned::Failed {
                error: format!("there is no handler of kind {:?} here", attempt.kind),
                meaning: Meaning::Failed(Verdict::Retry),
            },
        };
        let has_panicked = matches!(returned, Returned::Panicked { .. });
        let outcome = outcome(core, place, &attempt, returned);
        log_end(core, &attempt, &outcome);
        span.end(word(&outcome, has_panicked));
        if let Outcome::Completed | Outcome::Dead { .. } | Outcome::Cancelled { .. } = outcome {
            core.jobs.parents().forget(attempt.id.job);
        }
        let dead = dead_job(&attempt, &outcome);
        core.end(self.slot, &attempt, timeout, outcome, dead);
        match place {
            // A handler that panicked may be broken.
            Some(place) if has_panicked => self.replace(place),
            _ => Ok(()),
        }
    }

    fn replace(&mut self, place: usize) -> JobResult {
        let new = self.core.setup.make_handler(place)?;
        let broken = std::mem::replace(&mut self.handlers[place], new);
        unwind::drop_guarded(broken, || "the handler of a job".to_owned());
        Ok(())
    }
}

/// Below the span in which the job was enqueued, if this process did that.
fn enter_span(core: &Core, attempt: &Attempt) -> trace::Entered {
    let AttemptId { job, .. } = attempt.id;
    let parent = core.jobs.parents().of(job);
    let Attempt { kind, queue, .. } = attempt;
    trace::job(parent.as_deref(), job.get(), kind, queue, attempt.number)
}

/// The word for an outcome, in the span of the attempt.
fn word(outcome: &Outcome, has_panicked: bool) -> &'static str {
    match outcome {
        Outcome::Completed => "completed",
        Outcome::Dead { .. } => "dead",
        Outcome::Cancelled { .. } => "cancelled",
        Outcome::Failed { .. } if has_panicked => "panicked",
        Outcome::Failed { .. } => "failed",
        Outcome::Snoozed { .. } => "snoozed",
        Outcome::GivenBack | Outcome::Interrupted { .. } | Outcome::Abandoned => "interrupted",
    }
}

/// Calls the program's code.
fn call(
    around: &[Around],
    handler: &mut Handler,
    policy: &Retry<BoxError>,
    payload: &[u8],
    ctx: &JobContext,
) -> Returned {
    let inner: Run<'_> = Box::new(move || handler(payload, ctx));
    let run = around.iter().rev().fold(inner, |run, around| {
        Box::new(move || around(ctx, run)) as Run<'_>
    });
    match unwind::catch(run) {
        Ok(Ok(())) => Returned::Completed,
        Ok(Err(error)) => {
            let returned = unwind::catch(|| Returned::Failed {
                error: shortened(causes::chain(error.as_ref())),
                meaning: meaning(&error, policy, ctx),
            });
            unwind::drop_guarded(error, || format!("the error of job {}", ctx.id()));
            returned.unwrap_or_else(panicked)
        }
        Err(payload) => panicked(payload),
    }
}

/// The judge is asked about what the error itself leaves open, unless the token was cancelled: then
/// that decides.
fn meaning(error: &BoxError, policy: &Retry<BoxError>, ctx: &JobContext) -> Meaning {
    match Meaning::of(error.as_ref()) {
        Meaning::Failed(Verdict::Retry) if !ctx.is_cancelled() => {
            Meaning::Failed(policy.verdict(error))
        }
        meaning => meaning,
    }
}

fn panicked(payload: Payload) -> Returned {
    let message = shortened(unwind::text(payload.as_ref()).to_owned());
    unwind::drop_payload(payload);
    Returned::Panicked { message }
}

fn outcome(core: &Core, place: Option<usize>, attempt: &Attempt, returned: Returned) -> Outcome {
    let default = default_policy();
    // By the store's clock until this attempt was due, by this process's since it began.
    let before = attempt.due.duration_since(attempt.first_due);
    let facts = Facts {
        cause: attempt.cause(),
        number: attempt.number,
        max_attempts: attempt.max_attempts,
        interrupted: attempt.interrupted,
        max_interruptions: core.setup.max_interruptions,
        timeout: attempt.timeout,
        elapsed: before.unwrap_or_default() + attempt.age(core.clock.now()),
        policy: place.map_or(&default, |place| core.setup.policy(place)),
        random: retry::random(),
    };
    facts.outcome(returned)
}

fn dead_job(attempt: &Attempt, outcome: &Outcome) -> Option<DeadJob> {
    let Outcome::Dead { error } = outcome else {
        return None;
    };
    Some(DeadJob {
        id: attempt.id.job,
        fence: attempt.id.fence,
        queue: attempt.queue.clone(),
        kind: attempt.kind.clone(),
        attempt: attempt.number,
        error: error.clone(),
    })
}

/// Calls the program's closure for a job that is dead.
fn pass_dead(core: &Core, dead: &DeadJob) {
    let Some(dead_letter) = &core.setup.dead_letter else {
        return;
    };
    if let Err(payload) = unwind::catch(|| dead_letter(dead)) {
        let text = unwind::text(payload.as_ref());
        let text = format!("the closure for dead letters panicked: {text}");
        core.log(log::Level::Error, &text);
        unwind::drop_payload(payload);
    }
}

/// The same for all that no worker has taken.
pub(super) fn pass_all_dead(core: &Core) {
    while let Some(dead) = core.next_dead() {
        pass_dead(core, &dead);
    }
}

fn log_end(core: &Core, attempt: &Attempt, outcome: &Outcome) {
    let (level, text) = match outcome {
        Outcome::Completed => (log::Level::Debug, "completed".to_owned()),
        Outcome::Failed { error, retry } => {
            (log::Level::Warn, format!("failed{}: {error}", next(*retry)))
        }
        Outcome::Dead { error } => (log::Level::Error, format!("dead: {error}")),
        Outcome::Cancelled { reason } => (log::Level::Info, reason.clone()),
        Outcome::Snoozed { due } => (log::Level::Debug, format!("snoozed{}", next(*due))),
        Outcome::Interrupted { error } => {
            let error = error.as_deref().unwrap_or("no error");
            (
                log::Level::Info,
                format!("interrupted by the stop: {error}"),
            )
        }
        Outcome::GivenBack | Outcome::Abandoned => return,
    };
    if !record::is_wanted(level) {
        return;
    }
    static LIMIT: RateLimit = RateLimit::new();
    let and_more = match level {
        log::Level::Error | log::Level::Warn => match LIMIT.admit(clock::now()) {
            Some(unlogged) => unwind::and_more(unlogged, "failed"),
            None => return,
        },
        _ => String::new(),
    };
    let Attempt {
        id,
        kind,
        number,
        max_attempts,
        ..
    } = attempt;
    let text = format!(
        "job {} ({kind}), attempt {number} of {max_attempts}, {text}{and_more}",
        id.job
    );
    core.log(level, &text);
}

fn next(due: Due) -> String {
    match due {
        Due::After(delay) => format!(", due again after {}", trimmed(delay)),
        Due::Now | Due::At(_) => String::new(),
    }
}
