//! The timer: one thread for everything in the process that waits without one.
//!
//! # Invariants
//!
//! 1. What is set rings once, unless it is cleared first: it is taken out under the lock,
//!    and rung without it. One of the wall clock may ring before its moment: when that clock
//!    was set since the moment was planned.
//! 2. The thread never waits for anything but the next moment: alarms neither block nor
//!    call the program's code, nor do they [drop](drop_elsewhere) it. The log is written by
//!    another thread.
//! 3. A moment of the monotonic clock is compared with that clock, one of the wall clock
//!    with the wall clock, whose current value is read each time. As long as there is
//!    something to wait for, no wait is longer than [`LOOK_AGAIN`], so that a clock that
//!    was set, or stood while the machine was suspended, is noticed. Each moment of the
//!    wall clock is kept with what the clocks showed when it was planned, and whether the
//!    wall clock was set since then is one comparison with that ([`Now::was_set`]), here
//!    and in the alarm: however many small corrections come between, and whether or not the
//!    thread has looked before.
//! 4. A caller that sets a moment earlier than the one the thread sleeps for wakes it; the
//!    thread says when that is under the lock under which it looked.
//!
//! There is one for each clock: that of the system, and those that tests move. It is
//! started with the first thing that is set, and ends when the last holder drops it.
//!
//! In a model there is none: each alarm has a thread of its own, which moves the clock and rings
//! when the scheduler runs it.

mod dropper;

pub(crate) use dropper::drop_elsewhere;
use dropper::{drop_what_is_left, is_something_left};

use crate::async_log::{AsyncLog, LOG_TIMEOUT};
use crate::clock::{Clock, Deadline, Freezes, Now, Offset};
#[cfg(not(any(loom, shuttle)))]
use crate::sync::StaticMutex;
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use crate::threads::{self, Thread};
use crate::unwind;
use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant, SystemTime};

/// The moment at which an alarm rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Mono(Instant),
    Wall(SystemTime),
}

impl Due {
    pub(crate) fn has_come(self, now: Now) -> bool {
        match self {
            Due::Mono(at) => at <= now.mono,
            Due::Wall(at) => at <= now.wall,
        }
    }
}

/// What is called when a moment has come.
pub(crate) trait Alarm: Send + Sync {
    /// The moment that was set for `what` has come; or it is one of the wall clock, which was
    /// set since it was planned: to be planned again as of `now`. May not wait, nor call or
    /// drop the program's code; may set and clear.
    fn ring(self: Arc<Self>, what: u64, now: Now);
}

/// What was set, with which it can be cleared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    due: Due,
    number: u64,
}

pub(crate) struct Timer {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    state: Mutex<State>,
    /// Something earlier was set, the clock was moved by hand, or it is over.
    changed: Condvar,
    /// The thread has rung everything that was due, and goes to sleep.
    settled: Condvar,
    async_log: Mutex<AsyncLog>,
}

struct State {
    /// From where the offsets of the clocks are counted.
    beginning: Instant,
    mono: BTreeMap<(Instant, u64), Waiting>,
    wall: BTreeMap<(SystemTime, u64), Waiting>,
    /// When those in `wall` are due, by the offset of the clocks at which they were planned.
    planned: BTreeMap<(Offset, u64), SystemTime>,
    next: u64,
    /// The thread sleeps, and wakes up by itself then.
    asleep_until: Option<Deadline>,
    freezes: Freezes,
    /// What the clock showed when it went to sleep.
    settled_at: Option<Now>,
    thread: Option<Thread>,
    is_over: bool,
}

/// The alarm is not kept by what waits for it.
struct Waiting {
    alarm: Weak<dyn Alarm>,
    what: u64,
    /// The offset of the clocks when a moment of the wall clock was planned.
    planned: Option<Offset>,
}

/// The longest wait while there is something to wait for.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// The timers of all clocks, by the number of the clock.
#[cfg(not(any(loom, shuttle)))]
static TIMERS: StaticMutex<Vec<(usize, Weak<Timer>)>> = StaticMutex::new(Vec::new());

impl Timer {
    /// The timer of this clock. It lives as long as it is held.
    pub(crate) fn of(clock: &Clock) -> Arc<Timer> {
        // Not in a model: each execution is a world of its own.
        #[cfg(any(loom, shuttle))]
        return Arc::new(Timer {
            shared: Arc::new(Shared::new(clock.clone())),
        });
        #[cfg(not(any(loom, shuttle)))]
        Timer::shared_of(clock)
    }

    #[cfg(not(any(loom, shuttle)))]
    fn shared_of(clock: &Clock) -> Arc<Timer> {
        let mut timers = TIMERS.lock();
        timers.retain(|(_, timer)| timer.strong_count() > 0);
        let found = timers.iter().find(|(id, _)| *id == clock.id());
        if let Some(timer) = found.and_then(|(_, timer)| timer.upgrade()) {
            return timer;
        }
        let timer = Arc::new(Timer {
            shared: Arc::new(Shared::new(clock.clone())),
        });
        #[cfg(feature = "testing")]
        if let Some(manual) = &clock.manual {
            let watcher: Arc<dyn crate::clock::Watcher> = timer.shared.clone();
            manual.watch(Arc::downgrade(&watcher));
        }
        timers.push((clock.id(), Arc::downgrade(&timer)));
        timer
    }

