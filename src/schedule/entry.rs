//! An entry: a schedule, what it runs, and what has become of that.
//!
//! # Invariants
//!
//! 1. Everything about an entry is under one lock, with the timer's and the queue's inside.
//!    The program's closure is called, and what it returned is dropped, without it.
//! 2. A moment in the timer is of one `epoch`: who changes the plan begins a new one, and a
//!    ring of an earlier one is nobody's.
//! 3. `active` counts the runs that are in the pool. Each has a [`Run`], whose drop takes
//!    one off, whether it ran, panicked, or was taken out by a stop.
//! 4. Nothing is put into the pool once the entry is not [`Mode::Live`], but for what its
//!    handle triggers.

use super::context::RunContext;
use super::policy::Overlap;
use super::status::{EntryStatus, LastRun, RunOutcome};
use super::timetable::{Timetable, late};
use crate::cancel::Cancelled;
use crate::causes::{BoxError, chain, has_cause};
use crate::clock::{self, Now};
use crate::queue::Queue;
use crate::retry::random;
use crate::sync::{Arc, Mutex, Weak};
use crate::task::{Queued, TaskContext};
use crate::timer::{Alarm, Due, Key, Timer};
use crate::unwind::{self, RateLimit};
use std::collections::VecDeque;
use std::mem;
use std::panic::Location;
use std::time::{Duration, SystemTime};

