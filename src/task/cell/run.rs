//! How a worker runs a task with a handle.

use super::state::TaskState;
use super::task_cell::{AnyBody, AnyCell, Body, Contents, Leftover, TaskCell};
use crate::queue::{CurrentWorker, Shared, WorkerSlotGuard};
use crate::retry::GiveUpReason;
use crate::sync::{Arc, Release};
use crate::task::body::{self, Attempt, Next, TaskFn};
use crate::task::context::TaskContext;
use crate::task::error::TaskPanic;
use crate::task::link::Link;
use crate::worker::{How, Meta, Off, Running, Settled, Tombstone};
use std::time::Duration;

/// How a worker's try to start a task may fail.
enum NotStarted<B> {
    /// It ended otherwise, or runs elsewhere.
    Tombstone(Tombstone),
    /// The worker was too late: it counts the task as expired, drops the closure,
    /// and then makes it `CalledOff`.
    Expired(Option<B>),
}

/// What came of an attempt.
type Attempted<B> = Result<Attempt<B>, TaskPanic>;

impl<B: TaskFn<Output: Send>, L: Link> TaskCell<Contents<B>, L> {
    /// Runs it on this worker, whose slot this is; `false`: it ended otherwise, or runs
    /// elsewhere.
    pub(super) fn run_on(
        self: Arc<Self>,
        erased: Arc<dyn Shared>,
        slot: &mut WorkerSlotGuard<'_>,
        worker: &CurrentWorker,
        how: How,
    ) -> bool {
        let how = match how {
            How::Claimed if B::RETRIES && self.any().is_taken_from_due(worker) => How::Fetched,
            how => how,
        };
        match self.start(worker, how) {
            Ok(closure) => {
                self.run_started(closure, erased, slot, worker, how);
                true
            }
            Err(NotStarted::Tombstone(tombstone)) => {
                // Invariant 3 of `state`. A tombstone that leaves the queue is counted at the
                // latest now, so that a report never misses one.
                if how.left_the_queue() {
                    slot.skip_tombstone(tombstone);
                }
                // There may be a million of them: others want to look, too.
                slot.unlocked(|| drop((self, erased)));
                false
            }
            Err(NotStarted::Expired(closure)) => {
                let mut closure = Some(closure);
                slot.pass_expired(&mut || self.expire(closure.take().flatten()));
                false
            }
        }
    }

    /// QUEUED -> RUNNING, by this worker.
    #[inline]
    fn start(&self, worker: &CurrentWorker, how: How) -> Result<B, NotStarted<B>> {
        let mut body = self.body.lock();
        match self.any().may_start(&mut *body, worker, how) {
            MayStart::Yes => {
                if let Some(closure) = body.start() {
                    self.ended.store(0, Release);
                    return Ok(closure);
                }
            }
            MayStart::Expired => {
                return Err(NotStarted::Expired(body.contents.closure.take()));
            }
            MayStart::No => {}
        }
        Err(NotStarted::Tombstone(AnyBody::passed(&mut *body, how)))
    }

    /// What the worker counted as expired. Called without the slot's lock.
    fn expire(&self, closure: Option<B>) {
        self.drop_closure(closure);
        self.any().expired();
    }

    #[inline]
    fn run_started(
        &self,
        closure: B,
        erased: Arc<dyn Shared>,
        slot: &mut WorkerSlotGuard<'_>,
        worker: &CurrentWorker,
        how: How,
    ) {
        let erased_to_wait = match B::RETRIES {
            true => Some(erased.clone()),
            false => None,
        };
        let place = self.any().begin(slot, worker, how, B::HAS_TOKEN);
        place.cell = Some(erased.into_running());
        let result = match self.attempt(closure, slot, worker) {
            Ok(Attempt::Ended(result)) => Ok(result),
            Err(panic) => Err(panic),
            Ok(Attempt::Failed(closure, next)) => {
                // Not compiled for other closures.
                if !B::RETRIES {
                    unreachable!("only what retries fails");
                }
                match self.put_off(closure, next, erased_to_wait, slot, worker) {
                    Some(result) => result,
                    None => return,
                }
            }
        };
        self.end(result, slot, worker);
        // The last that the task does: its scope may return now.
        self.link.ended();
    }

    /// Calls the closure, without the slot's lock.
    #[inline]
    fn attempt(
        &self,
        closure: B,
        slot: &mut WorkerSlotGuard<'_>,
        worker: &CurrentWorker,
    ) -> Attempted<B> {
        let limit = self.any().time_limit();
        let context = match B::WANTS_CONTEXT || limit.is_some() {
            true => Some(TaskContext::lent(worker, self.meta.origin.id)),
            false => None,
        };
        let info = || self.any().info();
        let attempted = slot
            .unlocked(|| body::attempt(closure, context.as_ref(), limit, &worker.pool_ref, &info));
        if let Some(context) = context {
            context.give_back(worker);
        }
        attempted
    }

