//! Where a host is, and what has to be done next. Pure: `now` is given, threads and locks
//! are the supervisor's.
//!
//! # Invariants
//!
//! 1. A service is begun only when everything that it needs is up, or is over
//!    after having been up.
//! 2. A service's stop is requested only when every service that needs it is over, or has
//!    had its time; and all of them at the deadline.
//! 3. Each incarnation passes through its lives in their order: `Starting`,
//!    `Unready`, `Up`, `ServiceOutcome`. It may leave some out.
//! 4. Once the stop has begun nothing is begun any more, so `Over` is final.
//! 5. A failure is recorded when it happens, on whatever way; only a restart takes
//!    it back from the exit code.

mod due;

pub(super) use due::TIME_TO_LEAVE;

use super::entry::{Entry, Lifecycle};
use super::failure::ServiceFailure;
use super::policy::{Decision, FailurePolicy};
use super::reason::StopReason;
use super::status::HostPhase;
use crate::clock::{Deadline, Freezes};
use crate::retry;
use std::collections::HashSet;
use std::time::{Duration, Instant};

pub(super) struct Machine {
    pub(super) entries: Vec<Entry>,
    pub(super) phase: HostPhase,
    pub(super) times: Times,
    /// The stop, once it has begun.
    pub(super) stop: Option<Stop>,
    /// The report is being made: what happens now is too late for it.
    pub(super) is_frozen: bool,
    /// Those of the thread that drives.
    pub(super) freezes: Freezes,
    /// With nothing left to wait for the host stops by itself.
    pub(super) ends_with_services: bool,
    /// Every failure but those before a service's latest, in the order they came.
    pub(super) failures: Vec<ServiceFailure>,
    /// Failures that are kept no longer. Their errors are the program's code, and are
    /// dropped by a service's thread without the lock.
    pub(super) evicted: Vec<ServiceFailure>,
    /// Pairs of services of which it was logged that the first is missing an `after`.
    pub(super) told_of_missing: HashSet<(usize, usize)>,
    /// How long the whole stop may take.
    total: Duration,
    /// Between readiness going off and the first service's stop.
    delay: Duration,
    actions: Vec<Action>,
}

/// When the host came to what.
#[derive(Clone, Copy, Default)]
pub(super) struct Times {
    pub(super) begun: Option<Instant>,
    pub(super) up: Option<Instant>,
    pub(super) told: Option<Instant>,
    pub(super) done: Option<Instant>,
}

pub(super) struct Stop {
    pub(super) began: Instant,
    pub(super) reason: StopReason,
    /// No service's stop is requested before.
    delay_until: Instant,
    pub(super) by: Deadline,
    pub(super) limit: Duration,
    /// The fraction of their promised time that services have: 1, unless a later request
    /// shortens the stop.
    scale: f64,
}

/// What a service's thread is to call next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Run,
    Stop,
    /// The service was abandoned: it is only dropped.
    Nothing,
}

/// What the supervisor has to do.
#[derive(Debug)]
pub(super) enum Action {
    /// Let the service's thread begin an incarnation.
    Begin(usize),
    /// Cancel the token of the service's incarnation.
    Cancel(usize),
    /// Cancel the host's token.
    CancelHost,
    Log(log::Level, String),
}

/// The number of failures kept of one service, the latest; others are only counted.
const MOST_FAILURES: usize = 16;

impl Machine {
    pub(super) fn new(entries: Vec<Entry>, total: Duration, delay: Duration) -> Machine {
        Machine {
            entries,
            phase: HostPhase::Built,
            times: Times::default(),
            stop: None,
            is_frozen: false,
            freezes: Freezes::default(),
            ends_with_services: false,
            failures: Vec::new(),
            evicted: Vec::new(),
            told_of_missing: HashSet::new(),
            total,
            delay,
            actions: Vec::new(),
        }
    }

    // What happens.

    /// The thread that drives looks again.
    pub(super) fn woke(&mut self, now: Instant) {
        if let Some(late) = self.freezes.woke(now) {
            let text = format!(
                "woke {:.3} s late: the process was stopped, or found no processor; starts and \
                 heartbeats have that much longer",
                late.as_secs_f64()
            );
            self.log(log::Level::Info, text);
        }
    }

    pub(super) fn begin(&mut self, now: Instant) {
        self.phase = HostPhase::Starting;
        self.times.begun = Some(now);
    }

    /// `start` has returned.
    pub(super) fn started(&mut self, index: usize, now: Instant) -> Next {
        let entry = &mut self.entries[index];
        if self.is_frozen {
            return Next::Nothing;
        }
        if entry.is_told() {
            return Next::Stop;
        }
        if self.stop.is_some() {
            // Its turn to stop has not come; it ends before that.
            let by = self.end_by(index, now);
            self.entries[index].live(Lifecycle::Ending { by }, now);
            return Next::Stop;
        }
        if matches!(entry.life, Lifecycle::Starting) {
            let terms = &entry.terms;
            match terms.signals_ready && !terms.only_starts && !entry.said_ready {
                true => entry.live(Lifecycle::Unready, now),
                false => self.up(index, now),
            }
        }
        if self.entries[index].terms.only_starts {
            self.returned(index, now);
            return Next::Stop;
        }
        Next::Run
    }

