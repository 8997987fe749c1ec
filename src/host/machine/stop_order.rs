//! In which order services are stopped, until when each is waited for, and when the report is
//! due.

use super::entry::{Lifecycle, StopRequest};
use super::{Action, Machine, TIME_TO_LEAVE};
use crate::clock::Deadline;
use crate::host::status::HostPhase;
use std::time::Instant;

impl Machine {
    /// Requests the stop of each service whose turn has come.
    pub(super) fn stop_services(&mut self, now: Instant) {
        let Some(stop) = &self.stop else {
            return;
        };
        // Load balancers still send work.
        if !stop.delay_until.has_passed(now) {
            return;
        }
        let is_late = stop.by.has_passed(now);
        if self.phase == HostPhase::Delaying {
            self.phase = HostPhase::Stopping;
            // As planned: how late the driver looks is not part of the delay.
            self.times.stopping = stop.delay_until.moment();
        }
        // Invariant 2.
        let is_needed = match is_late {
            true => vec![false; self.entries.len()],
            false => self.still_needed(now),
        };
        for (index, is_needed) in is_needed.into_iter().enumerate() {
            let entry = &mut self.entries[index];
            if is_needed || entry.is_over() || entry.stop_requested_by_host().is_some() {
                continue;
            }
            entry.stop_request = Some(StopRequest::ByHost(now));
            self.actions.push(Action::Cancel(index));
        }
    }

    /// For each service whether another one needs it, directly or through others, for which
    /// the stop still waits. A service in the middle that was over before the stop changes
    /// nothing about the order.
    fn still_needed(&self, now: Instant) -> Vec<bool> {
        let mut is_needed = vec![false; self.entries.len()];
        let waits_for = |index: &usize| self.stop_waits_for(*index, now);
        let mut dependents: Vec<usize> = (0..self.entries.len()).filter(waits_for).collect();
        while let Some(index) = dependents.pop() {
            for &needed in &self.entries[index].needs {
                if !std::mem::replace(&mut is_needed[needed], true) {
                    dependents.push(needed);
                }
            }
        }
        is_needed
    }

    /// Whether the services that it needs have to wait for this one.
    fn stop_waits_for(&self, index: usize, now: Instant) -> bool {
        let entry = &self.entries[index];
        let is_out_of_time = || self.stop_by(index).is_some_and(|by| by.has_passed(now));
        !entry.is_over() && !entry.is_inside_stop && !is_out_of_time()
    }

    /// By when a service whose turn in the stop has come should be over: then the services
    /// that it needs are stopped.
    pub(super) fn stop_by(&self, index: usize) -> Option<Deadline> {
        let (stop, entry) = (self.stop.as_ref()?, &self.entries[index]);
        let requested = entry.stop_requested_by_host()?;
        let below = stop.scaled(entry.below);
        let by = self.abandoned_by(index)?;
        Some(by.earlier(stop.by.minus(below, requested)))
    }

    /// By when it is abandoned. A service without a limit of its own is waited for until the
    /// end of the stop, which takes nothing from others.
    fn abandoned_by(&self, index: usize) -> Option<Deadline> {
        let (stop, entry) = (self.stop.as_ref()?, &self.entries[index]);
        let requested = entry.stop_requested_by_host()?;
        let own = match entry.options.stop_timeout {
            Some(limit) => Deadline::after_from(requested, limit),
            None => Deadline::NEVER,
        };
        Some(own.earlier(stop.by))
    }

    /// The same as `abandoned_by`, and a moment more for a service whose stop was requested
    /// only then.
    pub(super) fn waited_for_until(&self, index: usize) -> Option<Deadline> {
        let by = self.abandoned_by(index)?;
        let requested = self.entries[index].stop_requested_by_host()?;
        match by.has_passed(requested) {
            true => Some(Deadline::after_from(requested, TIME_TO_LEAVE)),
            false => Some(by),
        }
    }

    /// When the service was asked to end, by the host's stop or for a failure of its own, and
    /// by when it has to.
    pub(in crate::host) fn time_to_end(&self, index: usize) -> Option<(Instant, Deadline)> {
        let entry = &self.entries[index];
        match (self.stop_by(index), entry.lifecycle) {
            (Some(by), _) => Some((entry.stop_requested_by_host()?, by)),
            (None, Lifecycle::Ending { by }) => Some((entry.since?, by)),
            _ => None,
        }
    }

    /// Whether the report is due.
    pub(in crate::host) fn is_done(&self, now: Instant) -> bool {
        self.is_done_where(now, |index| self.waited_for_until(index))
    }

    /// Whether the report is due once the services whose stop was requested only at the
    /// deadline have had their moment.
    pub(in crate::host) fn is_done_but_for_leaving(&self, now: Instant) -> bool {
        self.is_done_where(now, |index| self.abandoned_by(index))
    }

    fn is_done_where(&self, now: Instant, until: impl Fn(usize) -> Option<Deadline>) -> bool {
        let has_had_its_time = |index: usize| {
            let entry = &self.entries[index];
            let is_out_of_time = || until(index).is_some_and(|until| until.has_passed(now));
            entry.is_over() || entry.is_inside_stop || is_out_of_time()
        };
        self.phase == HostPhase::Stopping && (0..self.entries.len()).all(has_had_its_time)
    }
}
