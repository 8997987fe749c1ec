//! What observers are given for a task, and how its times are taken.
//!
//! In a pool that is observed the clock is read as each task begins and as it
//! ends. Whatever a worker does for a task on top of another one, observers
//! included, is no time of the one below.

use super::info::{Meta, TaskInfo};
use super::outcome::TaskOutcome;
use super::running::{Running, Settled};
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
    /// Measures the task in this place, which ends now.
    pub(super) fn measure(
        place: &mut Running,
        on_top_before: Duration,
        now: Instant,
        panicked: bool,
    ) -> Ended {
        let queued_at = place.queued_at.take();
        let on_top = mem::take(&mut place.on_top);
        Ended {
            meta: place.meta.clone(),
            attempts: place.attempts(),
            outcome: outcome(place.settled, panicked),
            waited: queued_at.map(|at| place.since.saturating_duration_since(at)),
            ran: now
                .saturating_duration_since(place.since)
                .saturating_sub(on_top),
            began: place.since,
            on_top_before,
        }
    }

    pub(crate) fn info(&self) -> TaskInfo {
        TaskInfo::new(&self.meta, self.attempts)
    }

    /// How long the task below has been covered, this one and its observers included.
    pub(super) fn on_top_of_the_next(&self, now: Instant) -> Duration {
        self.on_top_before + now.saturating_duration_since(self.began)
    }
}

/// A task of the caller of a stop is not abandoned: it ends as others do.
fn outcome(settled: Option<Settled>, panicked: bool) -> TaskOutcome {
    match settled {
        Some(Settled::Abandoned) => TaskOutcome::Abandoned,
        Some(Settled::Stopping) | None if panicked => TaskOutcome::Panicked,
        Some(Settled::Stopping) | None => TaskOutcome::Completed,
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn only_an_abandoned_task_does_not_end_as_its_closure_did() {
        for (settled, panicked, expected) in [
            (None, false, TaskOutcome::Completed),
            (None, true, TaskOutcome::Panicked),
            (Some(Settled::Stopping), false, TaskOutcome::Completed),
            (Some(Settled::Stopping), true, TaskOutcome::Panicked),
            (Some(Settled::Abandoned), false, TaskOutcome::Abandoned),
            (Some(Settled::Abandoned), true, TaskOutcome::Abandoned),
        ] {
            assert_eq!(outcome(settled, panicked), expected);
        }
    }
}