    /// Starts the thread, if it does not run. Never blocks.
    pub(crate) fn start(&self) -> io::Result<()> {
        self.shared.start_thread(&mut self.shared.state.lock())
    }

    /// Lets `alarm` ring for `what` once `due` has come. Never blocks. Starts the thread,
    /// too; but it is [`start`](Self::start) that reports a failure.
    pub(crate) fn set(&self, due: Due, alarm: &Weak<dyn Alarm>, what: u64) -> Key {
        let planned = match due {
            Due::Mono(_) => None,
            Due::Wall(_) => Some(self.shared.clock.read()),
        };
        self.insert(planned, due, alarm, what)
    }

    /// The same for a moment that was planned when the clocks showed `planned`: if the wall
    /// clock has been set since, one of that clock rings at once.
    pub(crate) fn set_as_of(
        &self,
        planned: Now,
        due: Due,
        alarm: &Weak<dyn Alarm>,
        what: u64,
    ) -> Key {
        self.insert(Some(planned), due, alarm, what)
    }

    fn insert(&self, planned: Option<Now>, due: Due, alarm: &Weak<dyn Alarm>, what: u64) -> Key {
        let mut state = self.shared.state.lock();
        let number = state.next;
        state.next += 1;
        let planned = planned.map(|planned| planned.offset(state.beginning));
        let waiting = Waiting {
            alarm: alarm.clone(),
            what,
            planned,
        };
        match due {
            Due::Mono(due) => {
                state.mono.insert((due, number), waiting);
            }
            Due::Wall(due) => {
                state.wall.insert((due, number), waiting);
                if let Some(planned) = planned {
                    state.planned.insert((planned, number), due);
                }
            }
        }
        let read = || self.shared.clock.read();
        let wakes = match (state.asleep_until, planned) {
            (Some(_), Some(planned)) if state.offset(read()).was_set(planned) => true,
            (Some(until), _) => is_earlier(until, due, read),
            (None, _) => false,
        };
        if wakes {
            state.settled_at = None;
        }
        let _ = self.shared.start_thread(&mut state);
        drop(state);
        #[cfg(shuttle)]
        self.shared.ring_in_model(due);
        if wakes {
            self.shared.changed.notify_one();
        }
        Key { due, number }
    }

    /// Takes back what was set; `false`: it has rung, or is about to.
    pub(crate) fn clear(&self, key: Key) -> bool {
        let mut state = self.shared.state.lock();
        let waiting = match key.due {
            Due::Mono(due) => state.mono.remove(&(due, key.number)),
            Due::Wall(due) => state.take_wall(due, key.number),
        };
        drop(state);
        waiting.is_some()
    }

    /// For how long the thread itself was frozen from `start` on, by the monotonic clock.
    pub(crate) fn frozen_since(&self, start: Instant, now: Instant) -> Duration {
        self.shared.state.lock().freezes.since(start, now)
    }

    /// How many moments are set.
    #[cfg(all(test, feature = "testing", not(any(loom, shuttle))))]
    pub(crate) fn count_set(&self) -> usize {
        let state = self.shared.state.lock();
        assert_eq!(state.planned.len(), state.wall.len());
        state.mono.len() + state.wall.len()
    }

    /// Logs it. Never blocks.
    pub(crate) fn log(&self, level: log::Level, text: String) {
        self.shared.async_log.lock().write(level, text);
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.is_over = true;
        let thread = state.thread.take();
        drop(state);
        self.shared.changed.notify_all();
        self.shared.settled.notify_all();
        if let Some(thread) = thread.filter(|thread| thread.id() != threads::id()) {
            thread.join();
        }
    }
}

/// Whether one that sleeps `until` then would sleep past `due`.
fn is_earlier(until: Deadline, due: Due, now: impl FnOnce() -> Now) -> bool {
    let Some(until) = until.moment() else {
        return true;
    };
    match due {
        Due::Mono(due) => due < until,
        Due::Wall(due) => {
            let now = now();
            let left = due.duration_since(now.wall).unwrap_or_default();
            now.mono.checked_add(left).is_some_and(|due| due < until)
        }
    }
}

impl State {
    fn offset(&self, now: Now) -> Offset {
        now.offset(self.beginning)
    }

    /// Takes out everything that is due, and everything that waits for the wall clock and was
    /// planned before that was set: what that means is for the alarms to say.
    fn take_due(&mut self, now: Now) -> Vec<Waiting> {
        let mut due = Vec::new();
        while let Some(first) = self.mono.first_entry().filter(|e| e.key().0 <= now.mono) {
            due.push(first.remove());
        }
        while let Some((at, number)) = self.wall.keys().next().copied() {
            if at > now.wall {
                break;
            }
            due.extend(self.take_wall(at, number));
        }
        let offset = self.offset(now);
        while let Some(waiting) = self.take_planned_before_set(offset) {
            due.push(waiting);
        }
        due
    }

