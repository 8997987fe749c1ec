//! What a task shares with its handle: one allocation, one lock.
//!
//! The states and who changes them are in the module's documentation
//! (`task/mod.rs`). `ended` repeats what of `body.state` matters to those that
//! only look; it is written under the body's lock, so a look without the lock
//! is a snapshot.

use super::body::{self, Ledger, TaskFn, Watch};
use super::context::TaskContext;
use super::error::{TaskError, TaskPanic};
use super::info::{Meta, Origin, TaskInfo};
use super::me::Me;
use super::queued::{Shared, TakenOut};
use super::running::Settled;
use super::turn::{How, Turn};
use crate::cancel::CancelToken;
use crate::clock::{self, Deadline};
use crate::sync::{Acquire, Arc, AtomicU8, AtomicU64, Backoff, Condvar, Mutex, Relaxed, Release};
use crate::unwind;
use std::mem;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum State {
    Queued,
    /// Being pushed into another pool. May be started; to its handle it is
    /// still unstarted.
    Resubmitting,
    Running,
    /// Cancelled, while the closure is being dropped.
    Cancelling,
    /// From here on the task has ended, as far as its handle can tell.
    Completed,
    Panicked,
    Cancelled,
    Unstarted,
    Abandoned,
}

impl State {
    fn may_start(self) -> bool {
        matches!(self, State::Queued | State::Resubmitting)
    }

    fn has_ended(self) -> bool {
        !matches!(self, State::Queued | State::Running | State::Cancelling)
    }
}

pub(crate) struct Cell<B: TaskFn> {
    meta: Meta,
    /// A copy of `body.state`: 1 if the task has ended. Written under the
    /// body's lock with Release, read with Acquire by `has_ended`.
    ended: AtomicU8,
    /// The number of the pool it is queued in; read by `join` to know whether
    /// the caller is one of its workers. Changes only on resubmission.
    pool: AtomicU64,
    body: Mutex<Body<B>>,
    /// Notified when the task has ended.
    changed: Condvar,
}

struct Body<B: TaskFn> {
    state: State,
    /// There while the task may still be run.
    closure: Option<B>,
    /// There from the end of the task until the handle takes it.
    result: Option<Result<B::Output, TaskPanic>>,
    ledger: Arc<dyn Ledger>,
    attempts: u32,
    /// How often a stop took it out: a join that began before must say so,
    /// even if somebody runs the task right afterwards.
    taken_out: u32,
    /// Somebody has counted the cancel.
    cancel_counted: bool,
    /// The handle is gone: nobody will take the result.
    detached: bool,
    /// When the handle was asked to cancel the running task.
    cancel_asked: Option<Instant>,
    /// The token and the note, once it has asked for them, while it runs.
    watch: Option<Arc<Watch>>,
}

/// So often a wait for a task whose cancel is slow looks whether the pool's
/// report was made, which ends every wait.
#[cfg(not(any(loom, shuttle)))]
const LOOK_WHILE_CANCELLING: Duration = Duration::from_millis(10);
/// Never in a model: it would hide that the canceller wakes nobody.
#[cfg(any(loom, shuttle))]
const LOOK_WHILE_CANCELLING: Duration = Duration::MAX;

/// The result of a task that nobody is going to take.
type Leftover<B> = Option<Result<<B as TaskFn>::Output, TaskPanic>>;

impl<B: TaskFn> Body<B> {
    /// Takes the closure for a run, if there may be one.
    fn start(&mut self) -> Option<B> {
        let closure = self.closure.take()?;
        self.state = State::Running;
        self.attempts += 1;
        Some(closure)
    }

    /// Stores the result of a run, or gives it back if nobody wants it.
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
}

impl<B: TaskFn<Output: Send>> Cell<B> {
    #[inline]
    pub(crate) fn new(
        origin: Origin,
        name: Option<Arc<str>>,
        body: B,
        ledger: Arc<dyn Ledger>,
    ) -> Arc<Cell<B>> {
        Arc::new(Cell {
            meta: Meta {
                origin,
                type_name: B::type_name,
                name,
            },
            ended: AtomicU8::new(0),
            pool: AtomicU64::new(ledger.pool()),
            body: Mutex::new(Body {
                state: State::Queued,
                closure: Some(body),
                result: None,
                ledger,
                attempts: 0,
                taken_out: 0,
                cancel_counted: false,
                detached: false,
                cancel_asked: None,
                watch: None,
            }),
            changed: Condvar::new(),
        })
    }

    /// The closure of a task that was refused: nobody else knows of it.
    pub(crate) fn into_body(self: Arc<Self>) -> Option<B> {
        self.body.lock().closure.take()
    }

