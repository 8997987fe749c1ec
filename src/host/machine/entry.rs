//! One service, as the machine knows it.

use crate::clock::{Deadline, Freezes, grown};
use crate::host::failure::ServiceFailure;
use crate::host::policy::{Decision, FailureCounter, FailurePolicy};
use crate::sync::Arc;
use std::time::{Duration, Instant};

/// What a service was registered with.
#[derive(Clone, Debug)]
pub(in crate::host) struct Options {
    pub(in crate::host) start_timeout: Duration,
    pub(in crate::host) stop_timeout: Option<Duration>,
    pub(in crate::host) signals_ready: bool,
    pub(in crate::host) one_shot: bool,
    /// It works for others, as a pool and a queue do: alone it is no reason to go on.
    pub(in crate::host) serves_others: bool,
    /// It has a `start`, and no `run`.
    pub(in crate::host) only_starts: bool,
    pub(in crate::host) policy: FailurePolicy,
    pub(in crate::host) heartbeat_timeout: Option<Duration>,
    pub(in crate::host) fails_on_missed_heartbeat: bool,
}

impl Options {
    pub(in crate::host) const START_TIMEOUT: Duration = Duration::from_secs(30);

    pub(in crate::host) fn new() -> Options {
        Options {
            start_timeout: Options::START_TIMEOUT,
            stop_timeout: None,
            signals_ready: false,
            one_shot: false,
            serves_others: false,
            only_starts: false,
            policy: FailurePolicy::default(),
            heartbeat_timeout: None,
            fails_on_missed_heartbeat: false,
        }
    }
}

/// Where an incarnation of a service is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::host) enum Lifecycle {
    /// Begins when the services that it needs are up.
    Idle,
    /// Its value is being made, or `start` runs.
    Starting,
    /// `run` runs, and has not called `ready` yet.
    Unready,
    Up,
    /// Its `run` has ended, or was asked to end, though the host does not stop.
    Ending {
        by: Deadline,
    },
    /// Waits for its restart.
    Resting {
        until: Deadline,
    },
    Over,
}

/// Why the service's stop was requested, and when. Since then its token is cancelled.
#[derive(Clone, Copy, Debug)]
pub(in crate::host) enum StopRequest {
    /// By the host's stop, in the service's turn.
    ByHost(Instant),
    /// Its start took too long, or its heartbeat was missed.
    ForTimeout(Instant),
}

/// What follows the end of an incarnation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum AfterEnd {
    /// Another incarnation, after this pause.
    Restart(Duration),
    /// It failed too often.
    GiveUp,
    /// It failed, and the others go on without it.
    Ignore,
    /// Nothing: it did its work, or the host stops.
    Over,
}

pub(in crate::host) struct Entry {
    pub(in crate::host) name: Arc<str>,
    pub(in crate::host) needs: Vec<usize>,
    pub(in crate::host) options: Options,
    /// What those that it needs may take to stop after it.
    pub(in crate::host) below: Duration,

    pub(in crate::host) lifecycle: Lifecycle,
    /// When `lifecycle` changed.
    pub(in crate::host) since: Option<Instant>,
    pub(super) since_begun: Instant,
    /// A thread has begun with it.
    pub(in crate::host) is_begun: bool,
    pub(in crate::host) has_been_up: bool,
    pub(super) is_ready_signalled: bool,
    /// Its work was done before its stop was requested.
    pub(in crate::host) has_returned: bool,
    pub(in crate::host) stop_request: Option<StopRequest>,
    /// Its thread is inside a `stop` of the host.
    pub(in crate::host) is_inside_stop: bool,
    /// A missed heartbeat was reported.
    pub(super) is_heartbeat_missed: bool,
    /// The first failure of this incarnation.
    pub(in crate::host) failure: Option<ServiceFailure>,
    /// The failure of the incarnation before, until this one is up.
    pub(super) unmended: Option<ServiceFailure>,
    /// The message of the latest failure of all incarnations.
    pub(in crate::host) last_message: Option<String>,
    /// Failures of all incarnations.
    pub(in crate::host) failure_count: u64,
    pub(in crate::host) restarts: u64,
    pub(super) counter: FailureCounter,
    pub(in crate::host) start_took: Option<Duration>,
    pub(in crate::host) stop_took: Option<Duration>,
}

