//! Who the current thread is: a worker of some pool, or nobody.

use super::body::Ledger;
use super::slot::{How, Settled, Slot, State};
use crate::clock;
use crate::sync::{Arc, CachePadded};
use crate::unwind;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

thread_local! {
    /// The pool's number and the worker's index in it; pool 0 is none. A `Cell`
    /// without a destructor: cheap to read, and readable for as long as the
    /// thread lives.
    static WHERE: Cell<(u64, usize)> = const { Cell::new((0, 0)) };
    static ME: RefCell<Option<Rc<Me>>> = const { RefCell::new(None) };
}

/// The index of the current thread among the workers of this pool.
pub(crate) fn index_in(pool: u64) -> Option<usize> {
    let (own_pool, index) = WHERE.get();
    (own_pool == pool).then_some(index)
}

/// The current thread as a worker of this pool.
pub(crate) fn me_in(pool: u64) -> Option<Rc<Me>> {
    index_in(pool)?;
    ME.try_with(|me| me.borrow().clone()).ok().flatten()
}

/// A worker, as it sees itself. Never leaves its thread.
pub(crate) struct Me {
    pub(crate) index: usize,
    pub(crate) slot: Arc<CachePadded<Slot>>,
    pub(crate) ledger: Arc<dyn Ledger>,
    /// A stopper wants this worker to take nothing more.
    marked: Cell<bool>,
    stamp: Cell<Instant>,
    /// Tasks that ended since `stamp`.
    since_stamp: Cell<u32>,
    long: Cell<bool>,
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
/// Between short tasks the clock is read after so many of them.
const SHORT_TASKS_A_STAMP: u32 = 4;

impl Me {
    /// Makes the current thread this worker, until [`Me::retire`].
    pub(crate) fn install(
        index: usize,
        slot: Arc<CachePadded<Slot>>,
        ledger: Arc<dyn Ledger>,
        stack_size: usize,
    ) -> Rc<Me> {
        let pool = ledger.pool();
        let me = Rc::new(Me {
            index,
            slot,
            ledger,
            marked: Cell::new(false),
            stamp: Cell::new(clock::now()),
            since_stamp: Cell::new(0),
            long: Cell::new(false),
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
    /// own workers to those that ask [`index_in`]: destructors of thread-locals
    /// may still drop the pool, or stop it, and must not wait for themselves.
    pub(crate) fn retire() {
        let me = ME.try_with(|here| here.borrow_mut().take());
        drop(me);
    }

    /// Whether less than half of the stack is used.
    pub(crate) fn has_stack_left(&self) -> bool {
        self.stack.base.abs_diff(address_of_a_local()) < self.stack.size / 2
    }

    pub(crate) fn is_marked(&self) -> bool {
        self.marked.get()
    }

    /// Whether the tasks this worker ran last are long, as far as it looked.
    pub(crate) fn runs_long_tasks(&self) -> bool {
        self.long.get()
    }

    /// Changes the state between tasks. After a sleep the clock is read.
    pub(crate) fn set_state(&self, state: State) {
        if state == State::Looking {
            self.read_clock();
        }
        self.marked.set(self.slot.set_state(state));
    }

    /// Puts a task on the stack; see [`Slot::begin`].
    pub(crate) fn begin<R>(
        &self,
        how: How,
        start: impl FnOnce(Instant) -> super::slot::Start<R>,
    ) -> Option<R> {
        // The task below may have run for long since the last stamp.
        if how != How::Popped {
            self.read_clock();
        }
        let since = self.stamp.get();
        self.slot.begin(how, || start(since))
    }

    /// Takes the task that ended off the stack (see [`Slot::end`]) and lets
    /// `dispose` drop what is left of it.
    pub(crate) fn end<L>(
        &self,
        panicked: bool,
        settle: impl FnOnce(Option<Settled>) -> Option<L>,
        dispose: impl FnOnce(L),
    ) {
        let ended = self.slot.end(panicked, settle);
        self.marked.set(ended.marked);
        if ended.running.is_abandoned() {
            let info = ended.running.info();
            unwind::log_guarded(|| log::debug!("task {info} was abandoned, and has ended now"));
        }
        if let Some(leftover) = ended.leftover {
            dispose(leftover);
        }
        if let Some(state) = ended.tidied {
            self.set_state(state);
        }
        if ended.quiet {
            self.ledger.went_quiet();
        }
        self.since_stamp.set(self.since_stamp.get() + 1);
        if self.long.get() || self.since_stamp.get() >= SHORT_TASKS_A_STAMP {
            self.read_clock();
        }
    }

    /// A clock read is the dearest thing on the way of a short task, so it is
    /// done after each long one but only after every fourth short one: a task
    /// may seem to have begun up to three tasks too early, never too late.
    fn read_clock(&self) {
        let now = clock::now();
        let ended = self.since_stamp.replace(0);
        let passed = now.duration_since(self.stamp.replace(now));
        if ended > 0 {
            self.long.set(passed >= LONG * ended);
        }
    }
}

#[inline(never)]
fn address_of_a_local() -> usize {
    let local = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&local)).addr()
}
