//! The core of a pool, and the four types that know it and that it knows: a reference to it,
//! a worker, and the two kinds of tasks that are queued. Their declarations are here, what
//! they do is in the files beside.
//!
//! Everything that can be said without a core is a part, in a file of its own that does not
//! know this one. A part owns its fields and its lock.

use super::channel::Channel;
use super::close_watchers::CloseWatchers;
use super::closing::Closing;
use super::counters::{Counters, LeftBehind};
use super::entry::Withdrawal;
use super::failed_runs::FailedRuns;
use super::gate::Gate;
use super::hooks::{Hooks, Observer, PanicHook};
use super::latencies::Latencies;
use super::limits::{Limits, ReplaceFn};
use super::member::Membership;
use super::pool_timer::PoolTimer;
use super::retry_permits::RetryPermits;
use super::sleepers::Sleepers;
use super::timed_queue::{Backlog, TimedQueue};
use super::waiters::Waiters;
use super::worker_states::{StateMakers, WorkerStates};
use crate::cancel::CancelToken;
use crate::clock::Clock;
use crate::sync::{Arc, AtomicBool, CachePadded, Relaxed, StaticU64};
use crate::worker::{How, Meta, RunningCell, Slot, SlotGuard, StackSize, TaskClock, Tombstone};
use std::any::Any;
use std::cell::RefCell;

/// What submitters, workers and stoppers of one pool share.
pub(crate) struct PoolCore {
    /// Unique in the process, never 0.
    pub(crate) id: u64,
    pub(crate) name: Arc<str>,
    /// How many workers it is built for. There may be more slots, for those that take the
    /// places of others.
    pub(crate) workers: usize,
    /// Run a worker's own task on top of it where the channel is full.
    pub(super) in_place: bool,
    /// Parent of every task's token.
    pub(crate) token: CancelToken,
    /// Cancelled when the pool is closed.
    pub(crate) stopping: CancelToken,
    pub(super) channel: Channel<Queued>,
    /// Submitters from outside wait here for room in the channel.
    pub(super) gate: CachePadded<Gate>,
    /// One for each worker, by its index, and for those to come; its overflow list is in there.
    pub(crate) slots: Box<[Arc<CachePadded<WorkerSlot>>]>,
    /// Workers that sleep until there is work.
    pub(super) sleepers: CachePadded<Sleepers>,
    pub(super) closing: Closing<Queued>,
    /// What comes back by itself: retries, and what is due.
    pub(super) timed: TimedQueue<Queued>,
    pub(super) timer: Arc<PoolTimer>,
    pub(crate) retry_permits: RetryPermits,
    pub(super) limits: Arc<Limits<Listed>>,
    pub(super) watchers: CloseWatchers,
    /// The threads in `wait_idle`.
    pub(super) idle: CachePadded<Waiters>,
    /// The threads that wait for a task that is being called off: for the drop of its closure.
    pub(super) calling_off: Waiters,
    /// A stop has made its report: no thread waits any more. Written by the thread that drives
    /// the stop, before it notifies `idle` and `calling_off`; read by the threads in there.
    pub(super) reported: AtomicBool,
    pub(super) counters: CachePadded<Counters>,
    pub(super) hooks: Hooks,
    pub(super) state_makers: StateMakers,
    /// Of the schedules that submit their runs here.
    pub(crate) failed_runs: FailedRuns,
    /// As a service of a host.
    pub(crate) membership: Membership,
}

/// Every task with a handle counts a reference to its pool. If all counted on the one `Arc`
/// of the core, all producers and workers would write to one cache line; so each submitter
/// and each worker has one of its own to count on.
pub(crate) struct PoolRef {
    pub(crate) core: Arc<PoolCore>,
    /// The worker that it belongs to, if any.
    pub(super) worker: Option<usize>,
}

