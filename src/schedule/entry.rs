//! An entry of a scheduler: its plan, its runs, and their outcomes.
//!
//! # Invariants
//!
//! 1. Everything about an entry is under one lock, with the timer's and the queue's inside.
//!    The program's closure is called, and what it returned is dropped, without it.
//! 2. Nothing is put into the pool once the entry is not [`Mode::Live`], or is paused,
//!    except what its handle triggers.
//! 3. Each run that `active` counts as in the pool has a [`Run`], whose drop takes it off,
//!    whether it ran, panicked, or was taken out by a stop.
//! 4. A live entry holds the timer, no other does. Neither that nor a task that the pool
//!    refused, whose drop ends its run, is dropped under the lock: see [`AfterUnlock`].

use super::alarm::EntryAlarm;
use super::job::Job;
use super::memory::Memory;
use super::planned::{Left, Planned, wall};
use super::policy::OverlapPolicy;
use super::progress::Progress;
use super::rule::Schedule;
use super::shown::utc;
use super::state::{Mode, State};
use super::status::{EntryStatus, LastRun, RunOutcome};
use super::timetable::{Tick, Timetable};
use crate::clock::{self, Now};
use crate::record::record;
use crate::retry::random;
use crate::sync::{AfterUnlock, Arc, Mutex, Weak};
use crate::task::TaskContext;
use crate::timer::{Alarm, Due, drop_elsewhere};
use crate::unwind::{self, RateLimit};
use std::mem;
use std::time::{Duration, SystemTime};

pub(super) struct Entry {
    me: Weak<Entry>,
    job: Job,
    /// To be shown.
    schedule: Schedule,
    run_at_start: bool,
    state: Mutex<State>,
}

impl Entry {
    pub(super) fn new(
        job: Job,
        schedule: Schedule,
        timetable: Timetable,
        overlap: OverlapPolicy,
        run_at_start: bool,
    ) -> Arc<Entry> {
        Arc::new_cyclic(|me: &Weak<Entry>| {
            let alarm = EntryAlarm::new(job.name.clone(), me.clone());
            Entry {
                me: me.clone(),
                job,
                schedule,
                run_at_start,
                state: Mutex::new(State::new(timetable, alarm, overlap)),
            }
        })
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.job.name
    }

    /// The scheduler has been started, and the timer before it: plans from now on, or from what
    /// the memory of the scheduler has of this entry.
    pub(super) fn start(&self, memory: Option<&Arc<Memory>>, after: &mut AfterUnlock<'_>) {
        let timer = self.job.pool.timer();
        let now = self.job.pool.clock().read();
        let mut state = self.state.lock();
        let timer = match timer {
            Some(timer) if state.mode == Mode::Halted && !self.job.pool.is_closed() => timer,
            unused => return after.drop(unused),
        };
        // Invariant 4: from here on there is something to let go in `leave_live`.
        state.alarm.hold(timer);
        state.mode = Mode::Live;
        if let (None, Some(memory)) = (&state.progress, memory) {
            let (name, schedule) = (self.name().clone(), self.schedule.to_string().into());
            state.progress = Some(Progress::new(memory, name, schedule));
        }
        let left = state.progress.as_ref().and_then(Progress::left);
        if state.is_paused {
            state.recall_while_paused(left.as_ref(), now);
            return;
        }
        self.plan(&mut state, left.as_ref(), now, after);
        if self.run_at_start && state.mode == Mode::Live {
            self.run_now(&mut state, now, after);
        }
    }

    /// The scheduler has been stopped, or dropped.
    pub(super) fn halt(&self, after: &mut AfterUnlock<'_>) {
        self.state.lock().leave_live(Mode::Halted, after);
    }

    pub(super) fn remove(&self) {
        let mut after = AfterUnlock::new();
        let mut state = self.state.lock();
        state.leave_live(Mode::Removed, &mut after);
        after.drop(state.progress.take());
    }

    pub(super) fn pause(&self) {
        let now = self.job.pool.clock().read();
        let mut state = self.state.lock();
        state.is_paused = true;
        state.unplan();
        state.note(now);
    }

    pub(super) fn resume(&self) {
        let now = self.job.pool.clock().read();
        let mut after = AfterUnlock::new();
        let mut state = self.state.lock();
        if mem::replace(&mut state.is_paused, false) && state.mode == Mode::Live {
            self.plan(&mut state, None, now, &mut after);
        }
    }

