//! What a task shares with its handle: one allocation, one lock.
//!
//! The states, and which thread changes them, are in the module's documentation
//! (`task/mod.rs`). `ended` repeats what of `body.state` matters to those that only look;
//! it is written under the body's lock, so a look without the lock is a snapshot.
//!
//! A task of a scope is one of these, too, and may borrow what its scope
//! outlives: closure and result. Both are in an `Option` each, and are taken out
//! before [`Link::ended`] is called for the last time; what is left then, and
//! may lie in the queue for long, is a tombstone of plain words.

mod joinable;
mod shared;
mod state;

pub(crate) use joinable::Joinable;
pub(crate) use state::{Off, Tombstone};

use super::body::{Ledger, TaskControl, TaskFn};
use super::current_worker::{self, CurrentWorker};
use super::error::TaskPanic;
use super::info::{Meta, Origin};
use super::link::Link;
use super::slot_guard::How;
use crate::clock::{self, Deadline};
use crate::sync::{Acquire, Arc, AtomicU8, AtomicU64, Backoff, Condvar, Mutex, Relaxed, Release};
use crate::unwind;
use state::State;
use std::mem;
use std::time::{Duration, Instant};

pub(crate) struct TaskCell<B: TaskFn, L = ()> {
    meta: Meta,
    /// A copy of `body.state`: 1 if the task has ended. Written under the
    /// body's lock with Release, read with Acquire by `has_ended`.
    ended: AtomicU8,
    /// The number of the pool it is queued in; read by `join` to know whether
    /// the caller is one of its workers. Changes only on resubmission.
    pool: AtomicU64,
    terms: Option<Box<Terms>>,
    link: L,
    body: Mutex<Body<B>>,
    /// Notified when the task has ended, and when it is to be run by another
    /// than the pool.
    changed: Condvar,
}

/// What few tasks have to do with: the others do not carry the place for it.
struct Terms {
    /// If it has not started by then it never does.
    start_by: Deadline,
    /// When it was submitted, if an observer is called for it.
    queued_at: Option<Instant>,
}

struct Body<B: TaskFn> {
    state: State,
    /// There while the task may still be run.
    closure: Option<B>,
    /// There from the end of the task until the handle takes it.
    result: Option<Result<B::Output, TaskPanic>>,
    ledger: Arc<dyn Ledger>,
    attempts: u32,
    /// How often a stop took it out: a join that began before must say so, even if the task
    /// is run right afterwards.
    taken_out: u32,
    /// Its cancel or expiry has been counted.
    counted: bool,
    /// The handle is gone: the result will not be taken.
    detached: bool,
    /// When the handle was asked to cancel the running task.
    cancel_asked: Option<Instant>,
    /// The token and the note, once it has asked for them, while it runs.
    watch: Option<Arc<TaskControl>>,
}

/// How often a wait for a task whose cancel is slow checks whether the pool's report was
/// made, which ends every wait.
#[cfg(not(any(loom, shuttle)))]
const LOOK_WHILE_CALLING_OFF: Duration = Duration::from_millis(10);
/// Never in a model: it would hide a canceller that wakes no thread.
#[cfg(any(loom, shuttle))]
const LOOK_WHILE_CALLING_OFF: Duration = Duration::MAX;

/// A result that will not be taken.
type Leftover<B> = Option<Result<<B as TaskFn>::Output, TaskPanic>>;

impl<B: TaskFn> Body<B> {
    /// Takes the closure for a run, if there may be one.
    fn start(&mut self) -> Option<B> {
        let closure = self.closure.take()?;
        self.state = State::Running;
        self.attempts += 1;
        Some(closure)
    }

    /// Stores the result of a run, or gives it back if it is not wanted.
    fn finish(&mut self, result: Result<B::Output, TaskPanic>) -> Leftover<B> {
        self.state = match result {
            Ok(_) => State::Completed,
            Err(_) => State::Panicked,
        };
        if self.detached {
            return Some(result);
        }
        self.result = Some(result);
        None
    }

