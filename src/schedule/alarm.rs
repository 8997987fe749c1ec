//! The moment in the timer at which an entry looks at what is due.
//!
//! # Invariants
//!
//! 1. At most one moment is set. Each has its epoch: a change of the plan begins a new one,
//!    and a ring of an earlier epoch, which may be on its way, is not of this plan.
//! 2. The timer is held while the entry is live. Its drop waits for its thread, which may be
//!    about to ring at the same entry: it is never dropped under the entry's lock.

use super::planned::wall;
use super::shown::{span, utc};
use crate::clock::Now;
use crate::record;
use crate::sync::{Arc, Weak};
use crate::timer::{Alarm, Due, Key, Timer};
use std::time::Duration;

pub(super) struct EntryAlarm {
    /// The name of the entry, for the log.
    name: Arc<str>,
    entry: Weak<dyn Alarm>,
    timer: Option<Arc<Timer>>,
    key: Option<Key>,
    epoch: u64,
}

impl EntryAlarm {
    /// Without a timer: nothing can be set.
    pub(super) fn new(name: Arc<str>, entry: Weak<dyn Alarm>) -> EntryAlarm {
        EntryAlarm {
            name,
            entry,
            timer: None,
            key: None,
            epoch: 0,
        }
    }

    pub(super) fn hold(&mut self, timer: Arc<Timer>) {
        self.timer = Some(timer);
    }

    /// Returns the timer, to be dropped without the lock (Invariant 2).
    #[must_use]
    pub(super) fn release(&mut self) -> Option<Arc<Timer>> {
        self.set(None);
        self.timer.take()
    }

    /// Replaces what was set: by a moment, and the reading of the clocks from which it was
    /// planned, or by nothing.
    pub(super) fn set(&mut self, next: Option<(Due, Now)>) {
        self.epoch += 1;
        let Some(timer) = &self.timer else { return };
        if let Some(key) = self.key.take() {
            timer.clear(key);
        }
        if let Some((due, planned_at)) = next {
            self.key = Some(timer.set_as_of(planned_at, due, &self.entry, self.epoch));
            self.log(log::Level::Debug, || {
                let (at, left) = (wall(due, planned_at), due.left(planned_at));
                Some(format!("next due {}, in {}", utc(at), span(left)))
            });
        }
    }

    /// The moment of this epoch has rung. Returns whether it is the one that is set.
    pub(super) fn rang(&mut self, epoch: u64) -> bool {
        let is_current = self.epoch == epoch;
        if is_current {
            self.key = None;
        }
        is_current
    }

    /// For how much of the time by which a run is late the timer's thread was frozen.
    pub(super) fn frozen(&self, late: Duration, now: Now) -> Duration {
        match (&self.timer, now.mono.checked_sub(late)) {
            (Some(timer), Some(due)) => timer.frozen_since(due, now.mono),
            _ => Duration::ZERO,
        }
    }

    /// Logs what is said of the entry, without blocking; nothing while that is not live. The
    /// text is not made where the level is not logged: a schedule may have a high rate.
    pub(super) fn log(&self, level: log::Level, text: impl FnOnce() -> Option<String>) {
        let Some(timer) = self.timer.as_ref().filter(|_| record::is_wanted(level)) else {
            return;
        };
        if let Some(text) = text() {
            let text = format!("schedule {:?}: {text}", self.name);
            timer.log(record::SCHEDULE, level, text);
        }
    }
}
