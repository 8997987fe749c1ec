//! The life of a service's thread.

use super::context::ServiceContext;
use super::core::Core;
use super::factory::Factory;
use super::failure::{FailedIn, ServiceFailure};
use super::machine::Next;
use super::service::ServiceResult;
use crate::sync::Arc;
use crate::unwind::{self, Payload};

/// Lives one incarnation after the other, as the supervisor says.
pub(super) fn serve(core: &Arc<Core>, index: usize, mut factory: Factory) {
    let liveness = core.own_liveness(index);
    liveness.enter();
    while let Some(token) = core.next_incarnation(index) {
        let ctx = ServiceContext::new(core.clone(), index, token, liveness.clone());
        let failures = live(core, index, &ctx, &mut factory);
        core.ended(index, failures);
    }
    core.close(index, factory);
    liveness.leave();
}

/// Returns the failure of the start, or else of the stop, and that of the drop.
fn live(
    core: &Core,
    index: usize,
    ctx: &ServiceContext,
    factory: &mut Factory,
) -> Vec<ServiceFailure> {
    let name = &core.names[index];
    let mut service = match unwind::catch(|| factory.make()) {
        Ok(service) => service,
        Err(payload) => return vec![ServiceFailure::of_panic(name, FailedIn::Start, payload)],
    };
    let failure = |during, result: Result<ServiceResult, Payload>| match result {
        Ok(Ok(())) => None,
        Ok(Err(error)) => {
            let error = ctx.due_to_stop(error).err()?;
            Some(ServiceFailure::of_error(name, during, error))
        }
        Err(payload) => Some(ServiceFailure::of_panic(name, during, payload)),
    };
    let start = unwind::catch(|| service.start(ctx));
    let has_started = matches!(start, Ok(Ok(())));
    let mut last = failure(FailedIn::Start, start);
    if has_started {
        let mut next = core.started(index);
        if next == Next::Run {
            let run = unwind::catch(|| service.run(ctx));
            next = core.run_ended(index, failure(FailedIn::Run, run));
        }
        if next == Next::Stop {
            let stop = unwind::catch(|| service.stop(ctx));
            last = failure(FailedIn::Stop, stop);
        }
    }
    let dropped = unwind::catch(|| drop(service)).err();
    let dropped = dropped.map(|payload| ServiceFailure::of_panic(name, FailedIn::Drop, payload));
    last.into_iter().chain(dropped).collect()
}

impl Core {
    /// The service's last thread lets go of its factory, or there never was one.
    pub(super) fn close(&self, index: usize, factory: Factory) {
        if let Err(payload) = factory.close() {
            self.drop_panicked(index, payload);
        }
    }

    /// Something of the service's panicked in its drop.
    pub(super) fn drop_panicked(&self, index: usize, payload: Payload) {
        let failure = ServiceFailure::of_panic(&self.names[index], FailedIn::Drop, payload);
        let late = self.change(|state, now| {
            let is_late = state.machine.is_frozen;
            if is_late {
                state.machine.evicted.push(failure.clone());
            }
            state.machine.drop_panicked(index, failure, now);
            (is_late, std::mem::take(&mut state.machine.evicted))
        });
        self.let_go(late);
    }

    /// Drops failures that are kept no longer, without the lock. Of those that come while the
    /// report is made, when the host writes no records any more, panicking drops are logged
    /// here: at the latest moment nothing else says so.
    pub(super) fn let_go(&self, (are_late, failures): (bool, Vec<ServiceFailure>)) {
        for failure in failures {
            if are_late && failure.during() == FailedIn::Drop {
                let host = &self.name;
                unwind::log_guarded(|| log::error!("host {host}: {failure}"));
            }
        }
    }
}
