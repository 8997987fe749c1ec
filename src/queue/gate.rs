//! The gate: submitters from outside wait here for room in the channel.
//!
//! # Invariants
//!
//! 1. A waiter holds the gate's lock from its last try to its sleep, and who
//!    opens the gate takes that lock: no opening is missed in between.
//! 2. A waiter counts itself in `waiters` and raises `mark`, then tries; a
//!    worker takes a task, then reads both. All SeqCst: either the worker sees
//!    the waiter, or the waiter sees the room.
//!
//! # Whom to wake
//!
//! Waking a submitter for every single place eats up what a second worker gains
//! on short tasks: it runs, fills one place and sleeps again. So where tasks are
//! short the first is woken once the channel has fallen to its low-water mark,
//! and if that one does not fill it up again, the next at half of the mark, and
//! so on; all of them at the latest when it is empty. Where tasks are long one
//! is woken for every place: else a submitter would sleep for minutes beside
//! free places. Since a worker may turn from short to long tasks without having
//! looked, a sleeper also looks by itself now and then.
//!
//! Waiters are woken in the order in which they went to sleep, and who has the
//! room may fill it: that is a turn. Only if a waiter was woken and finds that others
//! were faster, newcomers wait behind it.

use super::Queue;
use super::error::Refusal;
use crate::clock::{self, Deadline};
use crate::sync::{Condvar, Mutex, Relaxed, SeqCst};
use crate::task::Queued;
use std::time::Duration;

#[derive(Default)]
pub(super) struct Gate {
    lock: Mutex<()>,
    opened: Condvar,
}

/// The low-water mark is this part of the capacity; of a capacity up to this it
/// is a half.
const LOW_WATER: usize = 8;
/// After so long a sleeper first looks by itself, and from then on after `LOOK`.
#[cfg(not(any(loom, shuttle)))]
const FIRST_LOOK: Duration = Duration::from_millis(10);
#[cfg(not(any(loom, shuttle)))]
const LOOK: Duration = Duration::from_millis(100);
/// Never in a model: these looks would hide a wake-up that was lost.
#[cfg(any(loom, shuttle))]
const FIRST_LOOK: Duration = Duration::MAX;
#[cfg(any(loom, shuttle))]
const LOOK: Duration = Duration::MAX;

impl Queue {
    fn low_water(&self) -> usize {
        (self.capacity / LOW_WATER).max(self.capacity.min(LOW_WATER) / 2)
    }

    /// Whether somebody was overtaken, and a newcomer has to wait behind it.
    #[inline]
    pub(super) fn has_to_queue_up(&self) -> bool {
        self.flags.overtaken.load(Relaxed) > 0 && self.receiver.len() > self.low_water()
    }

    /// Puts a task into the channel, waiting for room until `deadline`.
    pub(super) fn push_waiting(
        &self,
        mut task: Queued,
        id: u64,
        deadline: Deadline,
    ) -> Result<(), (Queued, Refusal)> {
        if !self.has_to_queue_up() {
            match self.send(task) {
                Ok(()) => return self.pushed(id, None),
                Err(back) => task = back,
            }
        }
        self.wait_at_gate(task, deadline)?;
        self.pushed(id, None)
    }

    #[cold]
    fn wait_at_gate(&self, mut task: Queued, deadline: Deadline) -> Result<(), (Queued, Refusal)> {
        let mut guard = self.gate.lock.lock();
        let mut queue_up = self.has_to_queue_up();
        let mut look = FIRST_LOOK;
        let mut overtaken = false;
        self.flags.waiters.fetch_add(1, SeqCst);
        let end = loop {
            self.flags.mark.store(self.low_water() + 1, SeqCst);
            if self.is_closed() {
                break Err((task, Refusal::Closed));
            }
            let now = clock::now();
            let timed_out = deadline.has_passed(now);
            if timed_out || !queue_up || self.receiver.len() <= self.low_water() {
                match self.send(task) {
                    Ok(()) => break Ok(()),
                    Err(back) => task = back,
                }
            }
            if timed_out {
                break Err((task, Refusal::TimedOut));
            }
            let next_look = Deadline::after_from(now, look);
            let looks = deadline
                .earlier(next_look)
                .wait(&self.gate.opened, &mut guard);
            if !looks && !overtaken && self.receiver.is_full() {
                overtaken = true;
                self.flags.overtaken.fetch_add(1, Relaxed);
            }
            queue_up = false;
            look = LOOK;
        };
        if overtaken {
            self.flags.overtaken.fetch_sub(1, Relaxed);
        }
        self.flags.waiters.fetch_sub(1, SeqCst);
        end
    }

    /// A worker took a task from the channel.
    pub(super) fn made_room(&self, runs_long_tasks: bool) {
        if self.flags.waiters.load(SeqCst) == 0 {
            return;
        }
        if runs_long_tasks {
            let _guard = self.gate.lock.lock();
            self.gate.opened.notify_one();
        } else if self.receiver.len() < self.flags.mark.load(SeqCst) {
            self.wake_waiter();
        }
    }

    /// The channel has fallen to the mark.
    #[cold]
    fn wake_waiter(&self) {
        let _guard = self.gate.lock.lock();
        let mark = self.flags.mark.load(SeqCst);
        if self.receiver.len() < mark {
            self.flags.mark.store(mark / 2, SeqCst);
            if mark == 1 {
                self.gate.opened.notify_all();
            } else {
                self.gate.opened.notify_one();
            }
        }
    }

    /// Wakes all waiters, for them to see that the pool is closed.
    pub(super) fn open_gate(&self) {
        let _guard = self.gate.lock.lock();
        self.gate.opened.notify_all();
    }
}