    /// One whose offset is not that of now: those that differ most are at the ends.
    fn take_planned_before_set(&mut self, now: Offset) -> Option<Waiting> {
        let (first, last) = (
            self.planned.first_key_value()?,
            self.planned.last_key_value()?,
        );
        let ends = [first, last].map(|((planned, number), due)| (*planned, *number, *due));
        let (_, number, due) = ends
            .into_iter()
            .find(|(planned, ..)| now.was_set(*planned))?;
        self.take_wall(due, number)
    }

    fn take_wall(&mut self, due: SystemTime, number: u64) -> Option<Waiting> {
        let waiting = self.wall.remove(&(due, number))?;
        if let Some(planned) = waiting.planned {
            self.planned.remove(&(planned, number));
        }
        Some(waiting)
    }

    /// When to look again.
    fn wake(&self, now: Now) -> Deadline {
        let mono = self.mono.keys().next().map(|(due, _)| *due);
        let wall = self.wall.keys().next().map(|(due, _)| {
            let left = due.duration_since(now.wall).unwrap_or_default();
            now.mono + left.min(LOOK_AGAIN)
        });
        match mono.into_iter().chain(wall).min() {
            Some(first) => Deadline::at(first.min(now.mono + LOOK_AGAIN)),
            None => Deadline::NEVER,
        }
    }
}

impl Shared {
    fn new(clock: Clock) -> Shared {
        let beginning = clock.now();
        Shared {
            clock,
            state: Mutex::new(State {
                beginning,
                mono: BTreeMap::new(),
                wall: BTreeMap::new(),
                planned: BTreeMap::new(),
                next: 0,
                asleep_until: None,
                freezes: Freezes::default(),
                settled_at: None,
                thread: None,
                is_over: false,
            }),
            changed: Condvar::new(),
            settled: Condvar::new(),
            async_log: Mutex::new(AsyncLog::new("timer")),
        }
    }

    fn start_thread(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        if state.thread.is_some() || cfg!(any(loom, shuttle)) {
            return Ok(());
        }
        let shared = self.clone();
        let thread = threads::spawn_helper("timer".to_owned(), move || shared.run())?;
        state.thread = Some(thread);
        Ok(())
    }

    /// Rings when the scheduler says that the moment has come. (In loom it never does.)
    #[cfg(shuttle)]
    fn ring_in_model(self: &Arc<Self>, due: Due) {
        use crate::sync::model::{thread, time};
        let shared = self.clone();
        thread::spawn(move || {
            if let Due::Mono(due) = due {
                time::pass_until(due);
            }
            let now = shared.clock.read();
            let due = shared.state.lock().take_due(now);
            ring_all(due, now);
        });
    }

    fn run(&self) {
        let mut state = self.state.lock();
        while !state.is_over {
            let is_left =
                is_something_left() && !MutexGuard::unlocked(&mut state, drop_what_is_left);
            if state.is_over {
                break;
            }
            let now = self.clock.read();
            state.freezes.woke(now.mono);
            let due = state.take_due(now);
            if !due.is_empty() {
                MutexGuard::unlocked(&mut state, || ring_all(due, now));
                continue;
            }
            let mut until = state.wake(now);
            if is_left {
                until = until.earlier(Deadline::at(now.mono + threads::MAX_SPAWN_PAUSE));
            }
            state.asleep_until = Some(until);
            state.settled_at = Some(now);
            self.settled.notify_all();
            if !self.clock.is_manual() {
                state.freezes.sleeps(until);
            }
            self.clock.wait(until, &self.changed, &mut state);
            state.asleep_until = None;
            state.settled_at = None;
        }
        drop(state);
        if !drop_what_is_left() {
            // The next timer has another chance.
            let patience = Deadline::after(LOG_TIMEOUT);
            let _ = threads::try_until(patience, || match drop_what_is_left() {
                true => Ok(()),
                false => Err(io::ErrorKind::WouldBlock.into()),
            });
        }
        self.async_log.lock().close();
    }
}

fn ring_all(due: Vec<Waiting>, now: Now) {
    for Waiting { alarm, what, .. } in due {
        let Some(alarm) = alarm.upgrade() else {
            continue;
        };
        // An internal bug must not silence all the others.
        if let Err(payload) = unwind::catch(|| alarm.ring(what, now)) {
            unwind::drop_payload(payload);
        }
    }
}

#[cfg(feature = "testing")]
impl crate::clock::Watcher for Shared {
    /// Returns when everything has rung that is due by now.
    fn clock_moved(&self) {
        let mut state = self.state.lock();
        self.changed.notify_all();
        while !state.is_over {
            let is_settled = state.settled_at == Some(self.clock.read());
            match &state.thread {
                Some(thread) if !is_settled && thread.id() != threads::id() => {}
                _ => return,
            }
            self.settled.wait(&mut state);
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
