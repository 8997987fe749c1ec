//! What the clock brings: limits that pass, heartbeats, restarts; and when to look again.

use super::entry::{AfterEnd, Entry, Lifecycle, StopRequest};
use super::{Action, Machine};
use crate::clock::Deadline;
use crate::host::failure::{FailedIn, ServiceFailure};
use crate::host::policy::FailurePolicy;
use crate::host::reason::StopReason;
use crate::host::status::HostPhase;
use crate::table::trimmed;
use std::time::{Duration, Instant};

/// What happens to a service when a moment has come, unless something else happens before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Event {
    /// It has not come up in time.
    StartTimeout,
    /// It has not called `heartbeat` in time.
    HeartbeatMissed,
    /// It has called `heartbeat` again.
    HeartbeatResumed,
    /// It has not ended in time, outside of a stop.
    EndTimeout,
    /// The pause before its restart is over.
    Restart,
    /// Its time in the host's stop is over: the services that it needs are stopped, or the
    /// report is made without it. Nothing happens to the service itself.
    StopTimeout,
}

impl Machine {
    /// Moves on as far as it goes at `now`. `heartbeat` returns when a service called
    /// `heartbeat` last. Returns what has to be done, and when to look again at the latest.
    pub(in crate::host) fn advance(
        &mut self,
        now: Instant,
        heartbeat: impl Fn(usize) -> Option<Instant>,
    ) -> (Vec<Action>, Deadline) {
        // In this order, so that one call gets as far as possible: what is due may restart a
        // service or request the stop, and the stop is looked at last.
        for index in 0..self.entries.len() {
            match self.next_event(index, heartbeat(index), now) {
                Some((due, event)) if due.has_passed(now) => self.happen(index, event, now),
                _ => {}
            }
        }
        self.begin_services(now);
        self.note_all_up(now);
        self.stop_if_all_returned(now);
        self.stop_services(now);
        let actions = std::mem::take(&mut self.actions);
        (actions, self.wake(now, heartbeat))
    }

    /// What happens to the service next, and when, if nothing is reported before.
    pub(super) fn next_event(
        &self,
        index: usize,
        heartbeat: Option<Instant>,
        now: Instant,
    ) -> Option<(Deadline, Event)> {
        let entry = &self.entries[index];
        if entry.is_over() {
            return None;
        }
        if let Some(by) = self.stop_by(index) {
            return self.next_in_stop(index, by, now);
        }
        match entry.lifecycle {
            Lifecycle::Starting | Lifecycle::Unready => {
                Some((entry.start_due(&self.freezes, now), Event::StartTimeout))
            }
            Lifecycle::Up => self.next_heartbeat(entry, heartbeat, now),
            // In a stop, the stop's own limits hold.
            Lifecycle::Ending { by } => {
                let has_passed = self.stop.is_some() && by.has_passed(now);
                (!has_passed).then_some((by, Event::EndTimeout))
            }
            Lifecycle::Resting { until } => Some((until, Event::Restart)),
            Lifecycle::Idle | Lifecycle::Over => None,
        }
    }

    /// The stop of the service was requested by the host's, and should be over `by` then.
    fn next_in_stop(&self, index: usize, by: Deadline, now: Instant) -> Option<(Deadline, Event)> {
        let due = match by.has_passed(now) {
            true => self.waited_for_until(index)?,
            false => by,
        };
        (!due.has_passed(now)).then_some((due, Event::StopTimeout))
    }

    fn next_heartbeat(
        &self,
        entry: &Entry,
        heartbeat: Option<Instant>,
        now: Instant,
    ) -> Option<(Deadline, Event)> {
        let due = entry.heartbeat_due(heartbeat, &self.freezes, now)?;
        Some(match (entry.is_heartbeat_missed, due.has_passed(now)) {
            (false, _) => (due, Event::HeartbeatMissed),
            (true, false) => (Deadline::at(now), Event::HeartbeatResumed),
            (true, true) => {
                // It was reported already, and is looked for again one timeout later.
                let timeout = entry.options.heartbeat_timeout.unwrap_or_default();
                (Deadline::after_from(now, timeout), Event::HeartbeatMissed)
            }
        })
    }

    /// When to look again.
    fn wake(&self, now: Instant, heartbeat: impl Fn(usize) -> Option<Instant>) -> Deadline {
        let mut wake = Deadline::NEVER;
        if let Some(stop) = &self.stop {
            if self.phase == HostPhase::Delaying {
                wake = stop.delay_until;
            }
            // One that has passed would wake this thread again and again.
            if !stop.by.has_passed(now) {
                wake = wake.earlier(stop.by);
            }
        }
        let indices = 0..self.entries.len();
        let events = indices.filter_map(|index| self.next_event(index, heartbeat(index), now));
        events.fold(wake, |wake, (due, _)| wake.earlier(due))
    }

