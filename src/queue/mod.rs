//! How work gets in, waits, overflows, and is closed off.
//!
//! A task waits in the pool's one bounded channel, or in the overflow list of
//! the worker that submitted it, which lies in that worker's slot. The parts, each in its file:
//!
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
//! 4. A worker of this pool never waits to submit, except with `submit_timeout`
//!    and `submit_deadline`: where the channel is full its task goes to its
//!    own list.
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

mod attempts;
mod close_state;
mod context;
mod error;
mod failed_runs;
mod gate;
mod idle;
mod limits;
mod member;
mod observer;
mod panics;
mod pool_ref;
mod retry_builder;
mod retry_permits;
mod sleepers;
mod submitter;
mod task_builder;
mod timed_queue;
mod verbs;

pub(crate) use close_state::TakenOut;
pub(crate) use context::WithContext;
pub(crate) use error::Refusal;
use failed_runs::FailedRuns;
pub(crate) use limits::WorkerReplacer;
#[cfg(not(any(loom, shuttle)))]
pub(crate) use member::Member;
pub(crate) use member::Membership;
pub(crate) use observer::{Meter, Observer};
pub(crate) use panics::PanicHook;
pub(crate) use pool_ref::PoolRef;
pub(crate) use verbs::{Submission, WhenFull, verbs};

pub use error::SubmitError;
#[cfg(not(any(loom, shuttle)))]
pub(crate) use error::{Keeper, submit_until_cancelled};
pub use failed_runs::FailedSchedule;
pub use retry_builder::RetryTaskBuilder;
pub use submitter::Submitter;
pub use task_builder::TaskBuilder;

use crate::cancel::CancelToken;
use crate::clock::{Clock, Deadline};
use crate::sync::channel::{self, Receiver, Sender, TrySendError};
use crate::sync::{
    Arc, AtomicBool, AtomicU64, AtomicUsize, CachePadded, Mutex, OnceLock, Relaxed, SeqCst,
    StaticU64, Weak,
};
use crate::task::{
    CurrentWorker, FireAndForget, How, Pointer, Queued, Shared, Slot, SlotGuard, current_worker_in,
    worker_index_in,
};
use crate::threads::LONGEST_PAUSE;
use crate::unwind::RateLimit;
use close_state::CloseState;
use gate::{Attempt, Gate};
use idle::IdleWaiters;
use limits::Limits;
use retry_permits::RetryPermits;
use sleepers::Sleepers;
use std::rc::Rc;
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
    retry_permits: RetryPermits,
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

