//! An entry: a schedule, what it runs, and the outcomes of its runs.
//!
//! # Invariants
//!
//! 1. Everything about an entry is under one lock, with the timer's and the queue's inside.
//!    The program's closure is called, and what it returned is dropped, without it.
//! 2. A moment in the timer is of one `epoch`: a change of the plan begins a new one, and a
//!    ring of an earlier one is ignored.
//! 3. `active` counts the runs that are in the pool. Each has a [`Run`], whose drop takes
//!    one off, whether it ran, panicked, or was taken out by a stop.
//! 4. Nothing is put into the pool once the entry is not [`Mode::Live`], or is paused, but
//!    for what its handle triggers.
//! 5. A live entry holds the timer, no other does. It lets go of it, as of what the pool
//!    refused, without the lock: the timer's drop waits for its thread, which may be about
//!    to ring here.

use super::context::RunContext;
use super::policy::OverlapPolicy;
use super::rule::Schedule;
use super::status::{EntryStatus, LastRun, RunOutcome};
use super::timetable::{Planned, Tick, Timetable};
use crate::cancel::Cancelled;
use crate::causes::{BoxError, chain, has_cause};
use crate::clock::{self, Now};
use crate::queue::{PoolCore, Queued};
use crate::retry::random;
use crate::sync::{Arc, Mutex, Weak};
use crate::task::{TaskContext, due_task};
use crate::timer::{Alarm, Due, Key, Timer, drop_elsewhere};
use crate::unwind::{self, RateLimit};
use std::collections::VecDeque;
use std::mem;
use std::panic::Location;
use std::time::{Duration, SystemTime};

