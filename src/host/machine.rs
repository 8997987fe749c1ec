//! Where a host is, and what is to be done next. Pure: `now` is given, threads
//! and locks are the supervisor's.
//!
//! # Invariants
//!
//! 1. A service is begun only when everything that it needs is up, or is over
//!    after having been up.
//! 2. A service is told to stop only when everybody who needs it is over, or has
//!    had its time; and everybody at the deadline.
//! 3. Each incarnation passes through its lives in their order: `Starting`,
//!    `Unready`, `Up`, `Ending`. It may leave some out.
//! 4. Once the stop has begun nothing is begun any more, so `Over` is final.
//! 5. A failure is recorded when it happens, on whatever way; only a restart takes
//!    it back from the exit code.

use super::entry::{Entry, Life};
use super::failure::{During, Failure};
use super::policy::{Decision, FailurePolicy};
use super::reason::StopReason;
use super::status::HostPhase;
use crate::clock::Deadline;
use crate::retry;
use std::time::{Duration, Instant};

pub(super) struct Machine {
    pub(super) entries: Vec<Entry>,
    pub(super) phase: HostPhase,
    pub(super) times: Times,
    /// The stop, once it has begun.
    pub(super) stop: Option<Stop>,
    /// With nothing left to wait for the host stops by itself.
    pub(super) ends_with_services: bool,
    /// Every failure but those before a service's latest, in the order they came.
    pub(super) failures: Vec<Failure>,
    /// Failures that are kept no longer. Their errors are the program's code, and are
    /// dropped by a service's thread without the lock.
    pub(super) evicted: Vec<Failure>,
    /// How long the whole stop may take.
    total: Duration,
    /// Between readiness going off and the first service being told.
    delay: Duration,
    /// What the longest chain needs to stop.
    longest: Duration,
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
    /// Nobody is told before.
    delay_until: Instant,
    pub(super) by: Deadline,
    pub(super) limit: Duration,
}

/// What the supervisor is to do.
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

/// So many failures of one service are kept, the latest; those are counted that
/// are not.
const MOST_FAILURES: usize = 16;
/// Who is told to stop only at the deadline has so long to do it.
const TIME_TO_LEAVE: Duration = Duration::from_millis(5);

impl Machine {
    pub(super) fn new(entries: Vec<Entry>, total: Duration, delay: Duration) -> Machine {
        let longest = entries
            .iter()
            .map(|entry| entry.least.saturating_add(entry.below))
            .max();
        Machine {
            entries,
            phase: HostPhase::Built,
            times: Times::default(),
            stop: None,
            ends_with_services: false,
            failures: Vec::new(),
            evicted: Vec::new(),
            total,
            delay,
            longest: longest.unwrap_or_default(),
            actions: Vec::new(),
        }
    }

    // What happens.

    pub(super) fn begin(&mut self, now: Instant) {
        self.phase = HostPhase::Starting;
        self.times.begun = Some(now);
    }

    /// `start` has returned. Whether `run` is to be called.
    pub(super) fn started(&mut self, index: usize, now: Instant) -> bool {
        let entry = &mut self.entries[index];
        if entry.is_told() || self.phase == HostPhase::Done {
            return false;
        }
        if self.stop.is_some() {
            // Its turn to be told comes yet; it ends before that.
            let by = self.end_by(index, now);
            self.entries[index].live(Life::Ending { by }, now);
            return false;
        }
        if let Life::Starting { by } = entry.life {
            let terms = &entry.terms;
            match terms.says_when_ready && !terms.only_starts && !entry.said_ready {
                true => entry.live(Life::Unready { by }, now),
                false => self.up(index, now),
            }
        }
        if self.entries[index].terms.only_starts {
            self.returned(index, now);
            return false;
        }
        true
    }

    pub(super) fn said_ready(&mut self, index: usize, now: Instant) {
        let entry = &mut self.entries[index];
        entry.said_ready = true;
        if matches!(entry.life, Life::Unready { .. }) && !entry.is_told() {
            self.up(index, now);
        }
    }

    fn up(&mut self, index: usize, now: Instant) {
        let entry = &mut self.entries[index];
        let took = now.saturating_duration_since(entry.since_begun);
        entry.took_start.get_or_insert(took);
        entry.has_been_up = true;
        entry.missed = false;
        entry.live(Life::Up, now);
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
        self.entries[index].live(Life::Ending { by }, now);
    }

