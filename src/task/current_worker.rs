//! Which worker the current thread is, if it is one.

use super::body::Ledger;
use super::context::TaskContext;
use super::info::TaskInfo;
use super::slot::Slot;
use super::slot_guard::{How, SlotGuard};
use crate::clock;
#[cfg(any(loom, shuttle))]
use crate::sync::model::{LocalCell as _, thread_local};
use crate::sync::{Arc, CachePadded};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

thread_local! {
    /// The pool's number and the worker's index in it; pool 0 is none. A `Cell`
    /// without a destructor: cheap to read, and readable for as long as the
    /// thread lives.
    static WHERE: Cell<(u64, usize)> = const { Cell::new((0, 0)) };
    static ME: RefCell<Option<Rc<CurrentWorker>>> = const { RefCell::new(None) };
}

/// The index of the current thread among the workers of this pool.
#[inline]
pub(crate) fn worker_index_in(pool: u64) -> Option<usize> {
    let (own_pool, index) = WHERE.get();
    (own_pool == pool).then_some(index)
}

/// The current thread as a worker of this pool.
#[inline]
pub(crate) fn current_worker_in(pool: u64) -> Option<Rc<CurrentWorker>> {
    worker_index_in(pool)?;
    ME.try_with(|me| me.borrow().clone()).ok().flatten()
}

/// A worker, as it sees itself. Never leaves its thread.
pub(crate) struct CurrentWorker {
    pub(crate) index: usize,
    pub(crate) slot: Arc<CachePadded<Slot>>,
    pub(crate) ledger: Arc<dyn Ledger>,
    /// Contexts that were given back.
    #[expect(clippy::vec_box, reason = "they are lent and given back as boxes")]
    spares: RefCell<Vec<Box<TaskContext>>>,
    /// An observer is given the time of each task: the clock is read at both ends.
    pub(super) is_observed: bool,
    stamp: Cell<Instant>,
    /// Tasks that ended since `stamp`.
    since_stamp: Cell<u32>,
    /// How long a task took on the average, between the last two stamps.
    nanos: Cell<u64>,
    /// The number of tasks after which the clock is read again.
    interval: Cell<u32>,
    stack: Stack,
}

/// The worker's stack, for tasks that are run on top of others.
#[derive(Clone, Copy)]
struct Stack {
    /// The address of a local variable near its beginning.
    base: usize,
    size: usize,
}

/// Tasks at least this long on the average are long.
const LONG: Duration = Duration::from_micros(10);
/// Between short tasks the clock is read after this number of them at the latest.
const SHORT_TASKS_A_STAMP: u32 = 8;

impl CurrentWorker {
    /// Makes the current thread this worker, until [`CurrentWorker::retire`].
    pub(crate) fn install(
        index: usize,
        slot: Arc<CachePadded<Slot>>,
        ledger: Arc<dyn Ledger>,
        stack_size: usize,
    ) -> Rc<CurrentWorker> {
        let pool = ledger.pool();
        let me = Rc::new(CurrentWorker {
            index,
            slot,
            is_observed: ledger.is_observed(),
            ledger,
            spares: RefCell::default(),
            stamp: Cell::new(clock::now()),
            since_stamp: Cell::new(0),
            nanos: Cell::new(0),
            interval: Cell::new(1),
            stack: Stack {
                base: address_of_a_local(),
                size: stack_size,
            },
        });
        ME.with(|here| *here.borrow_mut() = Some(me.clone()));
        WHERE.set((pool, index));
        me
    }

    /// The current thread runs no task from here on. It stays one of the pool's
    /// own workers to those that ask [`worker_index_in`]: destructors of thread-locals
    /// may still drop the pool, or stop it, and must not wait for themselves.
    pub(crate) fn retire() {
        let me = ME.try_with(|here| here.borrow_mut().take());
        drop(me);
    }

    /// Whether less than half of the stack is used.
    pub(crate) fn has_stack_left(&self) -> bool {
        self.stack.base.abs_diff(address_of_a_local()) < self.stack.size / 2
    }

    /// How long the tasks that this worker ran last took on the average, as far
    /// as it looked. In nanoseconds.
    pub(crate) fn task_nanos(&self) -> u64 {
        #[cfg(shuttle)]
        return crate::sync::model::chance::one_of(&[0, 1_000_000]);
        #[cfg(not(shuttle))]
        self.nanos.get()
    }

    /// The right to change this worker's slot.
    pub(crate) fn turn(&self) -> SlotGuard<'_> {
        SlotGuard::take(&self.slot)
    }

    /// Passes what this worker need not keep of tasks that it called off.
    pub(crate) fn skip_own_tombstones(&self) {
        self.turn().skip_own_tombstones();
    }

    /// A context for a task that begins now. Counting references is dear, so
    /// the tasks of a worker pass one on.
    #[inline]
    pub(super) fn lend_context(&self, task: u64) -> Box<TaskContext> {
        let mut context = self.spares.borrow_mut().pop().unwrap_or_else(|| {
            let ledger = self.ledger.clone();
            Box::new(TaskContext::new(ledger))
        });
        context.begin(task);
        context
    }

    #[inline]
    pub(super) fn take_back(&self, mut context: Box<TaskContext>) {
        context.end();
        self.spares.borrow_mut().push(context);
    }

    /// The identity of the task on top of the stack.
    #[cold]
    pub(super) fn top_info(&self) -> TaskInfo {
        self.turn().top_info()
    }

    /// When a task that begins now began.
    #[inline]
    pub(super) fn stamp(&self, how: How) -> Instant {
        match how {
            How::Popped | How::InPlace if !self.is_observed => {}
            _ => self.read_clock(),
        }
        self.stamp.get()
    }

    /// A task has ended.
    #[inline]
    pub(super) fn count_for_stamp(&self) {
        self.since_stamp.set(self.since_stamp.get() + 1);
        if self.since_stamp.get() >= self.interval.get() {
            self.read_clock();
        }
    }

    /// A task with an observer ends now; returns when.
    pub(super) fn end_stamp(&self) -> Instant {
        self.since_stamp.set(self.since_stamp.get() + 1);
        self.read_clock();
        self.stamp.get()
    }

    /// The worker was asleep: its stamp is old, and what comes may be long.
    pub(crate) fn woke_up(&self) {
        self.read_clock();
        self.interval.set(1);
    }

    /// A clock read is the dearest thing on the way of a short task. So it is
    /// done after each task while they are long, and more and more rarely while
    /// they are short, down to every eighth: the first long ones after that may
    /// seem to have begun up to seven tasks too early, never too late. One run
    /// in place may seem to have begun with the task below it.
    fn read_clock(&self) {
        let now = clock::now();
        let ended = self.since_stamp.replace(0);
        let passed = now.duration_since(self.stamp.replace(now));
        if ended > 0 {
            let nanos = u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX) / u64::from(ended);
            self.nanos.set(nanos);
            self.interval.set(match nanos >= LONG.as_nanos() as u64 {
                true => 1,
                false => SHORT_TASKS_A_STAMP.min(2 * self.interval.get()),
            });
        }
    }
}

#[inline(never)]
fn address_of_a_local() -> usize {
    let local = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&local)).addr()
}
