//! The timer: one thread for everything in the process that waits without one.
//!
//! # Invariants
//!
//! 1. A moment that is set rings once, unless it is cleared first: it is taken out under the
//!    lock, and rung without it. One of the wall clock may ring before its moment: when that clock
//!    was set since the moment was planned.
//! 2. The thread never waits for anything but the next moment: alarms neither block nor
//!    call the program's code, nor do they [drop](drop_elsewhere) it. The log is written by
//!    another thread.
//! 3. A moment of the monotonic clock is compared with that clock, one of the wall clock
//!    with the wall clock, whose current value is read each time. As long as there is
//!    something to wait for, no wait is longer than 30 s, so that a clock that
//!    was set, or stood while the machine was suspended, is noticed. Each moment of the
//!    wall clock is kept with what the clocks showed when it was planned, and whether the
//!    wall clock was set since then is one comparison with that ([`Now::was_set`]), here
//!    and in the alarm: however many small corrections come between, and whether or not the
//!    thread has looked before.
//! 4. A caller that sets a moment earlier than the one the thread sleeps for wakes it; the
//!    thread says when that is under the lock under which it looked.
//!
//! There is one timer for each clock: that of the system, and those that tests move. Its
//! thread starts with the first moment that is set, and ends when the last holder drops the
//! timer.
//!
//! In a model there is no such thread: each alarm has one of its own, which moves the clock
//! and rings when the scheduler runs it.

mod dropper;
mod moments;
mod thread;

pub(crate) use dropper::drop_elsewhere;
pub(crate) use moments::{Alarm, Due, Key};

use crate::clock::{Clock, Now};
#[cfg(not(any(loom, shuttle)))]
use crate::sync::StaticMutex;
use crate::sync::{Arc, Weak};
use crate::threads;
use moments::is_earlier;
use std::io;
use std::time::{Duration, Instant};
use thread::Shared;

pub(crate) struct Timer {
    shared: Arc<Shared>,
}

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
        let planned = planned.map(|planned| state.moments.offset(planned));
        let key = state.moments.insert(due, planned, alarm, what);
        // Invariant 4.
        let read = || self.shared.clock.read();
        let wakes = match (state.asleep_until, planned) {
            (Some(_), Some(planned)) if state.moments.offset(read()).was_set(planned) => true,
            (Some(until), _) => is_earlier(until, due, read),
            (None, _) => false,
        };
        if wakes {
            // A test that moves the clock waits for this moment as well.
            state.settled_at = None;
        }
        // A refusal is what `start` reports; the next moment that is set tries again.
        let _ = self.shared.start_thread(&mut state);
        drop(state);
        #[cfg(shuttle)]
        self.shared.ring_in_model(due);
        if wakes {
            self.shared.changed.notify_one();
        }
        key
    }

    /// Takes back what was set; `false`: it has rung, or is about to.
    pub(crate) fn clear(&self, key: Key) -> bool {
        let mut state = self.shared.state.lock();
        let waiting = state.moments.remove(key);
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
        let moments = &self.shared.state.lock().moments;
        assert_eq!(moments.planned.len(), moments.wall.len());
        moments.mono.len() + moments.wall.len()
    }

    /// Logs it. Never blocks.
    pub(crate) fn log(&self, target: &'static str, level: log::Level, text: String) {
        self.shared.async_log.lock().write(target, level, text);
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
        // The last holder may be an alarm, on the very thread.
        if let Some(thread) = thread.filter(|thread| thread.id() != threads::id()) {
            thread.join();
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
