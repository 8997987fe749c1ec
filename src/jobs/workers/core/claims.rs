//! What is claimed, and what the store says is held.

use super::{Core, State};
use crate::clock::Deadline;
use crate::jobs::attempt::Cause;
use crate::jobs::workers::health::Part;
use crate::jobs::workers::room::{Room, SOON, room};
use crate::store::{AttemptId, ClaimedJob, HeldJob, WorkerId};
use crate::sync::MutexGuard;
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// Claimed jobs begin within this, or are given back: a job before them takes longer than expected.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

impl Core {
    /// Blocks until there is room, and a lease to claim with; `None`: a stop was requested.
    pub(in crate::jobs::workers) fn wait_for_room(&self) -> Option<(WorkerId, Room)> {
        let mut state = self.state.lock();
        loop {
            let now = self.clock.now();
            if self.stopping.is_cancelled() {
                return None;
            }
            let since = state.ledger.waiting_since();
            if since.is_some_and(|since| now.saturating_duration_since(since) >= LONGEST_WAIT) {
                let late = state.ledger.give_back();
                MutexGuard::unlocked(&mut state, || self.give_back(late));
                continue;
            }
            if let Some(found) = state.room(now) {
                return Some(found);
            }
            let look_again = match since {
                Some(_) => Deadline::after(LONGEST_WAIT),
                None => Deadline::NEVER,
            };
            look_again.wait(&self.changed, &mut state);
        }
    }

    /// There is room, without a wait.
    pub(in crate::jobs::workers) fn find_room(&self) -> Option<(WorkerId, Room)> {
        self.state.lock().room(self.clock.now())
    }

    /// A claim begins. Returns how long a job of each kind is expected to take.
    pub(in crate::jobs::workers) fn claim_begins(&self) -> Vec<(&'static str, u32, Duration)> {
        let mut state = self.state.lock();
        state.is_claiming = true;
        let kinds = self.setup.kinds();
        let expected = kinds.map(|(kind, attempts)| (kind, attempts, state.expected(kind)));
        expected.collect()
    }

    pub(in crate::jobs::workers) fn claim_failed(&self) {
        self.state.lock().is_claiming = false;
        self.changed();
    }

    /// The store has answered a claim of this process.
    pub(in crate::jobs::workers) fn claimed(&self, worker: WorkerId, jobs: Vec<ClaimedJob>) {
        let now = self.clock.now();
        let mut state = self.state.lock();
        state.is_claiming = false;
        let count = jobs.len();
        for job in jobs {
            let expected = state.expected(&job.kind);
            state.ledger.claimed(job, expected, now);
        }
        // All that waits was claimed with this lease, since only the claimer claims.
        if state.lease != Some(worker) {
            state.ledger.lose();
        }
        // Invariant 4.
        let given_back = match self.stopping.is_cancelled() {
            true => state.ledger.give_back(),
            false => Vec::new(),
        };
        drop(state);
        match count {
            1 => drop(self.work.notify_one()),
            _ => drop(self.work.notify_all()),
        }
        self.give_back(given_back);
        if self.stopping.is_cancelled() {
            self.changed();
        }
    }

    /// What the store says runs in the name of this process. Cancels what an operator has
    /// cancelled, and gives back what this process does not know (invariant 3), when it finds it
    /// for the second time.
    pub(in crate::jobs::workers) fn look_at_held(&self, held: &[HeldJob]) {
        let mut state = self.state.lock();
        let (mut cancelled, mut given_back) = (Vec::new(), Vec::new());
        for job in held.iter().filter(|job| job.cancel_requested) {
            if let Some(attempt) = state.ledger.find(job.attempt) {
                cancelled.push(attempt.clone());
            } else if state.ledger.give_back_one(job.attempt) {
                given_back.push(job.attempt);
            }
        }
        let is_claiming = state.is_claiming;
        let unknown = held.iter().map(|job| job.attempt);
        let unknown = unknown.filter(|id| !is_claiming && !state.ledger.holds(*id));
        let unknown: HashSet<AttemptId> = unknown.collect();
        let again: Vec<AttemptId> = unknown.intersection(&state.unknown).copied().collect();
        state.unknown = unknown;
        drop(state);
        cancelled
            .iter()
            .for_each(|attempt| attempt.cancel(Cause::Cancelled));
        if !again.is_empty() {
            let text = format!(
                "gives back {} jobs that were claimed without an answer of the store",
                again.len()
            );
            self.log(log::Level::Info, &text);
        }
        self.give_back(given_back);
        self.give_back(again);
    }
}

impl State {
    fn room(&self, now: Instant) -> Option<(WorkerId, Room)> {
        let worker = self.lease?;
        // Of what is claimed now the end could not be stored.
        if self.health.is_failing(Part::Finish) {
            return None;
        }
        let loads = self.ledger.loads(|kind| self.times.mean(kind), now);
        let found = room(loads, self.ledger.waiting(), self.ledger.waiting_time())?;
        Some((worker, found))
    }

    fn expected(&self, kind: &str) -> Duration {
        self.times.mean(kind).unwrap_or(SOON)
    }
}
