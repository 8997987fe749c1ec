//! The states of a task with a handle, and what follows from them.
//!
//! ```text
//! QUEUED ------> RUNNING      a worker popped it, or a worker's join claimed it
//!    |             |------> COMPLETED | PANICKED
//!    |             |------> WAITING -> QUEUED   a failed attempt; the timer puts it back
//!    |             '------> ABANDONED       by the stopper, as it makes the report
//!    |---------> CANCELLING -> CANCELLED    handle.cancel
//!    '---------> UNSTARTED                  a stop took it out
//! WAITING -----> CANCELLING, UNSTARTED       as from QUEUED
//! UNSTARTED ---> RUNNING (UnstartedTask::run)
//!           ---> RESUBMITTING -> QUEUED in another pool, or back
//! ```
//!
//! # Invariants
//!
//! 1. The state of a task with a handle changes only under its cell's lock. The thread that
//!    makes the change counts it, and drops what is left of the task after the lock is
//!    released.
//! 2. RUNNING is entered and left under the lock of the worker's slot, with
//!    the cell's lock inside. So a stopper that has been through all slots
//!    knows every running task, and no handle disagrees with the report.
//! 3. A task that ended some other way than by a worker that popped it stays
//!    in the queue as a tombstone, its closure gone, until it is skipped there.
//! 4. A task that is retried may be in the queue more than once, if a join claimed
//!    one of its attempts: the first entry that is taken while it is QUEUED runs
//!    it, the others are tombstones. Every entry but its first is counted as
//!    `repeated`, so that the sum of what was taken less those is what was
//!    accepted.
//! 5. A fire-and-forget task has no cell: only its worker can end it, so its slot alone
//!    settles its end against its abandonment.
//!
//! Order of locks: slot, then cell. Neither is held while a closure, a drop, a
//! hook or the logger runs.

use crate::task::error::TaskError;
use crate::worker::Off;

/// From `CalledOff` on it has ended, for its handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TaskState {
    Queued,
    /// Being pushed into another pool. May be started; to its handle it is
    /// still unstarted.
    Resubmitting,
    /// Given back to its scope: the thread that joins it runs it, or else the scope's
    /// thread.
    Withdrawn,
    Running,
    /// An attempt failed: waits in the timer for the next one.
    Waiting,
    /// Called off, while the closure is being dropped.
    CallingOff(Off),
    CalledOff(Off),
    Completed,
    Panicked,
    Unstarted,
    Abandoned,
}

impl TaskState {
    pub(super) fn may_start(self) -> bool {
        matches!(self, TaskState::Queued | TaskState::Resubmitting)
    }

    pub(super) fn has_ended(self) -> bool {
        !matches!(
            self,
            TaskState::Queued
                | TaskState::Withdrawn
                | TaskState::Running
                | TaskState::Waiting
                | TaskState::CallingOff(_)
        )
    }

    /// Why its handle has no result, of a task that was waited for.
    pub(super) fn error(self) -> TaskError {
        match self {
            TaskState::CalledOff(Off::Expired) | TaskState::CallingOff(Off::Expired) => {
                TaskError::Expired
            }
            TaskState::CalledOff(_) | TaskState::CallingOff(_) => TaskError::Cancelled,
            TaskState::Abandoned => TaskError::Abandoned,
            TaskState::Completed | TaskState::Panicked => {
                unreachable!("only a handle takes the result, and there is one")
            }
            // Taken out while a thread waited, whatever happened to it since.
            TaskState::Unstarted
            | TaskState::Resubmitting
            | TaskState::Withdrawn
            | TaskState::Queued
            | TaskState::Waiting
            | TaskState::Running => TaskError::Unstarted,
        }
    }

    /// Whether its handle, or its scope, may still call it off.
    pub(super) fn may_be_called_off(self) -> bool {
        matches!(
            self,
            TaskState::Queued | TaskState::Waiting | TaskState::Withdrawn
        )
    }
}

/// What a thread finds that waits for the end of a task.
#[derive(Debug, PartialEq)]
pub(super) enum Look {
    /// It has ended, or a stop has taken it out since the wait began.
    Over,
    /// The pool gave it back to its scope, or its next attempt is due and this worker may
    /// claim it: the wait ends, and the task has not.
    ToRun,
    /// Its time to start is over, and nothing has said so yet.
    Expired,
    /// Its closure is being dropped, which may take forever.
    CallingOff(Off),
    /// It may still expire before it starts.
    Unstarted,
    /// Some other thread has to do something first.
    Pending,
}

/// `taken_out`: a stop has, since the wait began. `claims`: this worker may run it.
/// `is_late`: its time to start is over. `has_been_tried`: it was started before, or taken out,
/// so that it expires no more.
pub(super) fn look(
    state: TaskState,
    taken_out: bool,
    claims: bool,
    is_late: bool,
    attempts: u32,
    has_been_tried: bool,
) -> Look {
    match state {
        _ if state.has_ended() || taken_out => Look::Over,
        TaskState::Withdrawn => Look::ToRun,
        TaskState::Queued if claims && attempts > 0 => Look::ToRun,
        TaskState::Queued if is_late => Look::Expired,
        TaskState::Queued if !has_been_tried => Look::Unstarted,
        TaskState::CallingOff(off) => Look::CallingOff(off),
        _ => Look::Pending,
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    /// Of a task that no stop took out, to a thread that may claim it or not.
    fn seen(state: TaskState, claims: bool, is_late: bool, attempts: u32) -> Look {
        look(state, false, claims, is_late, attempts, attempts > 0)
    }

    #[test]
    fn a_wait_is_over_when_the_task_has_ended_or_a_stop_took_it_out() {
        for state in [
            TaskState::Completed,
            TaskState::Unstarted,
            TaskState::Abandoned,
        ] {
            assert_eq!(seen(state, true, false, 1), Look::Over);
        }
        // Whatever has become of it since.
        assert_eq!(
            look(TaskState::Running, true, false, false, 1, true),
            Look::Over
        );
    }

    #[test]
    fn a_join_by_a_worker_of_its_pool_runs_an_attempt_that_is_due() {
        assert_eq!(seen(TaskState::Queued, true, false, 1), Look::ToRun);
        assert_eq!(seen(TaskState::Queued, false, false, 1), Look::Pending);
        // The first one it has claimed already, or another worker has.
        assert_eq!(seen(TaskState::Queued, true, false, 0), Look::Unstarted);
        assert_eq!(seen(TaskState::Waiting, true, false, 1), Look::Pending);
        assert_eq!(seen(TaskState::Withdrawn, false, false, 0), Look::ToRun);
    }

    #[test]
    fn a_task_that_is_late_expires_before_it_starts_only() {
        assert_eq!(seen(TaskState::Queued, false, true, 0), Look::Expired);
        assert_eq!(seen(TaskState::Running, false, true, 1), Look::Pending);
    }

    #[test]
    fn a_cancel_that_drops_a_closure_is_waited_for() {
        let off = Off::Cancelled;
        assert_eq!(
            seen(TaskState::CallingOff(off), false, false, 0),
            Look::CallingOff(off)
        );
        assert_eq!(seen(TaskState::CalledOff(off), false, false, 0), Look::Over);
    }
}
