//! The state of an entry, which is under one lock: the moves that need nothing else.

use super::active_runs::ActiveRuns;
use super::alarm::EntryAlarm;
use super::planned::{Left, Planned, wall};
use super::policy::OverlapPolicy;
use super::progress::Progress;
use super::status::RunStats;
use super::timetable::{Tick, Timetable};
use crate::clock::Now;
use crate::retry::random;
use crate::sync::AfterUnlock;

pub(super) struct State {
    pub(super) mode: Mode,
    pub(super) is_paused: bool,
    pub(super) timetable: Timetable,
    pub(super) alarm: EntryAlarm,
    pub(super) active: ActiveRuns,
    pub(super) stats: RunStats,
    /// Since it was started, if its scheduler remembers the runs.
    pub(super) progress: Option<Progress>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// The scheduler has not been started, or was stopped; or the pool is closed.
    Halted,
    Live,
    Removed,
}

impl State {
    pub(super) fn new(timetable: Timetable, alarm: EntryAlarm, overlap: OverlapPolicy) -> State {
        State {
            mode: Mode::Halted,
            is_paused: false,
            timetable,
            alarm,
            active: ActiveRuns::new(overlap),
            stats: RunStats::default(),
            progress: None,
        }
    }

    /// What has become due by now, as the timer finds it.
    pub(super) fn look(&mut self, now: Now) -> Tick {
        let alarm = &self.alarm;
        let frozen = |late| alarm.frozen(late, now);
        self.timetable.look_from(now, random(), frozen)
    }

    /// Sets the timer for the next run, and for nothing else.
    pub(super) fn set_alarm(&mut self) {
        let table = &self.timetable;
        self.alarm.set(table.next().zip(table.planned_at()));
    }

    /// Changes the plan, and sets the timer again only if the next run is another one.
    pub(super) fn replan(&mut self, change: impl FnOnce(&mut Timetable)) {
        let before = self.timetable.next();
        change(&mut self.timetable);
        if self.timetable.next() != before {
            self.set_alarm();
        }
    }

    /// Notes how far it has come. Called after each change of the plan, and of its runs.
    pub(super) fn note(&mut self, now: Now) {
        let Some(progress) = &mut self.progress else {
            return;
        };
        // What waits, and what is planned, does not change by a stop: it is had later.
        if self.mode == Mode::Live {
            let planned = self.timetable.next_nominal().map(|due| wall(due, now));
            let first = self.active.first_waiting().into_iter().chain(planned).min();
            // A pause leaves nothing to be made up for, but for the one moment of an `at`.
            if !self.is_paused || !self.timetable.is_at() {
                progress.plan(first);
            }
        }
        progress.note(now.wall);
    }

    /// It is started while it is paused: what was missed before is not made up for.
    pub(super) fn recall_while_paused(&mut self, left: Option<&Left>, now: Now) {
        if let Some(left) = left {
            self.timetable.resume(left, now, random());
            self.timetable.halt();
        }
    }

    /// A run is over, and is not to be repeated after a restart.
    pub(super) fn end(&mut self, run: Planned, now: Now) {
        let (Some(progress), Some(due)) = (&mut self.progress, run.on_wall) else {
            return;
        };
        progress.end(due);
        if self.mode == Mode::Halted {
            if let Some(next) = self.timetable.after_delay(now) {
                progress.plan(Some(wall(next, now)));
            }
        }
    }

    pub(super) fn unplan(&mut self) {
        self.active.drop_waiting();
        self.timetable.halt();
        self.set_alarm();
    }

    pub(super) fn leave_live(&mut self, mode: Mode, after: &mut AfterUnlock<'_>) {
        if self.mode != Mode::Removed {
            self.mode = mode;
        }
        self.unplan();
        after.drop(self.alarm.release()); // Invariant 4 of the entry
    }
}