    /// The event's moment has come.
    fn happen(&mut self, index: usize, event: Event, now: Instant) {
        match event {
            Event::StartTimeout => self.start_timed_out(index, now),
            Event::HeartbeatMissed => self.heartbeat_missed(index, now),
            Event::HeartbeatResumed => {
                let entry = &mut self.entries[index];
                entry.is_heartbeat_missed = false;
                let text = format!("service {:?}: heartbeat resumed", entry.name);
                self.log(log::Level::Info, text);
            }
            Event::EndTimeout => self.end_timed_out(index, now),
            Event::Restart => {
                self.entries[index].restarts += 1;
                self.entries[index].enter(Lifecycle::Idle, now);
            }
            Event::StopTimeout => {}
        }
    }

    fn start_timed_out(&mut self, index: usize, now: Instant) {
        let entry = &self.entries[index];
        let what = match entry.lifecycle {
            Lifecycle::Unready => "did not call `ready`",
            _ => "did not start",
        };
        let text = format!("{what} within {}", trimmed(entry.options.start_timeout));
        let failure = ServiceFailure::of_time(&entry.name, FailedIn::Start, text);
        self.stop_for_timeout(index, failure, now);
    }

    fn heartbeat_missed(&mut self, index: usize, now: Instant) {
        let entry = &mut self.entries[index];
        entry.is_heartbeat_missed = true;
        let timeout = trimmed(entry.options.heartbeat_timeout.unwrap_or_default());
        let text = format!("no heartbeat for {timeout}");
        match entry.options.fails_on_missed_heartbeat {
            true => {
                let failure = ServiceFailure::of_time(&entry.name, FailedIn::Run, text);
                self.stop_for_timeout(index, failure, now);
            }
            false => {
                let text = format!("service {:?}: {text}", entry.name);
                self.log(log::Level::Warn, text);
            }
        }
    }

    fn end_timed_out(&mut self, index: usize, now: Instant) {
        let text = format!("did not end within {}", trimmed(self.end_limit(index)));
        let entry = &mut self.entries[index];
        let failure = ServiceFailure::of_time(&entry.name, FailedIn::Stop, text);
        // It is waited for without a limit, or this would happen again at once.
        let by = Deadline::NEVER;
        entry.enter(Lifecycle::Ending { by }, now);
        let policy = entry.options.policy;
        self.fail(index, failure, now);
        // Its thread is still busy, so that it cannot be started again.
        match policy {
            FailurePolicy::Ignore => self.log_after_end(index, AfterEnd::Ignore),
            FailurePolicy::Restart(_) | FailurePolicy::StopHost => self.give_up(index, now),
        }
    }

    /// The service took too long: its stop is requested, and it has failed.
    fn stop_for_timeout(&mut self, index: usize, failure: ServiceFailure, now: Instant) {
        self.entries[index].stop_request = Some(StopRequest::ForTimeout(now));
        self.end(index, now);
        self.actions.push(Action::Cancel(index));
        self.fail(index, failure, now);
    }

    fn begin_services(&mut self, now: Instant) {
        // Invariant 4.
        if !matches!(self.phase, HostPhase::Starting | HostPhase::Running) {
            return;
        }
        for index in 0..self.entries.len() {
            let entry = &self.entries[index];
            // Invariant 1.
            let is_available = |needed: &usize| self.entries[*needed].is_available();
            if matches!(entry.lifecycle, Lifecycle::Idle) && entry.needs.iter().all(is_available) {
                let mended = self.entries[index].begin(now);
                self.failures.evict(mended);
                self.actions.push(Action::Begin(index));
            }
        }
    }

    fn note_all_up(&mut self, now: Instant) {
        let are_up = self.entries.iter().all(|entry| entry.has_been_up);
        if self.phase != HostPhase::Starting || !are_up {
            return;
        }
        self.phase = HostPhase::Running;
        self.times.up = Some(now);
        let took = self.times.begun.map_or(Duration::ZERO, |begun| now - begun);
        let count = self.entries.len();
        let text = format!("{count} services are up after {:.3} s", took.as_secs_f64());
        self.log(log::Level::Info, text);
    }

    fn stop_if_all_returned(&mut self, now: Instant) {
        if self.phase != HostPhase::Running || !self.ends_with_services {
            return;
        }
        // Pools and queues work for others, and never end by themselves.
        // A host of pools and queues alone runs until it is stopped.
        let works_for_itself = |entry: &&Entry| !entry.options.serves_others;
        let mut active = self.entries.iter().filter(works_for_itself).peekable();
        let has_work = active.peek().is_some() || self.entries.is_empty();
        if has_work && active.all(Entry::is_over) {
            self.request_stop(StopReason::AllReturned, None, now);
        }
    }
}
