//! Where a host is, and what has to be done next. Pure: `now` is a parameter, and the threads
//! and the lock are the supervisor's.
//!
//! This file has what the services' threads and the program report; `due`, what the clock
//! brings; `stop_order`, in which order services are stopped, and when the report is due;
//! `entry`, one service; `stop`, the moments of the stop; `failure_log`, the failures.
//!
//! # Invariants
//!
//! 1. A service is begun only when everything that it needs is up, or is over
//!    after having been up.
//! 2. A service's stop is requested only when every service that needs it is over, or has
//!    had its time; and all of them at the deadline.
//! 3. Each incarnation passes through its lifecycle in this order: `Starting`,
//!    `Unready`, `Up`, `Ending`. It may leave some out.
//! 4. Once the stop has begun nothing is begun any more, so `Over` is final.
//! 5. A failure is recorded when it happens, on whatever way; only a restart takes
//!    it back from the exit code.

mod due;
mod entry;
mod failure_log;
mod stop;
mod stop_order;

pub(super) use entry::{Entry, Lifecycle, Options};
pub(super) use stop::StopLimits;

use super::failure::ServiceFailure;
use super::reason::StopReason;
use super::status::HostPhase;
use crate::clock::{Deadline, Freezes};
use crate::retry;
use crate::sync::{Arc, AtomicBool, Release};
use entry::AfterEnd;
use failure_log::FailureLog;
use std::collections::HashSet;
use std::time::{Duration, Instant};
use stop::Stop;

/// The time that a service has whose stop is requested only at the deadline.
pub(super) const TIME_TO_LEAVE: Duration = Duration::from_millis(20);

pub(super) struct Machine {
    pub(super) entries: Vec<Entry>,
    pub(super) phase: HostPhase,
    pub(super) times: Times,
    /// The stop, once it has begun.
    pub(super) stop: Option<Stop>,
    /// Whether it has begun, for the refusals of pools, queues and batchers. Set here, under the
    /// lock of the host's state, and so before anything that follows from the stop.
    pub(super) is_stopping: Arc<AtomicBool>,
    /// The report is being made: what happens now is too late for it.
    pub(super) is_frozen: bool,
    /// Times at which the thread that drives the host woke late.
    pub(super) freezes: Freezes,
    /// The host stops by itself when every service has returned.
    pub(super) ends_with_services: bool,
    pub(super) failures: FailureLog,
    /// Pairs of services of which it was logged that the first is missing an `after`.
    missing_after: HashSet<(usize, usize)>,
    limits: StopLimits,
    actions: Vec<Action>,
}

/// The moments of a host.
#[derive(Clone, Copy, Default)]
pub(super) struct Times {
    pub(super) begun: Option<Instant>,
    pub(super) up: Option<Instant>,
    /// The delay is over, and services are stopped.
    pub(super) stopping: Option<Instant>,
    pub(super) done: Option<Instant>,
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

impl Machine {
    pub(super) fn new(entries: Vec<Entry>, limits: StopLimits) -> Machine {
        Machine {
            entries,
            phase: HostPhase::Built,
            times: Times::default(),
            stop: None,
            is_stopping: Arc::default(),
            is_frozen: false,
            freezes: Freezes::default(),
            ends_with_services: false,
            failures: FailureLog::default(),
            missing_after: HashSet::new(),
            limits,
            actions: Vec::new(),
        }
    }

    // What the host does.

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

    /// Begins the stop, or tightens the one that has begun: it may take `limit` from now on,
    /// if that is shorter.
    pub(super) fn request_stop(
        &mut self,
        reason: StopReason,
        limit: Option<Duration>,
        now: Instant,
    ) {
        // The report has a reason, which stays.
        if self.phase == HostPhase::Done {
            return;
        }
        if let Some(stop) = &mut self.stop {
            return stop.tighten(limit, &self.limits, now);
        }
        self.log(log::Level::Info, format!("stopping: {reason}"));
        let was_ready = self.phase == HostPhase::Running;
        self.stop = Some(Stop::new(reason, limit, &self.limits, was_ready, now));
        self.is_stopping.store(true, Release);
        self.phase = HostPhase::Delaying;
        // Invariant 4: what has not begun never does.
        for entry in &mut self.entries {
            if matches!(entry.lifecycle, Lifecycle::Idle | Lifecycle::Resting { .. }) {
                entry.enter(Lifecycle::Over, now);
            }
        }
        self.actions.push(Action::CancelHost);
    }