    pub(super) fn said_ready(&mut self, index: usize, now: Instant) {
        let entry = &mut self.entries[index];
        entry.said_ready = true;
        if matches!(entry.life, Lifecycle::Unready) && !entry.is_told() {
            self.up(index, now);
        }
    }

    fn up(&mut self, index: usize, now: Instant) {
        let entry = &mut self.entries[index];
        let took = now.saturating_duration_since(entry.since_begun);
        entry.took_start.get_or_insert(took);
        entry.has_been_up = true;
        entry.missed = false;
        self.evicted.extend(entry.unmended.take());
        entry.live(Lifecycle::Up, now);
        let text = format!(
            "service {:?} is up after {:.3} s",
            entry.name,
            took.as_secs_f64()
        );
        self.log(log::Level::Info, text);
    }

    /// Its work is done.
    fn returned(&mut self, index: usize, now: Instant) {
        let by = self.end_by(index, now);
        self.entries[index].returned = true;
        self.entries[index].live(Lifecycle::Ending { by }, now);
    }

    /// `run` has ended, by itself or on request, maybe with a failure.
    pub(super) fn run_ended(
        &mut self,
        index: usize,
        failure: Option<ServiceFailure>,
        now: Instant,
    ) -> Next {
        if self.is_frozen {
            self.evicted.extend(failure);
            return Next::Nothing;
        }
        self.work_ended(index, failure, now);
        Next::Stop
    }

    fn work_ended(&mut self, index: usize, failure: Option<ServiceFailure>, now: Instant) {
        let entry = &mut self.entries[index];
        let was_up = matches!(entry.life, Lifecycle::Up);
        let failure = match failure {
            // The service that asked for the stop need not wait for its turn.
            None if entry.is_told() || self.stop.is_some() => None,
            None if entry.terms.one_shot && was_up => return self.returned(index, now),
            None => Some(ServiceFailure::returned(&entry.name, was_up)),
            failure => failure,
        };
        if !entry.is_told() {
            let by = self.end_by(index, now);
            self.entries[index].live(Lifecycle::Ending { by }, now);
        }
        if let Some(failure) = failure {
            self.fail(index, failure, now);
        }
    }

    /// The incarnation is over and its value is gone; `failures` are that of its
    /// start or of its stop, and that of its drop. Its thread waits for what comes next.
    pub(super) fn ended(
        &mut self,
        index: usize,
        failures: impl IntoIterator<Item = ServiceFailure>,
        now: Instant,
    ) {
        if self.is_frozen {
            self.evicted.extend(failures);
            return;
        }
        for failure in failures {
            self.fail(index, failure, now);
        }
        let is_stopping = self.stop.is_some();
        let entry = &mut self.entries[index];
        let policy = entry.terms.policy;
        let is_recalled = entry.recalled;
        entry.recalled = false;
        match (&entry.failure, policy) {
            (Some(failure), FailurePolicy::Restart(restart))
                // What has done its work is not done again because its clean-up failed.
                if !is_stopping
                    && entry.has_been_up
                    && !entry.returned
                    && !failure.is_permanent() =>
            {
                match entry.count.decide(&restart, now, retry::random()) {
                    Decision::Again(pause) => {
                        let until = Deadline::after_from(now, pause);
                        entry.live(Lifecycle::Resting { until }, now);
                        let text = format!(
                            "service {:?} is started again in {:.3} s",
                            entry.name,
                            pause.as_secs_f64()
                        );
                        self.log(log::Level::Warn, text);
                        return;
                    }
                    Decision::GiveUp => {
                        let text = format!("service {:?} failed too often", entry.name);
                        self.log(log::Level::Error, text);
                        self.give_up(index, now);
                    }
                }
            }
            (Some(_), FailurePolicy::Ignore) if !is_stopping && entry.has_been_up => {
                self.log_ignored(index);
            }
            _ => {}
        }
        let entry = &mut self.entries[index];
        let told = entry.told.filter(|_| !is_recalled);
        entry.took_stop = match told {
            Some(told) => Some(now.saturating_duration_since(told)),
            None => (is_stopping && !entry.returned).then_some(Duration::ZERO),
        };
        entry.live(Lifecycle::Over, now);
    }

    /// Something of the service's panicked in its drop: its closure, when the service is over,
    /// or a handler, at any time: then the service goes on, as it does when an item panics. The
    /// report may be about to be made.
    pub(super) fn drop_panicked(&mut self, index: usize, failure: ServiceFailure, now: Instant) {
        match self.entries[index].life {
            _ if self.phase == HostPhase::Done => {}
            Lifecycle::Over => self.fail(index, failure, now),
            _ => self.record(index, &failure),
        }
    }

