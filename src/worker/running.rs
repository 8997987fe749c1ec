//! A task on a worker's stack.

use super::control::{RunningCell, TaskControl};
use super::info::{Meta, Origin, TaskInfo};
use crate::sync::Arc;
use std::time::{Duration, Instant};

/// One place of the stack. Places are used again and again: what has to be
/// dropped is taken out at the end of a task, and the rest is written over,
/// field by field, which is much cheaper than to move the whole.
pub(crate) struct Running {
    pub(crate) meta: Meta,
    /// When it began; maybe a few short tasks too early (see `task_clock`).
    pub(crate) since: Instant,
    /// When the verb was called, if an observer is called for it; `None` as well when the
    /// task is another submit's than the first. Taken at its end, as is `on_top`: only a
    /// pool that is observed writes either.
    pub(crate) queued_at: Option<Instant>,
    /// How long its worker was busy with tasks on top of it, and their observers.
    pub(super) on_top: Duration,
    /// It was given a context, and so a token to check.
    pub(crate) has_token: bool,
    /// It has a limit for its time: what runs on top of it is none of that.
    pub(super) is_limited: bool,
    /// It has run longer than its limit and the grace after it.
    pub(crate) is_overrun: bool,
    /// How a report counted it before it ended.
    pub(super) settled: Option<Settled>,
    /// What it shares with its handle, if it has one.
    pub(crate) cell: Option<Arc<dyn RunningCell>>,
    /// Its token and note, once it has asked for them, if it has no handle.
    control: Option<Arc<TaskControl>>,
}

/// How a report counts a task that still runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    Abandoned,
    /// It lies on the stack of a worker that is itself inside `stop`.
    Stopping,
}

impl Running {
    /// A place for a task that begins now. Seldom: there is one for each depth.
    #[cold]
    #[inline(never)]
    pub(super) fn new(origin: Origin, type_name: fn() -> &'static str, since: Instant) -> Running {
        Running {
            meta: Meta {
                origin,
                type_name,
                name: None,
            },
            since,
            queued_at: None,
            on_top: Duration::ZERO,
            has_token: false,
            is_limited: false,
            is_overrun: false,
            settled: None,
            cell: None,
            control: None,
        }
    }

    /// Leaves the place for another task.
    #[inline]
    pub(super) fn end(&mut self) {
        self.settled = None;
        // For most tasks there is nothing more to write.
        if self.is_limited {
            self.is_limited = false;
            self.is_overrun = false;
            self.on_top = Duration::ZERO;
        }
        if self.meta.name.is_some() {
            self.meta.name = None;
        }
        if self.cell.is_some() {
            self.cell = None;
        }
        if self.control.is_some() {
            self.control = None;
        }
    }

    pub(crate) fn info(&self) -> TaskInfo {
        TaskInfo::new(&self.meta, self.attempts())
    }

    pub(super) fn attempts(&self) -> u32 {
        self.cell.as_ref().map_or(1, |cell| cell.attempts())
    }

    fn control(&self) -> Option<Arc<TaskControl>> {
        match &self.cell {
            Some(cell) => cell.control(),
            None => self.control.clone(),
        }
    }

    /// Its token and note, which `make` makes if it has not asked for them yet.
    pub(super) fn control_or(
        &mut self,
        make: impl FnOnce() -> Arc<TaskControl>,
    ) -> Arc<TaskControl> {
        match &self.cell {
            Some(cell) => cell.control_or(make()),
            None => self.control.get_or_insert_with(make).clone(),
        }
    }

    pub(crate) fn note(&self) -> Option<Arc<str>> {
        self.control().and_then(|control| control.note())
    }

    /// When its handle was asked to cancel it, or its own token was.
    pub(crate) fn cancel_requested(&self) -> Option<Instant> {
        let by_handle = self.cell.as_ref().and_then(|cell| cell.cancel_requested());
        let by_token = self.control().and_then(|control| control.cancelled_at());
        by_handle.into_iter().chain(by_token).min()
    }
}
