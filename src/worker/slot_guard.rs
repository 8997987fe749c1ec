//! The lock of a worker's slot, as the worker holds it between two tasks.
//!
//! ```text
//! lock | take, push | unlock   the task runs   lock | pop, count; take, push | unlock ...
//! ```
//!
//! The end of one task and the beginning of the next share one lock, since that is the most
//! expensive step of a task that does nothing. The invariants are those of `slot`.

use super::ended::Ended;
use super::info::{Origin, TaskInfo};
use super::running::{Running, Settled};
use super::slot::{Body, Slot, WorkerState};
use super::task_clock::TaskClock;
use super::tombstone::Tombstone;
use crate::clock;
use crate::record::record;
use crate::sync::MutexGuard;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub(crate) struct SlotGuard<'a, T> {
    slot: &'a Slot<T>,
    body: MutexGuard<'a, Body<T>>,
}

/// How a task comes onto a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Taken from the queue.
    Popped,
    /// Its handle was joined by this worker; a tombstone stays in the queue.
    Claimed,
    /// As `Claimed`, but taken out of those that are due: there is no tombstone.
    Fetched,
    /// Submitted by this worker to a full queue, and run at once.
    InPlace,
}

impl How {
    /// Whether its place in the queue is free now.
    pub(crate) fn left_the_queue(self) -> bool {
        matches!(self, How::Popped | How::Fetched)
    }
}

