//! One service, as the machine knows it.

use super::failure::ServiceFailure;
use super::policy::{Count, FailurePolicy};
use crate::clock::{Deadline, Freezes, grown};
use crate::sync::Arc;
use std::time::{Duration, Instant};

/// What a service was registered with.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) start_timeout: Duration,
    pub(super) stop_timeout: Option<Duration>,
    pub(super) signals_ready: bool,
    pub(super) one_shot: bool,
    /// It works for others, as a pool and a queue do: alone it is no reason to go on.
    pub(super) serves: bool,
    /// It has a `start`, and no `run`.
    pub(super) only_starts: bool,
    pub(super) policy: FailurePolicy,
    pub(super) heartbeat: Option<Duration>,
    pub(super) heartbeat_fails: bool,
}

impl Terms {
    pub(super) const START_TIMEOUT: Duration = Duration::from_secs(30);

    pub(super) fn new() -> Terms {
        Terms {
            start_timeout: Terms::START_TIMEOUT,
            stop_timeout: None,
            signals_ready: false,
            one_shot: false,
            serves: false,
            only_starts: false,
            policy: FailurePolicy::default(),
            heartbeat: None,
            heartbeat_fails: false,
        }
    }
}

/// Where an incarnation of a service is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Lifecycle {
    /// To be begun when what it needs is up.
    Idle,
    /// Its value is being made, or `start` runs.
    Starting,
    /// `run` runs, and has not said that it is ready.
    Unready,
    Up,
    /// Its `run` has ended, or is asked to end, though the host does not stop.
    Ending {
        by: Deadline,
    },
    /// Waits for its restart.
    Resting {
        until: Deadline,
    },
    Over,
}

pub(super) struct Entry {
    pub(super) name: Arc<str>,
    pub(super) needs: Vec<usize>,
    pub(super) terms: Terms,
    /// What those that it needs may take to stop after it.
    pub(super) below: Duration,

    pub(super) life: Lifecycle,
    /// Since when it is in that life.
    pub(super) since: Option<Instant>,
    pub(super) since_begun: Instant,
    /// A thread has begun with it.
    pub(super) is_begun: bool,
    pub(super) has_been_up: bool,
    pub(super) said_ready: bool,
    /// Its work was done before its stop was requested.
    pub(super) returned: bool,
    /// When its token was cancelled.
    pub(super) told: Option<Instant>,
    /// It was asked to stop because of its own failure, not by the host's stop.
    pub(super) recalled: bool,
    /// Its thread is inside a `stop` of the host.
    pub(super) is_inside_stop: bool,
    /// The heartbeat is missing.
    pub(super) missed: bool,
    /// The first failure of this incarnation.
    pub(super) failure: Option<ServiceFailure>,
    /// That of the one before it, until this one is up.
    pub(super) unmended: Option<ServiceFailure>,
    /// What the latest failure of all incarnations said.
    pub(super) last_message: Option<String>,
    /// Of all incarnations.
    pub(super) failed: u64,
    pub(super) restarts: u64,
    pub(super) count: Count,
    pub(super) took_start: Option<Duration>,
    pub(super) took_stop: Option<Duration>,
}

impl Entry {
    pub(super) fn new(name: Arc<str>, terms: Terms, now: Instant) -> Entry {
        Entry {
            name,
            needs: Vec::new(),
            terms,
            below: Duration::ZERO,
            life: Lifecycle::Idle,
            since: None,
            since_begun: now,
            is_begun: false,
            has_been_up: false,
            said_ready: false,
            returned: false,
            told: None,
            recalled: false,
            is_inside_stop: false,
            missed: false,
            failure: None,
            unmended: None,
            last_message: None,
            failed: 0,
            restarts: 0,
            count: Count::default(),
            took_start: None,
            took_stop: None,
        }
    }

    pub(super) fn live(&mut self, life: Lifecycle, now: Instant) {
        self.life = life;
        self.since = Some(now);
    }

    /// A new incarnation; returns a failure that is kept no longer.
    pub(super) fn begin(&mut self, now: Instant) -> Option<ServiceFailure> {
        let older = match self.failure.take() {
            Some(failure) => self.unmended.replace(failure),
            None => None,
        };
        self.live(Lifecycle::Starting, now);
        self.since_begun = now;
        self.said_ready = false;
        self.returned = false;
        self.told = None;
        self.recalled = false;
        self.missed = false;
        older
    }

    /// What has failed and was not followed by a successful restart.
    pub(super) fn open_failure(&self) -> Option<&ServiceFailure> {
        self.failure.as_ref().or(self.unmended.as_ref())
    }

    pub(super) fn is_told(&self) -> bool {
        self.told.is_some()
    }

    /// Up, or done with its work, or over in a way that the others go on without it.
    pub(super) fn is_there(&self) -> bool {
        match self.life {
            Lifecycle::Up => true,
            Lifecycle::Ending { .. } => {
                self.returned || (self.has_been_up && self.terms.policy == FailurePolicy::Ignore)
            }
            Lifecycle::Over => self.has_been_up,
            _ => false,
        }
    }

    /// When the next heartbeat is due, if one was declared. What its judge missed since the
    /// last one is forgiven.
    pub(super) fn heartbeat_due(
        &self,
        beat: Option<Instant>,
        judge: &Freezes,
        now: Instant,
    ) -> Option<Deadline> {
        let last = self.since?.max(beat.unwrap_or(self.since?));
        let limit = grown(self.terms.heartbeat?, judge.since(last, now));
        Some(Deadline::after_from(last, limit))
    }

    /// By when it has to be up, if it was begun and is not. What its judge missed since then
    /// is forgiven.
    pub(super) fn start_due(&self, judge: &Freezes, now: Instant) -> Option<Deadline> {
        if !matches!(self.life, Lifecycle::Starting | Lifecycle::Unready) {
            return None;
        }
        let limit = grown(self.terms.start_timeout, judge.since(self.since_begun, now));
        Some(Deadline::after_from(self.since_begun, limit))
    }
}