/// Number of turns after which a worker looks first at the channel, once at its own list's
/// oldest and once at the lists of others, so that neither a task that feeds itself nor a
/// steady stream from outside can starve any of them.
const ROUND: u32 = 64;
const CHANNEL_FIRST: u32 = 0;
const OWN_OLDEST_FIRST: u32 = 21;
const OTHERS_FIRST: u32 = 42;

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

    /// Puts a task in; `id` is its number. Blocks as `when_full` says.
    ///
    /// Here are the two usual ways in, by which the task stays one pointer, in
    /// registers, up to its place in the list or the channel.
    fn push_quickly<T: Pointer>(
        &self,
        task: T,
        id: u64,
        when_full: WhenFull,
    ) -> Result<(), (Queued, Refusal)> {
        self.counted(self.push_uncounted(task, id, when_full))
    }

    #[inline]
    fn push_uncounted<T: Pointer>(
        &self,
        task: T,
        id: u64,
        when_full: WhenFull,
    ) -> Result<(), (Queued, Refusal)> {
        if matches!(when_full, WhenFull::WaitOrOverflow) && !self.in_place {
            match worker_index_in(self.id) {
                // As long as its list is not empty the channel is not even tried.
                Some(index) if self.slots[index].overflow_len() > 0 && !self.is_closed() => {
                    return self.push_overflow(task.into_box(), id, index);
                }
                None if !self.has_to_queue_up() => {
                    return match self.sender.try_send(task.into_queued()) {
                        Ok(()) => self.pushed(id, None),
                        Err(full) => self.push_slowly(full.into_inner(), id, when_full),
                    };
                }
                _ => {}
            }
        }
        self.push_slowly(task.into_queued(), id, when_full)
    }

    /// Puts a task of a scope or a stream in, like `submit`. `false`: refused, and
    /// not counted as such, since the caller sees to it.
    pub(crate) fn push_shared(&self, task: Arc<dyn Shared>) -> bool {
        // A push that raced the close may get in, one after it may not.
        if self.is_closed() {
            return false;
        }
        let id = task.meta().origin.id;
        self.push_uncounted(task, id, WhenFull::WaitOrOverflow)
            .is_ok()
    }

    fn push_slowly(
        &self,
        task: Queued,
        id: u64,
        when_full: WhenFull,
    ) -> Result<(), (Queued, Refusal)> {
        if self.is_closed() {
            return Err((task, Refusal::Closed));
        }
        match (when_full, worker_index_in(self.id)) {
            (WhenFull::WaitOrOverflow, Some(index)) => self.push_own(task, id, index),
            (WhenFull::Refuse, _) => self.push_now(task, id),
            (WhenFull::WaitOrOverflow, None) => self.push_waiting(task, id, Deadline::NEVER),
            (WhenFull::Wait(deadline), _) => self.push_waiting(task, id, deadline),
        }
    }

    /// Puts a task in as it is; otherwise like `push_quickly`.
    fn push(&self, task: Queued, id: u64, when_full: WhenFull) -> Result<(), (Queued, Refusal)> {
        self.counted(self.push_slowly(task, id, when_full))
    }

    #[inline]
    fn counted<T>(&self, pushed: Result<(), T>) -> Result<(), T> {
        if pushed.is_err() {
            self.count_refused();
        }
        pushed
    }

    fn count_refused(&self) {
        self.outside.refused.fetch_add(1, Relaxed);
    }

    /// Puts a task in, for a test.
    #[cfg(test)]
    pub(crate) fn push_raw(&self, task: Queued) {
        let id = task.id();
        assert!(self.push(task, id, WhenFull::WaitOrOverflow).is_ok());
    }

    #[inline]
    fn has_to_queue_up(&self) -> bool {
        self.gate.has_to_queue_up(|| self.receiver.len())
    }

    /// Puts a task into the channel, waiting for room until `deadline`.
    fn push_waiting(
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
        let mut outside = Some(task);
        let attempt = || {
            if self.is_closed() {
                return Attempt::Closed;
            }
            match outside.take().map(|task| self.send(task)) {
                Some(Err(back)) => {
                    outside = Some(back);
                    Attempt::Full
                }
                _ => Attempt::Entered,
            }
        };
        let waited = self.gate.wait(deadline, || self.receiver.len(), attempt);
        match (waited, outside) {
            (Err(refusal), Some(task)) => Err((task, refusal)),
            _ => self.pushed(id, None),
        }
    }

    fn push_now(&self, task: Queued, id: u64) -> Result<(), (Queued, Refusal)> {
        match self.send(task) {
            Ok(()) => self.pushed(id, None),
            Err(task) => Err((task, Refusal::Full)),
        }
    }

    /// A worker's own task: where the channel is full it goes to the worker's
    /// list, or is run in place.
    fn push_own(&self, task: Queued, id: u64, index: usize) -> Result<(), (Queued, Refusal)> {
        let task = match self.send(task) {
            Ok(()) => return self.pushed(id, Some(index)),
            Err(task) => task,
        };
        match self.in_place() {
            Some(me) => task
                .run_in_place(&me)
                .map_err(|task| (task, Refusal::Closed)),
            None => self.push_overflow(task.into_box(), id, index),
        }
    }

    #[inline]
    fn push_overflow(
        &self,
        task: Box<dyn FireAndForget>,
        id: u64,
        index: usize,
    ) -> Result<(), (Queued, Refusal)> {
        self.slots[index].push_overflow(task);
        self.pushed(id, Some(index))
    }

    #[inline]
    fn in_place_if_full(&self, when_full: WhenFull) -> Option<Rc<CurrentWorker>> {
        let is_full = self.in_place
            && matches!(when_full, WhenFull::WaitOrOverflow)
            && self.receiver.is_full();
        if !is_full {
            return None;
        }
        self.note_peak(self.capacity);
        self.in_place()
    }

    /// The current thread, if it is to run its own tasks at once where the
    /// channel is full.
    #[inline]
    fn in_place(&self) -> Option<Rc<CurrentWorker>> {
        match self.in_place {
            true => current_worker_in(self.id).filter(|me| me.has_stack_left()),
            false => None,
        }
    }

    /// What follows every push: see invariant 3.
    #[inline]
    fn pushed(&self, id: u64, index: Option<usize>) -> Result<(), (Queued, Refusal)> {
        if self.flags.closed.load(SeqCst) {
            self.settle_late_push(id, index)
                .map_err(|task| (task, Refusal::Closed))?;
        }
        self.wake_one();
        Ok(())
    }

    /// One try to put a task into the channel.
    fn send(&self, task: Queued) -> Result<(), Queued> {
        match self.sender.try_send(task) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(task)) => {
                self.note_peak(self.capacity);
                Err(task)
            }
            Err(TrySendError::Disconnected(_)) => {
                unreachable!("the queue itself holds a receiver")
            }
        }
    }

    /// Runs the next task for this worker: its own newest, or the channel's
    /// oldest, or the oldest of the others. `false`: there is none. `number`
    /// counts the calls.
    ///
    /// Its own newest first keeps the list of a recursion as short as its depth
    /// times its fan-out.
    #[inline]
    pub(crate) fn run_next(
        &self,
        turn: &mut SlotGuard<'_>,
        me: &CurrentWorker,
        number: u32,
    ) -> bool {
        if self.run_out_of_turn(turn, me, number) {
            return true;
        }
        if self.has_due() && number % 2 == 1 && self.run_due(turn, me) {
            return true;
        }
        if let Some(newest) = turn.pop_newest() {
            newest.run(turn, me, How::Popped);
            return true;
        }
        if let Some(oldest) = self.receive(me) {
            oldest.run(turn, me);
            return true;
        }
        self.run_stolen(turn, me) || (self.has_due() && self.run_due(turn, me))
    }

    /// Runs what has been due for the longest. In turn with the channel, since a flood of
    /// either must not starve the other.
    #[cold]
    fn run_due(&self, turn: &mut SlotGuard<'_>, me: &CurrentWorker) -> bool {
        let task = self.take_due();
        task.map(|task| task.run(turn, me)).is_some()
    }

    #[inline]
    fn run_out_of_turn(&self, turn: &mut SlotGuard<'_>, me: &CurrentWorker, number: u32) -> bool {
        match number % ROUND {
            CHANNEL_FIRST => {
                self.note_peak(self.receiver.len());
                let oldest = self.receive(me);
                oldest.map(|task| task.run(turn, me)).is_some()
            }
            OWN_OLDEST_FIRST => {
                let oldest = turn.pop_oldest();
                oldest.map(|task| task.run(turn, me, How::Popped)).is_some()
            }
            OTHERS_FIRST => self.run_stolen(turn, me),
            _ => false,
        }
    }

    fn run_stolen(&self, turn: &mut SlotGuard<'_>, me: &CurrentWorker) -> bool {
        let (before, from) = self.slots.split_at(me.index);
        let mut others = from.iter().skip(1).chain(before);
        let stolen = others.find_map(|slot| slot.try_steal());
        stolen.map(|task| task.run(turn, me, How::Popped)).is_some()
    }

    /// Writes only what is news: others read that line.
    fn note_peak(&self, len: usize) {
        if len > self.outside.peak.load(Relaxed) {
            self.outside.peak.fetch_max(len, Relaxed);
        }
    }

    fn receive(&self, me: &CurrentWorker) -> Option<Queued> {
        let task = self.receiver.try_recv().ok()?;
        self.gate.made_room(me.task_nanos(), || self.receiver.len());
        Some(task)
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
            true => Deadline::after(LONGEST_PAUSE),
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
