//! How a thread waits for the end of a task.

use super::state::{Look, TaskState, look};
use super::task_cell::{AnyBody, AnyCell, Contents, TaskCell};
use crate::clock::{self, Deadline};
use crate::queue::{PoolRef, worker_index_in};
use crate::sync::{Acquire, Arc, Backoff, Relaxed, Release};
use crate::task::body::TaskFn;
use crate::task::link::Link;
use crate::worker::Off;

/// A wait, as it began.
#[derive(Clone, Copy)]
pub(super) struct Waiter {
    pub(super) deadline: Deadline,
    /// How often a stop had taken the task out.
    taken_out: u32,
    /// This thread is a worker of the task's pool, and joins it: it may run an attempt.
    claims: bool,
}

/// What a thread that waits does next.
enum Step {
    Return(bool),
    Expire,
    WaitUntil(Deadline),
    /// The drop of its closure may take forever, and then only the report of this pool ends
    /// the wait: so it is not the cell that is waited on.
    WaitUntilCalledOff(Arc<PoolRef>),
}

impl<B: TaskFn<Output: Send>, L: Link> TaskCell<Contents<B>, L> {
    /// Waits for the end of the task, or until a stop takes it out once more than when the
    /// wait began; `false` when the deadline came first, or the pool gave the task back to its
    /// scope, or when its next attempt is due, which this worker may claim.
    pub(super) fn wait_ended(&self, waiter: Waiter) -> bool {
        if self.any().ends_while_spinning() {
            return true;
        }
        let mut body = self.body.lock();
        loop {
            match self.any().next_step(&mut *body, waiter) {
                Step::Return(has_ended) => return has_ended,
                Step::Expire => {
                    // The closure is dropped there, without the lock.
                    drop(body);
                    self.call_off(Off::Expired);
                    body = self.body.lock();
                }
                Step::WaitUntil(moment) => {
                    moment.wait(&self.changed, &mut body);
                }
                Step::WaitUntilCalledOff(pool_ref) => {
                    drop(body);
                    pool_ref
                        .wait_until_called_off(waiter.deadline, || !self.any().is_calling_off());
                    body = self.body.lock();
                }
            }
        }
    }
}

impl<L: Link> AnyCell<'_, L> {
    /// A wait that only waits.
    pub(super) fn waiter(&self, deadline: Deadline) -> Waiter {
        Waiter {
            deadline,
            taken_out: self.body.lock().taken_out,
            claims: false,
        }
    }

    /// A wait of a join.
    pub(super) fn joiner(&self) -> Waiter {
        Waiter {
            claims: worker_index_in(self.pool.load(Relaxed)).is_some(),
            ..self.waiter(Deadline::NEVER)
        }
    }

    /// Short tasks end within microseconds; a sleep costs more than that.
    fn ends_while_spinning(&self) -> bool {
        let backoff = Backoff::new();
        while !backoff.is_completed() {
            if self.ended.load(Acquire) != 0 {
                return true;
            }
            backoff.snooze();
        }
        false
    }

    fn next_step(&self, body: &mut AnyBody<'_>, waiter: Waiter) -> Step {
        let look_again = match self.look(body, waiter) {
            Look::Over => return Step::Return(true),
            Look::ToRun => return Step::Return(false),
            Look::Expired => return Step::Expire,
            Look::CallingOff(off) if body.pool_ref.core.is_reported() => {
                self.report_called_off(body, off);
                return Step::Return(true);
            }
            Look::CallingOff(_) if waiter.deadline.has_passed(clock::now()) => {
                return Step::Return(false);
            }
            Look::CallingOff(_) => return Step::WaitUntilCalledOff(body.pool_ref.clone()),
            Look::Unstarted => self.start_by(),
            Look::Pending => Deadline::NEVER,
        };
        match waiter.deadline.has_passed(clock::now()) {
            true => Step::Return(false),
            false => Step::WaitUntil(waiter.deadline.earlier(look_again)),
        }
    }

    fn look(&self, body: &AnyBody<'_>, waiter: Waiter) -> Look {
        look(
            body.state,
            body.taken_out != waiter.taken_out,
            waiter.claims,
            self.is_late(body),
            body.attempts,
            body.taken_out + body.attempts > 0,
        )
    }

    fn is_calling_off(&self) -> bool {
        matches!(self.body.lock().state, TaskState::CallingOff(_))
    }

    /// No wait outlives the report of a stop: the drop of the closure goes on, and the task
    /// has ended all the same.
    fn report_called_off(&self, body: &mut AnyBody<'_>, off: Off) {
        body.state = TaskState::CalledOff(off);
        self.ended.store(1, Release);
    }
}