impl Entry {
    pub(in crate::host) fn new(name: Arc<str>, options: Options, now: Instant) -> Entry {
        Entry {
            name,
            needs: Vec::new(),
            options,
            below: Duration::ZERO,
            lifecycle: Lifecycle::Idle,
            since: None,
            since_begun: now,
            is_begun: false,
            has_been_up: false,
            is_ready_signalled: false,
            has_returned: false,
            stop_request: None,
            is_inside_stop: false,
            is_heartbeat_missed: false,
            failure: None,
            unmended: None,
            last_message: None,
            failure_count: 0,
            restarts: 0,
            counter: FailureCounter::default(),
            start_took: None,
            stop_took: None,
        }
    }

    // Changes.

    pub(super) fn enter(&mut self, lifecycle: Lifecycle, now: Instant) {
        self.lifecycle = lifecycle;
        self.since = Some(now);
    }

    /// A new incarnation. Returns a failure that is kept no longer.
    pub(super) fn begin(&mut self, now: Instant) -> Option<ServiceFailure> {
        // Until this incarnation is up, the service counts as failed.
        let older = match self.failure.take() {
            Some(failure) => self.unmended.replace(failure),
            None => None,
        };
        self.enter(Lifecycle::Starting, now);
        self.since_begun = now;
        self.is_ready_signalled = false;
        self.has_returned = false;
        self.stop_request = None;
        self.is_heartbeat_missed = false;
        older
    }

    /// Returns how long the start took, and a failure that is kept no longer.
    pub(super) fn come_up(&mut self, now: Instant) -> (Duration, Option<ServiceFailure>) {
        let took = now.saturating_duration_since(self.since_begun);
        // That of the first start: restarts are shown by their number.
        self.start_took.get_or_insert(took);
        self.has_been_up = true;
        self.is_heartbeat_missed = false;
        self.enter(Lifecycle::Up, now);
        (took, self.unmended.take())
    }

    /// The last incarnation is over.
    pub(super) fn finish(&mut self, is_stopping: bool, now: Instant) {
        self.stop_took = match self.stop_requested_by_host() {
            Some(requested) => Some(now.saturating_duration_since(requested)),
            None => (is_stopping && !self.has_returned).then_some(Duration::ZERO),
        };
        self.enter(Lifecycle::Over, now);
    }

    /// Decides what follows the end of an incarnation. Counts its failure. `random`: from 0
    /// to 1.
    pub(super) fn decide_after_end(
        &mut self,
        is_stopping: bool,
        now: Instant,
        random: f64,
    ) -> AfterEnd {
        let Some(failure) = &self.failure else {
            return AfterEnd::Over;
        };
        if is_stopping || !self.has_been_up {
            return AfterEnd::Over;
        }
        match self.options.policy {
            FailurePolicy::Ignore => AfterEnd::Ignore,
            // What has done its work is not done again because its clean-up failed.
            FailurePolicy::Restart(restart) if !self.has_returned && !failure.is_permanent() => {
                match self.counter.decide(&restart, now, random) {
                    Decision::Restart(pause) => AfterEnd::Restart(pause),
                    Decision::GiveUp => AfterEnd::GiveUp,
                }
            }
            FailurePolicy::Restart(_) | FailurePolicy::StopHost => AfterEnd::Over,
        }
    }

    // What it is.

    /// A failure that was not followed by a successful restart.
    pub(in crate::host) fn open_failure(&self) -> Option<&ServiceFailure> {
        self.failure.as_ref().or(self.unmended.as_ref())
    }

    /// Whether a failure of this service stops the host, or ends it for good.
    pub(super) fn gives_up_on(&self, failure: &ServiceFailure) -> bool {
        match self.options.policy {
            _ if !self.has_been_up => true,
            FailurePolicy::StopHost => true,
            FailurePolicy::Restart(_) => failure.is_permanent() || self.has_returned,
            FailurePolicy::Ignore => false,
        }
    }

    pub(in crate::host) fn is_over(&self) -> bool {
        matches!(self.lifecycle, Lifecycle::Over)
    }

    /// Whether it waits until the service calls `ready`.
    pub(super) fn waits_for_ready(&self) -> bool {
        self.options.signals_ready && !self.options.only_starts && !self.is_ready_signalled
    }

    /// When its stop was requested, for whatever reason.
    pub(in crate::host) fn stop_requested(&self) -> Option<Instant> {
        match self.stop_request? {
            StopRequest::ByHost(requested) | StopRequest::ForTimeout(requested) => Some(requested),
        }
    }

