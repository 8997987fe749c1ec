//! The lease of this process, and whether its store can be used.

use super::{Core, State};
use crate::cancel::CancelToken;
use crate::clock::Deadline;
use crate::jobs::attempt::Cause;
use crate::jobs::workers::health::Part;
use crate::retry;
use crate::store::{Finish, Outcome, StoreError, WorkerId};
use crate::table::short;
use std::time::{Duration, Instant};

/// For how long a lease is trusted after it was renewed: this process may have been frozen since, and
/// another one takes over after 30 s.
const TRUST: Duration = Duration::from_secs(20);

/// An error that may be over at once, such as a lost answer, leaves no lease.
const TRIES_TO_WITHDRAW: usize = 5;

impl Core {
    pub(in crate::jobs::workers) fn lease(&self) -> Option<WorkerId> {
        self.state.lock().lease
    }

    /// The lease was asked for at `sent`.
    pub(in crate::jobs::workers) fn registered(&self, worker: WorkerId, sent: Instant) {
        let mut state = self.state.lock();
        (state.lease, state.renewed) = (Some(worker), Some(sent));
        drop(state);
        self.log(
            log::Level::Info,
            &format!("works as process {worker} of its store"),
        );
        self.changed();
    }

    /// The store has renewed the lease, and was asked to at `sent`.
    pub(in crate::jobs::workers) fn renewed(&self, worker: WorkerId, sent: Instant) {
        let mut state = self.state.lock();
        if state.lease != Some(worker) {
            return;
        }
        state.renewed = state.renewed.max(Some(sent));
        drop(state);
        // What was not trusted before is now.
        self.work.notify_all();
        self.changed.notify_all();
    }

    /// For the beat: cancelled when it is to look before its time.
    pub(in crate::jobs::workers) fn next_beat(&self) -> CancelToken {
        let token = self.closed.child();
        self.state.lock().beat = token.clone();
        token
    }

    /// Another process has taken the lease over.
    pub(in crate::jobs::workers) fn lease_lost(&self, worker: WorkerId) {
        let mut state = self.state.lock();
        if state.lease != Some(worker) {
            return;
        }
        state.lease = None;
        let waiting = state.ledger.waiting();
        let running = state.ledger.lose();
        let beat = state.beat.clone();
        drop(state);
        let text = format!(
            "the lease of process {worker} is lost: it was not renewed in time, and another \
             process has taken over {} running and {waiting} waiting jobs",
            running.len()
        );
        self.log(log::Level::Error, &text);
        running
            .iter()
            .for_each(|attempt| attempt.cancel(Cause::LeaseLost));
        beat.cancel();
        self.changed();
    }

    /// Ends the lease, when everything is over. Where something is left in its name, or the store
    /// cannot be used, other processes find out by themselves.
    pub(in crate::jobs::workers) fn withdraw(&self) {
        let Some(worker) = self.lease().filter(|_| self.is_settled()) else {
            return;
        };
        let mut end = self.try_to_withdraw(worker);
        for _ in 0..TRIES_TO_WITHDRAW {
            if !end.as_ref().is_err_and(StoreError::is_temporary) {
                break;
            }
            // Not on `closed`, which is cancelled.
            CancelToken::new().wait_timeout(Duration::from_millis(20));
            end = self.try_to_withdraw(worker);
        }
        match end {
            Ok(0) => {}
            Ok(running) => {
                let text = format!("leaves {running} jobs to the process that takes them over");
                self.log(log::Level::Warn, &text);
            }
            Err(error) => self.log(log::Level::Warn, &error.to_string()),
        }
        self.state.lock().lease = None;
        self.changed();
    }

    fn try_to_withdraw(&self, worker: WorkerId) -> Result<usize, StoreError> {
        self.give_back_unknown()?;
        self.store().withdraw(worker)
    }

    /// Blocks until there is no lease, or until the deadline. Returns whether there is none.
    pub(in crate::jobs::workers) fn wait_for_withdrawal(&self, deadline: Deadline) -> bool {
        let mut state = self.state.lock();
        !deadline.wait_while(&self.changed, &mut state, |state| state.lease.is_some())
    }

    /// When nothing runs or waits here, and the store has answered all ends: what it still has in
    /// the name of this process was claimed without an answer. Returns the number.
    pub(in crate::jobs::workers) fn give_back_unknown(&self) -> Result<usize, StoreError> {
        let Some(worker) = self.lease().filter(|_| self.is_settled()) else {
            return Ok(0);
        };
        let held = match self.store().held(worker) {
            Err(StoreError::LeaseLost { .. }) => return Ok(0),
            held => held?,
        };
        let unknown = held.iter().map(|job| job.attempt);
        let state = self.state.lock();
        let unknown = unknown.filter(|id| !state.ledger.holds(*id));
        let given_back = unknown.map(|attempt| Finish {
            attempt,
            outcome: Outcome::GivenBack,
        });
        let given_back: Vec<Finish> = given_back.collect();
        drop(state);
        if !given_back.is_empty() {
            self.store().finish(&given_back)?;
        }
        Ok(given_back.len())
    }

    /// Logs the first failure of an outage. Returns how long to wait before the next try.
    pub(in crate::jobs::workers) fn failed(&self, part: Part, error: StoreError) -> Duration {
        let text = error.to_string();
        let (now, random) = (self.clock.now(), retry::random());
        let after = self.state.lock().health.failed(part, error, now, random);
        if after.is_first {
            let text = format!("not ready, and trying again until the store is back: {text}");
            self.log(log::Level::Warn, &text);
            self.changed();
        }
        after.pause
    }

    pub(in crate::jobs::workers) fn succeeded(&self, part: Part) {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let was_failing = state.health.is_failing(part);
        let outage = state.health.succeeded(part, now);
        drop(state);
        if let Some(outage) = outage {
            let text = format!("ready again: the store is back after {}", short(outage));
            self.log(log::Level::Info, &text);
        }
        if was_failing {
            self.changed();
        }
    }

    pub(in crate::jobs::workers) fn is_ready(&self) -> bool {
        let state = self.state.lock();
        state.lease.is_some() && state.health.trouble().is_none()
    }

    pub(in crate::jobs::workers) fn trouble(&self) -> Option<StoreError> {
        self.state.lock().health.trouble().cloned()
    }
}

impl State {
    /// The lease, unless another process may have taken it over by now.
    pub(super) fn trusted_lease(&self, now: Instant) -> Option<WorkerId> {
        let is_trusted = |renewed: Instant| now.saturating_duration_since(renewed) < TRUST;
        self.lease.filter(|_| self.renewed.is_some_and(is_trusted))
    }
}
