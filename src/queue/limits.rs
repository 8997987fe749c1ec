//! Limits for the time of a task.
//!
//! A limit is a moment in the timer. When it comes the task's token is cancelled, and a
//! grace later, if it still runs, it is marked as overrun. What runs on top of the task
//! does not count: so the moment is only when to look, and moves on if the task has not yet
//! had its time. So it does, too, if the timer finds that it was frozen itself.
//!
//! # Invariants
//!
//! 1. A limit is in `running` from before its moment is set until its task has ended. The
//!    timer finds the task on its worker's stack, under the slot's lock, or the task has
//!    ended, and nothing is done.
//! 2. This lock is never held together with another one, but for the timer's.

use super::pool_timer::PoolTimer;
use crate::cancel::CancelToken;
use crate::clock::{self, Now, default_grace, grown};
use crate::record;
use crate::sync::{Arc, CachePadded, Mutex, OnceLock, Weak};
use crate::timer::{Alarm, Due, Key, Timer, drop_elsewhere};
use crate::worker::{Slot, TaskControl};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// `T`: what the overflow list of a slot holds.
pub(super) struct Limits<T> {
    /// The pool's name.
    pool: Arc<str>,
    /// Parent of every task's token.
    token: CancelToken,
    timer: Arc<PoolTimer>,
    /// By the number of the task.
    running: Mutex<HashMap<u64, LimitedTask<T>>>,
    /// Set once, before the first task.
    replace: OnceLock<Box<ReplaceFn>>,
}

/// The worker of this index is stuck: another one takes its place, if there is one. Returns
/// what to say of that, to be added to a sentence.
pub(crate) type ReplaceFn = dyn Fn(usize) -> String + Send + Sync;

struct LimitedTask<T> {
    /// Of its worker, which holds it for as long as the task runs.
    slot: Weak<CachePadded<Slot<T>>>,
    worker: usize,
    /// By the pool's clock.
    began: Instant,
    limit: Duration,
    /// Its token was cancelled: now the grace runs.
    is_over: bool,
    key: Option<Key>,
}

impl<T> Clone for LimitedTask<T> {
    fn clone(&self) -> LimitedTask<T> {
        LimitedTask {
            slot: self.slot.clone(),
            ..*self
        }
    }
}

/// Holds for as long as it lives.
pub(crate) struct Limit<T> {
    limits: Arc<Limits<T>>,
    timer: Arc<Timer>,
    task: u64,
}

/// How often a task is checked that has little time left, but waits for another on top of
/// it.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

impl<T> Drop for Limit<T> {
    fn drop(&mut self) {
        let running = self.limits.running.lock().remove(&self.task);
        if let Some(key) = running.and_then(|running| running.key) {
            self.timer.clear(key);
        }
    }
}

impl<T: Send + 'static> Limits<T> {
    pub(super) fn new(pool: Arc<str>, token: CancelToken, timer: Arc<PoolTimer>) -> Arc<Limits<T>> {
        Arc::new(Limits {
            pool,
            token,
            timer,
            running: Mutex::default(),
            replace: OnceLock::new(),
        })
    }

    pub(super) fn set_replace(&self, replace: Box<ReplaceFn>) {
        let _ = self.replace.set(replace);
    }

    /// Limits a task that this worker runs; `None`: it does not.
    pub(super) fn start(
        self: &Arc<Self>,
        worker: usize,
        slot: &Arc<CachePadded<Slot<T>>>,
        task: u64,
        limit: Duration,
    ) -> Option<Limit<T>> {
        let timer = self.timer.get()?;
        if !slot.limit(task) {
            return None;
        }
        let mut running = self.running.lock();
        let began = self.timer.clock().now();
        // In `running` before its moment can come: the timer takes the lock (Invariant 1).
        let key = began
            .checked_add(limit)
            .map(|due| timer.set(Due::Mono(due), &self.alarm(), task));
        running.insert(
            task,
            LimitedTask {
                slot: Arc::downgrade(slot),
                worker,
                began,
                limit,
                is_over: false,
                key,
            },
        );
        drop(running);
        Some(Limit {
            limits: self.clone(),
            timer,
            task,
        })
    }

    fn alarm(self: &Arc<Self>) -> Weak<dyn Alarm> {
        let alarm: Arc<dyn Alarm> = self.clone();
        Arc::downgrade(&alarm)
    }
}

impl<T: Send + 'static> Alarm for Limits<T> {
    fn ring(self: Arc<Self>, task: u64, now: Now) {
        // A copy, since the slot's lock is taken next (Invariant 2).
        let Some(running) = self.running.lock().get(&task).cloned() else {
            return;
        };
        if let Some(slot) = running.slot.upgrade() {
            self.look(&slot, &running, task, now);
            // It may be the last reference, and with it tasks of the program.
            drop_elsewhere(slot);
        }
    }
}

