//! The cell itself: its fields, and the changes of state that are made in several places.

use super::state::TaskState;
use crate::clock::{self, Deadline};
use crate::queue::PoolRef;
use crate::sync::{Arc, AtomicU8, AtomicU64, Condvar, Mutex, Release};
use crate::task::body::TaskFn;
use crate::task::error::TaskPanic;
use crate::task::link::Link;
use crate::unwind;
use crate::worker::{Meta, Off, Origin, TaskControl, TaskInfo, Tombstone};
use std::mem;
use std::time::{Duration, Instant};

/// `C` is the [`Contents`], or `dyn Opaque` where they do not matter: what is written for that is
/// compiled once, and not again for each closure.
pub(crate) struct TaskCell<C: ?Sized, L = ()> {
    pub(super) meta: Meta,
    /// A copy of `body.state`: 1 if the task has ended. Written under the
    /// body's lock with Release, read with Acquire by `has_ended`.
    pub(super) ended: AtomicU8,
    /// The number of the pool it is queued in; read by `join` to know whether
    /// the caller is one of its workers. Changes only on resubmission.
    pub(super) pool: AtomicU64,
    terms: Option<Box<RareTerms>>,
    pub(super) link: L,
    /// Notified when the task has ended, and when it is to be run by another
    /// than the pool.
    pub(super) changed: Condvar,
    pub(super) body: Mutex<Body<C>>,
}

/// Contents of which nothing is known.
pub(super) trait Opaque {}

impl<C> Opaque for C {}

/// A cell of whatever closure.
pub(super) type AnyCell<'a, L> = TaskCell<dyn Opaque + 'a, L>;
pub(super) type AnyBody<'a> = Body<dyn Opaque + 'a>;

/// What few tasks have to do with: the others do not carry the place for it.
struct RareTerms {
    limits: TaskLimits,
    /// When it was submitted, if an observer is called for it.
    queued_at: Option<Instant>,
}

impl RareTerms {
    #[inline]
    fn of(limits: TaskLimits, pool_ref: &PoolRef) -> Option<Box<RareTerms>> {
        let queued_at = pool_ref.core.is_observed().then(clock::now);
        if limits.are_none() && queued_at.is_none() {
            return None;
        }
        Some(Box::new(RareTerms { limits, queued_at }))
    }
}

/// The limits of a task's times.
#[derive(Clone, Copy)]
pub(crate) struct TaskLimits {
    /// If it has not started by then it never does.
    pub(crate) start_by: Deadline,
    /// Of each run by a worker.
    pub(crate) time_limit: Option<Duration>,
}

impl TaskLimits {
    pub(crate) const NONE: TaskLimits = TaskLimits {
        start_by: Deadline::NEVER,
        time_limit: None,
    };

    #[inline]
    fn are_none(&self) -> bool {
        self.start_by == Deadline::NEVER && self.time_limit.is_none()
    }
}

/// What a change of state means to others.
#[derive(Clone, Copy)]
pub(super) struct News {
    ended: bool,
    is_withdrawn: bool,
}

pub(super) struct Body<C: ?Sized> {
    pub(super) state: TaskState,
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
    pub(super) cancel_requested: Option<Instant>,
    /// The token and the note, once it has asked for them, while it runs.
    pub(super) control: Option<Arc<TaskControl>>,
    pub(super) contents: C,
}

pub(crate) struct Contents<B: TaskFn> {
    /// There while the task may still be run.
    pub(super) closure: Option<B>,
    /// There from the end of the task until the handle takes it.
    pub(super) result: Option<Result<B::Output, TaskPanic>>,
}

/// A result that will not be taken.
pub(super) type Leftover<B> = Option<Result<<B as TaskFn>::Output, TaskPanic>>;

impl<B: TaskFn> Body<Contents<B>> {
    /// Takes the closure for a run, if there may be one.
    #[inline]
    pub(super) fn start(&mut self) -> Option<B> {
        let closure = self.contents.closure.take()?;
        self.state = TaskState::Running;
        self.attempts += 1;
        Some(closure)
    }

    /// Stores the result of a run, or gives it back if it is not wanted.
    #[inline]
    pub(super) fn finish(&mut self, result: Result<B::Output, TaskPanic>) -> Leftover<B> {
        self.state = match result {
            Ok(_) => TaskState::Completed,
            Err(_) => TaskState::Panicked,
        };
        if self.detached {
            return Some(result);
        }
        self.contents.result = Some(result);
        None
    }
}

impl AnyBody<'_> {
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

