//! Errors of the program that are due to the stop of its own host, and so no failures.

use super::context::{ServiceContext, WaitForError};
use super::core::Core;
use super::machine::Machine;
use crate::cancel::{CancelToken, Cancelled};
use crate::causes::{BoxError, chain, has_cause, with_cause};
use crate::queue::Member;
use crate::sync::Arc;
use crate::task::TaskError;
use crate::unwind;
use std::error::Error;

/// What the stop did to a service that has an error of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// It was asked to stop.
    Asked,
    /// It needed this service, which was stopped.
    Needed(usize),
    /// Its task was on a pool that was stopped.
    Pool,
}

impl ServiceContext {
    /// Drops an error that is due to the stop of the host; `Err`: it is another one.
    pub(super) fn due_to_stop(&self, error: BoxError) -> Result<(), BoxError> {
        self.core().forgive(self.index(), self.token(), error)
    }
}

impl Core {
    /// Drops the error of a service, if that is due to the stop; `Err`: it is another one.
    /// Calls the program's code: never with a lock held.
    pub(super) fn forgive(
        &self,
        index: usize,
        token: &CancelToken,
        error: BoxError,
    ) -> Result<(), BoxError> {
        let Some(cut) = self.cut_of(token, error.as_ref()) else {
            return Err(error);
        };
        let text = match cut {
            Cut::Asked => None,
            Cut::Needed(_) | Cut::Pool => Some(chain(error.as_ref())),
        };
        let name = self.name_of(index);
        // An item in a refusal returns to its queue, before the service counts as ended.
        unwind::drop_guarded(error, || format!("the error of service {name:?}"));
        if let Some(text) = text {
            self.tell_of_cut(index, cut, &text);
        }
        Ok(())
    }

    fn cut_of(&self, token: &CancelToken, error: &(dyn Error + 'static)) -> Option<Cut> {
        let is_stopping = self.is_stopping();
        if (is_stopping || token.is_cancelled()) && has_cause::<Cancelled>(error) {
            return Some(Cut::Asked);
        }
        if !is_stopping {
            return None;
        }
        let own = |member: &Member| {
            Arc::ptr_eq(&member.host, &self.name).then_some(Cut::Needed(member.service))
        };
        let waited = |error: &WaitForError| match error {
            WaitForError::Over(name) => self.position(name).map(Cut::Needed),
            _ => None,
        };
        let joined = |error: &TaskError| match error {
            TaskError::Unstarted | TaskError::Abandoned if !self.pools.is_empty() => {
                Some(Cut::Pool)
            }
            _ => None,
        };
        with_cause(error, own)
            .or_else(|| with_cause(error, waited))
            .or_else(|| with_cause(error, joined))
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|other| **other == *name)
    }

    /// Says once for each pair of services that one is missing an `after`.
    fn tell_of_cut(&self, index: usize, cut: Cut, text: &str) {
        let mut state = self.state.lock();
        let machine = &mut state.machine;
        let name = &self.names[index];
        let (level, text) = match cut {
            // One that failed has stopped the others.
            Cut::Needed(other)
                if !machine.comes_after(index, other)
                    && machine.entries[other].failure.is_none() =>
            {
                if !machine.told_of_missing.insert((index, other)) {
                    return;
                }
                let needed = &self.names[other];
                let text = format!(
                    "service {name:?} needed {needed:?}, which had stopped before it ({text}): \
                     declare {name:?} with `.after([{needed:?}])`"
                );
                (log::Level::Warn, text)
            }
            _ => {
                let text = format!("service {name:?} was cut short by the stop: {text}");
                (log::Level::Info, text)
            }
        };
        machine.tell(level, text);
        drop(state);
        self.notify();
    }
}

impl Machine {
    /// Whether the service is stopped before the other one: it needs that, itself or by way
    /// of others.
    fn comes_after(&self, index: usize, other: usize) -> bool {
        let mut seen = vec![false; self.entries.len()];
        let mut next = vec![index];
        while let Some(service) = next.pop() {
            if service == other {
                return true;
            }
            if !std::mem::replace(&mut seen[service], true) {
                next.extend(&self.entries[service].needs);
            }
        }
        false
    }
}