    /// RUNNING -> COMPLETED, PANICKED or ABANDONED, under the lock of the slot as well
    /// (Invariant 2 of `state`).
    #[inline]
    fn end(
        &self,
        result: Result<B::Output, TaskPanic>,
        slot: &mut WorkerSlotGuard<'_>,
        worker: &CurrentWorker,
    ) {
        if worker.is_observed {
            return self.end_observed(result, slot, worker);
        }
        let began = slot.began();
        self.take_off(result, slot);
        worker.task_ended(slot, began);
    }

    #[cold]
    fn end_observed(
        &self,
        result: Result<B::Output, TaskPanic>,
        slot: &mut WorkerSlotGuard<'_>,
        worker: &CurrentWorker,
    ) {
        let ended = worker.measure(slot, result.is_err());
        self.take_off(result, slot);
        worker.observe(slot, &ended);
    }

    /// Counts its end, keeps its result, and takes it off the stack.
    #[inline(always)]
    fn take_off(&self, result: Result<B::Output, TaskPanic>, slot: &mut WorkerSlotGuard<'_>) {
        let settled = slot.count_end(result.is_err());
        let leftover = self.store(result, settled);
        slot.take_off(settled);
        if leftover.is_some() {
            self.tidy(leftover, slot);
        }
    }

    #[cold]
    fn tidy(&self, mut leftover: Leftover<B>, slot: &mut WorkerSlotGuard<'_>) {
        slot.tidy(&mut || self.dispose(leftover.take()));
    }

    /// RUNNING -> COMPLETED, PANICKED or ABANDONED. `settled`: how a report has counted it.
    #[inline]
    pub(super) fn store(
        &self,
        result: Result<B::Output, TaskPanic>,
        settled: Option<Settled>,
    ) -> Leftover<B> {
        let mut body = self.body.lock();
        body.control = None;
        let leftover = match settled {
            Some(Settled::Abandoned) if !L::SCOPED => {
                body.state = TaskState::Abandoned;
                Some(result)
            }
            _ => body.finish(result),
        };
        let news = self.any().changed_to(body.state);
        drop(body);
        self.any().announce(news);
        leftover
    }

    /// An attempt failed, and another one follows: RUNNING -> WAITING. Otherwise returns
    /// what the task gives up with.
    fn put_off(
        &self,
        closure: B,
        next: Result<Next, GiveUpReason>,
        erased: Option<Arc<dyn Shared>>,
        slot: &mut WorkerSlotGuard<'_>,
        worker: &CurrentWorker,
    ) -> Option<Result<B::Output, TaskPanic>> {
        let pool_ref = &worker.pool_ref;
        let pool_cancelled = pool_ref.is_cancelled();
        slot.unlocked(|| pool_ref.prepare_to_wait());
        let settled = slot.settled();
        match self.wait_to_retry(closure, next, settled, pool_cancelled) {
            Ok(after) => {
                // Still on the stack: the task is always somewhere.
                if let Some(erased) = erased {
                    pool_ref.wait_to_retry(erased, after);
                }
                worker.put_off_task(slot);
                None
            }
            Err((closure, gave_up)) => {
                let info = || self.any().info();
                Some(slot.unlocked(|| body::give_up(closure, gave_up, pool_ref, &info)))
            }
        }
    }

    /// RUNNING -> WAITING, if there is another attempt; returns how long it waits. Otherwise
    /// gives the closure back.
    fn wait_to_retry(
        &self,
        mut closure: B,
        next: Result<Next, GiveUpReason>,
        settled: Option<Settled>,
        pool_cancelled: bool,
    ) -> Result<Duration, (B, GiveUpReason)> {
        let mut body = self.body.lock();
        let is_cancel_requested = body.cancel_requested.is_some();
        let wait = match next_wait(next, settled.is_some(), is_cancel_requested, pool_cancelled) {
            Ok(wait) => wait,
            Err(gave_up) => return Err((closure, gave_up)),
        };
        if wait.is_uncounted {
            closure.uncount();
            body.attempts -= 1;
        }
        body.wait(closure);
        Ok(wait.after)
    }
}

impl<B: TaskFn> Body<Contents<B>> {
    fn wait(&mut self, closure: B) {
        self.state = TaskState::Waiting;
        self.contents.closure = Some(closure);
        self.control = None;
    }
}

enum MayStart {
    Yes,
    No,
    /// The worker is too late.
    Expired,
}

