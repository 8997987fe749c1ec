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

use super::{PoolCore, PoolRef};
use crate::clock::{self, Deadline, Now, default_grace, grown};
use crate::sync::{Arc, Mutex, Weak};
use crate::task::{TaskContext, TaskControl, TaskFn};
use crate::timer::{Alarm, Due, Key, Timer, drop_elsewhere};
use std::collections::HashMap;
use std::time::{Duration, Instant};

#[derive(Default)]
pub(super) struct Limits {
    /// By the number of the task.
    running: Mutex<HashMap<u64, Running>>,
}

#[derive(Clone)]
struct Running {
    queue: Weak<PoolCore>,
    worker: usize,
    /// By the pool's clock.
    began: Instant,
    limit: Duration,
    /// Its token was cancelled: now the grace runs.
    is_over: bool,
    key: Option<Key>,
}

/// Holds for as long as it lives.
pub(crate) struct Limit {
    limits: Arc<Limits>,
    timer: Arc<Timer>,
    task: u64,
}

/// How often a task is checked that has little time left, but waits for another on top of
/// it.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Limits the task of this context, if a worker runs it.
pub(crate) fn start(context: Option<&TaskContext>, limit: Option<Duration>) -> Option<Limit> {
    let limit = limit?;
    let (pool_ref, task) = context.map(|ctx| (PoolRef::of_ledger(ctx.ledger.clone()), ctx.id()))?;
    let (queue, worker) = (&pool_ref.queue, pool_ref.worker?);
    let timer = queue.timer()?;
    // The task does not wait for that.
    queue.prepare_to_wait(Deadline::after(Duration::ZERO));
    if !queue.slots[worker].limit(task) {
        return None;
    }
    let mut running = queue.limits.running.lock();
    let began = queue.clock().now();
    let key = began
        .checked_add(limit)
        .map(|due| timer.set(Due::Mono(due), &queue.limits.alarm(), task));
    running.insert(
        task,
        Running {
            queue: queue.me.clone(),
            worker,
            began,
            limit,
            is_over: false,
            key,
        },
    );
    drop(running);
    Some(Limit {
        limits: queue.limits.clone(),
        timer,
        task,
    })
}

impl Drop for Limit {
    fn drop(&mut self) {
        let running = self.limits.running.lock().remove(&self.task);
        if let Some(key) = running.and_then(|running| running.key) {
            self.timer.clear(key);
        }
    }
}

/// A closure with a limit for its time.
pub(crate) struct Limited<C> {
    pub(crate) limit: Duration,
    pub(crate) body: C,
}

impl<C: TaskFn> TaskFn for Limited<C> {
    type Output = C::Output;
    const WANTS_CONTEXT: bool = true;
    const HAS_TOKEN: bool = C::HAS_TOKEN;

    fn call(self, context: Option<&TaskContext>) -> C::Output {
        let _limit = start(context, Some(self.limit));
        self.body.call(context)
    }

    fn type_name() -> &'static str {
        C::type_name()
    }

    fn name(&self) -> Option<&Arc<str>> {
        self.body.name()
    }

    fn is_late(&self) -> bool {
        self.body.is_late()
    }

    fn queued_at(&self) -> Option<Instant> {
        self.body.queued_at()
    }

    fn renew(&mut self) {
        self.body.renew();
    }
}

impl Limits {
    fn alarm(self: &Arc<Self>) -> Weak<dyn Alarm> {
        let alarm: Arc<dyn Alarm> = self.clone();
        Arc::downgrade(&alarm)
    }

    /// Looks again at `due`, unless the task has ended.
    fn look_at(self: &Arc<Self>, task: u64, due: Option<Instant>, timer: &Timer, is_over: bool) {
        let mut all = self.running.lock();
        if let Some(running) = all.get_mut(&task) {
            running.is_over = is_over;
            running.key = due.map(|due| timer.set(Due::Mono(due), &self.alarm(), task));
        }
    }
}

impl Alarm for Limits {
    fn ring(self: Arc<Self>, task: u64, now: Now) {
        let Some(running) = self.running.lock().get(&task).cloned() else {
            return;
        };
        if let Some(queue) = running.queue.upgrade() {
            self.look(&queue, &running, task, now);
            drop_elsewhere(queue);
        }
    }
}

impl Limits {
    fn look(self: &Arc<Self>, queue: &PoolCore, running: &Running, task: u64, now: Now) {
        let (Some(timer), Some(on_top)) = (
            queue.timer(),
            queue.slots[running.worker].on_top(task, clock::now()),
        ) else {
            return;
        };
        let (limit, grace) = (running.limit, default_grace(running.limit));
        let frozen = timer.frozen_since(running.began, now.mono);
        let may_run = match running.is_over {
            false => grown(limit, frozen),
            true => grown(limit.saturating_add(grace), frozen),
        };
        let spent = now.mono.saturating_duration_since(running.began);
        let left = may_run.saturating_sub(spent.saturating_sub(on_top));
        if !left.is_zero() {
            let due = now.mono.checked_add(left.max(LOOK_AGAIN));
            self.look_at(task, due, &timer, running.is_over);
        } else if running.is_over {
            queue.overran(running.worker, task, limit, &timer);
        } else {
            queue.time_is_up(running.worker, task, limit, &timer);
            self.look_at(task, now.mono.checked_add(grace), &timer, true);
        }
    }
}

impl PoolCore {
    fn time_is_up(&self, worker: usize, task: u64, limit: Duration, timer: &Timer) {
        let slot = &self.slots[worker];
        let new = || TaskControl::new(self.token.child());
        let (Some(info), Some(watch)) = (slot.info(task), slot.watch(task, new)) else {
            return;
        };
        watch.token.cancel();
        let (name, grace) = (&self.name, default_grace(limit));
        timer.log(
            log::Level::Warn,
            format!(
                "pool {name}: task {info} has run for longer than its limit of {limit:?} and is \
                 asked to end; in {grace:?} it counts as overrun"
            ),
        );
    }

    fn overran(&self, worker: usize, task: u64, limit: Duration, timer: &Timer) {
        let slot = &self.slots[worker];
        let (Some(info), true) = (slot.info(task), slot.overran(task)) else {
            return;
        };
        let replaced = match self.replacer.get().and_then(Weak::upgrade) {
            Some(replacer) => replacer.replace(worker),
            None => String::new(),
        };
        let name = &self.name;
        timer.log(
            log::Level::Error,
            format!(
                "pool {name}: task {info} was asked to end after its limit of {limit:?}, and \
                 still runs: it counts as overrun{replaced}"
            ),
        );
    }
}

/// The provider of workers for lost places.
pub(crate) trait WorkerReplacer: Send + Sync {
    /// This worker is stuck: another one takes its place, if there is one. Returns what to
    /// say of that, to be added to a sentence.
    fn replace(&self, worker: usize) -> String;
}