    // What the services' threads report.

    /// `start` has returned.
    pub(super) fn started(&mut self, index: usize, now: Instant) -> Next {
        if self.is_frozen {
            return Next::Nothing;
        }
        let entry = &mut self.entries[index];
        if entry.stop_request.is_some() {
            return Next::Stop;
        }
        if self.stop.is_some() {
            // Its turn to stop has not come; it ends before that.
            self.end(index, now);
            return Next::Stop;
        }
        // It is up already if `start` has called `ready`.
        if matches!(entry.lifecycle, Lifecycle::Starting) {
            match entry.waits_for_ready() {
                true => entry.enter(Lifecycle::Unready, now),
                false => self.up(index, now),
            }
        }
        if self.entries[index].options.only_starts {
            self.returned(index, now);
            return Next::Stop;
        }
        Next::Run
    }

    /// The service has called `ready`, from `start` or from `run`.
    pub(super) fn ready(&mut self, index: usize, now: Instant) {
        let entry = &mut self.entries[index];
        entry.is_ready_signalled = true;
        // Invariant 3: from `start` it counts once that has returned.
        if matches!(entry.lifecycle, Lifecycle::Unready) && entry.stop_request.is_none() {
            self.up(index, now);
        }
    }

    fn up(&mut self, index: usize, now: Instant) {
        let entry = &mut self.entries[index];
        let (took, mended) = entry.come_up(now);
        let (name, took) = (&entry.name, took.as_secs_f64());
        let text = format!("service {name:?} is up after {took:.3} s");
        self.failures.evict(mended);
        self.log(log::Level::Info, text);
    }

    /// `run` has ended, by itself or on request, maybe with a failure.
    pub(super) fn run_ended(
        &mut self,
        index: usize,
        failure: Option<ServiceFailure>,
        now: Instant,
    ) -> Next {
        if self.is_frozen {
            self.failures.evict(failure);
            return Next::Nothing;
        }
        let entry = &self.entries[index];
        let is_requested = entry.stop_request.is_some() || self.stop.is_some();
        let was_up = matches!(entry.lifecycle, Lifecycle::Up);
        let failure = match failure {
            // A service that asked the host to stop need not wait for its turn.
            None if is_requested => None,
            None if entry.options.one_shot && was_up => {
                self.returned(index, now);
                return Next::Stop;
            }
            None => Some(ServiceFailure::returned(&entry.name, was_up)),
            failure => failure,
        };
        // After a request it has the time of that, not a new limit.
        if entry.stop_request.is_none() {
            self.end(index, now);
        }
        if let Some(failure) = failure {
            self.fail(index, failure, now);
        }
        Next::Stop
    }

    /// Its work is done.
    fn returned(&mut self, index: usize, now: Instant) {
        self.entries[index].has_returned = true;
        self.end(index, now);
    }

    fn end(&mut self, index: usize, now: Instant) {
        let by = Deadline::after_from(now, self.end_limit(index));
        self.entries[index].enter(Lifecycle::Ending { by }, now);
    }

    /// How long a service may take that ends outside of a stop.
    fn end_limit(&self, index: usize) -> Duration {
        let total = self.limits.total;
        let own = self.entries[index].options.stop_timeout;
        own.map_or(total, |own| own.min(total))
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
            self.failures.evict(failures);
            return;
        }
        for failure in failures {
            self.fail(index, failure, now);
        }
        let is_stopping = self.stop.is_some();
        let entry = &mut self.entries[index];
        // Drawn here, so that the decision is pure.
        let after = entry.decide_after_end(is_stopping, now, retry::random());
        self.log_after_end(index, after);
        match after {
            AfterEnd::Restart(pause) => {
                let until = Deadline::after_from(now, pause);
                self.entries[index].enter(Lifecycle::Resting { until }, now);
                return;
            }
            AfterEnd::GiveUp => self.give_up(index, now),
            AfterEnd::Ignore | AfterEnd::Over => {}
        }
        self.entries[index].finish(is_stopping, now);
    }

    fn log_after_end(&mut self, index: usize, after: AfterEnd) {
        let name = &self.entries[index].name;
        let (level, text) = match after {
            AfterEnd::Restart(pause) => {
                let pause = pause.as_secs_f64();
                let text = format!("service {name:?} is started again in {pause:.3} s");
                (log::Level::Warn, text)
            }
            AfterEnd::GiveUp => {
                let text = format!("service {name:?} failed too often");
                (log::Level::Error, text)
            }
            AfterEnd::Ignore => {
                let text = format!("service {name:?} is ignored from now on");
                (log::Level::Warn, text)
            }
            AfterEnd::Over => return,
        };
        self.log(level, text);
    }