    fn log_ignored(&mut self, index: usize) {
        let name = &self.entries[index].name;
        let text = format!("service {name:?} is ignored from now on");
        self.log(log::Level::Warn, text);
    }

    fn fail(&mut self, index: usize, failure: ServiceFailure, now: Instant) {
        self.record(index, &failure);
        let gives_up = match self.entries[index].terms.policy {
            _ if !self.entries[index].has_been_up => true,
            FailurePolicy::StopHost => true,
            FailurePolicy::Restart(_) => failure.is_permanent() || self.entries[index].returned,
            FailurePolicy::Ignore => false,
        };
        if gives_up {
            self.give_up(index, now);
        }
    }

    fn record(&mut self, index: usize, failure: &ServiceFailure) {
        self.log(log::Level::Error, failure.to_string());
        let entry = &mut self.entries[index];
        entry.failed += 1;
        entry.last_message = Some(failure.message().to_owned());
        entry.failure.get_or_insert_with(|| failure.clone());
        let before = self
            .failures
            .iter()
            .filter(|other| other.service() == &*entry.name);
        if before.count() == MOST_FAILURES {
            let oldest = self
                .failures
                .iter()
                .position(|other| other.service() == &*entry.name);
            if let Some(oldest) = oldest {
                self.evicted.push(self.failures.remove(oldest));
            }
        }
        self.failures.push(failure.clone());
    }

    /// The host stops for what the service did.
    fn give_up(&mut self, index: usize, now: Instant) {
        let entry = &self.entries[index];
        let Some(failure) = entry.failure.clone() else {
            return;
        };
        let reason = match entry.has_been_up {
            true => StopReason::Failed(failure),
            false => StopReason::StartFailed(failure),
        };
        self.request_stop(reason, None, now);
    }

    /// Begins the stop, or tightens the one that has begun: it may take `limit` from
    /// now on, if that is shorter.
    pub(super) fn request_stop(
        &mut self,
        reason: StopReason,
        limit: Option<Duration>,
        now: Instant,
    ) {
        if self.phase == HostPhase::Done {
            return;
        }
        let whole = self.total.saturating_sub(self.delay);
        let limit = limit.unwrap_or(self.total).min(self.total);
        let by = Deadline::after_from(now, limit);
        if let Some(stop) = &mut self.stop {
            if by.earlier(stop.by) != stop.by {
                // A shortened stop has no time for the rest of a delay.
                (stop.by, stop.delay_until) = (by, now);
                stop.limit = now
                    .saturating_duration_since(stop.began)
                    .saturating_add(limit);
                stop.scale = scale(limit, whole);
            }
            return;
        }
        self.log(log::Level::Info, format!("stopping: {reason}"));
        let delay = match self.phase {
            HostPhase::Running if limit == self.total => self.delay,
            _ => Duration::ZERO,
        };
        self.stop = Some(Stop {
            began: now,
            reason,
            delay_until: now.checked_add(delay).unwrap_or(now),
            by,
            limit,
            scale: scale(limit, whole),
        });
        self.phase = HostPhase::Delaying;
        for entry in &mut self.entries {
            if matches!(entry.life, Lifecycle::Idle | Lifecycle::Resting { .. }) {
                entry.live(Lifecycle::Over, now);
            }
        }
        self.actions.push(Action::CancelHost);
    }

    // What others ask.

    /// The services whose thread has nothing left to do.
    pub(super) fn over(&self) -> impl Iterator<Item = usize> {
        let is_over = |index: &usize| matches!(self.entries[*index].life, Lifecycle::Over);
        (0..self.entries.len()).filter(is_over)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.phase == HostPhase::Running && self.entries.iter().all(Entry::is_there)
    }

    pub(super) fn is_alive(&self, now: Instant, beat: impl Fn(usize) -> Option<Instant>) -> bool {
        let heartbeat_overdue = |(index, entry): (usize, &Entry)| {
            matches!(entry.life, Lifecycle::Up)
                && !entry.is_told()
                && entry
                    .heartbeat_due(beat(index), &self.freezes, now)
                    .is_some_and(|due| due.has_passed(now))
        };
        self.phase != HostPhase::Done && !self.entries.iter().enumerate().any(heartbeat_overdue)
    }

    /// Something about the services that was seen elsewhere.
    pub(super) fn tell(&mut self, level: log::Level, text: String) {
        if !self.is_frozen {
            self.log(level, text);
        }
    }

    fn log(&mut self, level: log::Level, text: String) {
        self.actions.push(Action::Log(level, text));
    }
}

fn scale(limit: Duration, whole: Duration) -> f64 {
    match limit < whole {
        true => limit.as_secs_f64() / whole.as_secs_f64(),
        false => 1.0,
    }
}

#[cfg(test)]
mod tests;
