//! How tasks get in, wait, overflow, and are closed off.
//!
//! A task waits in the pool's one bounded channel, or in the overflow list of
//! the worker that submitted it, which lies in that worker's slot. The parts, each in its file:
//!
//! - `push`: how a task gets in; `take`: which one a worker runs next.
//! - `gate`: submitters from outside wait here for room.
//! - `sleepers`: workers that sleep until there is work.
//! - `close_state`: closing, and which side owns a push that raced it.
//! - `timed_queue`: what comes back by itself: retries and what is due.
//! - `retry_permits`: how many tasks with a retry policy there may be.
//! - `limits`: how long a task may run.
//! - `idle`: `wait_idle`.
//!
//! # Invariants
//!
//! 1. No thread ever blocks inside crossbeam: a thread there can only be woken by a message
//!    or by disconnection, and would be woken for every single place.
//! 2. A worker takes from the queue only under its slot's lock, by which the task is on its
//!    stack before another thread can look; and nothing once its slot is marked.
//! 3. A thread that puts a task in looks at `closed` afterwards, and then at `sleepers`; a
//!    worker that sleeps or leaves announces it and then looks for tasks. All four are
//!    sequentially consistent, so one sees the other.
//! 4. A worker of this pool never waits to submit, except up to a moment that the program
//!    chose: where the channel is full its task goes to its own list.
//!
//! # Why this cannot deadlock
//!
//! An unstarted task lies in the channel or in a list, and its handle can claim it wherever
//! it lies. So a worker's join only ever waits for a task that is running, and a task below
//! another on a stack waits for one that was joined from it. With joins as the only waits,
//! every wait of one task for another is part of the program's own join graph (compare
//! leapfrogging: Wagner and Calder, 1993, "Leapfrogging: a portable technique for
//! implementing efficient futures").
//!
//! # Order of locks
//!
//! Idle, late or the sleepers; then slot; then cell, or the gate. A thief has two
//! slots, but only tries the second. The lists lie in the slots.

mod close_state;
mod failed_runs;
mod gate;
mod idle;
mod limits;
mod member;
mod monitor;
mod observer;
mod on_full;
mod panics;
mod pool_ref;
mod push;
mod refusal;
mod retry_permits;
mod room;
mod sleepers;
mod take;
mod timed_queue;

pub(crate) use close_state::TakenOut;
use failed_runs::FailedRuns;
pub(crate) use limits::{Limited, WorkerReplacer, start as start_limit};
pub(crate) use member::{Member, Membership};
pub(crate) use observer::{Meter, Observer};
pub(crate) use on_full::{OnFull, Wait};
pub(crate) use panics::PanicHook;
pub(crate) use pool_ref::PoolRef;
pub(crate) use refusal::Refusal;
pub(crate) use retry_permits::RetryPermit;
#[cfg(not(any(loom, shuttle)))]
pub(crate) use room::Room;

pub use failed_runs::FailedSchedule;

use crate::cancel::CancelToken;
use crate::clock::{Clock, Deadline};
use crate::sync::channel::{self, Receiver, Sender};
use crate::sync::{
    Arc, AtomicBool, AtomicU64, AtomicUsize, CachePadded, Mutex, OnceLock, Relaxed, SeqCst,
    StaticU64, Weak,
};
use crate::task::{Queued, Slot};
use crate::threads::MAX_SPAWN_PAUSE;
use crate::unwind::RateLimit;
use close_state::CloseState;
use gate::Gate;
use idle::IdleWaiters;
use limits::Limits;
use retry_permits::RetryPermits;
use sleepers::Sleepers;
use std::time::Duration;
use timed_queue::TimedQueue;

/// What submitters, workers and stoppers of one pool share.
pub(crate) struct PoolCore {
    /// Unique in the process, never 0.
    pub(crate) id: u64,
    me: Weak<PoolCore>,
    pub(crate) name: Box<str>,
    pub(crate) capacity: usize,
    /// How many workers it is built for. There may be more slots, for those that take the
    /// places of others.
    pub(crate) workers: usize,
    sender: Sender<Queued>,
    receiver: Receiver<Queued>,
    flags: CachePadded<Flags>,
    gate: CachePadded<Gate>,
    sleepers: CachePadded<Sleepers>,
    idle: CachePadded<IdleWaiters>,
    /// One for each worker, by its index, and for those to come; its overflow list is in there.
    pub(crate) slots: Box<[Arc<CachePadded<Slot>>]>,
    close_state: CachePadded<Mutex<CloseState>>,
    timed: TimedQueue,
    pub(crate) retry_permits: RetryPermits,
    limits: Arc<Limits>,
    /// Set once, before the first task.
    replacer: OnceLock<Weak<dyn WorkerReplacer>>,
    /// Parent of every task's token.
    pub(crate) token: CancelToken,
    outside: CachePadded<Outside>,
    /// Run a worker's own task on top of it where the channel is full.
    in_place: bool,
    /// As a service of a host.
    pub(crate) membership: Membership,
    panic_hook: Option<PanicHook>,
    panic_log: RateLimit,
    observer: Option<Observer>,
    pub(crate) meter: Option<Arc<dyn Meter>>,
    /// Whether there is an observer or a meter: every submit asks.
    is_observed: bool,
    /// Of panics in the hooks that are called for tasks.
    hook_log: RateLimit,
    /// Of the schedules that submit their runs here.
    pub(crate) failed_runs: FailedRuns,
}