    /// Some of the service's code panicked in its drop: its closure, when the service is over,
    /// or a handler, at any time: then the service goes on, as it does when an item panics. The
    /// report may be about to be made.
    pub(super) fn drop_panicked(&mut self, index: usize, failure: ServiceFailure, now: Instant) {
        match self.entries[index].is_over() {
            _ if self.phase == HostPhase::Done => {}
            true => self.fail(index, failure, now),
            false => self.record(index, &failure),
        }
    }

    // Failures.

    fn fail(&mut self, index: usize, failure: ServiceFailure, now: Instant) {
        self.record(index, &failure);
        if self.entries[index].gives_up_on(&failure) {
            self.give_up(index, now);
        }
    }

    /// Invariant 5: whatever follows, the failure is logged, counted and kept.
    fn record(&mut self, index: usize, failure: &ServiceFailure) {
        self.log(log::Level::Error, failure.to_string());
        let entry = &mut self.entries[index];
        entry.failure_count += 1;
        entry.last_message = Some(failure.message().to_owned());
        // The first one is the cause; a failed `stop` or drop after it mostly follows from it.
        entry.failure.get_or_insert_with(|| failure.clone());
        self.failures.push(failure.clone());
    }

    /// The host stops because of the service's failure.
    fn give_up(&mut self, index: usize, now: Instant) {
        let entry = &self.entries[index];
        // Only a failure leads here, and it was recorded.
        let Some(failure) = entry.failure.clone() else {
            return;
        };
        let reason = match entry.has_been_up {
            true => StopReason::Failed(failure),
            false => StopReason::StartFailed(failure),
        };
        self.request_stop(reason, None, now);
    }

    // What others ask.

    /// The services whose thread has nothing left to do.
    pub(super) fn over(&self) -> impl Iterator<Item = usize> {
        let is_over = |index: &usize| self.entries[*index].is_over();
        (0..self.entries.len()).filter(is_over)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.phase == HostPhase::Running && self.entries.iter().all(Entry::is_available)
    }

    pub(super) fn is_alive(
        &self,
        now: Instant,
        heartbeat: impl Fn(usize) -> Option<Instant>,
    ) -> bool {
        let is_overdue = |(index, entry): (usize, &Entry)| {
            entry.is_heartbeat_overdue(heartbeat(index), &self.freezes, now)
        };
        self.phase != HostPhase::Done && !self.entries.iter().enumerate().any(is_overdue)
    }

    /// A service was cut short by the stop of another one. That is logged as a mistake of the
    /// program, once, if it is missing an `after`; else as a matter of course.
    pub(super) fn cut_short(&mut self, index: usize, needed: Option<usize>, error: &str) {
        if self.is_frozen {
            return;
        }
        let name = self.entries[index].name.clone();
        let missing = needed.filter(|needed| {
            // A service that failed has stopped the others.
            !self.comes_after(index, *needed) && self.entries[*needed].failure.is_none()
        });
        let (level, text) = match missing {
            None => {
                let text = format!("service {name:?} was cut short by the stop: {error}");
                (log::Level::Info, text)
            }
            Some(needed) if self.missing_after.insert((index, needed)) => {
                let needed = &self.entries[needed].name;
                let text = format!(
                    "service {name:?} needed {needed:?}, which had stopped before it ({error}): \
                     declare {name:?} with `.after([{needed:?}])`"
                );
                (log::Level::Warn, text)
            }
            Some(_) => return,
        };
        self.log(level, text);
    }

    /// Whether the service is stopped before the other one: it needs that, itself or by way
    /// of others.
    fn comes_after(&self, index: usize, other: usize) -> bool {
        let mut seen = vec![false; self.entries.len()];
        let mut next = vec![index];
        while let Some(service) = next.pop() {
            if service == other {
                return true;
            }
            if !std::mem::replace(&mut seen[service], true) {
                next.extend(&self.entries[service].needs);
            }
        }
        false
    }

    fn log(&mut self, level: log::Level, text: String) {
        self.actions.push(Action::Log(level, text));
    }
}

#[cfg(test)]
mod tests;