    /// A run out of turn. `false`: the policy for overlaps leaves it out, or there is no pool
    /// any more, or no entry.
    pub(super) fn trigger(&self) -> bool {
        let now = self.job.pool.clock().read();
        let mut after = AfterUnlock::new();
        let mut state = self.state.lock();
        if state.mode == Mode::Removed {
            return false;
        }
        // The policy for overlaps may leave it out, which only the count shows.
        let before = state.active.count();
        self.run_now(&mut state, now, &mut after) && state.active.count() > before
    }

    /// Plans from now on, or from what was left. What is due already is in the pool when this
    /// returns, and not when the timer has come to it: a thread that waits for the pool to be
    /// idle waits for that, too.
    fn plan(&self, state: &mut State, left: Option<&Left>, now: Now, after: &mut AfterUnlock<'_>) {
        let overdue = match left {
            Some(left) => state.timetable.resume(left, now, random()),
            None => {
                state.timetable.start(now, random());
                Tick::default()
            }
        };
        // A run from before the pause: a fixed delay counts from its end.
        if state.active.in_pool() > 0 {
            state.timetable.run_begins();
        }
        self.run_tick(state, overdue, now, after);
        self.run_planned(state, now, after);
    }

    /// Runs what has become due, and sets the timer for what comes next.
    fn run_planned(&self, state: &mut State, now: Now, after: &mut AfterUnlock<'_>) {
        let tick = state.look(now);
        state.set_alarm();
        self.run_tick(state, tick, now, after);
        state.note(now);
    }

    fn run_tick(&self, state: &mut State, tick: Tick, now: Now, after: &mut AfterUnlock<'_>) {
        if tick.missed > 0 {
            state.stats.missed += tick.missed;
            Self::log_missed(state, tick.missed);
        }
        let planned = |nominal| Planned {
            nominal,
            jitter: tick.jitter,
            on_wall: Some(wall(nominal, now)),
        };
        if !tick.runs.is_empty() {
            self.run_due(state, tick.runs.into_iter().map(planned).collect(), after);
        }
    }

    fn run_now(&self, state: &mut State, now: Now, after: &mut AfterUnlock<'_>) -> bool {
        let run = Planned {
            nominal: Due::Mono(now.mono),
            jitter: Duration::ZERO,
            on_wall: None,
        };
        self.run_due(state, vec![run], after)
    }

    /// Runs that are due, as far as the policy for overlaps lets them. `false`: the pool is
    /// closed, and the entry halted.
    fn run_due(&self, state: &mut State, runs: Vec<Planned>, after: &mut AfterUnlock<'_>) -> bool {
        if self.job.pool.is_closed() {
            state.leave_live(Mode::Halted, after);
            return false;
        }
        let skipped = state.active.add(runs);
        if skipped > 0 {
            state.stats.overlapped += skipped;
            state.alarm.log(log::Level::Debug, || {
                Some(format!(
                    "overlap: {skipped} due and skipped, since a run goes on"
                ))
            });
        }
        self.submit_waiting(state, after)
    }

    fn submit_waiting(&self, state: &mut State, after: &mut AfterUnlock<'_>) -> bool {
        while let Some(due) = state.active.begin_next() {
            let Some(entry) = self.me.upgrade() else {
                unreachable!("the caller holds the entry whose state is locked")
            };
            if let (Some(progress), Some(due)) = (&mut state.progress, due.on_wall) {
                progress.begin(due);
            }
            let run = Run {
                entry,
                memory: state.progress.as_ref().and_then(Progress::memory),
                due,
                phase: Phase::Submitted,
            };
            let task = self.job.task(move |context| run.run(context));
            if let Err(refused) = self.job.pool.push_due(task) {
                // The pool is closed, for good. The drop of this takes the run off again.
                after.drop(refused); // Invariant 4
                state.leave_live(Mode::Halted, after);
                return false;
            }
            state.replan(Timetable::run_begins);
        }
        true
    }

