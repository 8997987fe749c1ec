//! What has to be done at a moment, and when to look again.

use super::super::entry::Lifecycle;
use super::super::failure::{FailedIn, ServiceFailure};
use super::super::policy::FailurePolicy;
use super::super::reason::StopReason;
use super::super::status::HostPhase;
use super::{Action, Machine};
use crate::clock::Deadline;
use crate::table::trimmed;
use std::time::{Duration, Instant};

/// The time that a service has whose stop is requested only at the deadline.
pub(in super::super) const TIME_TO_LEAVE: Duration = Duration::from_millis(20);

impl Machine {
    /// Moves on as far as it goes at `now`. `beat` is when a service's heart last beat.
    /// Returns what has to be done, and when to look again at the latest.
    pub(in super::super) fn advance(
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
            Lifecycle::Starting | Lifecycle::Unready => {
                let due = entry.start_due(&self.freezes, now);
                if !due.is_some_and(|due| due.has_passed(now)) {
                    return;
                }
                let what = match entry.life {
                    Lifecycle::Starting => "has not started",
                    _ => "has not said that it is ready",
                };
                let limit = trimmed(entry.terms.start_timeout);
                let failure = ServiceFailure::of_time(
                    name,
                    FailedIn::Start,
                    format!("{what} within {limit}"),
                );
                self.recall(index, failure, now);
            }
            Lifecycle::Up => {
                let due = entry.heartbeat_due(beat(index), &self.freezes, now);
                let Some(due) = due else {
                    return;
                };
                if due.has_passed(now) && !entry.missed {
                    entry.missed = true;
                    let silent = trimmed(entry.terms.heartbeat.unwrap_or_default());
                    let text = format!("no heartbeat for {silent}");
                    if entry.terms.heartbeat_fails {
                        let failure = ServiceFailure::of_time(name, FailedIn::Run, text);
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
            Lifecycle::Ending { by } if by.has_passed(now) && self.stop.is_none() => {
                let limit = self.end_limit(index);
                let text = format!("has not ended within {}", trimmed(limit));
                let failure =
                    ServiceFailure::of_time(&self.entries[index].name, FailedIn::Stop, text);
                let by = Deadline::NEVER;
                self.entries[index].live(Lifecycle::Ending { by }, now);
                self.fail(index, failure, now);
                // No second one is started beside it, and so it is given up.
                match self.entries[index].terms.policy {
                    FailurePolicy::Ignore => self.log_ignored(index),
                    _ => self.give_up(index, now),
                }
            }
            _ => {}
        }
    }

    /// The service took too long: it is asked to end, as a failure.
    fn recall(&mut self, index: usize, failure: ServiceFailure, now: Instant) {
        let by = self.end_by(index, now);
        let entry = &mut self.entries[index];
        entry.recalled = true;
        entry.told = Some(now);
        entry.live(Lifecycle::Ending { by }, now);
        self.actions.push(Action::Cancel(index));
        self.fail(index, failure, now);
    }

    /// By when a service that ends outside of a stop has to be done.
    pub(super) fn end_by(&self, index: usize, now: Instant) -> Deadline {
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
            if let Lifecycle::Resting { until } = self.entries[index].life {
                if until.has_passed(now) {
                    self.entries[index].restarts += 1;
                    self.entries[index].live(Lifecycle::Idle, now);
                }
            }
            let entry = &self.entries[index];
            let is_there = |needed: &usize| self.entries[*needed].is_there();
            if matches!(entry.life, Lifecycle::Idle) && entry.needs.iter().all(is_there) {
                let mended = self.entries[index].begin(now);
                self.evicted.extend(mended);
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
        // Pools and queues work for others, and never end by themselves.
        let mut active = self
            .entries
            .iter()
            .filter(|entry| !entry.terms.serves)
            .peekable();
        let has_work = active.peek().is_some() || self.entries.is_empty();
        let are_over = has_work && active.all(|entry| matches!(entry.life, Lifecycle::Over));
        if self.phase == HostPhase::Running && self.ends_with_services && are_over {
            self.request_stop(StopReason::AllReturned, None, now);
        }
    }

    fn tell_services(&mut self, now: Instant) {
        let Some(stop) = &self.stop else {
            return;
        };
        let is_late = stop.by.has_passed(now);
        if now < stop.delay_until {
            return;
        }
        if self.phase == HostPhase::Delaying {
            self.phase = HostPhase::Stopping;
            // To the plan: how late the driver looks is not part of the delay.
            self.times.told = Some(stop.delay_until);
        }
        let is_needed = match is_late {
            true => vec![false; self.entries.len()],
            false => self.still_needed(now),
        };
        for (index, is_needed) in is_needed.into_iter().enumerate() {
            let entry = &self.entries[index];
            if matches!(entry.life, Lifecycle::Over) || (entry.is_told() && !entry.recalled) {
                continue;
            }
            if !is_needed {
                let entry = &mut self.entries[index];
                entry.told = Some(now);
                entry.recalled = false;
                self.actions.push(Action::Cancel(index));
            }
        }
    }

    /// Of each service whether one is in the way that needs it, or that needs one of these: a
    /// service that is over before the stop takes none out of their order.
    fn still_needed(&self, now: Instant) -> Vec<bool> {
        let mut is_needed = vec![false; self.entries.len()];
        let in_the_way = |index: &usize| !self.is_out_of_the_way(*index, now);
        let mut looked_at: Vec<usize> = (0..self.entries.len()).filter(in_the_way).collect();
        while let Some(index) = looked_at.pop() {
            for &needed in &self.entries[index].needs {
                if !std::mem::replace(&mut is_needed[needed], true) {
                    looked_at.push(needed);
                }
            }
        }
        is_needed
    }

    /// By when a service whose stop was requested should be over: those that it needs are
    /// stopped then.
    pub(in super::super) fn stop_by(&self, index: usize) -> Option<Deadline> {
        let (stop, entry) = (self.stop.as_ref()?, &self.entries[index]);
        let told = entry.told.filter(|_| !entry.recalled)?;
        let below = match stop.scale < 1.0 {
            true => entry.below.mul_f64(stop.scale),
            false => entry.below,
        };
        let by = self.abandoned_by(index)?;
        Some(by.earlier(stop.by.minus(below, told)))
    }

    /// By when it is waited for by the report: one without a limit of its own to the end,
    /// as long as that takes nothing from others.
    fn abandoned_by(&self, index: usize) -> Option<Deadline> {
        let (stop, entry) = (self.stop.as_ref()?, &self.entries[index]);
        let told = entry.told.filter(|_| !entry.recalled)?;
        let own = match entry.terms.stop_timeout {
            Some(limit) => Deadline::after_from(told, limit),
            None => Deadline::NEVER,
        };
        Some(own.earlier(stop.by))
    }

    /// When the service was asked to end, by the stop or for its own failure, and by when
    /// it has to.
    pub(in super::super) fn end_by_of(&self, index: usize) -> Option<(Instant, Deadline)> {
        let entry = &self.entries[index];
        match (self.stop_by(index), entry.life) {
            (Some(by), _) => Some((entry.told?, by)),
            (None, Lifecycle::Ending { by }) => Some((entry.since?, by)),
            _ => None,
        }
    }

    /// Those that it needs wait for it no longer.
    fn is_out_of_the_way(&self, index: usize, now: Instant) -> bool {
        let entry = &self.entries[index];
        matches!(entry.life, Lifecycle::Over)
            || entry.is_inside_stop
            || self.stop_by(index).is_some_and(|by| by.has_passed(now))
    }

    /// Whether the report is due.
    pub(in super::super) fn is_done(&self, now: Instant) -> bool {
        self.is_done_where(now, |index| self.waited_for_until(index))
    }

    /// Whether the report is due once the services that were stopped only at the deadline
    /// have had their moment.
    pub(in super::super) fn is_done_but_for_leaving(&self, now: Instant) -> bool {
        self.is_done_where(now, |index| self.abandoned_by(index))
    }

    fn is_done_where(&self, now: Instant, until: impl Fn(usize) -> Option<Deadline>) -> bool {
        let has_had_its_time = |index: usize| {
            let entry = &self.entries[index];
            let is_over = matches!(entry.life, Lifecycle::Over) || entry.is_inside_stop;
            is_over || until(index).is_some_and(|until| until.has_passed(now))
        };
        self.phase == HostPhase::Stopping && (0..self.entries.len()).all(has_had_its_time)
    }

    /// The same as `abandoned_by`, and a moment more for one whose stop was requested only
    /// then.
    fn waited_for_until(&self, index: usize) -> Option<Deadline> {
        let by = self.abandoned_by(index)?;
        let told = self.entries[index].told?;
        match by.has_passed(told) {
            true => Some(Deadline::after_from(told, TIME_TO_LEAVE)),
            false => Some(by),
        }
    }

    /// When to look again.
    fn wake(&self, now: Instant, beat: impl Fn(usize) -> Option<Instant>) -> Deadline {
        let mut wake = Deadline::NEVER;
        if let Some(stop) = &self.stop {
            if self.phase == HostPhase::Delaying {
                wake = Deadline::at(stop.delay_until);
            }
            if !stop.by.has_passed(now) {
                wake = wake.earlier(stop.by);
            }
        }
        for (index, entry) in self.entries.iter().enumerate() {
            let due = match (entry.life, self.stop_by(index)) {
                (Lifecycle::Over, _) => continue,
                (_, Some(by)) if by.has_passed(now) => match self.waited_for_until(index) {
                    Some(until) => until,
                    None => continue,
                },
                (_, Some(by)) => by,
                (Lifecycle::Starting | Lifecycle::Unready, None) => {
                    match entry.start_due(&self.freezes, now) {
                        Some(due) => due,
                        None => continue,
                    }
                }
                (Lifecycle::Ending { by }, None) => by,
                (Lifecycle::Resting { until }, None) => until,
                (Lifecycle::Up, None) => match entry.heartbeat_due(beat(index), &self.freezes, now)
                {
                    // Missed: checked again after its heartbeat timeout.
                    Some(due) if due.has_passed(now) => {
                        Deadline::after_from(now, entry.terms.heartbeat.unwrap_or_default())
                    }
                    Some(due) => due,
                    None => continue,
                },
                (Lifecycle::Idle, None) => continue,
            };
            if !due.has_passed(now) {
                wake = wake.earlier(due);
            }
        }
        wake
    }
}