impl<L: Link> AnyCell<'_, L> {
    fn is_taken_from_due(&self, worker: &CurrentWorker) -> bool {
        worker.pool_ref.take_due_task(self.meta.origin.id)
    }

    #[inline(always)]
    fn may_start(&self, body: &mut AnyBody<'_>, worker: &CurrentWorker, how: How) -> MayStart {
        // A claim may come late: by now a stop may have taken the task out, and it may be
        // in another pool.
        let is_here = how != How::Claimed || body.pool_ref.core.id == worker.pool_ref.core.id;
        if !body.state.may_start() || !is_here {
            return MayStart::No;
        }
        if how == How::Popped && self.is_late(body) {
            body.state = TaskState::CallingOff(Off::Expired);
            body.counted = true;
            return MayStart::Expired;
        }
        MayStart::Yes
    }

    /// Puts it on the worker's stack.
    #[inline(always)]
    fn begin<'a>(
        &self,
        slot: &'a mut WorkerSlotGuard<'_>,
        worker: &CurrentWorker,
        how: How,
        has_token: bool,
    ) -> &'a mut Running {
        let Meta {
            origin,
            type_name,
            name,
        } = &self.meta;
        let since = worker.begin_stamp(slot, how);
        let place = slot.begin(how, *origin, *type_name, since, has_token);
        if name.is_some() {
            place.meta.name.clone_from(name);
        }
        if worker.is_observed {
            place.queued_at = self.queued_at();
        }
        place
    }

    fn expired(&self) {
        self.change(|body| body.state = TaskState::CalledOff(Off::Expired));
        self.link.ended();
    }
}

impl AnyBody<'_> {
    /// What a worker is to count that did not start it.
    fn passed(&mut self, how: How) -> Tombstone {
        match how.left_the_queue() {
            true => self.tombstone(),
            // It stays in the queue, and is counted when it leaves.
            false => Tombstone {
                accepted: false,
                uncounted: None,
            },
        }
    }
}

/// How a task waits for its next attempt.
#[derive(Debug, PartialEq)]
struct RetryWait {
    after: Duration,
    /// The attempt that failed was none, or was cut short.
    is_uncounted: bool,
}

/// What follows a failed attempt. `is_settled`: a report has counted the task;
/// `is_cancel_requested`: its handle was asked to cancel it.
fn next_wait(
    next: Result<Next, GiveUpReason>,
    is_settled: bool,
    is_cancel_requested: bool,
    pool_cancelled: bool,
) -> Result<RetryWait, GiveUpReason> {
    // One that was cut short did not fail for good, unless its error says so. The pool is
    // closed, then: it does not wait, but is unstarted.
    let is_cut_short = pool_cancelled && next != Err(GiveUpReason::Verdict);
    let asked = match (is_settled, is_cancel_requested) {
        (true, _) => Some(GiveUpReason::Stopped),
        (false, true) => Some(GiveUpReason::Cancelled),
        (false, false) => None,
    };
    match (next, asked) {
        (Ok(next), None) => Ok(RetryWait {
            after: next.after,
            is_uncounted: is_cut_short || next.was_none,
        }),
        (Err(_), None) if is_cut_short => Ok(RetryWait {
            after: Duration::MAX,
            is_uncounted: true,
        }),
        (Err(gave_up), _) | (Ok(_), Some(gave_up)) => Err(gave_up),
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    const NEXT: Next = Next {
        after: Duration::from_secs(1),
        was_none: false,
    };

    fn waits(after: Duration, is_uncounted: bool) -> Result<RetryWait, GiveUpReason> {
        Ok(RetryWait {
            after,
            is_uncounted,
        })
    }

    #[test]
    fn a_failed_attempt_waits_and_counts_unless_it_was_none() {
        assert_eq!(
            next_wait(Ok(NEXT), false, false, false),
            waits(NEXT.after, false)
        );
        let none = Next {
            was_none: true,
            ..NEXT
        };
        assert_eq!(
            next_wait(Ok(none), false, false, false),
            waits(NEXT.after, true)
        );
    }

    #[test]
    fn what_a_stop_cut_short_is_tried_again_unless_its_error_is_final() {
        assert_eq!(
            next_wait(Ok(NEXT), false, false, true),
            waits(NEXT.after, true)
        );
        let gave_up = Err(GiveUpReason::Attempts);
        assert_eq!(
            next_wait(gave_up, false, false, true),
            waits(Duration::MAX, true)
        );
        let verdict = Err(GiveUpReason::Verdict);
        assert_eq!(
            next_wait(verdict, false, false, true),
            Err(GiveUpReason::Verdict)
        );
    }

    #[test]
    fn a_task_that_is_settled_or_was_cancelled_gives_up() {
        assert_eq!(
            next_wait(Ok(NEXT), true, true, true),
            Err(GiveUpReason::Stopped)
        );
        assert_eq!(
            next_wait(Ok(NEXT), false, true, false),
            Err(GiveUpReason::Cancelled)
        );
        let gave_up = Err(GiveUpReason::Attempts);
        assert_eq!(
            next_wait(gave_up, true, false, true),
            Err(GiveUpReason::Attempts)
        );
    }
}