    /// When its turn in the host's stop came.
    pub(in crate::host) fn stop_requested_by_host(&self) -> Option<Instant> {
        match self.stop_request? {
            StopRequest::ByHost(requested) => Some(requested),
            StopRequest::ForTimeout(_) => None,
        }
    }

    /// Up, or done with its work, or over in a way that the others go on without it.
    pub(in crate::host) fn is_available(&self) -> bool {
        match self.lifecycle {
            Lifecycle::Up => true,
            Lifecycle::Ending { .. } => {
                let is_ignored = self.options.policy == FailurePolicy::Ignore;
                self.has_returned || (self.has_been_up && is_ignored)
            }
            Lifecycle::Over => self.has_been_up,
            Lifecycle::Idle
            | Lifecycle::Starting
            | Lifecycle::Unready
            | Lifecycle::Resting { .. } => false,
        }
    }

    // What it has time for. The time for which the process was frozen, as the thread that
    // drives the host has found, does not count.

    /// When the next heartbeat is due, if one was declared.
    pub(in crate::host) fn heartbeat_due(
        &self,
        last: Option<Instant>,
        freezes: &Freezes,
        now: Instant,
    ) -> Option<Deadline> {
        let since = self.since?;
        let last = last.map_or(since, |last| last.max(since));
        let limit = grown(self.options.heartbeat_timeout?, freezes.since(last, now));
        Some(Deadline::after_from(last, limit))
    }

    /// Whether its heartbeat is overdue: only that of a service that is up, and is to stay so.
    pub(in crate::host) fn is_heartbeat_overdue(
        &self,
        last: Option<Instant>,
        freezes: &Freezes,
        now: Instant,
    ) -> bool {
        matches!(self.lifecycle, Lifecycle::Up)
            && self.stop_request.is_none()
            && self
                .heartbeat_due(last, freezes, now)
                .is_some_and(|due| due.has_passed(now))
    }

    /// By when this incarnation has to be up.
    pub(super) fn start_due(&self, freezes: &Freezes, now: Instant) -> Deadline {
        let frozen = freezes.since(self.since_begun, now);
        Deadline::after_from(self.since_begun, grown(self.options.start_timeout, frozen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::host::failure::FailedIn;
    use crate::host::policy::Restart;

    /// A service that was up and has failed.
    fn failed(policy: impl Into<FailurePolicy>) -> Entry {
        let mut options = Options::new();
        options.policy = policy.into();
        let mut entry = Entry::new("web".into(), options, clock::now());
        entry.has_been_up = true;
        let name = entry.name.clone();
        entry.failure = Some(ServiceFailure::of_error(
            &name,
            FailedIn::Run,
            "disk full".into(),
        ));
        entry
    }

    #[test]
    fn only_a_service_that_failed_after_it_was_up_is_restarted_and_none_in_a_stop() {
        let now = clock::now();
        let mut entry = failed(Restart::new());
        let after = entry.decide_after_end(false, now, 0.0);
        assert!(matches!(after, AfterEnd::Restart(_)), "{after:?}");
        assert_eq!(entry.decide_after_end(true, now, 0.0), AfterEnd::Over);
        entry.has_returned = true;
        assert_eq!(entry.decide_after_end(false, now, 0.0), AfterEnd::Over);
        let mut never_up = failed(Restart::new());
        never_up.has_been_up = false;
        assert_eq!(never_up.decide_after_end(false, now, 0.0), AfterEnd::Over);
        let mut well = failed(Restart::new());
        well.failure = None;
        assert_eq!(well.decide_after_end(false, now, 0.0), AfterEnd::Over);
    }

    #[test]
    fn a_service_that_fails_too_often_is_given_up_and_one_that_is_ignored_never() {
        let now = clock::now();
        let mut entry = failed(Restart::new().limit(0, Duration::from_secs(1)));
        assert_eq!(entry.decide_after_end(false, now, 0.0), AfterEnd::GiveUp);
        let mut entry = failed(FailurePolicy::Ignore);
        assert_eq!(entry.decide_after_end(false, now, 0.0), AfterEnd::Ignore);
        let mut entry = failed(FailurePolicy::StopHost);
        assert_eq!(entry.decide_after_end(false, now, 0.0), AfterEnd::Over);
    }
}
