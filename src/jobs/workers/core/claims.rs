//! What is claimed, and what the store says is held.

use super::{Claims, Core, State};
use crate::clock::Deadline;
use crate::jobs::attempt::Cause;
use crate::jobs::workers::health::Part;
use crate::jobs::workers::room::{Room, SOON, room};
use crate::store::{AttemptId, ClaimedJob, HeldJob, WorkerId};
use crate::sync::MutexGuard;
use std::time::{Duration, Instant};

/// How often is looked at what waits, in real time: a test may have moved the clock.
const LOOK: Duration = Duration::from_secs(1);

impl Core {
    /// Blocks until there is room, and a lease to claim with; `None`: a stop was requested. The claim
    /// is under way then.
    pub(in crate::jobs::workers) fn wait_for_room(&self) -> Option<(WorkerId, Room)> {
        let mut state = self.state.lock();
        loop {
            let now = self.clock.now();
            if self.stopping.is_cancelled() {
                return None;
            }
            let late = state.ledger.give_back_late(now);
            if !late.is_empty() {
                MutexGuard::unlocked(&mut state, || self.give_back(late));
                continue;
            }
            if let Some(found) = state.begin_claim(now) {
                return Some(found);
            }
            // While no claim is made, the failure of the last one says nothing of the store.
            if state.health.is_failing(Part::Claim) {
                MutexGuard::unlocked(&mut state, || self.succeeded(Part::Claim));
                continue;
            }
            let look_again = match state.ledger.next_look(now) {
                Some(wait) => Deadline::after(wait.min(LOOK)),
                None => Deadline::NEVER,
            };
            look_again.wait(&self.changed, &mut state);
            // Time alone may have let it begin.
            if state.ledger.has_next(self.clock.now()) {
                self.work.notify_all();
            }
        }
    }

    /// There is room, without a wait. The claim is under way then.
    pub(in crate::jobs::workers) fn find_room(&self) -> Option<(WorkerId, Room)> {
        self.state.lock().begin_claim(self.clock.now())
    }

    /// The names of the kinds, their numbers of attempts, and how long a job is expected to take.
    pub(in crate::jobs::workers) fn kinds(&self) -> Vec<(&'static str, u32, Duration)> {
        let state = self.state.lock();
        let kinds = self.setup.kinds();
        let expected = kinds.map(|(kind, attempts)| (kind, attempts, state.expected(kind)));
        expected.collect()
    }

    pub(in crate::jobs::workers) fn claim_failed(&self) {
        self.state.lock().claims.end();
        self.changed();
    }

    /// The store has answered a claim of this process.
    pub(in crate::jobs::workers) fn claimed(&self, worker: WorkerId, jobs: Vec<ClaimedJob>) {
        let now = self.clock.now();
        let mut state = self.state.lock();
        state.claims.end();
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
    /// cancelled, and gives back what this process does not know (invariant 3), when the answers to
    /// all claims are here that were under way when it was found first.
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
        let unknown = held.iter().map(|job| job.attempt);
        let unknown = unknown.filter(|id| !state.ledger.holds(*id));
        let found = |id: AttemptId| (id, state.unknown.get(&id).copied());
        let unknown: Vec<(AttemptId, Option<u64>)> = unknown.map(found).collect();
        let answered = state.claims.answered();
        let is_answered = |since: Option<u64>| since.is_some_and(|since| answered >= since);
        let again = unknown.iter().filter(|(_, since)| is_answered(*since));
        let again: Vec<AttemptId> = again.map(|(id, _)| *id).collect();
        let begun = state.claims.begun;
        let since = unknown
            .iter()
            .map(|(id, since)| (*id, since.unwrap_or(begun)));
        state.unknown = since.collect();
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

impl Claims {
    fn begin(&mut self) {
        self.begun += 1;
        self.is_under_way = true;
    }

    fn end(&mut self) {
        self.is_under_way = false;
    }

    /// The number of those that the store has answered, or failed to answer.
    fn answered(&self) -> u64 {
        self.begun - u64::from(self.is_under_way)
    }
}

impl State {
    /// If there is room, a claim is under way from now on, until it [fails](Core::claim_failed) or
    /// is [answered](Core::claimed).
    fn begin_claim(&mut self, now: Instant) -> Option<(WorkerId, Room)> {
        let worker = self.trusted_lease(now)?;
        // Of what is claimed now the end could not be stored.
        if self.health.is_failing(Part::Finish) {
            return None;
        }
        let (waiting, time) = self.ledger.queue(now)?;
        let loads = self.ledger.loads(|kind| self.times.mean(kind), now);
        let room = room(loads, waiting, time)?;
        self.claims.begin();
        Some((worker, room))
    }

    fn expected(&self, kind: &str) -> Duration {
        self.times.mean(kind).unwrap_or(SOON)
    }
}
