//! A task on a worker's stack.

use super::body::Watch;
use super::info::{Meta, TaskInfo};
use super::queued::Shared;
use crate::sync::Arc;
use std::time::Instant;

pub(crate) struct Running {
    what: What,
    /// When it began; maybe a few short tasks too early (see `Me::read_clock`).
    pub(crate) since: Instant,
    /// It was given a context, and so a token to look at.
    pub(crate) has_token: bool,
    /// How a report counted it before it ended.
    pub(super) settled: Option<Settled>,
}

enum What {
    /// Its identity, and its token and note once it has asked for them.
    Plain(Meta, Option<Arc<Watch>>),
    /// The state it shares with its handle.
    Shared(Arc<dyn Shared>),
}

/// How a report counts a task that still runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    Abandoned,
    /// It lies on the stack of a worker that is itself inside `stop`.
    Caller,
}

impl Running {
    #[inline]
    pub(super) fn plain(meta: Meta, since: Instant, has_token: bool) -> Running {
        Running::new(What::Plain(meta, None), since, has_token)
    }

    #[inline]
    pub(super) fn shared(cell: Arc<dyn Shared>, since: Instant, has_token: bool) -> Running {
        Running::new(What::Shared(cell), since, has_token)
    }

    #[inline]
    fn new(what: What, since: Instant, has_token: bool) -> Running {
        Running {
            what,
            since,
            has_token,
            settled: None,
        }
    }

    pub(super) fn meta(&self) -> &Meta {
        match &self.what {
            What::Plain(meta, _) => meta,
            What::Shared(cell) => cell.meta(),
        }
    }

    pub(crate) fn info(&self) -> TaskInfo {
        TaskInfo::new(self.meta(), 1)
    }

    /// What it shares with its handle, if it has one.
    pub(crate) fn cell(&self) -> Option<&Arc<dyn Shared>> {
        match &self.what {
            What::Plain(..) => None,
            What::Shared(cell) => Some(cell),
        }
    }

    fn watch(&self) -> Option<Arc<Watch>> {
        match &self.what {
            What::Plain(_, watch) => watch.clone(),
            What::Shared(cell) => cell.watch(),
        }
    }

    /// Its token and note, which `make` makes if it has not asked for them yet.
    pub(super) fn watch_or(&mut self, make: impl FnOnce() -> Arc<Watch>) -> Arc<Watch> {
        match &mut self.what {
            What::Plain(_, watch) => watch.get_or_insert_with(make).clone(),
            What::Shared(cell) => cell.watch_or(make()),
        }
    }

    pub(crate) fn note(&self) -> Option<Arc<str>> {
        self.watch().and_then(|watch| watch.note())
    }

    /// When its handle was asked to cancel it, or its own token was.
    pub(crate) fn cancel_asked(&self) -> Option<Instant> {
        let by_handle = self.cell().and_then(|cell| cell.cancel_asked());
        let by_token = self.watch().and_then(|watch| watch.cancelled_at());
        by_handle.into_iter().chain(by_token).min()
    }
}
