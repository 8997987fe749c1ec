//! The cell itself: its fields, and the changes of state that are made in several places.

use super::state::TaskState;
use crate::clock::{self, Deadline};
use crate::queue::PoolRef;
use crate::sync::{Arc, AtomicU8, AtomicU64, Condvar, Mutex, Release};
use crate::task::body::TaskFn;
use crate::task::error::TaskPanic;
use crate::task::link::Link;
use crate::unwind;
use crate::worker::{Meta, Off, Origin, TaskControl, Tombstone};
use std::mem;
use std::time::Instant;

pub(crate) struct TaskCell<B: TaskFn, L = ()> {
    pub(super) meta: Meta,
    /// A copy of `body.state`: 1 if the task has ended. Written under the
    /// body's lock with Release, read with Acquire by `has_ended`.
    pub(super) ended: AtomicU8,
    /// The number of the pool it is queued in; read by `join` to know whether
    /// the caller is one of its workers. Changes only on resubmission.
    pub(super) pool: AtomicU64,
    terms: Option<Box<RareTerms>>,
    pub(super) link: L,
    pub(super) body: Mutex<Body<B>>,
    /// Notified when the task has ended, and when it is to be run by another
    /// than the pool.
    pub(super) changed: Condvar,
}

/// What few tasks have to do with: the others do not carry the place for it.
struct RareTerms {
    /// If it has not started by then it never does.
    start_by: Deadline,
    /// When it was submitted, if an observer is called for it.
    queued_at: Option<Instant>,
}

pub(super) struct Body<B: TaskFn> {
    pub(super) state: TaskState,
    /// There while the task may still be run.
    pub(super) closure: Option<B>,
    /// There from the end of the task until the handle takes it.
    pub(super) result: Option<Result<B::Output, TaskPanic>>,
    pub(super) pool_ref: Arc<PoolRef>,
    pub(super) attempts: u32,
    /// How often a stop took it out: a join that began before must say so, even if the task
    /// is run right afterwards.
    pub(super) taken_out: u32,
    /// Its cancel or expiry has been counted.
    pub(super) counted: bool,
    /// The handle is gone: the result will not be taken.
    pub(super) detached: bool,
    /// When the handle was asked to cancel the running task.
    pub(super) cancel_asked: Option<Instant>,
    /// The token and the note, once it has asked for them, while it runs.
    pub(super) control: Option<Arc<TaskControl>>,
}

/// A result that will not be taken.
pub(super) type Leftover<B> = Option<Result<<B as TaskFn>::Output, TaskPanic>>;

impl<B: TaskFn> Body<B> {
    /// Takes the closure for a run, if there may be one.
    pub(super) fn start(&mut self) -> Option<B> {
        let closure = self.closure.take()?;
        self.state = TaskState::Running;
        self.attempts += 1;
        Some(closure)
    }

    /// Stores the result of a run, or gives it back if it is not wanted.
    pub(super) fn finish(&mut self, result: Result<B::Output, TaskPanic>) -> Leftover<B> {
        self.state = match result {
            Ok(_) => TaskState::Completed,
            Err(_) => TaskState::Panicked,
        };
        if self.detached {
            return Some(result);
        }
        self.result = Some(result);
        None
    }

    /// What the queue is to know of a task that it holds no more than a tombstone of.
    pub(super) fn tombstone(&mut self) -> Tombstone {
        match self.state {
            TaskState::CallingOff(off) | TaskState::CalledOff(off) => Tombstone {
                accepted: off != Off::TakenBack,
                uncounted: (!mem::replace(&mut self.counted, true)).then_some(off),
            },
            _ => Tombstone {
                accepted: true,
                uncounted: None,
            },
        }
    }
}