/// A worker, as it sees itself. Never leaves its thread.
pub(crate) struct CurrentWorker {
    pub(crate) index: usize,
    pub(crate) slot: Arc<CachePadded<WorkerSlot>>,
    pub(crate) pool_ref: Arc<PoolRef>,
    /// References for contexts, that were given back: to count one costs more than to lend it.
    pub(super) spare_refs: RefCell<Vec<Arc<PoolRef>>>,
    /// An observer is given the time of each task: the clock is read at both ends.
    pub(crate) is_observed: bool,
    pub(crate) clock: TaskClock,
    pub(super) stack: StackSize,
    pub(super) states: WorkerStates,
}

pub(crate) enum Queued {
    Plain(Box<dyn FireAndForget>),
    Shared(Arc<dyn Shared>),
}

/// What an overflow list holds.
pub(crate) type Listed = Box<dyn FireAndForget>;
pub(crate) type WorkerSlot = Slot<Listed>;
pub(crate) type WorkerSlotGuard<'a> = SlotGuard<'a, Listed>;

/// A task without a handle, in a box.
pub(crate) trait FireAndForget: Send {
    fn id(&self) -> u64;
    fn meta(&self) -> Meta;
    /// Runs it on this worker, whose slot this is.
    fn run(self: Box<Self>, slot: &mut WorkerSlotGuard<'_>, worker: &CurrentWorker, how: How);
    /// Runs it after a stop took it out, on whatever thread.
    fn run_unstarted(self: Box<Self>, pool_ref: &Arc<PoolRef>);
    /// As it is stored in the channel.
    fn into_queued(self: Box<Self>) -> Queued;
    /// What has to be counted, if the queue only holds a tombstone of it; then the caller has to
    /// skip it.
    fn tombstone(&self) -> Option<Tombstone> {
        None
    }
    /// It was handed back, and is submitted again.
    fn renew(&mut self) {}
    /// For a refusal, that wants the closure back.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// A task that shares its state with a handle.
pub(crate) trait Shared: RunningCell {
    fn meta(&self) -> &Meta;
    /// As its place on a worker's stack knows it.
    fn into_running<'a>(self: Arc<Self>) -> Arc<dyn RunningCell + 'a>
    where
        Self: 'a;
    /// Runs it on this worker, whose slot this is, unless it ended otherwise. `erased` is the
    /// task itself, for the worker's stack.
    fn run(
        self: Arc<Self>,
        erased: Arc<dyn Shared>,
        slot: &mut WorkerSlotGuard<'_>,
        worker: &CurrentWorker,
        how: How,
    ) -> bool;
    /// Runs it after a stop took it out, on whatever thread.
    fn run_unstarted(self: Arc<Self>);
    /// QUEUED -> UNSTARTED, or WITHDRAWN, by a stop.
    fn take_out(&self) -> Withdrawal;
    /// WAITING -> QUEUED. `false`: it was called off.
    fn requeue(&self) -> bool;
    /// Whether it waits for its next attempt.
    fn is_waiting(&self) -> bool;
    /// Notifies its scope that the pool will not run it: QUEUED -> WITHDRAWN, if it is not
    /// yet. `erased` is the task itself.
    fn give_back(&self, erased: Arc<dyn Shared>);
    /// Drops the closure of a task that was taken out.
    fn discard(&self);
    /// Whether it is too late to claim it, judged without the slot's lock.
    fn has_started(&self) -> bool;
    /// What has to be counted, if the queue only holds a tombstone of it; then the caller has to
    /// skip it.
    fn tombstone(&self) -> Option<Tombstone>;
    /// UNSTARTED -> RESUBMITTING, with another pool to belong to. Returns the
    /// one before.
    fn prepare_resubmit(&self, pool_ref: Arc<PoolRef>) -> Arc<PoolRef>;
    /// RESUBMITTING -> QUEUED, if it has not been started by now.
    fn resubmitted(&self);
    /// RESUBMITTING -> UNSTARTED, and it belongs to the pool before again.
    fn resubmit_refused(&self, pool_ref: Arc<PoolRef>);
}

/// What a core is made from.
pub(crate) struct Settings {
    pub(crate) name: Box<str>,
    pub(crate) workers: usize,
    /// How many may take the places of others.
    pub(crate) spares: usize,
    pub(crate) capacity: usize,
    /// The maximum number of retried tasks at once.
    pub(crate) retry_permits: usize,
    pub(crate) clock: Clock,
    pub(crate) in_place: bool,
    pub(crate) panic_hook: Option<PanicHook>,
    pub(crate) observer: Option<Observer>,
    pub(crate) latencies: Option<Latencies>,
    pub(crate) state_makers: StateMakers,
}

impl PoolCore {
    pub(crate) fn new(settings: Settings) -> Arc<PoolCore> {
        static NEXT: StaticU64 = StaticU64::new(1);
        let Settings {
            name,
            workers,
            spares,
            capacity,
            retry_permits,
            clock,
            in_place,
            panic_hook,
            observer,
            latencies,
            state_makers,
        } = settings;
        let name: Arc<str> = name.into();
        let token = CancelToken::new();
        let timer = Arc::new(PoolTimer::new(clock));
        let slots = workers + spares;
        Arc::new(PoolCore {
            id: NEXT.fetch_add(1, Relaxed),
            workers,
            in_place,
            channel: Channel::new(capacity),
            gate: CachePadded::new(Gate::new(capacity, workers)),
            slots: (0..slots)
                .map(|_| Arc::new(CachePadded::new(Slot::new())))
                .collect(),
            sleepers: CachePadded::new(Sleepers::new(slots)),
            closing: Closing::new(workers),
            timed: TimedQueue::new(timer.clone()),
            limits: Limits::new(name.clone(), token.clone(), timer.clone()),
            timer,
            retry_permits: RetryPermits::new(retry_permits),
            watchers: CloseWatchers::default(),
            idle: CachePadded::default(),
            calling_off: Waiters::default(),
            reported: AtomicBool::new(false),
            counters: CachePadded::default(),
            hooks: Hooks::new(name.clone(), observer, latencies, panic_hook),
            state_makers,
            failed_runs: FailedRuns::default(),
            membership: Membership::default(),
            name,
            token,
            stopping: CancelToken::new(),
        })
    }

    #[inline]
    pub(crate) fn is_observed(&self) -> bool {
        self.hooks.is_observed()
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.timer.clock()
    }

    /// What replaces stuck workers; set once, before the first task.
    pub(crate) fn set_replace(&self, replace: Box<ReplaceFn>) {
        self.limits.set_replace(replace);
    }

    pub(crate) fn log_unlogged_panics(&self) {
        self.hooks.log_unlogged_panics();
    }

    // For statistics.

    pub(crate) fn capacity(&self) -> usize {
        self.channel.capacity()
    }

    pub(crate) fn queued(&self) -> usize {
        self.channel.len()
    }

    pub(crate) fn peak(&self) -> usize {
        self.channel.peak()
    }

    pub(crate) fn overflowed(&self) -> usize {
        self.slots.iter().map(|slot| slot.overflow_len()).sum()
    }

    pub(crate) fn overflow_peak(&self) -> usize {
        self.slots.iter().map(|slot| slot.overflow_peak()).sum()
    }

    pub(crate) fn backlog(&self) -> Backlog {
        self.timed.backlog()
    }

    pub(crate) fn refused(&self) -> u64 {
        self.counters.refused()
    }

    /// Cancelled tasks that no worker has counted.
    pub(crate) fn cancelled_outside(&self) -> u64 {
        self.counters.cancelled()
    }

    /// Expired tasks that no worker has counted.
    pub(crate) fn expired_outside(&self) -> u64 {
        self.counters.expired()
    }

    pub(crate) fn left_behind(&self) -> LeftBehind {
        self.counters.left_behind()
    }

    /// Called by the thread that drives the stop.
    pub(crate) fn set_left_behind(&self, left: LeftBehind) {
        self.counters.set_left_behind(left);
    }

    /// How long tasks waited and ran, if that is measured.
    pub(crate) fn latencies(&self) -> Option<&Latencies> {
        self.hooks.latencies()
    }
}
