//! The states of a task with a handle.

/// Which thread changes them is in the documentation of `task`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
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
    /// From here on the task has ended, for its handle.
    CalledOff(Off),
    Completed,
    Panicked,
    Unstarted,
    Abandoned,
}

/// Why a task in the queue is never run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Off {
    Cancelled,
    Expired,
    /// Its scope has no more use for it: it was never there.
    TakenBack,
}

/// A task that ended some other way than by the worker that found it in the
/// queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tombstone {
    /// It counts as accepted.
    pub(crate) accepted: bool,
    /// How it was called off, if that is not counted yet: now the caller has to.
    pub(crate) uncounted: Option<Off>,
}

impl State {
    pub(super) fn may_start(self) -> bool {
        matches!(self, State::Queued | State::Resubmitting)
    }

    pub(super) fn has_ended(self) -> bool {
        !matches!(
            self,
            State::Queued
                | State::Withdrawn
                | State::Running
                | State::Waiting
                | State::CallingOff(_)
        )
    }
}