impl<B: TaskFn<Output: Send>, L: Link> TaskCell<B, L> {
    #[inline]
    pub(crate) fn new(
        origin: Origin,
        name: Option<Arc<str>>,
        start_by: Deadline,
        body: B,
        pool_ref: Arc<PoolRef>,
        link: L,
    ) -> Arc<TaskCell<B, L>> {
        let queued_at = pool_ref.queue.is_observed().then(clock::now);
        let has_terms = start_by != Deadline::NEVER || queued_at.is_some();
        let terms = has_terms.then(|| {
            Box::new(RareTerms {
                start_by,
                queued_at,
            })
        });
        Arc::new(TaskCell {
            meta: Meta {
                origin,
                type_name: B::type_name,
                name,
            },
            ended: AtomicU8::new(0),
            pool: AtomicU64::new(pool_ref.queue.id),
            terms,
            link,
            body: Mutex::new(Body {
                state: TaskState::Queued,
                closure: Some(body),
                result: None,
                pool_ref,
                attempts: 0,
                taken_out: 0,
                counted: false,
                detached: false,
                cancel_asked: None,
                control: None,
            }),
            changed: Condvar::new(),
        })
    }

    /// The closure of a task that was refused: no other thread has it.
    pub(crate) fn into_body(self: Arc<Self>) -> Option<B> {
        self.body.lock().closure.take()
    }

    /// Since when it has waited, for the observers: not known for one that a stop took out.
    pub(super) fn queued_at(&self) -> Option<Instant> {
        let queued_at = self.terms.as_ref()?.queued_at?;
        let taken_out = self.body.lock().taken_out;
        (taken_out == 0).then_some(queued_at)
    }

    pub(super) fn start_by(&self) -> Deadline {
        self.terms
            .as_ref()
            .map_or(Deadline::NEVER, |terms| terms.start_by)
    }

    /// Whether it is too late to start it. A stop that took it out lifts the
    /// limit, and so does a first attempt.
    pub(super) fn is_late(&self, body: &Body<B>) -> bool {
        let start_by = self.start_by();
        start_by != Deadline::NEVER
            && body.state == TaskState::Queued
            && body.taken_out == 0
            && body.attempts == 0
            && start_by.has_passed(clock::now())
    }

    /// Does `change` under the lock, makes what it did visible, and wakes the threads that
    /// wait for it. Returns what `change` returns, to be dropped here, where no lock is
    /// held.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut Body<B>) -> R) -> R {
        let mut body = self.body.lock();
        // Invariant 1 of `state`.
        let returned = change(&mut body);
        // The copy, under the lock as well; the notifications come without it.
        let ended = body.state.has_ended();
        let is_news = ended || body.state == TaskState::Withdrawn;
        self.ended.store(u8::from(ended), Release);
        drop(body);
        if is_news {
            self.changed.notify_all();
        }
        if ended {
            self.link.resolved();
        }
        returned
    }

    /// QUEUED -> CALLING_OFF -> CALLED_OFF. `false`: it is no more in the queue,
    /// or, to expire, it has time left. The closure is dropped here.
    pub(super) fn call_off(&self, off: Off) -> bool {
        let mut body = self.body.lock();
        let was = body.state;
        let may_be = match off {
            Off::Expired => self.is_late(&body),
            Off::Cancelled | Off::TakenBack => was.may_be_called_off(),
        };
        if !may_be {
            return false;
        }
        body.state = TaskState::CallingOff(off);
        // A withdrawn task is in no pool's accounting.
        body.counted = off == Off::TakenBack || was == TaskState::Withdrawn;
        let closure = body.closure.take();
        // A thread that waits has to look whether the report was made, from now on.
        self.changed.notify_all();
        drop(body);
        // Code of the program, which may take forever: hence CALLING_OFF meanwhile.
        unwind::drop_guarded(closure, || self.meta.closure());
        let pool_ref = self.change(|body| {
            body.state = TaskState::CalledOff(off);
            // Unless a worker or a stop has met the tombstone since, and counted it.
            if !mem::replace(&mut body.counted, true) {
                body.pool_ref.count_called_off(off);
            }
            body.pool_ref.clone()
        });
        match was {
            TaskState::Queued => pool_ref.tombstone_made(),
            TaskState::Waiting => pool_ref.waits_no_more(self.meta.origin.id),
            _ => {}
        }
        self.link.ended();
        true
    }

    /// Drops a result that will not be taken, and reports a panic to the scope.
    pub(super) fn dispose(&self, leftover: Leftover<B>) {
        match leftover {
            Some(Err(panic)) if L::SCOPED => self.link.unheard(panic),
            leftover => unwind::drop_guarded(leftover, || self.meta.result()),
        }
    }
}