pub(super) type Closure = dyn Fn(&RunContext<'_>) -> Result<(), BoxError> + Send + Sync;

pub(super) struct Entry {
    pub(super) me: Weak<Entry>,
    pub(super) name: Arc<str>,
    /// To be shown.
    pub(super) schedule: Schedule,
    pub(super) closure: Arc<Closure>,
    pub(super) overlap: OverlapPolicy,
    pub(super) run_at_start: bool,
    pub(super) time_limit: Option<Duration>,
    pub(super) queue: Arc<PoolCore>,
    pub(super) added_at: &'static Location<'static>,
    pub(super) state: Mutex<State>,
}

pub(super) struct State {
    timetable: Timetable,
    mode: Mode,
    is_paused: bool,
    epoch: u64,
    key: Option<Key>,
    timer: Option<Arc<Timer>>,
    active: u32,
    /// Runs that wait for the end of those that are active.
    pending: VecDeque<Planned>,
    runs: u64,
    missed: u64,
    overlapped: u64,
    last: Option<LastRun>,
    failed: u64,
    last_error: Option<Arc<str>>,
    max_lateness: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// The scheduler has not been started, or was stopped; or the pool is closed.
    Halted,
    Live,
    Removed,
}

/// What has to be dropped without a lock.
#[must_use]
#[derive(Default)]
pub(super) struct Leavings {
    refused: Option<Queued>,
    #[allow(dead_code, reason = "for its drop")]
    timer: Option<Arc<Timer>>,
}

impl State {
    pub(super) fn new(timetable: Timetable) -> Mutex<State> {
        Mutex::new(State {
            timetable,
            mode: Mode::Halted,
            is_paused: false,
            epoch: 0,
            key: None,
            timer: None,
            active: 0,
            pending: VecDeque::new(),
            runs: 0,
            missed: 0,
            overlapped: 0,
            last: None,
            failed: 0,
            last_error: None,
            max_lateness: Duration::ZERO,
        })
    }
}

impl State {
    /// What has become due by now, as the timer finds it.
    fn look(&mut self, now: Now) -> Tick {
        let timer = self.timer.as_ref();
        let frozen = |late| match (timer, now.mono.checked_sub(late)) {
            (Some(timer), Some(due)) => timer.frozen_since(due, now.mono),
            _ => Duration::ZERO,
        };
        self.timetable.look_from(now, random(), frozen)
    }

    /// How many runs there are that have not ended.
    fn in_progress(&self) -> usize {
        self.active as usize + self.pending.len()
    }
}

impl Entry {
    /// The scheduler has been started, and the timer before it: plans from now on.
    pub(super) fn start(&self) -> Leavings {
        let timer = self.queue.timer();
        let now = self.queue.clock().read();
        let mut state = self.state.lock();
        if state.mode != Mode::Halted || timer.is_none() || self.queue.is_closed() {
            return Leavings {
                refused: None,
                timer,
            };
        }
        state.timer = timer;
        state.mode = Mode::Live;
        if state.is_paused {
            return Leavings::default();
        }
        let due = self.plan(&mut state, now);
        match self.run_at_start && state.mode == Mode::Live {
            true => self.run_now(&mut state, now),
            false => due,
        }
    }

    /// The scheduler has been stopped, or dropped.
    pub(super) fn halt(&self) -> Leavings {
        self.leave_live(&mut self.state.lock(), Mode::Halted)
    }

    pub(super) fn remove(&self) -> Leavings {
        self.leave_live(&mut self.state.lock(), Mode::Removed)
    }

    fn leave_live(&self, state: &mut State, mode: Mode) -> Leavings {
        if state.mode != Mode::Removed {
            state.mode = mode;
        }
        self.unplan(state);
        Leavings {
            refused: None,
            timer: state.timer.take(),
        }
    }

    pub(super) fn pause(&self) {
        let mut state = self.state.lock();
        state.is_paused = true;
        self.unplan(&mut state);
    }

    pub(super) fn resume(&self) {
        let now = self.queue.clock().read();
        let mut state = self.state.lock();
        if mem::replace(&mut state.is_paused, false) && state.mode == Mode::Live {
            let leavings = self.plan(&mut state, now);
            drop(state);
            drop(leavings);
        }
    }

    /// A run out of turn. `false`: the rule for overlaps is against it, or there is no pool
    /// any more, or no entry.
    pub(super) fn trigger(&self) -> bool {
        let now = self.queue.clock().read();
        let mut state = self.state.lock();
        if state.mode == Mode::Removed {
            return false;
        }
        let before = state.in_progress();
        let leavings = self.run_now(&mut state, now);
        let is_on = leavings.refused.is_none() && state.in_progress() > before;
        drop(state);
        drop(leavings);
        is_on
    }

    /// Plans from now on. What is due already is in the pool when this returns, and not
    /// when the timer has come to it: a thread that waits for the pool to be idle waits for
    /// that, too.
    fn plan(&self, state: &mut State, now: Now) -> Leavings {
        state.timetable.start(now, random());
        if state.active > 0 {
            state.timetable.run_begins();
        }
        self.run_planned(state, now)
    }

    /// Runs what has become due, and lets the timer ring for what comes next.
    fn run_planned(&self, state: &mut State, now: Now) -> Leavings {
        let tick = state.look(now);
        state.missed += tick.missed;
        if tick.missed > 0 {
            self.log_missed(state, tick.missed);
        }
        self.set_timer(state);
        match tick.runs.is_empty() {
            true => Leavings::default(),
            false => self.run_due(state, tick.runs, tick.jitter),
        }
    }

    fn unplan(&self, state: &mut State) {
        state.pending.clear();
        state.timetable.halt();
        self.set_timer(state);
    }

    /// Lets the timer ring for the next run, and for nothing else.
    fn set_timer(&self, state: &mut State) {
        state.epoch += 1;
        let Some(timer) = &state.timer else { return };
        if let Some(key) = state.key.take() {
            timer.clear(key);
        }
        let table = &state.timetable;
        if let Some((due, planned)) = table.next().zip(table.planned_at()) {
            let alarm: Weak<dyn Alarm> = self.me.clone();
            state.key = Some(timer.set_as_of(planned, due, &alarm, state.epoch));
        }
    }

    fn run_now(&self, state: &mut State, now: Now) -> Leavings {
        self.run_due(state, vec![Due::Mono(now.mono)], Duration::ZERO)
    }

    /// How many of its runs may be in the pool.
    fn at_once(&self) -> u32 {
        match self.overlap {
            OverlapPolicy::Skip | OverlapPolicy::Queue => 1,
            OverlapPolicy::Concurrent(most) => most,
        }
    }

    /// Runs that are due, as far as the rule for overlaps lets them.
    fn run_due(&self, state: &mut State, runs: Vec<Due>, jitter: Duration) -> Leavings {
        if self.queue.is_closed() {
            return self.leave_live(state, Mode::Halted);
        }
        let mut runs = runs.into_iter().map(|nominal| Planned { nominal, jitter });
        if state.active < self.at_once() && state.pending.is_empty() {
            state.pending.extend(runs);
        } else {
            let mut left_out = runs.len() as u64;
            if self.overlap == OverlapPolicy::Queue && state.pending.is_empty() {
                state.pending.extend(runs.next_back());
                left_out = left_out.saturating_sub(1);
            }
            state.overlapped += left_out;
        }
        self.submit_pending(state)
    }

    fn submit_pending(&self, state: &mut State) -> Leavings {
        while state.active < self.at_once() {
            let Some(due) = state.pending.pop_front() else {
                break;
            };
            let Some(entry) = self.me.upgrade() else {
                unreachable!("somebody holds the entry whose state is locked")
            };
            state.active += 1;
            let run = Run {
                entry,
                due,
                phase: Phase::Submitted,
            };
            if let Err(refused) = self.queue.push_due(run.into_task()) {
                // The pool is closed, for good.
                let mut leavings = self.leave_live(state, Mode::Halted);
                leavings.refused = Some(refused);
                return leavings;
            }
            self.replan(state, Timetable::run_begins);
        }
        Leavings::default()
    }

    fn replan(&self, state: &mut State, change: impl FnOnce(&mut Timetable)) {
        let before = state.timetable.next();
        change(&mut state.timetable);
        if state.timetable.next() != before {
            self.set_timer(state);
        }
    }

    /// A run is over.
    fn ended(&self, last: Option<LastRun>) {
        let now = self.queue.clock().read();
        let mut state = self.state.lock();
        state.active -= 1;
        let error = last.as_ref().and_then(|last| last.outcome.error());
        if let Some(error) = error {
            let error: Arc<str> = error.into();
            self.queue.failed_runs.add(&self.name, &error);
            state.failed += 1;
            state.last_error = Some(error);
        }
        if last.is_some() {
            state.last = last;
        }
        let leavings = self.submit_pending(&mut state);
        if state.mode == Mode::Live && !state.is_paused && state.active == 0 {
            self.replan(&mut state, |table| table.run_ended(now, random()));
        }
        drop(state);
        drop(leavings);
    }

    pub(super) fn next_due(&self, now: Now) -> Option<SystemTime> {
        let next = self.state.lock().timetable.next();
        next.map(|due| wall(due, now))
    }

    pub(super) fn status(&self) -> EntryStatus {
        let now = self.queue.clock().read();
        let schedule = self.schedule.to_string();
        let state = self.state.lock();
        EntryStatus {
            name: self.name.clone(),
            schedule,
            next_due: state.timetable.next().map(|due| wall(due, now)),
            is_paused: state.is_paused,
            running: state.active,
            runs: state.runs,
            missed: state.missed,
            overlapped: state.overlapped,
            last: state.last.clone(),
            failed: state.failed,
            last_error: state.last_error.clone(),
            max_lateness: state.max_lateness,
        }
    }
}

/// The closure is the program's code, its drop too.
impl Drop for Entry {
    fn drop(&mut self) {
        let closure = mem::replace(&mut self.closure, Arc::new(|_| Ok(())));
        unwind::drop_guarded(closure, || {
            format!("the closure of schedule {:?}", self.name)
        });
    }
}

impl Alarm for Entry {
    fn ring(self: Arc<Self>, epoch: u64, now: Now) {
        self.rang(epoch, now);
        drop_elsewhere(self);
    }
}

impl Entry {
    fn rang(&self, epoch: u64, now: Now) {
        let mut state = self.state.lock();
        if state.epoch != epoch {
            return;
        }
        state.key = None;
        let leavings = self.run_planned(&mut state, now);
        drop(state);
        drop(leavings);
    }

    fn log_missed(&self, state: &State, missed: u64) {
        static LIMIT: RateLimit = RateLimit::new();
        let (Some(timer), Some(unlogged)) = (&state.timer, LIMIT.admit(clock::now())) else {
            return;
        };
        let name = &self.name;
        let more = unwind::and_more(unlogged, "such records");
        let text = format!("schedule {name:?}: {missed} runs were missed{more}");
        timer.log(log::Level::Warn, text);
    }
}

/// The time of day of a moment.
pub(super) fn wall(due: Due, now: Now) -> SystemTime {
    match due {
        Due::Wall(at) => at,
        Due::Mono(at) => match at.checked_duration_since(now.mono) {
            Some(left) => now.wall.checked_add(left),
            None => now.wall.checked_sub(now.mono.duration_since(at)),
        }
        .unwrap_or(now.wall),
    }
}

/// A run that is in the pool.
struct Run {
    entry: Arc<Entry>,
    due: Planned,
    phase: Phase,
}

enum Phase {
    Submitted,
    /// Then, and so late.
    Began(Now, Duration),
    Ended,
}

impl Run {
    fn into_task(self) -> Queued {
        let entry = self.entry.clone();
        let body = move |context: &TaskContext| self.run(context);
        let (name, limit) = (entry.name.clone(), entry.time_limit);
        due_task(&entry.queue, name, entry.added_at, limit, body)
    }

    fn run(mut self, context: &TaskContext) {
        let now = self.entry.queue.clock().read();
        let lateness = self.due.late(now);
        self.phase = Phase::Began(now, lateness);
        {
            let mut state = self.entry.state.lock();
            state.runs += 1;
            state.max_lateness = state.max_lateness.max(lateness);
        }
        let closure = self.entry.closure.clone();
        let run = RunContext::new(
            context,
            &self.entry.name,
            wall(self.due.nominal, now),
            lateness,
        );
        let outcome = match closure(&run) {
            Ok(()) => RunOutcome::Completed,
            Err(error) => self.failed(context, error),
        };
        self.end(outcome);
    }

    fn failed(&self, context: &TaskContext, error: BoxError) -> RunOutcome {
        static LIMIT: RateLimit = RateLimit::new();
        let name = &self.entry.name;
        let heeded = has_cause::<Cancelled>(error.as_ref()) && context.is_cancelled();
        // Something that it needed was stopped before it.
        let is_of_stop = self.entry.queue.membership.explains(error.as_ref());
        let text = chain(error.as_ref());
        unwind::drop_guarded(error, || format!("the error of schedule {name:?}"));
        if heeded {
            return RunOutcome::Cancelled;
        }
        if is_of_stop {
            unwind::log_guarded(|| log::warn!("schedule {name:?} was cut short: {text}"));
            return RunOutcome::Cancelled;
        }
        if let Some(unlogged) = LIMIT.admit(clock::now()) {
            let more = unwind::and_more(unlogged, "failed");
            unwind::log_guarded(|| log::error!("schedule {name:?} failed: {text}{more}"));
        }
        RunOutcome::Failed(text)
    }

    fn end(&mut self, outcome: RunOutcome) {
        let last = match mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Submitted => None,
            Phase::Began(began, lateness) => {
                let ended = self.entry.queue.clock().now();
                Some(LastRun {
                    due: wall(self.due.nominal, began),
                    started: began.wall,
                    ran: ended.saturating_duration_since(began.mono),
                    lateness,
                    outcome,
                })
            }
            Phase::Ended => return,
        };
        self.entry.ended(last);
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // It panicked, or never began.
        self.end(RunOutcome::Panicked);
    }
}
