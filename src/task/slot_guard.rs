//! A worker's turn: its slot's lock, held between two tasks.
//!
//! ```text
//! lock | take, push | unlock   the task runs   lock | pop, count; take, push | unlock ...
//! ```
//!
//! The end of one task and the beginning of the next share one lock, since that
//! is the dearest thing that a worker does for a task which does nothing.

use super::cell::{Off, Tombstone};
use super::current_worker::CurrentWorker;
use super::info::{Origin, TaskInfo};
use super::plain::FireAndForget;
use super::queued::Shared;
use super::running::{Running, Settled};
use super::slot::{Body, Slot, State};
use crate::clock;
use crate::sync::{Arc, MutexGuard};
use crate::unwind;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub(crate) struct SlotGuard<'a> {
    slot: &'a Slot,
    pub(super) body: MutexGuard<'a, Body>,
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

impl<'a> SlotGuard<'a> {
    pub(crate) fn take(slot: &'a Slot) -> SlotGuard<'a> {
        SlotGuard {
            slot,
            body: slot.body.lock(),
        }
    }

    /// Whether a stopper wants this worker to take nothing more.
    pub(crate) fn is_marked(&self) -> bool {
        self.body.is_marked
    }

    pub(crate) fn set_state(&mut self, state: State) {
        self.body.state = state;
        self.body.epoch += 1;
    }

    /// Runs `call` without the lock.
    #[inline]
    pub(crate) fn unlocked<R>(&mut self, call: impl FnOnce() -> R) -> R {
        MutexGuard::unlocked(&mut self.body, call)
    }

    #[inline]
    pub(crate) fn pop_newest(&mut self) -> Option<Box<dyn FireAndForget>> {
        self.slot.pop_overflow(&mut self.body, VecDeque::pop_back)
    }

    pub(crate) fn pop_oldest(&mut self) -> Option<Box<dyn FireAndForget>> {
        self.slot.pop_overflow(&mut self.body, VecDeque::pop_front)
    }

    /// Whether a task that comes this way may get on the stack.
    #[inline]
    pub(super) fn may_begin(&self, how: How) -> bool {
        how == How::Popped || self.body.aftermath.is_none()
    }

    /// When a task that comes this way begins.
    #[inline]
    pub(super) fn stamp(&self, me: &CurrentWorker, how: How) -> Instant {
        match how {
            // The worker's stamp may be as old as the task below.
            How::InPlace if self.is_limited() => clock::now(),
            how => me.stamp(how),
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
    pub(super) fn begin(
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
        body.epoch += 1;
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

    /// What was taken from the queue ended some other way.
    pub(super) fn skip_tombstone(&mut self, tombstone: Tombstone) {
        let counts = &mut self.body.counts;
        counts.tombstones_skipped += 1;
        counts.taken += u64::from(tombstone.accepted);
        counts.cancelled += u64::from(tombstone.uncounted == Some(Off::Cancelled));
        counts.expired += u64::from(tombstone.uncounted == Some(Off::Expired));
    }

    /// Passes the tombstones at both ends of this worker's own list: a task that
    /// claims or calls off what it submitted, again and again, would leave them
    /// there until it ends.
    pub(super) fn skip_own_tombstones(&mut self) {
        while let Some(tombstone) = self.slot.pop_tombstone(&mut self.body) {
            self.skip_tombstone(tombstone);
        }
    }

    /// What was taken from the queue should have been taken earlier. `drop` is
    /// called without the lock.
    #[cold]
    pub(super) fn pass_expired(&mut self, drop: impl FnOnce()) {
        self.body.counts.taken += 1;
        self.body.counts.expired += 1;
        self.tidy(drop);
    }

    /// Takes the task that ended off the stack and counts it, unless a report has. `settle`
    /// is given which, and returns what is left of the task, for `dispose` to drop without
    /// the lock. After that observers are called.
    #[inline]
    pub(super) fn end<L>(
        &mut self,
        me: &CurrentWorker,
        panicked: bool,
        settle: impl FnOnce(Option<Settled>) -> Option<L>,
        dispose: impl FnOnce(L),
    ) {
        if me.is_observed {
            self.end_observed(me, panicked, settle, dispose);
        } else {
            let began = self.body.places[self.body.depth - 1].since;
            self.take_off(panicked, settle, dispose);
            if self.body.depth > 0 {
                self.pass_time_on(me, began);
            }
            me.count_for_stamp();
        }
        self.tell_quiet(me);
    }

    /// Takes an attempt that failed off the stack, uncounted, if `wait` lets the task wait
    /// for the next one. Otherwise it stays there, and what `wait` returned is given back.
    #[cold]
    pub(super) fn put_off<R>(
        &mut self,
        me: &CurrentWorker,
        wait: impl FnOnce(Arc<dyn Shared>, Option<Settled>) -> Result<(), R>,
    ) -> Result<(), R> {
        let place = &self.body.places[self.body.depth - 1];
        let Some(shell) = place.cell.clone() else {
            unreachable!("what is retried has a cell")
        };
        let began = place.since;
        wait(shell, place.settled)?;
        let body = &mut *self.body;
        body.epoch += 1;
        body.depth -= 1;
        let place = &mut body.places[body.depth];
        place.end();
        place.queued_at = None;
        place.on_top = Duration::ZERO;
        self.pass_time_on(me, began);
        me.count_for_stamp();
        self.tell_quiet(me);
        Ok(())
    }

    /// What ran on top since then is not part of the task's time below, for the observers.
    #[inline]
    fn pass_time_on(&mut self, me: &CurrentWorker, began: Instant) {
        let body = &mut *self.body;
        if let Some(below) = body.places[..body.depth].last_mut() {
            if me.is_observed || below.is_limited {
                below.on_top += clock::now().saturating_duration_since(began);
            }
        }
    }

    #[inline]
    fn tell_quiet(&mut self, me: &CurrentWorker) {
        if self.body.depth == 0 && self.body.state != State::Awake {
            // In a hook: the loop does not ring for this one.
            self.unlocked(|| me.ledger.went_quiet());
        }
    }

    /// What every end of a task takes: see `end`.
    #[inline]
    pub(super) fn take_off<L>(
        &mut self,
        panicked: bool,
        settle: impl FnOnce(Option<Settled>) -> Option<L>,
        dispose: impl FnOnce(L),
    ) {
        let body = &mut *self.body;
        let settled = body.places[body.depth - 1].settled;
        match settled {
            None if panicked => body.counts.panicked += 1,
            None => body.counts.completed += 1,
            Some(_) => body.counts.ended_late += 1,
        }
        body.epoch += 1;
        let leftover = settle(settled);
        if settled == Some(Settled::Abandoned) {
            self.tell_late_end();
        }
        let body = &mut *self.body;
        body.depth -= 1;
        body.places[body.depth].end();
        if let Some(leftover) = leftover {
            self.tidy(|| dispose(leftover));
        }
    }

    /// Runs `call` without the lock, while the worker does not count as quiet.
    #[cold]
    pub(super) fn tidy(&mut self, call: impl FnOnce()) {
        let before = std::mem::replace(&mut self.body.is_tidying, true);
        self.unlocked(call);
        self.body.is_tidying = before;
        self.body.epoch += 1;
    }

    /// The task on top of the stack, which a report abandoned, has ended.
    #[cold]
    fn tell_late_end(&mut self) {
        if let Some(aftermath) = &self.body.aftermath {
            aftermath.one_ended();
        }
        let info = self.top_info();
        self.unlocked(|| {
            unwind::log_guarded(|| log::debug!("task {info} was abandoned, and has ended now"));
        });
    }

    /// The identity of the task on top of the stack.
    pub(super) fn top_info(&self) -> TaskInfo {
        self.body.places[self.body.depth - 1].info()
    }
}