    /// What the queue is to know of a task that it holds no more than a tombstone of.
    fn tombstone(&mut self) -> Tombstone {
        match self.state {
            State::CallingOff(off) | State::CalledOff(off) => Tombstone {
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

/// How a worker's try to start a task may fail.
enum NotStarted<B> {
    /// It ended otherwise, or runs elsewhere.
    Tombstone(Tombstone),
    /// The worker was too late: it counts the task as expired, drops the closure,
    /// and then makes it `CalledOff`.
    Expired(Option<B>),
}

impl<B: TaskFn<Output: Send>, L: Link> TaskCell<B, L> {
    #[inline]
    pub(crate) fn new(
        origin: Origin,
        name: Option<Arc<str>>,
        start_by: Deadline,
        body: B,
        ledger: Arc<dyn Ledger>,
        link: L,
    ) -> Arc<TaskCell<B, L>> {
        let queued_at = ledger.is_observed().then(clock::now);
        let has_terms = start_by != Deadline::NEVER || queued_at.is_some();
        let terms = has_terms.then(|| {
            Box::new(Terms {
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
            pool: AtomicU64::new(ledger.pool()),
            terms,
            link,
            body: Mutex::new(Body {
                state: State::Queued,
                closure: Some(body),
                result: None,
                ledger,
                attempts: 0,
                taken_out: 0,
                counted: false,
                detached: false,
                cancel_asked: None,
                watch: None,
            }),
            changed: Condvar::new(),
        })
    }

    /// The closure of a task that was refused: no other thread has it.
    pub(crate) fn into_body(self: Arc<Self>) -> Option<B> {
        self.body.lock().closure.take()
    }

    /// QUEUED -> RUNNING, by this worker.
    fn start(&self, me: &CurrentWorker, how: How) -> Result<B, NotStarted<B>> {
        let mut body = self.body.lock();
        // A claim may come late: by now a stop may have taken the task out, and it may be
        // in another pool.
        let is_here = how != How::Claimed || body.ledger.pool() == me.ledger.pool();
        if body.state.may_start() && is_here {
            if how == How::Popped && self.is_late(&body) {
                body.state = State::CallingOff(Off::Expired);
                body.counted = true;
                return Err(NotStarted::Expired(body.closure.take()));
            }
            if let Some(closure) = body.start() {
                self.ended.store(0, Release);
                return Ok(closure);
            }
        }
        Err(NotStarted::Tombstone(match how {
            How::Popped | How::Fetched => body.tombstone(),
            How::Claimed | How::InPlace => Tombstone {
                accepted: false,
                uncounted: None,
            },
        }))
    }

    /// Since when it has waited, for the observers: not known for one that a stop took out.
    fn queued_at(&self) -> Option<Instant> {
        let queued_at = self.terms.as_ref()?.queued_at?;
        let taken_out = self.body.lock().taken_out;
        (taken_out == 0).then_some(queued_at)
    }

    fn start_by(&self) -> Deadline {
        self.terms
            .as_ref()
            .map_or(Deadline::NEVER, |terms| terms.start_by)
    }

    /// Whether it is too late to start it. A stop that took it out lifts the
    /// limit, and so does a first attempt.
    fn is_late(&self, body: &Body<B>) -> bool {
        let start_by = self.start_by();
        start_by != Deadline::NEVER
            && body.state == State::Queued
            && body.taken_out == 0
            && body.attempts == 0
            && start_by.has_passed(clock::now())
    }

    /// Does `change` under the lock, makes what it did visible, and wakes the threads that
    /// wait for it. Returns what `change` returns, to be dropped here, where no lock is
    /// held.
    fn change<R>(&self, change: impl FnOnce(&mut Body<B>) -> R) -> R {
        let mut body = self.body.lock();
        let returned = change(&mut body);
        let ended = body.state.has_ended();
        let is_news = ended || body.state == State::Withdrawn;
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
    fn call_off(&self, off: Off) -> bool {
        let mut body = self.body.lock();
        let was = body.state;
        let may_be = match off {
            Off::Expired => self.is_late(&body),
            Off::Cancelled | Off::TakenBack => {
                matches!(was, State::Queued | State::Waiting | State::Withdrawn)
            }
        };
        if !may_be {
            return false;
        }
        body.state = State::CallingOff(off);
        // A withdrawn task is in no pool's accounting.
        body.counted = off == Off::TakenBack || was == State::Withdrawn;
        let closure = body.closure.take();
        self.changed.notify_all();
        drop(body);
        unwind::drop_guarded(closure, || self.meta.closure());
        let ledger = self.change(|body| {
            body.state = State::CalledOff(off);
            if !mem::replace(&mut body.counted, true) {
                body.ledger.count_called_off(off);
            }
            body.ledger.clone()
        });
        match was {
            State::Queued => ledger.tombstone_made(),
            State::Waiting => ledger.waits_no_more(self.meta.origin.id),
            _ => {}
        }
        self.link.ended();
        true
    }

    /// Waits for the end of the task, or until a stop takes it out once more than
    /// `taken_out` times; `false` when `deadline` came first, or the pool gave the task
    /// back to its scope, or, if `claims`, when its next attempt is due, which this worker
    /// may claim.
    fn wait_ended(&self, deadline: Deadline, taken_out: u32, claims: bool) -> bool {
        // Short tasks end within microseconds; a sleep costs more than that.
        let backoff = Backoff::new();
        while !backoff.is_completed() {
            if self.ended.load(Acquire) != 0 {
                return true;
            }
            backoff.snooze();
        }
        let mut body = self.body.lock();
        loop {
            if body.state.has_ended() || body.taken_out != taken_out {
                return true;
            }
            let look = match body.state {
                State::Withdrawn => return false,
                State::Queued if claims && body.attempts > 0 && self.is_here() => return false,
                State::Queued if self.is_late(&body) => {
                    drop(body);
                    self.call_off(Off::Expired);
                    body = self.body.lock();
                    continue;
                }
                State::Queued if body.taken_out + body.attempts == 0 => self.start_by(),
                // The thread that calls it off is dropping the closure, which may take
                // forever.
                State::CallingOff(off) if body.ledger.is_reported() => {
                    body.state = State::CalledOff(off);
                    self.ended.store(1, Release);
                    return true;
                }
                State::CallingOff(_) => Deadline::after(LOOK_WHILE_CALLING_OFF),
                _ => Deadline::NEVER,
            };
            if deadline.has_passed(clock::now()) {
                return false;
            }
            deadline.earlier(look).wait(&self.changed, &mut body);
        }
    }

    /// Whether the current thread is a worker of the task's pool.
    fn is_here(&self) -> bool {
        current_worker::worker_index_in(self.pool.load(Relaxed)).is_some()
    }

    /// Drops a result that will not be taken, and reports a panic to the scope.
    fn dispose(&self, leftover: Leftover<B>) {
        match leftover {
            Some(Err(panic)) if L::SCOPED => self.link.unheard(panic),
            leftover => unwind::drop_guarded(leftover, || self.meta.result()),
        }
    }
}
