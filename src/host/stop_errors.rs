//! Errors of the program that are due to the stop of its own host, and so no failures.

use super::context::ServiceContext;
use super::core::Core;
use super::error::WaitForError;
use crate::cancel::CancelledCause;
use crate::causes::{BoxError, chain, has_cause, with_cause};
use crate::queue::Member;
use crate::sync::Arc;
use crate::task::LeftByStop;
use crate::unwind;
use std::error::Error;

/// What the stop did to a service that returned an error because of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// Its own stop was requested.
    Requested,
    /// It needed this service, which was stopped.
    Needed(usize),
    /// Its task was on a pool that was stopped.
    Pool,
}

/// Returns the error of a service, unless it is due to the stop of the service or of the host.
/// Then it is dropped, and logged where the service was cut short.
///
/// Calls the program's code: never with a lock held.
pub(super) fn unless_due_to_stop(ctx: &ServiceContext, error: BoxError) -> Option<BoxError> {
    let Some(cut) = cut_of(ctx, error.as_ref()) else {
        return Some(error);
    };
    let text = (cut != Cut::Requested).then(|| chain(error.as_ref()));
    // An item in a refusal returns to its queue, before the service counts as ended.
    unwind::drop_guarded(error, || format!("the error of service {:?}", ctx.name()));
    if let Some(text) = text {
        let needed = match cut {
            Cut::Needed(needed) => Some(needed),
            Cut::Requested | Cut::Pool => None,
        };
        let index = ctx.index();
        ctx.core()
            .change(|state, _| state.machine.cut_short(index, needed, &text));
    }
    None
}

fn cut_of(ctx: &ServiceContext, error: &(dyn Error + 'static)) -> Option<Cut> {
    let core = ctx.core();
    let is_stopping = core.is_stopping();
    // A service's token is also cancelled for a timeout: then its own `Cancelled` follows from
    // that failure, which is recorded.
    if (is_stopping || ctx.is_cancelled()) && has_cause::<CancelledCause>(error) {
        return Some(Cut::Requested);
    }
    if !is_stopping {
        return None;
    }
    let refused = |member: &Member| {
        Arc::ptr_eq(&member.host, &core.name).then_some(Cut::Needed(member.service))
    };
    with_cause(error, refused)
        .or_else(|| with_cause(error, |error: &WaitForError| waited_for(core, error)))
        .or_else(|| with_cause(error, |_: &LeftByStop| joined(core)))
}

fn waited_for(core: &Core, error: &WaitForError) -> Option<Cut> {
    match error {
        WaitForError::Over(name) => core.index_of(name).map(Cut::Needed),
        _ => None,
    }
}

/// Which pool its task was on is not known: one of this host's, if it has any.
fn joined(core: &Core) -> Option<Cut> {
    (!core.pools.is_empty()).then_some(Cut::Pool)
}