    /// `run` has ended, by itself or told to, maybe with a failure; `stop` is called
    /// next.
    pub(super) fn run_ended(&mut self, index: usize, failure: Option<Failure>, now: Instant) {
        let entry = &mut self.entries[index];
        if self.phase == HostPhase::Done {
            return;
        }
        let was_up = matches!(entry.life, Life::Up);
        let failure = match failure {
            // Whoever asked for the stop need not wait to be told.
            None if entry.is_told() || self.stop.is_some() => None,
            None if entry.terms.one_shot && was_up => return self.returned(index, now),
            None => Some(Failure::returned(&entry.name)),
            failure => failure,
        };
        if !entry.is_told() {
            let by = self.end_by(index, now);
            self.entries[index].live(Life::Ending { by }, now);
        }
        if let Some(failure) = failure {
            self.fail(index, failure, now);
        }
    }

    /// The incarnation is over and its value is gone; `failure` is that of its
    /// start or of its stop. Its thread waits for what comes next.
    pub(super) fn ended(&mut self, index: usize, failure: Option<Failure>, now: Instant) {
        if self.phase == HostPhase::Done {
            return;
        }
        if let Some(failure) = failure {
            self.fail(index, failure, now);
        }
        let is_stopping = self.stop.is_some();
        let entry = &mut self.entries[index];
        let policy = entry.terms.policy;
        let is_recalled = entry.recalled;
        entry.recalled = false;
        match (&entry.failure, policy) {
            (Some(failure), FailurePolicy::Restart(restart))
                if !is_stopping && entry.has_been_up && !failure.is_permanent() =>
            {
                match entry.count.decide(&restart, now, retry::random()) {
                    Decision::Again(pause) => {
                        let until = Deadline::after_from(now, pause);
                        entry.live(Life::Resting { until }, now);
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
                let text = format!("service {:?} is ignored from now on", entry.name);
                self.log(log::Level::Warn, text);
            }
            _ => {}
        }
        let entry = &mut self.entries[index];
        let told = entry.told.filter(|_| !is_recalled);
        entry.took_stop = told.map(|told| now.saturating_duration_since(told));
        entry.live(Life::Over, now);
    }

    fn fail(&mut self, index: usize, failure: Failure, now: Instant) {
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
        let gives_up = match self.entries[index].terms.policy {
            _ if !self.entries[index].has_been_up => true,
            FailurePolicy::StopHost => true,
            FailurePolicy::Restart(_) => failure.is_permanent(),
            FailurePolicy::Ignore => false,
        };
        if gives_up {
            self.give_up(index, now);
        }
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
        let limit = limit.unwrap_or(self.total).min(self.total);
        let by = Deadline::after_from(now, limit);
        if let Some(stop) = &mut self.stop {
            if by.earlier(stop.by) != stop.by {
                stop.by = by;
                stop.limit = now
                    .saturating_duration_since(stop.began)
                    .saturating_add(limit);
            }
            return;
        }
        self.log(log::Level::Info, format!("stopping: {reason}"));
        let delay = match self.phase {
            HostPhase::Running => self.delay,
            _ => Duration::ZERO,
        };
        self.stop = Some(Stop {
            began: now,
            reason,
            delay_until: now.checked_add(delay).unwrap_or(now),
            by,
            limit,
        });
        self.phase = HostPhase::Delaying;
        for entry in &mut self.entries {
            if matches!(entry.life, Life::Idle | Life::Resting { .. }) {
                entry.live(Life::Over, now);
            }
        }
        self.actions.push(Action::CancelHost);
    }

    // What is to be done.

    /// Moves on as far as it goes at `now`. `beat` is when a service's heart last
    /// beat. Returns what is to be done, and when to look again at the latest.
    pub(super) fn advance(
        &mut self,
        now: Instant,
        beat: impl Fn(usize) -> Option<Instant>,
    ) -> (Vec<Action>, Deadline) {
        for index in 0..self.entries.len() {
            self.keep_time(index, now, &beat);
        }
        self.begin_services(now);
        self.tell_services(now);
        let actions = std::mem::take(&mut self.actions);
        (actions, self.wake(now, beat))
    }

    /// Looks whether the service has kept its limits.
    fn keep_time(&mut self, index: usize, now: Instant, beat: &impl Fn(usize) -> Option<Instant>) {
        let entry = &mut self.entries[index];
        if entry.is_told() && !entry.recalled {
            return;
        }
        let name = &entry.name;
        match entry.life {
            Life::Starting { by } | Life::Unready { by } if by.has_passed(now) => {
                let what = match entry.life {
                    Life::Starting { .. } => "has not started",
                    _ => "has not said that it is ready",
                };
                let limit = crate::table::trimmed(entry.terms.start_timeout);
                let failure =
                    Failure::of_time(name, During::Start, format!("{what} within {limit}"));
                self.recall(index, failure, now);
            }
            Life::Up => {
                let Some(due) = entry.heartbeat_due(beat(index)) else {
                    return;
                };
                if due.has_passed(now) && !entry.missed {
                    entry.missed = true;
                    let silent = crate::table::trimmed(entry.terms.heartbeat.unwrap_or_default());
                    let text = format!("no heartbeat for {silent}");
                    if entry.terms.heartbeat_fails {
                        let failure = Failure::of_time(name, During::Run, text);
                        self.recall(index, failure, now);
                    } else {
                        let text = format!("service {name:?}: {text}");
                        self.log(log::Level::Warn, text);
                    }
                } else if entry.missed && !due.has_passed(now) {
                    entry.missed = false;
                    let text = format!("service {name:?}: its heart beats again");
                    self.log(log::Level::Info, text);
                }
            }
            Life::Ending { by } if by.has_passed(now) && self.stop.is_none() => {
                let limit = self.end_limit(index);
                let text = format!("has not ended within {}", crate::table::trimmed(limit));
                let failure = Failure::of_time(&self.entries[index].name, During::Stop, text);
                let by = Deadline::NEVER;
                self.entries[index].live(Life::Ending { by }, now);
                self.fail(index, failure, now);
                // No second one is started beside it, and so it is given up.
                if self.entries[index].terms.policy != FailurePolicy::Ignore {
                    self.give_up(index, now);
                }
            }
            _ => {}
        }
    }

    /// The service took too long: it is asked to end, as a failure.
    fn recall(&mut self, index: usize, failure: Failure, now: Instant) {
        let by = self.end_by(index, now);
        let entry = &mut self.entries[index];
        entry.recalled = true;
        entry.told = Some(now);
        entry.live(Life::Ending { by }, now);
        self.actions.push(Action::Cancel(index));
        self.fail(index, failure, now);
    }

    /// By when a service that ends outside of a stop has to be done.
    fn end_by(&self, index: usize, now: Instant) -> Deadline {
        Deadline::after_from(now, self.end_limit(index))
    }

    fn end_limit(&self, index: usize) -> Duration {
        let own = self.entries[index].terms.stop_timeout;
        own.unwrap_or(self.total).min(self.total)
    }

    fn begin_services(&mut self, now: Instant) {
        if !matches!(self.phase, HostPhase::Starting | HostPhase::Running) {
            return;
        }
        for index in 0..self.entries.len() {
            if let Life::Resting { until } = self.entries[index].life {
                if until.has_passed(now) {
                    self.entries[index].restarts += 1;
                    self.entries[index].live(Life::Idle, now);
                }
            }
            let entry = &self.entries[index];
            let is_there = |needed: &usize| self.entries[*needed].is_there();
            if matches!(entry.life, Life::Idle) && entry.needs.iter().all(is_there) {
                let by = Deadline::after_from(now, entry.terms.start_timeout);
                self.entries[index].begin(by, now);
                self.actions.push(Action::Begin(index));
            }
        }
        if self.phase == HostPhase::Starting && self.entries.iter().all(|entry| entry.has_been_up) {
            self.phase = HostPhase::Running;
            self.times.up = Some(now);
            let took = self.times.begun.map_or(Duration::ZERO, |begun| now - begun);
            let count = self.entries.len();
            let text = format!("{count} services are up after {:.3} s", took.as_secs_f64());
            self.log(log::Level::Info, text);
        }
        let are_over = self
            .entries
            .iter()
            .all(|entry| matches!(entry.life, Life::Over));
        if self.phase == HostPhase::Running && self.ends_with_services && are_over {
            self.request_stop(StopReason::AllReturned, None, now);
        }
    }

    fn tell_services(&mut self, now: Instant) {
        let Some(stop) = &self.stop else {
            return;
        };
        let (by, is_late) = (stop.by, stop.by.has_passed(now));
        // A stop that was tightened may have no time for all of the delay.
        let delay_until = by
            .minus(self.longest, stop.began)
            .earlier(Deadline::at(stop.delay_until));
        if !delay_until.has_passed(now) {
            return;
        }
        if self.phase == HostPhase::Delaying {
            self.phase = HostPhase::Stopping;
            self.times.told = Some(now);
        }
        for index in 0..self.entries.len() {
            let entry = &self.entries[index];
            if matches!(entry.life, Life::Over) || (entry.is_told() && !entry.recalled) {
                continue;
            }
            let is_free = |dependent: &usize| self.is_out_of_the_way(*dependent, now);
            if is_late || entry.needed_by.iter().all(is_free) {
                let entry = &mut self.entries[index];
                entry.told = Some(now);
                entry.recalled = false;
                self.actions.push(Action::Cancel(index));
            }
        }
    }

    /// By when a service that was told to stop is waited for.
    pub(super) fn stop_by(&self, index: usize) -> Option<Deadline> {
        let (stop, entry) = (self.stop.as_ref()?, &self.entries[index]);
        let told = entry.told.filter(|_| !entry.recalled)?;
        let own = match entry.terms.stop_timeout {
            Some(limit) => Deadline::after_from(told, limit),
            None => Deadline::NEVER,
        };
        Some(own.earlier(stop.by.minus(entry.below, told)))
    }

    /// When the service was told to end, by the stop or for its own failure, and by
    /// when it has to.
    pub(super) fn end_by_of(&self, index: usize) -> Option<(Instant, Deadline)> {
        let entry = &self.entries[index];
        match (self.stop_by(index), entry.life) {
            (Some(by), _) => Some((entry.told?, by)),
            (None, Life::Ending { by }) => Some((entry.since?, by)),
            _ => None,
        }
    }

    /// Those that it needs wait for it no longer.
    fn is_out_of_the_way(&self, index: usize, now: Instant) -> bool {
        let entry = &self.entries[index];
        matches!(entry.life, Life::Over)
            || entry.is_inside_stop
            || self.stop_by(index).is_some_and(|by| by.has_passed(now))
    }

    /// Whether the report is due.
    pub(super) fn is_done(&self, now: Instant) -> bool {
        let Some(stop) = &self.stop else {
            return false;
        };
        let has_had_its_time = |index: usize| {
            let entry = &self.entries[index];
            let late = entry.told.is_some_and(|told| stop.by.has_passed(told));
            self.is_out_of_the_way(index, now)
                && (!late
                    || matches!(entry.life, Life::Over)
                    || entry.is_inside_stop
                    || entry.told.is_some_and(|told| now >= told + TIME_TO_LEAVE))
        };
        self.phase == HostPhase::Stopping && (0..self.entries.len()).all(has_had_its_time)
    }

    /// When to look again.
    fn wake(&self, now: Instant, beat: impl Fn(usize) -> Option<Instant>) -> Deadline {
        let mut wake = Deadline::NEVER;
        if let Some(stop) = &self.stop {
            if self.phase == HostPhase::Delaying {
                wake = stop.by.minus(self.longest, stop.began);
                wake = wake.earlier(Deadline::at(stop.delay_until));
            }
            if !stop.by.has_passed(now) {
                wake = wake.earlier(stop.by);
            }
        }
        for (index, entry) in self.entries.iter().enumerate() {
            let due = match (entry.life, self.stop_by(index)) {
                (Life::Over, _) => continue,
                (_, Some(by)) if by.has_passed(now) => match entry.told {
                    Some(told) => Deadline::at(told + TIME_TO_LEAVE),
                    None => continue,
                },
                (_, Some(by)) => by,
                (Life::Starting { by } | Life::Unready { by } | Life::Ending { by }, None) => by,
                (Life::Resting { until }, None) => until,
                (Life::Up, None) => match entry.heartbeat_due(beat(index)) {
                    // Missed: looked at again after as long as it may be silent.
                    Some(due) if due.has_passed(now) => {
                        Deadline::after_from(now, entry.terms.heartbeat.unwrap_or_default())
                    }
                    Some(due) => due,
                    None => continue,
                },
                (Life::Idle, None) => continue,
            };
            if !due.has_passed(now) {
                wake = wake.earlier(due);
            }
        }
        wake
    }

    // What others ask.

    /// Those whose thread has nothing left to do.
    pub(super) fn over(&self) -> impl Iterator<Item = usize> {
        let is_over = |index: &usize| matches!(self.entries[*index].life, Life::Over);
        (0..self.entries.len()).filter(is_over)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.phase == HostPhase::Running && self.entries.iter().all(Entry::is_there)
    }

    pub(super) fn is_alive(&self, now: Instant, beat: impl Fn(usize) -> Option<Instant>) -> bool {
        let is_silent = |(index, entry): (usize, &Entry)| {
            matches!(entry.life, Life::Up)
                && !entry.is_told()
                && entry
                    .heartbeat_due(beat(index))
                    .is_some_and(|due| due.has_passed(now))
        };
        self.phase != HostPhase::Done && !self.entries.iter().enumerate().any(is_silent)
    }

    fn log(&mut self, level: log::Level, text: String) {
        self.actions.push(Action::Log(level, text));
    }
}

#[cfg(test)]
mod tests;
