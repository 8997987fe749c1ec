//! The threads of the workers: their start, and their end.

use super::super::job::JobResult;
use super::core::Core;
use super::worker::Worker;
use super::{acknowledger, beat, claimer, maintenance};
use crate::clock::Deadline;
use crate::host::ServiceContext;
use crate::sync::Arc;
use crate::sync::channel::{self, Receiver, Sender};
use crate::threads::{self, Thread};
use crate::unwind;
use std::io;
use std::time::Duration;

/// What a thread does until everything is over.
type Body = fn(&Core);

/// The threads beside the workers, in the order in which they end.
const HELPERS: [(&str, Body); 3] = [
    ("keep", maintenance::maintain),
    ("beat", beat::keep_lease),
    ("ack", acknowledger::acknowledge),
];

/// Starts the threads that serve the workers, with or without one that claims.
pub(super) fn start_helpers(
    core: &Arc<Core>,
    stack_size: usize,
    with_claimer: bool,
) -> io::Result<Vec<Thread>> {
    let claimer: &[(&str, Body)] = match with_claimer {
        true => &[("claim", claimer::claim_jobs)],
        false => &[],
    };
    let bodies: Vec<(&str, Body)> = claimer.iter().chain(&HELPERS).copied().collect();
    let names: Vec<String> = bodies
        .iter()
        .map(|(name, _)| format!("{}-{name}", core.name))
        .collect();
    let threads = threads::spawn_all("thread of jobs", &names, stack_size, |index| {
        let (core, body) = (core.clone(), bodies[index].1);
        move || {
            guard(&core, || {
                body(&core);
                Ok(())
            })
        }
    });
    Ok(threads?)
}

/// Lets the helpers end. Where the store does not answer they may be inside of a call, and are left
/// to it.
pub(super) fn end_helpers(
    core: &Core,
    helpers: Vec<Thread>,
    is_answered: bool,
    patience: Deadline,
) {
    core.close();
    if is_answered && core.wait_for_withdrawal(patience) {
        helpers.into_iter().for_each(Thread::join);
    }
    core.close_log();
}

/// How long an answer of the store is waited for when everything else is over: not until the end of
/// the time for the stop, at which the host would abandon the service. When that is over already,
/// the host does not wait any more.
pub(super) fn patience(core: &Core, time_left: Duration) -> Deadline {
    let call = match core.trouble() {
        None => LONGEST_CALL,
        Some(_) => ONE_TRY,
    };
    Deadline::after(match time_left.is_zero() {
        true => call,
        false => call.min(time_left / 3),
    })
}

/// A store answers within this, or is in trouble.
const LONGEST_CALL: Duration = Duration::from_secs(5);
/// It was in trouble the last time.
const ONE_TRY: Duration = Duration::from_millis(50);

/// Starts the workers. Each sends first whether it has its handlers.
pub(super) fn start_workers(
    core: &Arc<Core>,
    stack_size: usize,
    ctx: &ServiceContext,
) -> io::Result<(Vec<Thread>, Receiver<JobResult>)> {
    let count = core.setup.threads;
    let names: Vec<String> = (0..count)
        .map(|index| threads::worker_name(&core.name, index))
        .collect();
    let (started, results) = channel::bounded(count);
    let threads = threads::spawn_all("worker of jobs", &names, stack_size, |slot| {
        let (core, started) = (core.clone(), started.clone());
        let ctx = Arc::new(ctx.fork(&names[slot], core.closed.clone()));
        move || {
            ctx.enter();
            guard(&core, || work(&core, slot, &ctx, started));
            ctx.leave();
        }
    });
    Ok((threads?, results))
}

fn work(
    core: &Core,
    slot: usize,
    ctx: &Arc<ServiceContext>,
    started: Sender<JobResult>,
) -> JobResult {
    // There is room for one result of each worker.
    let mut worker = match Worker::new(core, slot, Some(ctx.clone())) {
        Ok(worker) => {
            let _ = started.try_send(Ok(()));
            worker
        }
        Err(error) => {
            let _ = started.try_send(Err(error));
            return Ok(());
        }
    };
    drop(started);
    worker.work()
}

/// A thread that ends with an error, or with a panic, which would be that of a store, ends the work.
fn guard(core: &Core, body: impl FnOnce() -> JobResult) {
    match unwind::catch(body) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => core.fail(error),
        Err(payload) => {
            let text = unwind::text(payload.as_ref()).to_owned();
            unwind::drop_payload(payload);
            core.fail(format!("a thread of the jobs panicked: {text}").into());
        }
    }
}
