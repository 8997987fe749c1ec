//! The way of an attempt, from its beginning to the answer of the store.

use super::{Core, End, Next, State};
use crate::jobs::attempt::Attempt;
use crate::jobs::dead_job::DeadJob;
use crate::store::{Answer, Finish, JobState, Outcome, StoreError, UnreadableJob, WorkerId};
use crate::sync::Arc;
use crate::timer::{Due, Key};
use std::time::Instant;

impl Core {
    /// Blocks until there is something to do for the thread.
    pub(in crate::jobs::workers) fn next(&self, slot: usize) -> Next {
        let mut state = self.state.lock();
        loop {
            if let Some(dead) = state.dead.pop_front() {
                return Next::Dead(dead);
            }
            if self.stopping.is_cancelled() {
                return Next::Leave;
            }
            if let Some(begun) = state.begin(slot, self.clock.now()) {
                return begun;
            }
            self.work.wait(&mut state);
        }
    }

    /// The same, without a wait.
    pub(in crate::jobs::workers) fn next_now(&self, slot: usize) -> Option<Next> {
        let mut state = self.state.lock();
        let dead = state.dead.pop_front().map(Next::Dead);
        dead.or_else(|| state.begin(slot, self.clock.now()))
    }

    pub(in crate::jobs::workers) fn next_dead(&self) -> Option<DeadJob> {
        self.state.lock().dead.pop_front()
    }

    /// Whether there is something to do for a thread, now or soon.
    pub(in crate::jobs::workers) fn has_next(&self) -> bool {
        let state = self.state.lock();
        !state.dead.is_empty() || state.ledger.waiting() > 0
    }

    /// Before the handler runs: the store may keep that it does. The timeout begins.
    pub(in crate::jobs::workers) fn begin(
        &self,
        attempt: &Arc<Attempt>,
        worker: WorkerId,
    ) -> Option<Key> {
        self.store().mark_begun(worker, attempt.id);
        let limit = attempt.timeout?;
        let due = attempt.began.checked_add(limit)?;
        let alarm: Arc<dyn crate::timer::Alarm> = attempt.clone();
        let alarm = Arc::downgrade(&alarm);
        Some(self.timer.set(Due::Mono(due), &alarm, 0))
    }

    /// The thread has ended an attempt.
    pub(in crate::jobs::workers) fn end(
        &self,
        slot: usize,
        attempt: &Attempt,
        timeout: Option<Key>,
        outcome: Outcome,
        dead: Option<DeadJob>,
    ) {
        if let Some(key) = timeout {
            self.timer.clear(key);
        }
        let now = self.clock.now();
        let mut state = self.state.lock();
        state.ledger.ended(slot);
        state.times.add(&attempt.kind, attempt.age(now));
        state.rate.add(now);
        let may_begin = state.ledger.has_next(now);
        drop(state);
        // What waited for this end, on a thread that is idle: this one may not be the next to look.
        if may_begin {
            self.work.notify_all();
        }
        self.send(attempt.id, outcome, dead);
        self.ended_some();
    }

    /// The host waits for the last end, and for the last answer, only in a stop.
    fn ended_some(&self) {
        self.changed.notify_all();
        if self.stopping.is_cancelled() {
            (self.notify)();
        }
    }

    /// The store has answered. `was_accepted`: what it refuses it has accepted before, unless the
    /// lease was lost meanwhile.
    pub(in crate::jobs::workers) fn answered(
        &self,
        ends: Vec<End>,
        answers: &[Answer],
        was_accepted: bool,
    ) {
        let mut lost = Vec::new();
        let mut state = self.state.lock();
        for (end, answer) in ends.into_iter().zip(answers) {
            let Finish { attempt, outcome } = &end.finish;
            let was_accepted = was_accepted && !state.ledger.is_taken_over(*attempt);
            let answer = match answer {
                Answer::Lost if was_accepted => Answer::Accepted(usual_state(outcome)),
                answer => *answer,
            };
            state.ledger.answered(*attempt, outcome, answer);
            match answer {
                Answer::Accepted(JobState::Dead) if self.setup.dead_letter.is_some() => {
                    state.dead.extend(end.dead);
                }
                Answer::Lost => lost.push(attempt.job),
                Answer::Accepted(_) => {}
            }
        }
        let has_dead = !state.dead.is_empty();
        let is_answered = state.is_answered();
        drop(state);
        for job in lost {
            let text = format!(
                "the end of job {job} was refused: another process has taken the job over, whose \
                 outcome stands"
            );
            self.log(log::Level::Error, &text);
        }
        if has_dead {
            self.work.notify_one();
        }
        if is_answered {
            self.ended_some();
        }
    }

    /// The store can never record these ends. Another process decides about their jobs when this one
    /// has ended: they are dead then, or stay with its lease if not even that can be recorded.
    pub(in crate::jobs::workers) fn unrecorded(&self, ends: Vec<End>, error: &StoreError) {
        let mut state = self.state.lock();
        for end in &ends {
            let Finish { attempt, outcome } = &end.finish;
            state.ledger.unrecorded(*attempt, outcome);
        }
        drop(state);
        for end in ends {
            let job = end.finish.attempt.job;
            let text = format!("the end of job {job} cannot be stored, and is given up: {error}");
            self.log(log::Level::Error, &text);
        }
        self.ended_some();
    }

    /// Jobs that a claim could not read are dead.
    pub(in crate::jobs::workers) fn unreadable(&self, jobs: Vec<UnreadableJob>) {
        for job in jobs {
            let text = format!("job {} ({}) is dead: {}", job.id, job.kind, job.reason);
            self.log(log::Level::Error, &text);
            self.found_dead(DeadJob {
                id: job.id,
                fence: job.fence,
                queue: job.queue,
                kind: job.kind,
                attempt: job.attempt,
                error: job.reason,
            });
        }
    }

    /// A job that this process has taken over, or could not read, is dead.
    pub(in crate::jobs::workers) fn found_dead(&self, dead: DeadJob) {
        if self.setup.dead_letter.is_some() && self.setup.place_of(&dead.kind).is_some() {
            self.state.lock().dead.push_back(dead);
            self.work.notify_one();
        }
    }
}

impl State {
    /// Whether the store has answered all ends, and the claim that is under way.
    pub(super) fn is_answered(&self) -> bool {
        !self.claims.is_under_way && self.ledger.is_answered()
    }

    /// The thread begins the next job, if there is one, and if the lease is trusted (a ledger does
    /// not know that another process has taken over until the store says so).
    fn begin(&mut self, slot: usize, now: Instant) -> Option<Next> {
        let worker = self.trusted_lease(now)?;
        let (attempt, payload) = self.ledger.begin(slot, now)?;
        Some(Next::Run {
            attempt,
            payload,
            worker,
        })
    }
}

/// Where a job is after such an end.
fn usual_state(outcome: &Outcome) -> JobState {
    match outcome {
        Outcome::Completed => JobState::Completed,
        Outcome::Dead { .. } => JobState::Dead,
        Outcome::Cancelled { .. } => JobState::Cancelled,
        Outcome::Failed { .. } | Outcome::Snoozed { .. } => JobState::Scheduled,
        Outcome::GivenBack | Outcome::Interrupted { .. } => JobState::Available,
        Outcome::Abandoned => JobState::Running,
    }
}
