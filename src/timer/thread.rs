//! The thread of a timer, and what it shares with those that set moments.

use super::dropper::{drop_what_is_left, is_something_left};
#[cfg(shuttle)]
use super::moments::Due;
use super::moments::{Moments, Waiting};
use crate::async_log::{AsyncLog, LOG_TIMEOUT};
use crate::clock::{Clock, Deadline, Freezes, Now};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard};
use crate::threads::{self, Thread};
use crate::unwind;
use std::io;

pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) state: Mutex<State>,
    /// Something earlier was set, the clock was moved by hand, or it is over.
    pub(super) changed: Condvar,
    /// The thread has rung everything that was due, and goes to sleep.
    pub(super) settled: Condvar,
    pub(super) async_log: Mutex<AsyncLog>,
}

pub(super) struct State {
    pub(super) moments: Moments,
    /// The thread sleeps, and wakes up by itself then.
    pub(super) asleep_until: Option<Deadline>,
    pub(super) freezes: Freezes,
    /// What the clock showed when it went to sleep.
    pub(super) settled_at: Option<Now>,
    pub(super) thread: Option<Thread>,
    pub(super) is_over: bool,
}

impl Shared {
    pub(super) fn new(clock: Clock) -> Shared {
        let moments = Moments::new(clock.now());
        Shared {
            clock,
            state: Mutex::new(State {
                moments,
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

    pub(super) fn start_thread(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
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
    pub(super) fn ring_in_model(self: &Arc<Self>, due: Due) {
        use crate::sync::model::{thread, time};
        let shared = self.clone();
        thread::spawn(move || {
            if let Due::Mono(due) = due {
                time::pass_until(due);
            }
            let now = shared.clock.read();
            let due = shared.state.lock().moments.take_due(now);
            ring_all(due, now);
        });
    }

    fn run(&self) {
        let mut state = self.state.lock();
        while !state.is_over {
            // What could not be dropped for lack of a thread has another chance here.
            let is_left =
                is_something_left() && !MutexGuard::unlocked(&mut state, drop_what_is_left);
            // The lock was released: the end may have been announced meanwhile.
            if state.is_over {
                break;
            }
            let now = self.clock.read();
            // Before anything rings: an alarm may ask for how long this thread was frozen.
            state.freezes.woke(now.mono);
            let due = state.moments.take_due(now);
            if !due.is_empty() {
                // What rings may set what is due by then: it does not sleep before that.
                MutexGuard::unlocked(&mut state, || ring_all(due, now));
                continue;
            }
            let mut until = state.moments.wake(now);
            if is_left {
                until = until.earlier(Deadline::at(now.mono + threads::MAX_SPAWN_PAUSE));
            }
            state.asleep_until = Some(until);
            // Invariant 4, and for `clock_moved`: said under the lock under which it looked.
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
            // Where the clock is moved on meanwhile, this waits for that as well.
            let is_settled = state.settled_at == Some(self.clock.read());
            match &state.thread {
                // An alarm that moves the clock, on this very thread, must not wait for itself.
                Some(thread) if !is_settled && thread.id() != threads::id() => {}
                _ => return,
            }
            self.settled.wait(&mut state);
        }
    }
}