    /// QUEUED -> RUNNING, by this worker. `Err`: it ended otherwise, and whether
    /// that was by a cancel that nobody has counted yet.
    fn start(&self, me: &Me, how: How) -> Result<B, bool> {
        let mut body = self.body.lock();
        // A claim may come late: by now a stop may have taken the task out,
        // and somebody given it to another pool.
        let is_here = how != How::Claimed || body.ledger.pool() == me.ledger.pool();
        if body.state.may_start() && is_here {
            if let Some(closure) = body.start() {
                self.ended.store(0, Release);
                return Ok(closure);
            }
        }
        let cancelled = matches!(body.state, State::Cancelling | State::Cancelled);
        let is_popped = how == How::Popped;
        Err(is_popped && cancelled && !mem::replace(&mut body.cancel_counted, true))
    }

    /// Does `change` under the lock, makes what it did visible, and wakes who
    /// waits for the end. Returns what `change` returns, to be dropped here,
    /// where no lock is held.
    fn change<R>(&self, change: impl FnOnce(&mut Body<B>) -> R) -> R {
        let mut body = self.body.lock();
        let returned = change(&mut body);
        let ended = body.state.has_ended();
        self.ended.store(u8::from(ended), Release);
        drop(body);
        if ended {
            self.changed.notify_all();
        }
        returned
    }

    /// Waits for the end of the task; `false` when `deadline` came first.
    fn wait_ended(&self, deadline: Deadline) -> bool {
        let taken_out = {
            let body = self.body.lock();
            if body.state.has_ended() {
                return true;
            }
            body.taken_out
        };
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
            // The canceller is dropping the closure, which may take for ever.
            let is_cancelling = body.state == State::Cancelling;
            if is_cancelling && body.ledger.is_reported() {
                body.state = State::Cancelled;
                self.ended.store(1, Release);
                return true;
            }
            if deadline.has_passed(clock::now()) {
                return false;
            }
            let look = match is_cancelling {
                true => Deadline::after(LOOK_WHILE_CANCELLING),
                false => Deadline::NEVER,
            };
            deadline.earlier(look).wait(&self.changed, &mut body);
        }
    }
}

impl<B: TaskFn<Output: Send>> Shared for Cell<B> {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn attempts(&self) -> u32 {
        self.body.lock().attempts
    }

    fn run(self: Arc<Self>, turn: &mut Turn<'_>, me: &Me, how: How) -> bool {
        let closure = match self.start(me, how) {
            Ok(closure) => closure,
            // A husk that leaves the queue is counted at the latest now, so
            // that a report never misses one.
            Err(cancelled_now) => {
                if how == How::Popped {
                    turn.pass_husk(cancelled_now);
                }
                // There may be a million of them: others want to look, too.
                turn.unlocked(|| drop(self));
                return false;
            }
        };
        let context = B::WANTS_CONTEXT.then(|| me.lend_context(self.meta.origin.id));
        let Meta {
            origin,
            type_name,
            name,
        } = &self.meta;
        let place = turn.begin(how, *origin, *type_name, me.stamp(how), B::WANTS_CONTEXT);
        if name.is_some() {
            place.meta.name.clone_from(name);
        }
        place.cell = Some(self.clone());
        let info = || TaskInfo::new(&self.meta, 1);
        let result = turn.unlocked(|| body::run(closure, context.as_deref(), &me.ledger, info));
        if let Some(context) = context {
            me.take_back(context);
        }
        let panicked = result.is_err();
        let settle = |settled| {
            self.change(|body| {
                body.watch = None;
                match settled {
                    Some(Settled::Abandoned) => {
                        body.state = State::Abandoned;
                        Some(result)
                    }
                    Some(Settled::Caller) | None => body.finish(result),
                }
            })
        };
        turn.end(me, panicked, settle, |leftover| {
            unwind::drop_guarded(leftover, || self.meta.result());
        });
        true
    }

    fn run_unstarted(self: Arc<Self>) {
        let started = self.change(|body| {
            let closure = (body.state == State::Unstarted).then(|| body.start());
            let closure = closure.flatten()?;
            let context = B::WANTS_CONTEXT.then(|| {
                let watch = Watch::new(CancelToken::new());
                body.watch = Some(watch.clone());
                let info = TaskInfo::new(&self.meta, body.attempts);
                TaskContext::unstarted(info, body.ledger.clone(), watch)
            });
            Some((closure, context, body.ledger.clone(), body.attempts))
        });
        let Some((closure, context, ledger, attempts)) = started else {
            return;
        };
        let info = || TaskInfo::new(&self.meta, attempts);
        let result = body::run(closure, context.as_ref(), &ledger, info);
        let leftover = self.change(|body| {
            body.watch = None;
            body.finish(result)
        });
        unwind::drop_guarded(leftover, || self.meta.result());
    }

    fn take_out(&self) -> TakenOut {
        self.change(|body| {
            if body.state.may_start() {
                body.state = State::Unstarted;
                body.taken_out += 1;
                return TakenOut::Live;
            }
            // No wait outlives the stop, not even for a slow drop.
            let cancelled = matches!(body.state, State::Cancelling | State::Cancelled);
            if cancelled {
                body.state = State::Cancelled;
            }
            TakenOut::Husk {
                count_cancelled: cancelled && !mem::replace(&mut body.cancel_counted, true),
            }
        })
    }