impl<'a, T> SlotGuard<'a, T> {
    pub(crate) fn take(slot: &'a Slot<T>) -> SlotGuard<'a, T> {
        SlotGuard {
            slot,
            body: slot.body.lock(),
        }
    }

    /// Whether a stopper wants this worker to take nothing more.
    pub(crate) fn is_marked(&self) -> bool {
        self.body.is_marked
    }

    pub(crate) fn set_state(&mut self, state: WorkerState) {
        self.body.state = state;
        self.body.epoch += 1;
    }

    /// Runs `call` without the lock.
    #[inline]
    pub(crate) fn unlocked<R>(&mut self, call: impl FnOnce() -> R) -> R {
        MutexGuard::unlocked(&mut self.body, call)
    }

    /// Runs `call` without the lock, while the worker does not count as quiet.
    #[cold]
    pub(crate) fn tidy(&mut self, call: &mut dyn FnMut()) {
        // The call may run tasks, which tidy up as well.
        let before = std::mem::replace(&mut self.body.is_tidying, true);
        self.unlocked(call);
        self.body.is_tidying = before;
        self.body.epoch += 1;
    }

    // The worker's own list.

    #[inline]
    pub(crate) fn pop_newest(&mut self) -> Option<T> {
        self.slot.pop_overflow(&mut self.body, VecDeque::pop_back)
    }

    pub(crate) fn pop_oldest(&mut self) -> Option<T> {
        self.slot.pop_overflow(&mut self.body, VecDeque::pop_front)
    }

    /// What was taken from the queue had ended some other way.
    pub(crate) fn skip_tombstone(&mut self, tombstone: Tombstone) {
        self.body.counts.skip(tombstone);
    }

    /// Skips the tombstones at both ends of the list: a task that claims or calls off what it
    /// submitted, again and again, would leave them there until it ends.
    pub(crate) fn skip_own_tombstones(&mut self, tombstone: impl Fn(&T) -> Option<Tombstone>) {
        while let Some(tombstone) = self.slot.pop_end_if(&mut self.body, &tombstone) {
            self.skip_tombstone(tombstone);
        }
    }

    /// What was taken from the queue should have been taken earlier. `drop` is
    /// called without the lock.
    #[cold]
    pub(crate) fn pass_expired(&mut self, drop: &mut dyn FnMut()) {
        self.body.counts.taken += 1;
        self.body.counts.expired += 1;
        self.tidy(drop);
    }

    // A task begins.

    /// Whether a task that comes this way may get on the stack. What was popped always may:
    /// it was taken under this lock, and before the mark (Invariants 1 and 2).
    #[inline]
    pub(crate) fn may_begin(&self, how: How) -> bool {
        how == How::Popped || self.body.abandoned.is_none()
    }

    /// When a task that comes this way begins. `is_observed`: that has to be exact.
    #[inline]
    pub(crate) fn begin_stamp(&self, clock: &TaskClock, how: How, is_observed: bool) -> Instant {
        match how {
            // The worker's stamp may be as old as the task below.
            How::InPlace if self.is_limited() => clock::now(),
            How::Popped | How::InPlace if !is_observed => clock.last(),
            _ => clock.read(),
        }
    }

    /// Whether the task on top of the stack has a limit for its time.
    #[inline(never)]
    fn is_limited(&self) -> bool {
        let running = self.body.places[..self.body.depth].last();
        running.is_some_and(|running| running.is_limited)
    }

    /// Puts a task on the stack. Returns its place, for what few tasks have: a
    /// name, a cell.
    #[inline]
    pub(crate) fn begin(
        &mut self,
        how: How,
        origin: Origin,
        type_name: fn() -> &'static str,
        since: Instant,
        has_token: bool,
    ) -> &mut Running {
        let body = &mut *self.body;
        match how {
            How::Claimed => body.counts.tombstones_made += 1,
            How::Popped | How::Fetched | How::InPlace => body.counts.taken += 1,
        }
        body.epoch += 1; // Invariant 4
        if body.depth == body.places.len() {
            body.places.push(Running::new(origin, type_name, since));
        }
        let place = &mut body.places[body.depth];
        body.depth += 1;
        place.meta.origin = origin;
        place.meta.type_name = type_name;
        place.since = since;
        place.has_token = has_token;
        place
    }

    // The task on top of the stack ends.

    #[inline]
    fn top(&self) -> &Running {
        &self.body.places[self.body.depth - 1]
    }

    /// When it began.
    #[inline]
    pub(crate) fn began(&self) -> Instant {
        self.top().since
    }

    /// How a report counted it, if there is one.
    pub(crate) fn settled(&self) -> Option<Settled> {
        self.top().settled
    }

    /// Its identity.
    pub(crate) fn top_info(&self) -> TaskInfo {
        self.top().info()
    }

    /// Counts its end, unless a report has (Invariant 3); returns how that did. Under the same
    /// lock its cell is given the result, so that no report comes between the two, and then
    /// [`take_off`](Self::take_off) is called.
    #[inline(always)]
    pub(crate) fn count_end(&mut self, panicked: bool) -> Option<Settled> {
        let body = &mut *self.body;
        let settled = body.places[body.depth - 1].settled;
        match settled {
            None if panicked => body.counts.panicked += 1,
            None => body.counts.completed += 1,
            Some(_) => body.counts.ended_late += 1,
        }
        body.epoch += 1;
        settled
    }

    /// Takes it off the stack.
    #[inline(always)]
    pub(crate) fn take_off(&mut self, settled: Option<Settled>) {
        if settled == Some(Settled::Abandoned) {
            self.abandoned_ended();
        }
        // Not before the record above, which names it.
        let body = &mut *self.body;
        body.depth -= 1;
        body.places[body.depth].end();
    }

    /// A report abandoned it, and it has ended now.
    #[cold]
    fn abandoned_ended(&mut self) {
        if let Some(abandoned) = &self.body.abandoned {
            abandoned.one_ended();
        }
        let info = self.top_info();
        self.unlocked(|| {
            record!(Debug, POOL, "task {info} was abandoned, and has ended now");
        });
    }

    /// Takes it off the stack, uncounted: another attempt follows.
    pub(crate) fn take_off_uncounted(&mut self) {
        let body = &mut *self.body;
        body.epoch += 1;
        body.depth -= 1;
        let place = &mut body.places[body.depth];
        place.end();
        place.queued_at = None;
        place.on_top = Duration::ZERO;
    }

    /// What observers are given of it, as it ends.
    pub(crate) fn measure(&mut self, now: Instant, panicked: bool) -> Ended {
        let body = &mut *self.body;
        let on_top_before = match body.depth {
            0 | 1 => Duration::ZERO,
            depth => body.places[depth - 2].on_top,
        };
        Ended::measure(
            &mut body.places[body.depth - 1],
            on_top_before,
            now,
            panicked,
        )
    }

    // It has ended, and the one below is on top now.

    /// What ran on top since then is not part of the time of the task below, where that is
    /// measured.
    #[inline]
    pub(crate) fn pass_time_on(&mut self, began: Instant, is_observed: bool) {
        let body = &mut *self.body;
        if let Some(below) = body.places[..body.depth].last_mut() {
            if is_observed || below.is_limited {
                below.on_top += clock::now().saturating_duration_since(began);
            }
        }
    }

    /// The same, with what the observers took.
    pub(crate) fn pass_observed_time_on(&mut self, ended: &Ended) {
        let body = &mut *self.body;
        if let Some(below) = body.places[..body.depth].last_mut() {
            // Not added to what is there: an observer, too, may have run tasks.
            below.on_top = ended.on_top_of_the_next(clock::now());
        }
    }

    /// Whether the worker runs nothing now, and is outside of its loop, in a hook.
    #[inline]
    pub(crate) fn is_quiet_in_a_hook(&self) -> bool {
        self.body.depth == 0 && self.body.state != WorkerState::Awake
    }
}
