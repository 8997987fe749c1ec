//! One job of the plain model.

use super::probe::Probe;
use crate::store::{
    AttemptId, AttemptOutcome, Due, Fence, JobId, JobSpec, JobState, Outcome, WorkerId,
};
use std::collections::BTreeSet;
use std::time::SystemTime;

#[derive(Clone)]
pub(super) struct PlainJob {
    pub(super) id: JobId,
    pub(super) spec: JobSpec,
    pub(super) state: JobState,
    pub(super) due: SystemTime,
    pub(super) first_due: SystemTime,
    pub(super) expires: Option<SystemTime>,
    pub(super) attempt: u32,
    pub(super) max_attempts: Option<u32>,
    pub(super) lost: u32,
    pub(super) interrupted: u32,
    pub(super) fence: Option<Fence>,
    pub(super) worker: Option<WorkerId>,
    pub(super) is_cancel_requested: bool,
    pub(super) is_abandoned: bool,
    pub(super) claimed_at: Option<SystemTime>,
    pub(super) ended_at: Option<SystemTime>,
    pub(super) waits_for: BTreeSet<JobId>,
    pub(super) history: Vec<(u32, AttemptOutcome)>,
}

impl PlainJob {
    pub(super) fn new(
        id: JobId,
        spec: &JobSpec,
        waits_for: BTreeSet<JobId>,
        now: SystemTime,
    ) -> PlainJob {
        let due = spec.due.resolve(now);
        let mut job = PlainJob {
            id,
            spec: spec.clone(),
            state: JobState::Scheduled,
            due,
            first_due: due,
            expires: spec.expires.map(|after| Due::After(after).resolve(now)),
            attempt: 0,
            max_attempts: spec.max_attempts,
            lost: 0,
            interrupted: 0,
            fence: None,
            worker: None,
            is_cancel_requested: false,
            is_abandoned: false,
            claimed_at: None,
            ended_at: None,
            waits_for,
            history: Vec::new(),
        };
        job.wait_until(due, now);
        job
    }

    pub(super) fn attempt_id(&self) -> Option<AttemptId> {
        let (job, fence) = (self.id, self.fence?);
        Some(AttemptId { job, fence })
    }

    pub(super) fn end(&mut self, state: JobState, now: SystemTime) {
        self.state = state;
        self.ended_at = Some(now);
        self.stop_running();
    }

    fn stop_running(&mut self) {
        self.worker = None;
        self.is_cancel_requested = false;
        self.is_abandoned = false;
    }

    pub(super) fn wait_until(&mut self, due: SystemTime, now: SystemTime) {
        let is_cancelled = self.is_cancel_requested;
        self.due = due;
        self.stop_running();
        if is_cancelled {
            return self.end(JobState::Cancelled, now);
        }
        self.state = match due <= now {
            _ if !self.waits_for.is_empty() => JobState::Waiting,
            true => self.when_due(),
            false => JobState::Scheduled,
        };
    }

    /// One with a limit waits for a place.
    pub(super) fn when_due(&self) -> JobState {
        match self.spec.limit {
            Some(_) => JobState::Blocked,
            None => JobState::Available,
        }
    }

    fn remember(&mut self, outcome: AttemptOutcome) {
        self.history.push((self.attempt, outcome));
        let more = self.history.len().saturating_sub(16);
        self.history.drain(..more);
    }

    /// `failure` is how an attempt is remembered that failed.
    pub(super) fn apply(&mut self, outcome: &Outcome, failure: AttemptOutcome, now: SystemTime) {
        match outcome {
            Outcome::Completed => self.end(JobState::Completed, now),
            Outcome::Cancelled { .. } => self.end(JobState::Cancelled, now),
            Outcome::Dead { .. } => {
                self.remember(failure);
                self.end(JobState::Dead, now);
            }
            Outcome::Failed { retry, .. } => {
                self.remember(failure);
                self.wait_until(retry.resolve(now), now);
            }
            Outcome::Snoozed { due } => {
                self.attempt -= 1;
                self.wait_until(due.resolve(now), now);
            }
            Outcome::GivenBack => {
                self.attempt -= 1;
                self.wait_until(self.due, now);
            }
            Outcome::Interrupted { .. } => {
                self.remember(AttemptOutcome::Interrupted);
                self.attempt -= 1;
                self.interrupted += 1;
                self.wait_until(self.due, now);
            }
            Outcome::Abandoned => self.is_abandoned = true,
        }
    }

    /// Compares it with what the store has. Where the model cannot know the times, it takes over
    /// those of the store.
    pub(super) fn compare(&mut self, probe: &Probe, knows_times: bool) {
        let stored = probe.job(self.id);
        let info = stored.info;
        assert_eq!(info.state, self.state, "job {}", self.id);
        assert_eq!(info.attempt, self.attempt, "attempts of job {}", self.id);
        assert_eq!(info.max_attempts, self.max_attempts);
        assert_eq!((info.lost, info.interrupted), (self.lost, self.interrupted));
        assert_eq!((info.fence, info.worker), (self.fence, self.worker));
        assert_eq!(info.cancel_requested.is_some(), self.is_cancel_requested);
        assert_eq!(info.priority, self.spec.priority);
        assert_eq!(
            (&info.queue, &info.kind),
            (&self.spec.queue, &self.spec.kind)
        );
        assert_eq!(info.unique_key, self.spec.unique_key);
        let waits_for: Vec<JobId> = self.waits_for.iter().copied().collect();
        assert_eq!(stored.waits_for, waits_for, "job {}", self.id);
        assert_eq!(info.waits as usize, waits_for.len());
        let key = self.spec.limit.as_ref().map(|limit| &limit.key);
        assert_eq!(info.limit_key.as_ref(), key);
        assert_eq!(info.ended_at.is_some(), self.state.is_ended());
        assert_eq!(stored.client_id, self.spec.client_id);
        assert_eq!(stored.payload, self.spec.payload);
        let attempts = stored.attempts.iter();
        let history: Vec<_> = attempts.map(|it| (it.attempt, it.outcome)).collect();
        assert_eq!(history, self.history);
        if knows_times {
            assert_eq!((info.due, info.first_due), (self.due, self.first_due));
            assert_eq!(
                (info.claimed_at, info.ended_at),
                (self.claimed_at, self.ended_at)
            );
            assert_eq!(info.expires, self.expires);
        }
        (self.due, self.first_due) = (info.due, info.first_due);
        (self.claimed_at, self.ended_at) = (info.claimed_at, info.ended_at);
    }
}
