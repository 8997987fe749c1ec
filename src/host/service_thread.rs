//! The thread of a service.

use super::build::Factory;
use super::context::ServiceContext;
use super::core::Core;
use super::failure::{FailedIn, ServiceFailure, ServiceResult};
use super::machine::Next;
use super::service::Service;
use super::stop_errors;
use crate::sync::Arc;
use crate::trace;
use crate::unwind::{self, Payload};

/// Runs one incarnation after the other, when the supervisor begins them.
pub(super) fn serve(core: &Arc<Core>, index: usize, mut factory: Factory) {
    let liveness = core.liveness[index].own();
    liveness.enter();
    while let Some(token) = core.next_incarnation(index) {
        let ctx = ServiceContext::new(core.clone(), index, token, liveness.clone());
        let failures = live(&ctx, &mut factory);
        core.ended(index, failures);
    }
    close(core, index, factory);
    liveness.leave();
}

/// The service's last thread drops its factory, or there never was one.
pub(super) fn close(core: &Core, index: usize, factory: Factory) {
    if let Err(payload) = factory.close() {
        core.drop_panicked(index, payload);
    }
}

/// One incarnation, from the making of its value to its drop. Returns the failure of its start
/// or else of its stop, and that of the drop.
fn live(ctx: &ServiceContext, factory: &mut Factory) -> Vec<ServiceFailure> {
    let of_panic = |part, payload| ServiceFailure::of_panic(ctx.shared_name(), part, payload);
    let span = trace::service_run(factory.parent(), &ctx.core().name, ctx.name());
    let mut service = match unwind::catch(|| factory.make()) {
        Ok(service) => service,
        Err(payload) => return vec![of_panic(FailedIn::Start, payload)],
    };
    let mut has_failed = false;
    let last = call_parts(ctx, service.as_mut(), &mut has_failed);
    // Before the incarnation counts as over: what the value holds, such as a port, is free for
    // the next one.
    let dropped = unwind::catch(|| drop(service)).err();
    let dropped = dropped.map(|payload| of_panic(FailedIn::Drop, payload));
    let failures: Vec<ServiceFailure> = last.into_iter().chain(dropped).collect();
    span.end(match has_failed || !failures.is_empty() {
        true => "failed",
        false => "completed",
    });
    failures
}

/// Calls `start`, `run` and `stop`, as far as the machine decides. The failure of `run` is reported
/// when it happens, which `has_failed` says; that of the start, or else of the stop, is returned.
fn call_parts(
    ctx: &ServiceContext,
    service: &mut (dyn Service + '_),
    has_failed: &mut bool,
) -> Option<ServiceFailure> {
    let start = unwind::catch(|| service.start(ctx));
    // Also an error that is no failure, since it is due to the stop, ends the incarnation.
    if !matches!(start, Ok(Ok(()))) {
        return failure_of(ctx, FailedIn::Start, start);
    }
    let mut next = ctx.core().started(ctx.index());
    if next == Next::Run {
        let run = unwind::catch(|| service.run(ctx));
        let failure = failure_of(ctx, FailedIn::Run, run);
        *has_failed = failure.is_some();
        next = ctx.core().run_ended(ctx.index(), failure);
    }
    if next != Next::Stop {
        return None;
    }
    let stop = unwind::catch(|| service.stop(ctx));
    failure_of(ctx, FailedIn::Stop, stop)
}

fn failure_of(
    ctx: &ServiceContext,
    part: FailedIn,
    result: Result<ServiceResult, Payload>,
) -> Option<ServiceFailure> {
    let name = ctx.shared_name();
    match result {
        Ok(Ok(())) => None,
        Ok(Err(error)) => {
            let error = stop_errors::unless_due_to_stop(ctx, error)?;
            Some(ServiceFailure::of_error(name, part, error))
        }
        Err(payload) => Some(ServiceFailure::of_panic(name, part, payload)),
    }
}