pub(super) type Closure = dyn Fn(&RunContext<'_>) -> Result<(), BoxError> + Send + Sync;

pub(super) struct Entry {
    pub(super) me: Weak<Entry>,
    pub(super) name: Arc<str>,
    /// The schedule, as it is shown.
    pub(super) schedule: String,
    pub(super) closure: Arc<Closure>,
    pub(super) overlap: Overlap,
    pub(super) run_at_start: bool,
    pub(super) time_limit: Option<Duration>,
    pub(super) queue: Arc<Queue>,
    pub(super) added_at: &'static Location<'static>,
    pub(super) state: Mutex<State>,
}

pub(super) struct State {
    timetable: Timetable,
    mode: Mode,
    epoch: u64,
    key: Option<Key>,
    timer: Option<Arc<Timer>>,
    active: u32,
    /// Runs that wait for the end of those that are active.
    pending: VecDeque<Due>,
    runs: u64,
    missed: u64,
    overlapped: u64,
    last: Option<LastRun>,
    max_lateness: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// The scheduler has not been started, or was stopped.
    Halted,
    Live,
    Paused,
    Removed,
}

impl State {
    pub(super) fn new(timetable: Timetable) -> Mutex<State> {
        Mutex::new(State {
            timetable,
            mode: Mode::Halted,
            epoch: 0,
            key: None,
            timer: None,
            active: 0,
            pending: VecDeque::new(),
            runs: 0,
            missed: 0,
            overlapped: 0,
            last: None,
            max_lateness: Duration::ZERO,
        })
    }
}

impl Entry {
    /// The scheduler has been started: plans from now on.
    pub(super) fn start(&self) {
        let timer = self.queue.timer();
        if let Some(timer) = &timer {
            timer.start();
        }
        let now = self.queue.clock().read();
        let mut state = self.state.lock();
        if state.mode != Mode::Halted {
            return;
        }
        state.timer = timer;
        state.mode = Mode::Live;
        state.timetable.start(now, random());
        self.set_timer(&mut state);
        let refused = match self.run_at_start {
            true => self.run_due(&mut state, vec![Due::Mono(now.mono)]),
            false => None,
        };
        drop(state);
        drop(refused);
    }

    /// The scheduler has been stopped, or dropped.
    pub(super) fn halt(&self) {
        self.leave_live(Mode::Halted);
    }

    pub(super) fn remove(&self) {
        self.leave_live(Mode::Removed);
    }

    pub(super) fn pause(&self) {
        self.leave_live(Mode::Paused);
    }

    fn leave_live(&self, mode: Mode) {
        let mut state = self.state.lock();
        let may = match mode {
            Mode::Paused => state.mode == Mode::Live,
            _ => state.mode != Mode::Removed,
        };
        if may {
            state.mode = mode;
            state.pending.clear();
            state.timetable.halt();
            self.set_timer(&mut state);
        }
    }

    pub(super) fn resume(&self) {
        let now = self.queue.clock().read();
        let mut state = self.state.lock();
        if state.mode == Mode::Paused {
            state.mode = Mode::Live;
            state.timetable.start(now, random());
            self.set_timer(&mut state);
        }
    }

    /// A run out of turn. `false`: the rule for overlaps is against it, or there is no pool
    /// any more.
    pub(super) fn trigger(&self) -> bool {
        let now = self.queue.clock().read();
        let mut state = self.state.lock();
        let before = (state.active as usize) + state.pending.len();
        let refused = self.run_due(&mut state, vec![Due::Mono(now.mono)]);
        let is_on = refused.is_none() && (state.active as usize) + state.pending.len() > before;
        drop(state);
        drop(refused);
        is_on
    }

    /// Lets the timer ring for the next run, and for nothing else.
    fn set_timer(&self, state: &mut State) {
        state.epoch += 1;
        let Some(timer) = &state.timer else { return };
        if let Some(key) = state.key.take() {
            timer.clear(key);
        }
        if let Some(due) = state.timetable.next() {
            let alarm: Weak<dyn Alarm> = self.me.clone();
            state.key = Some(timer.set(due, &alarm, state.epoch));
        }
    }

    /// Runs that are due, as far as the rule for overlaps lets them. Returns a task that the
    /// pool refused, to be dropped without the lock.
    fn run_due(&self, state: &mut State, runs: Vec<Due>) -> Option<Queued> {
        let at_once = match self.overlap {
            Overlap::Skip | Overlap::Queue => 1,
            Overlap::Concurrent(most) => most,
        };
        if state.active < at_once && state.pending.is_empty() {
            state.pending.extend(runs);
        } else {
            let mut left_out = runs.len() as u64;
            if self.overlap == Overlap::Queue && state.pending.is_empty() {
                state.pending.extend(runs.last());
                left_out = left_out.saturating_sub(1);
            }
            state.overlapped += left_out;
        }
        self.submit_pending(state, at_once)
    }

    fn submit_pending(&self, state: &mut State, at_once: u32) -> Option<Queued> {
        while state.active < at_once {
            let due = state.pending.pop_front()?;
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
                state.mode = Mode::Halted;
                state.pending.clear();
                state.timetable.halt();
                self.set_timer(state);
                return Some(refused);
            }
        }
        None
    }

    /// A run is over.
    fn ended(&self, last: Option<LastRun>) {
        let now = self.queue.clock().read();
        let mut state = self.state.lock();
        state.active -= 1;
        if last.is_some() {
            state.last = last;
        }
        if state.mode == Mode::Live {
            let before = state.timetable.next();
            state.timetable.run_ended(now, random());
            if state.timetable.next() != before {
                self.set_timer(&mut state);
            }
        }
        let at_once = match self.overlap {
            Overlap::Skip | Overlap::Queue => 1,
            Overlap::Concurrent(most) => most,
        };
        let refused = self.submit_pending(&mut state, at_once);
        drop(state);
        drop(refused);
    }

    pub(super) fn status(&self) -> EntryStatus {
        let now = self.queue.clock().read();
        let state = self.state.lock();
        EntryStatus {
            name: self.name.clone(),
            schedule: self.schedule.clone(),
            next_due: state.timetable.next().map(|due| wall(due, now)),
            is_paused: state.mode == Mode::Paused,
            running: state.active,
            runs: state.runs,
            missed: state.missed,
            overlapped: state.overlapped,
            last: state.last.clone(),
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
        let mut state = self.state.lock();
        if state.mode != Mode::Live || state.epoch != epoch {
            return;
        }
        state.key = None;
        let tick = state.timetable.look(now, random());
        state.missed += tick.missed;
        self.set_timer(&mut state);
        let refused = match tick.runs.is_empty() {
            true => None,
            false => self.run_due(&mut state, tick.runs),
        };
        if let Some(timer) = state.timer.as_ref().filter(|_| tick.missed > 0) {
            let (name, missed) = (&self.name, tick.missed);
            timer.log(
                log::Level::Warn,
                format!("schedule {name:?}: {missed} runs were missed"),
            );
        }
        drop(state);
        drop(refused);
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
    due: Due,
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
        entry.queue.due_task(name, entry.added_at, limit, body)
    }

    fn run(mut self, context: &TaskContext) {
        let now = self.entry.queue.clock().read();
        let lateness = late(self.due, now);
        self.phase = Phase::Began(now, lateness);
        {
            let mut state = self.entry.state.lock();
            state.runs += 1;
            state.max_lateness = state.max_lateness.max(lateness);
        }
        let closure = self.entry.closure.clone();
        let run = RunContext::new(context, &self.entry.name, wall(self.due, now), lateness);
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
        let text = chain(error.as_ref());
        unwind::drop_guarded(error, || format!("the error of schedule {name:?}"));
        if heeded {
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
                    due: wall(self.due, began),
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