/// What every submit and every task reads, and what changes only when a thread begins to
/// wait or the pool closes.
#[derive(Default)]
struct Flags {
    /// Written once, by `close`; SeqCst for invariant 3.
    closed: AtomicBool,
    /// A copy of `CloseState::sealed`, written under its lock, for parallel loops to read. That
    /// is all that hangs on it: hence Relaxed.
    sealed: AtomicBool,
}

/// Counters that others than workers write, on rare occasions.
#[derive(Default)]
struct Outside {
    refused: AtomicU64,
    cancelled: AtomicU64,
    expired: AtomicU64,
    tombstones_made: AtomicU64,
    /// The longest the channel was found.
    peak: AtomicUsize,
}

/// What a queue is made from.
pub(crate) struct Settings {
    pub(crate) name: Box<str>,
    pub(crate) workers: usize,
    /// How many may take the places of others.
    pub(crate) spares: usize,
    pub(crate) capacity: usize,
    /// The maximum number of retried tasks at once.
    pub(crate) places: usize,
    pub(crate) clock: Clock,
    pub(crate) in_place: bool,
    pub(crate) panic_hook: Option<PanicHook>,
    pub(crate) observer: Option<Observer>,
    pub(crate) meter: Option<Arc<dyn Meter>>,
}

impl PoolCore {
    pub(crate) fn new(settings: Settings) -> Arc<PoolCore> {
        static NEXT: StaticU64 = StaticU64::new(1);
        let Settings {
            name,
            workers,
            spares,
            capacity,
            places,
            clock,
            in_place,
            panic_hook,
            observer,
            meter,
        } = settings;
        let (sender, receiver) = channel::bounded(capacity);
        let slots = workers + spares;
        Arc::new_cyclic(|me| PoolCore {
            id: NEXT.fetch_add(1, Relaxed),
            me: me.clone(),
            name,
            capacity,
            workers,
            sender,
            receiver,
            flags: CachePadded::default(),
            gate: CachePadded::new(Gate::new(capacity, workers)),
            sleepers: CachePadded::new(Sleepers::new(slots)),
            idle: CachePadded::default(),
            slots: (0..slots)
                .map(|_| Arc::new(CachePadded::new(Slot::new())))
                .collect(),
            close_state: CachePadded::new(Mutex::new(CloseState::new(workers))),
            timed: TimedQueue::new(clock),
            retry_permits: RetryPermits::new(places),
            limits: Arc::default(),
            replacer: OnceLock::new(),
            token: CancelToken::new(),
            outside: CachePadded::default(),
            in_place,
            membership: Membership::default(),
            panic_hook,
            panic_log: RateLimit::new(),
            is_observed: observer.is_some() || meter.is_some(),
            observer,
            meter,
            hook_log: RateLimit::new(),
            failed_runs: FailedRuns::default(),
        })
    }

    /// Whether anything is there to be taken. The caller holds no slot.
    pub(crate) fn has_tasks(&self) -> bool {
        !self.receiver.is_empty()
            || self.count_due() > 0
            || self.slots.iter().any(|slot| slot.count_overflow() > 0)
    }

    /// Whether there is more than one worker can take at once. The caller holds
    /// no slot.
    pub(crate) fn has_several(&self) -> bool {
        let overflow: usize = self.slots.iter().map(|slot| slot.count_overflow()).sum();
        self.queued() + self.count_due() + overflow > 1
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.flags.closed.load(SeqCst)
    }

    /// Blocks this worker until there may be something to do.
    pub(crate) fn sleep(&self, index: usize) {
        let has_to_stay_awake =
            || self.has_tasks() || self.is_closed() || self.slots[index].is_marked();
        // If the timer has no thread, an idle worker has the time to start one.
        let look_again = || match self.lacks_timer() {
            true => Deadline::after(MAX_SPAWN_PAUSE),
            false => Deadline::NEVER,
        };
        if !self.sleepers.sleep(index, has_to_stay_awake, look_again) {
            let _ = self.start_timer(Deadline::after(Duration::ZERO));
        }
    }

    /// Wakes a worker for a task that was put in, if that is needed.
    #[inline]
    pub(crate) fn wake_one(&self) {
        self.sleepers.wake_one();
    }

    /// This worker is to take nothing more, and to leave; also if it sleeps by now.
    pub(crate) fn dismiss(&self, index: usize) {
        self.slots[index].mark();
        self.sleepers.wake(index);
    }

    /// What replaces stuck workers.
    pub(crate) fn set_replacer(&self, replacer: Weak<dyn WorkerReplacer>) {
        let _ = self.replacer.set(replacer);
    }

    // For statistics.

    pub(crate) fn queued(&self) -> usize {
        self.receiver.len()
    }

    pub(crate) fn overflowed(&self) -> usize {
        self.slots.iter().map(|slot| slot.overflow_len()).sum()
    }

    pub(crate) fn overflow_peak(&self) -> usize {
        self.slots.iter().map(|slot| slot.overflow_peak()).sum()
    }

    pub(crate) fn peak(&self) -> usize {
        self.outside.peak.load(Relaxed).max(self.receiver.len())
    }

    pub(crate) fn refused(&self) -> u64 {
        self.outside.refused.load(Relaxed)
    }

    /// Cancelled tasks that no worker has counted.
    pub(crate) fn cancelled_outside(&self) -> u64 {
        self.outside.cancelled.load(Relaxed)
    }

    /// Expired tasks that no worker has counted.
    pub(crate) fn expired_outside(&self) -> u64 {
        self.outside.expired.load(Relaxed)
    }

    /// Whether a stop has taken the backlog out, or a last worker found none.
    pub(crate) fn is_sealed(&self) -> bool {
        self.flags.sealed.load(Relaxed)
    }
}