/// What a look at a limited task leads to.
#[derive(Debug, PartialEq)]
enum Step {
    /// It has time left: look again after this.
    Wait(Duration),
    /// Its time is over: ask it to end.
    AskToEnd,
    /// Its grace is over, too.
    Overrun,
}

/// `spent`: the time since it began, without what ran on top of it. `frozen`: how much of that
/// the whole process stood still.
fn decide(limit: Duration, is_over: bool, spent: Duration, frozen: Duration) -> Step {
    let may_run = match is_over {
        false => grown(limit, frozen),
        true => grown(limit.saturating_add(default_grace(limit)), frozen),
    };
    let left = may_run.saturating_sub(spent);
    match is_over {
        _ if !left.is_zero() => Step::Wait(left.max(LOOK_AGAIN)),
        false => Step::AskToEnd,
        true => Step::Overrun,
    }
}

impl<T: Send + 'static> Limits<T> {
    fn look(self: &Arc<Self>, slot: &Slot<T>, running: &LimitedTask<T>, task: u64, now: Now) {
        let on_top = slot.on_top(task, clock::now());
        let (Some(timer), Some(on_top)) = (self.timer.get(), on_top) else {
            return;
        };
        let limit = running.limit;
        let frozen = timer.frozen_since(running.began, now.mono);
        let passed = now.mono.saturating_duration_since(running.began);
        let spent = passed.saturating_sub(on_top);
        match decide(limit, running.is_over, spent, frozen) {
            Step::Wait(left) => {
                let due = now.mono.checked_add(left);
                self.look_at(task, due, &timer, running.is_over);
            }
            Step::AskToEnd => {
                self.ask_to_end(slot, task, limit, &timer);
                let due = now.mono.checked_add(default_grace(limit));
                self.look_at(task, due, &timer, true);
            }
            Step::Overrun => self.overrun(slot, running.worker, task, limit, &timer),
        }
    }

    /// Looks again at `due`, unless the task has ended.
    fn look_at(self: &Arc<Self>, task: u64, due: Option<Instant>, timer: &Timer, is_over: bool) {
        let mut all = self.running.lock();
        if let Some(running) = all.get_mut(&task) {
            running.is_over = is_over;
            running.key = due.map(|due| timer.set(Due::Mono(due), &self.alarm(), task));
        }
    }

    fn ask_to_end(&self, slot: &Slot<T>, task: u64, limit: Duration, timer: &Timer) {
        let new = || TaskControl::new(self.token.child());
        let (Some(info), Some(control)) = (slot.info(task), slot.control(task, new)) else {
            return;
        };
        control.token.cancel();
        let (name, grace) = (&self.pool, default_grace(limit));
        timer.log(
            record::POOL,
            log::Level::Warn,
            format!(
                "pool {name}: task {info} has run for longer than its limit of {limit:?} and is \
                 asked to end; in {grace:?} it counts as overrun"
            ),
        );
    }

    fn overrun(&self, slot: &Slot<T>, worker: usize, task: u64, limit: Duration, timer: &Timer) {
        let (Some(info), true) = (slot.info(task), slot.overran(task)) else {
            return;
        };
        let replaced = match self.replace.get() {
            Some(replace) => replace(worker),
            None => String::new(),
        };
        let name = &self.pool;
        timer.log(
            record::POOL,
            log::Level::Error,
            format!(
                "pool {name}: task {info} was asked to end after its limit of {limit:?}, and \
                 still runs: it counts as overrun{replaced}"
            ),
        );
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn spent(limit: u32, is_over: bool, spent: Duration) -> Step {
        decide(SECOND * limit, is_over, spent, Duration::ZERO)
    }

    #[test]
    fn a_task_is_asked_to_end_after_its_limit_and_overrun_after_a_quarter_more() {
        assert_eq!(spent(8, false, SECOND * 3), Step::Wait(SECOND * 5));
        assert_eq!(spent(8, false, SECOND * 8), Step::AskToEnd);
        assert_eq!(spent(8, true, SECOND * 9), Step::Wait(SECOND));
        assert_eq!(spent(8, true, SECOND * 10), Step::Overrun);
        // The grace is capped.
        assert_eq!(spent(40, true, SECOND * 43), Step::Overrun);
    }

    #[test]
    fn the_next_look_is_never_at_once() {
        let nearly = SECOND - Duration::from_nanos(1);
        assert_eq!(spent(1, false, nearly), Step::Wait(LOOK_AGAIN));
    }

    #[test]
    fn time_in_which_the_process_stood_still_is_given_back() {
        let step = decide(SECOND * 8, false, SECOND * 9, SECOND * 2);
        assert!(matches!(step, Step::Wait(_)), "{step:?}");
    }
}