    /// A run is over; `None`: it never began.
    fn ended(&self, run: Planned, last: Option<LastRun>, memory: Option<&Memory>) {
        let now = self.job.pool.clock().read();
        let mut after = AfterUnlock::new();
        let mut state = self.state.lock();
        state.active.end();
        let is_stopping = state.mode != Mode::Live || self.job.pool.is_closed();
        // One that a stop has cut short, or has not let begin, is had after a restart.
        let is_had = last
            .as_ref()
            .is_some_and(|last| !is_stopping || last.outcome != RunOutcome::Cancelled);
        if is_had {
            state.end(run, now);
        }
        let error = last.and_then(|last| state.stats.end(last));
        if let Some(error) = error {
            self.job.pool.failed_runs.add(&self.job.name, &error);
        }
        // First what waits for this end: with a run in the pool a fixed delay does not begin yet.
        self.submit_waiting(&mut state, &mut after);
        if state.mode == Mode::Live && !state.is_paused && state.active.in_pool() == 0 {
            state.replan(|table| table.run_ended(now, random()));
        }
        state.note(now);
        drop(state);
        drop(after);
        if let Some(memory) = memory.filter(|_| is_stopping && is_had) {
            memory.flush(); // the process may end at once
        }
    }

    pub(super) fn next_due(&self, now: Now) -> Option<SystemTime> {
        let next = self.state.lock().timetable.next();
        next.map(|due| wall(due, now))
    }

    pub(super) fn status(&self) -> EntryStatus {
        let now = self.job.pool.clock().read();
        let schedule = self.schedule.to_string();
        let state = self.state.lock();
        EntryStatus {
            name: self.job.name.clone(),
            schedule,
            next_due: state.timetable.next().map(|due| wall(due, now)),
            is_paused: state.is_paused,
            running: state.active.in_pool(),
            stats: state.stats.clone(),
        }
    }

    fn log_missed(state: &State, missed: u64) {
        static LIMIT: RateLimit = RateLimit::new();
        state.alarm.log(log::Level::Warn, || {
            let unlogged = LIMIT.admit(clock::now())?;
            let more = unwind::and_more(unlogged, "such records");
            Some(format!("{missed} runs were missed{more}"))
        });
    }
}

impl Alarm for Entry {
    fn ring(self: Arc<Self>, epoch: u64, now: Now) {
        let mut after = AfterUnlock::new();
        let mut state = self.state.lock();
        if state.alarm.rang(epoch) {
            self.run_planned(&mut state, now, &mut after);
        }
        // In this order: what is dropped here may take the lock of the entry again (Invariant 3).
        drop(state);
        drop(after);
        // The closure's drop must not delay the timer's thread.
        drop_elsewhere(self);
    }
}

/// A run that is in the pool (Invariant 3).
struct Run {
    entry: Arc<Entry>,
    /// Its end is remembered also where the scheduler is dropped before.
    memory: Option<Arc<Memory>>,
    due: Planned,
    phase: Phase,
}

enum Phase {
    Submitted,
    Began(Now),
    Ended,
}

impl Run {
    fn run(mut self, context: &TaskContext) {
        let now = self.entry.job.pool.clock().read();
        self.phase = Phase::Began(now);
        let lateness = self.due.lateness(now);
        self.entry.state.lock().stats.begin(lateness);
        let (name, due) = (self.entry.name(), wall(self.due.nominal, now));
        record!(
            Debug,
            SCHEDULE,
            "schedule {name:?}: a run of {} begins, {lateness:.1?} late",
            utc(due)
        );
        let outcome = self.entry.job.call(context, self.due, now);
        self.end(outcome);
    }

    fn end(&mut self, outcome: RunOutcome) {
        // Once: the drop, which follows in any case, finds that it has ended.
        let last = match mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Submitted => None,
            Phase::Began(began) => {
                let ended = self.entry.job.pool.clock().now();
                let ran = ended.saturating_duration_since(began.mono);
                let name = self.entry.name();
                record!(
                    Debug,
                    SCHEDULE,
                    "schedule {name:?}: a run ends after {ran:.1?}: {outcome}"
                );
                Some(LastRun {
                    due: wall(self.due.nominal, began),
                    started: began.wall,
                    ran,
                    lateness: self.due.lateness(began),
                    outcome,
                })
            }
            Phase::Ended => return,
        };
        self.entry.ended(self.due, last, self.memory.as_deref());
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let has_begun = !matches!(self.phase, Phase::Submitted);
        // It panicked, or never began.
        self.end(RunOutcome::Panicked);
        if let Some(memory) = self.memory.take().filter(|_| !has_begun) {
            // The timer's thread may be the one that drops it, and the last drop waits for the
            // disk.
            drop_elsewhere(memory);
        }
    }
}