impl<B: TaskFn<Output: Send>, L: Link> TaskCell<Contents<B>, L> {
    #[inline]
    pub(crate) fn new(
        origin: Origin,
        name: Option<Arc<str>>,
        limits: TaskLimits,
        body: B,
        pool_ref: Arc<PoolRef>,
        link: L,
    ) -> Arc<TaskCell<Contents<B>, L>> {
        Arc::new(TaskCell {
            meta: Meta {
                origin,
                type_name: B::type_name,
                name,
            },
            ended: AtomicU8::new(0),
            pool: AtomicU64::new(pool_ref.core.id),
            terms: RareTerms::of(limits, &pool_ref),
            link,
            changed: Condvar::new(),
            body: Mutex::new(Body {
                state: TaskState::Queued,
                pool_ref,
                attempts: 0,
                taken_out: 0,
                counted: false,
                detached: false,
                cancel_requested: None,
                control: None,
                contents: Contents {
                    closure: Some(body),
                    result: None,
                },
            }),
        })
    }

    #[inline]
    pub(super) fn any(&self) -> &AnyCell<'_, L> {
        self
    }

    /// The closure of a task that was refused: no other thread has it.
    pub(crate) fn into_body(self: Arc<Self>) -> Option<B> {
        self.body.lock().contents.closure.take()
    }

    /// QUEUED -> CALLING_OFF -> CALLED_OFF. `false`: it is no more in the queue,
    /// or, to expire, it has time left. The closure is dropped here.
    pub(super) fn call_off(&self, off: Off) -> bool {
        let mut body = self.body.lock();
        let Some(was) = self.any().begin_calling_off(&mut *body, off) else {
            return false;
        };
        let closure = body.contents.closure.take();
        drop(body);
        // Code of the program, which may take forever: hence CALLING_OFF meanwhile.
        self.drop_closure(closure);
        self.any().end_calling_off(was, off);
        true
    }

    pub(super) fn drop_closure(&self, closure: Option<B>) {
        unwind::drop_guarded(closure, || self.meta.closure());
    }

    /// Drops a result that will not be taken, and reports a panic to the scope.
    pub(super) fn dispose(&self, leftover: Leftover<B>) {
        match leftover {
            Some(Err(panic)) if L::SCOPED => self.link.unheard(panic),
            leftover => unwind::drop_guarded(leftover, || self.meta.result()),
        }
    }
}

impl<L: Link> AnyCell<'_, L> {
    pub(super) fn info(&self) -> TaskInfo {
        TaskInfo::new(&self.meta, self.body.lock().attempts)
    }

    /// Since when it has waited, for the observers: not known for one that a stop took out.
    pub(super) fn queued_at(&self) -> Option<Instant> {
        let queued_at = self.terms.as_ref()?.queued_at?;
        let taken_out = self.body.lock().taken_out;
        (taken_out == 0).then_some(queued_at)
    }

    #[inline]
    pub(super) fn start_by(&self) -> Deadline {
        self.terms
            .as_ref()
            .map_or(Deadline::NEVER, |terms| terms.limits.start_by)
    }

    #[inline]
    pub(super) fn time_limit(&self) -> Option<Duration> {
        self.terms.as_ref()?.limits.time_limit
    }

    /// Whether it is too late to start it. A stop that took it out lifts the
    /// limit, and so does a first attempt.
    pub(super) fn is_late(&self, body: &AnyBody<'_>) -> bool {
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
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut AnyBody<'_>) -> R) -> R {
        let mut body = self.body.lock();
        // Invariant 1 of `state`.
        let returned = change(&mut body);
        let news = self.changed_to(body.state);
        let called_off = match body.state {
            TaskState::CalledOff(_) => Some(body.pool_ref.clone()),
            _ => None,
        };
        drop(body);
        self.announce(news);
        // Those that saw it being called off wait at the pool, for the sake of its report.
        if let Some(pool_ref) = called_off {
            pool_ref.called_off();
        }
        returned
    }

    /// Called under the lock after each change.
    #[inline]
    pub(super) fn changed_to(&self, state: TaskState) -> News {
        // The copy, under the lock as well; the notifications come without it.
        let ended = state.has_ended();
        self.ended.store(u8::from(ended), Release);
        News {
            ended,
            is_withdrawn: state == TaskState::Withdrawn,
        }
    }

    /// Called without the lock after each change.
    #[inline]
    pub(super) fn announce(&self, news: News) {
        if news.ended || news.is_withdrawn {
            self.changed.notify_all();
        }
        if news.ended {
            self.link.resolved();
        }
    }

    /// Called under the lock. Returns the state before, if the task may be called off.
    fn begin_calling_off(&self, body: &mut AnyBody<'_>, off: Off) -> Option<TaskState> {
        let was = body.state;
        let may_be = match off {
            Off::Expired => self.is_late(body),
            Off::Cancelled | Off::TakenBack => was.may_be_called_off(),
        };
        if !may_be {
            return None;
        }
        body.state = TaskState::CallingOff(off);
        // A withdrawn task is in no pool's accounting.
        body.counted = off == Off::TakenBack || was == TaskState::Withdrawn;
        // A thread that waits has to wait at the pool from now on, for the report as well.
        self.changed.notify_all();
        Some(was)
    }

    fn end_calling_off(&self, was: TaskState, off: Off) {
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
    }
}
