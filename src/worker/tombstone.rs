//! What is left in the queue of a task that ended there.

/// Why a task in the queue is never run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Off {
    Cancelled,
    Expired,
    /// Its scope has no more use for it: it was never there.
    TakenBack,
}

/// A task that ended some other way than by the worker that found it in the queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tombstone {
    /// It counts as accepted.
    pub(crate) accepted: bool,
    /// How it was called off, if that is not counted yet: now the caller has to.
    pub(crate) uncounted: Option<Off>,
}
