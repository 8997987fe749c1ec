//! What the parent knows of the processes, for the check.

use crate::process::Under;
use std::collections::HashMap;

/// How a player ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// By the parent.
    Killed,
    /// By a job, or by `strace`.
    ByItself,
    /// After a signal, with this exit code.
    Stopped(i32),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Fate {
    pub(crate) under: Under,
    pub(crate) end: End,
    /// The last change that the witness had recorded when the parent began to end it; 0 if it did
    /// not.
    pub(crate) before: i64,
}

#[derive(Default)]
pub(crate) struct History {
    pub(crate) fates: HashMap<u32, Fate>,
    /// The processes whose leases were to be taken over while they were frozen, with the last change
    /// before that.
    pub(crate) frozen: HashMap<u32, i64>,
}

impl History {
    /// From which change on the lease of a process could be taken over; `None`: never.
    pub(crate) fn may_be_lost_after(&self, pid: u32) -> Option<i64> {
        let ended = self.fates.get(&pid).map(|fate| fate.before);
        let frozen = self.frozen.get(&pid).copied();
        ended.into_iter().chain(frozen).min()
    }

    /// Whether the calls of a process failed, so that it may not know what the store did, nor the
    /// others what it had begun.
    pub(crate) fn had_errors(&self, pid: u32) -> bool {
        let fate = self.fates.get(&pid);
        fate.is_some_and(|fate| matches!(fate.under, Under::Errors(_)))
    }
}
