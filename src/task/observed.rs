//! What observers are given for a task, and how its times are taken.
//!
//! In a pool that is observed the clock is read as each task begins and as it
//! ends. Whatever a worker does for a task on top of another one, observers
//! included, is no time of the one below.

use super::current_worker::CurrentWorker;
use super::info::{Meta, TaskInfo};
use super::outcome::TaskOutcome;
use super::running::Settled;
use super::slot_guard::SlotGuard;
use crate::clock;
use std::mem;
use std::time::{Duration, Instant};

/// A task that ended.
pub(crate) struct Ended {
    meta: Meta,
    attempts: u32,
    pub(crate) outcome: TaskOutcome,
    /// From the call of the verb to its start, if that is known.
    pub(crate) waited: Option<Duration>,
    /// Without what ran on top of it.
    pub(crate) ran: Duration,
    began: Instant,
    /// What had run on top of the task below before this one did.
    on_top_before: Duration,
}

impl Ended {
    pub(crate) fn info(&self) -> TaskInfo {
        TaskInfo::new(&self.meta, self.attempts)
    }
}

impl SlotGuard<'_> {
    /// The end of a task that has an observer.
    #[inline(never)]
    pub(super) fn end_observed<L>(
        &mut self,
        me: &CurrentWorker,
        panicked: bool,
        settle: impl FnOnce(Option<Settled>) -> Option<L>,
        dispose: impl FnOnce(L),
    ) {
        let ended = self.measure(me, panicked);
        self.take_off(panicked, settle, dispose);
        self.tell(me, &ended);
    }

    /// The task on top of the stack, which ends now.
    fn measure(&mut self, me: &CurrentWorker, panicked: bool) -> Ended {
        let now = me.end_stamp();
        let body = &mut *self.body;
        let on_top_before = match body.depth {
            0 | 1 => Duration::ZERO,
            depth => body.places[depth - 2].on_top,
        };
        let place = &mut body.places[body.depth - 1];
        let queued_at = place.queued_at.take();
        let on_top = mem::take(&mut place.on_top);
        Ended {
            meta: place.meta.clone(),
            attempts: place.attempts(),
            outcome: match place.settled {
                Some(Settled::Abandoned) => TaskOutcome::Abandoned,
                Some(Settled::Caller) | None if panicked => TaskOutcome::Panicked,
                Some(Settled::Caller) | None => TaskOutcome::Completed,
            },
            waited: queued_at.map(|at| place.since.saturating_duration_since(at)),
            ran: now
                .saturating_duration_since(place.since)
                .saturating_sub(on_top),
            began: place.since,
            on_top_before,
        }
    }

    /// Calls the observers for a task that is off the stack and counted.
    fn tell(&mut self, me: &CurrentWorker, ended: &Ended) {
        self.tidy(|| me.ledger.ended(ended));
        let body = &mut *self.body;
        if let Some(below) = body.places[..body.depth].last_mut() {
            // Not added to what is there: an observer, too, may have run tasks.
            let passed = clock::now().saturating_duration_since(ended.began);
            below.on_top = ended.on_top_before + passed;
        }
    }
}
