//! What the clones of a breaker share.

use super::change::Change;
use super::machine::{End, Machine, Ticket};
use crate::clock::Clock;
use crate::record::record;
use crate::sync::{Arc, Mutex};
use std::time::Instant;

pub(super) struct Shared {
    pub(super) name: Arc<str>,
    pub(super) clock: Clock,
    /// Held for a decision, never while anything of the program's runs.
    pub(super) machine: Mutex<Machine>,
}

impl Shared {
    pub(super) fn end(&self, ticket: Ticket, end: End) {
        let change = self.decide(|machine, now| machine.end(ticket, end, now));
        self.log(change);
    }

    /// The clock is read before the lock is taken, so a machine may see a time that is a
    /// little earlier than the one before.
    pub(super) fn decide<T>(&self, decide: impl FnOnce(&mut Machine, Instant) -> T) -> T {
        let now = self.clock.now();
        decide(&mut self.machine.lock(), now)
    }

    pub(super) fn log(&self, change: Option<Change>) {
        if let Some(change) = change {
            let name = &self.name;
            record!(@ change.level(), RETRY, "circuit breaker {name:?}: {change}");
        }
    }
}