    fn abandon(&self) {
        self.change(|body| {
            if body.state == State::Running {
                body.state = State::Abandoned;
            }
        });
    }

    fn discard(&self) {
        let closure = self.body.lock().closure.take();
        unwind::drop_guarded(closure, || self.meta.closure());
    }

    fn cancel_asked(&self) -> Option<Instant> {
        self.body.lock().cancel_asked
    }

    fn watch(&self) -> Option<Arc<Watch>> {
        self.body.lock().watch.clone()
    }

    fn watch_or(&self, new: Arc<Watch>) -> Arc<Watch> {
        let mut body = self.body.lock();
        let watch = body.watch.get_or_insert(new).clone();
        let is_cancelled = body.cancel_asked.is_some();
        drop(body);
        // Asked before the task looked at its token for the first time.
        if is_cancelled {
            watch.token.cancel();
        }
        watch
    }

    fn prepare_resubmit(&self, ledger: Arc<dyn Ledger>) -> Arc<dyn Ledger> {
        self.change(|body| {
            self.pool.store(ledger.pool(), Relaxed);
            body.state = State::Resubmitting;
            mem::replace(&mut body.ledger, ledger)
        })
    }

    fn resubmitted(&self) {
        self.change(|body| {
            if body.state == State::Resubmitting {
                body.state = State::Queued;
            }
        });
    }

    fn resubmit_refused(&self, ledger: Arc<dyn Ledger>) {
        let refused_by = self.change(|body| {
            self.pool.store(ledger.pool(), Relaxed);
            body.state = State::Unstarted;
            mem::replace(&mut body.ledger, ledger)
        });
        drop(refused_by);
    }
}

/// A task as its handle sees it.
pub(super) trait Joinable<T>: Send + Sync {
    fn pool(&self) -> u64;
    fn info(&self) -> TaskInfo;
    fn has_ended(&self) -> bool;
    /// Runs it on this worker of its pool, if it has not started.
    fn claim(self: Arc<Self>, me: &Me);
    /// Blocks until it has ended or `deadline` has come; returns which.
    fn wait(&self, deadline: Deadline) -> bool;
    /// The outcome of a task that was waited for.
    fn take(&self) -> Result<T, TaskError>;
    fn cancel(&self) -> bool;
    /// Nobody is going to take the result.
    fn detach(&self);
}

impl<B: TaskFn<Output: Send>> Joinable<B::Output> for Cell<B> {
    fn pool(&self) -> u64 {
        self.pool.load(Relaxed)
    }

    fn info(&self) -> TaskInfo {
        TaskInfo::new(&self.meta, self.attempts())
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Acquire) != 0
    }

    fn claim(self: Arc<Self>, me: &Me) {
        if self.body.lock().state != State::Queued {
            return;
        }
        let mut turn = me.turn();
        if turn.may_begin(How::Claimed) {
            self.run(&mut turn, me, How::Claimed);
        }
    }

    fn wait(&self, deadline: Deadline) -> bool {
        self.wait_ended(deadline)
    }

    fn take(&self) -> Result<B::Output, TaskError> {
        let mut body = self.body.lock();
        body.detached = true;
        match body.state {
            State::Completed | State::Panicked => match body.result.take() {
                Some(Ok(value)) => Ok(value),
                Some(Err(panic)) => Err(TaskError::Panicked(panic)),
                None => unreachable!("only a handle takes the result, and there is one"),
            },
            State::Cancelled | State::Cancelling => Err(TaskError::Cancelled),
            State::Abandoned => Err(TaskError::Abandoned),
            // Taken out while somebody waited, whatever became of it since.
            State::Unstarted | State::Resubmitting | State::Queued | State::Running => {
                Err(TaskError::Unstarted)
            }
        }
    }

    fn cancel(&self) -> bool {
        let mut body = self.body.lock();
        match body.state {
            State::Queued => {
                body.state = State::Cancelling;
                let closure = body.closure.take();
                self.changed.notify_all();
                drop(body);
                unwind::drop_guarded(closure, || self.meta.closure());
                let ledger = self.change(|body| {
                    body.state = State::Cancelled;
                    if !mem::replace(&mut body.cancel_counted, true) {
                        body.ledger.count_cancelled();
                    }
                    body.ledger.clone()
                });
                ledger.husk_made();
                true
            }
            State::Running => {
                body.cancel_asked.get_or_insert_with(clock::now);
                let watch = body.watch.clone();
                drop(body);
                if let Some(watch) = watch {
                    watch.token.cancel();
                }
                false
            }
            _ => false,
        }
    }

    fn detach(&self) {
        let mut body = self.body.lock();
        body.detached = true;
        let result = body.result.take();
        drop(body);
        unwind::drop_guarded(result, || self.meta.result());
    }
}
