//! One job, and what its outcome makes of it.

use crate::store::{
    AttemptInfo, AttemptOutcome, Due, Fence, JobDetails, JobId, JobInfo, JobSpec, JobState,
    Outcome, WorkerId,
};
use std::time::SystemTime;

pub(super) struct Row {
    pub(super) job: JobDetails,
    /// A stop has left the running attempt behind.
    pub(super) is_abandoned: bool,
}

/// What became of a job that others wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ParentEnd {
    Completed,
    Cancelled,
    Deleted,
    Pruned,
}

impl ParentEnd {
    /// What the state means for those that wait. A dead job may still be retried.
    pub(super) fn of(state: JobState) -> Option<ParentEnd> {
        match state {
            JobState::Completed => Some(ParentEnd::Completed),
            JobState::Cancelled => Some(ParentEnd::Cancelled),
            _ => None,
        }
    }
}

/// The reason of a job that was cancelled by [`Store::cancel`](crate::store::Store::cancel).
const BY_OPERATOR: &str = "cancelled by an operator";

impl Row {
    /// `waits` is the number of those of its parents that are not completed.
    pub(super) fn new(id: JobId, spec: JobSpec, waits: u32, now: SystemTime) -> Row {
        let due = spec.due.resolve(now);
        let mut info = JobInfo {
            id,
            queue: spec.queue,
            kind: spec.kind,
            state: JobState::Scheduled,
            priority: spec.priority,
            due,
            first_due: due,
            attempt: 0,
            max_attempts: spec.max_attempts,
            lost: 0,
            interrupted: 0,
            fence: None,
            worker: None,
            cancel_requested: None,
            expires: spec.expires.map(|after| Due::After(after).resolve(now)),
            timeout: spec.timeout,
            unique_key: spec.unique_key,
            limit_key: spec.limit.map(|limit| limit.key),
            waits,
            enqueued_at: now,
            claimed_at: None,
            ended_at: None,
            reason: None,
        };
        info.state = when_free(&info, due, now);
        let job = JobDetails {
            info,
            payload: spec.payload,
            meta: spec.meta,
            client_id: spec.client_id,
            waits_for: Vec::new(),
            followers: Vec::new(),
            attempts: Vec::new(),
        };
        Row {
            job,
            is_abandoned: false,
        }
    }

    pub(super) fn has_expired(&self, now: SystemTime) -> bool {
        self.job.info.expires.is_some_and(|expires| expires <= now)
    }

    /// It is due.
    pub(super) fn promote(&mut self) {
        self.job.info.state = when_due(&self.job.info);
    }

    /// There is a place for it.
    pub(super) fn admit(&mut self) {
        self.job.info.state = JobState::Available;
    }

    pub(super) fn block(&mut self) {
        self.job.info.state = JobState::Blocked;
    }

    pub(super) fn begin(
        &mut self,
        worker: WorkerId,
        fence: Fence,
        max_attempts: u32,
        now: SystemTime,
    ) {
        let info = &mut self.job.info;
        info.state = JobState::Running;
        info.attempt += 1;
        info.max_attempts.get_or_insert(max_attempts);
        info.fence = Some(fence);
        info.worker = Some(worker);
        info.claimed_at = Some(now);
    }

    /// The running attempt ends, by its worker.
    pub(super) fn finish(&mut self, outcome: &Outcome, now: SystemTime) {
        if let Outcome::Failed { .. } | Outcome::Snoozed { .. } = outcome {
            self.job.info.lost = 0;
        }
        self.end_attempt(outcome, AttemptOutcome::Failed, now);
    }

    /// The running attempt ends with its process, of which no outcome counts from now on.
    pub(super) fn take_over(
        &mut self,
        outcome: &Outcome,
        is_suspect: bool,
        fence: Fence,
        now: SystemTime,
    ) {
        // The process is gone: there is no other end for what it left behind.
        let outcome = match outcome {
            Outcome::Abandoned => &Outcome::Interrupted { error: None },
            other => other,
        };
        let failure = match is_suspect {
            true => AttemptOutcome::Lost,
            false => AttemptOutcome::Interrupted,
        };
        self.job.info.lost += u32::from(is_suspect);
        self.end_attempt(outcome, failure, now);
        self.job.info.fence = Some(fence);
    }

    /// `failure` is how an attempt is remembered that failed.
    fn end_attempt(&mut self, outcome: &Outcome, failure: AttemptOutcome, now: SystemTime) {
        let is_cancelled = self.job.info.cancel_requested.is_some();
        match outcome {
            Outcome::Completed => return self.end(JobState::Completed, None, now),
            Outcome::Dead { error } => {
                self.remember(failure, Some(error), now);
                return self.end(JobState::Dead, Some(error), now);
            }
            Outcome::Cancelled { reason } => {
                return self.end(JobState::Cancelled, Some(reason), now);
            }
            Outcome::Abandoned => {
                self.is_abandoned = true;
                return;
            }
            Outcome::Failed { error, retry } => {
                self.remember(failure, Some(error), now);
                self.job.info.reason = Some(cut(error));
                self.job.info.due = retry.resolve(now);
            }
            Outcome::Snoozed { due } => {
                self.job.info.attempt -= 1;
                self.job.info.due = due.resolve(now);
            }
            Outcome::GivenBack => self.job.info.attempt -= 1,
            Outcome::Interrupted { error } => {
                self.remember(AttemptOutcome::Interrupted, error.as_ref(), now);
                self.job.info.attempt -= 1;
                self.job.info.interrupted += 1;
            }
        }
        if is_cancelled {
            return self.end(JobState::Cancelled, Some(BY_OPERATOR), now);
        }
        self.leave();
        let due = self.job.info.due;
        self.job.info.state = when_free(&self.job.info, due, now);
    }

    fn remember(&mut self, outcome: AttemptOutcome, error: Option<&String>, now: SystemTime) {
        let info = &self.job.info;
        let (Some(fence), Some(worker), Some(claimed_at)) =
            (info.fence, info.worker, info.claimed_at)
        else {
            return; // it does not run
        };
        let attempts = &mut self.job.attempts;
        if attempts.len() == AttemptInfo::KEPT {
            attempts.remove(0);
        }
        attempts.push(AttemptInfo {
            attempt: info.attempt,
            fence,
            worker,
            claimed_at,
            ended_at: now,
            outcome,
            error: error.map(|error| cut(error)),
        });
    }

    /// One of the jobs that are to be completed first has ended, or is gone.
    pub(super) fn parent_ended(&mut self, parent: JobId, how: ParentEnd, now: SystemTime) {
        let info = &mut self.job.info;
        info.waits = info.waits.saturating_sub(1);
        if info.state != JobState::Waiting {
            return; // it was cancelled meanwhile
        }
        let how = match how {
            ParentEnd::Completed => {
                info.state = when_free(info, info.due, now);
                return;
            }
            ParentEnd::Cancelled => "cancelled",
            ParentEnd::Deleted => "deleted",
            ParentEnd::Pruned => "pruned",
        };
        let reason = format!("job {parent}, for which it waited, was {how}");
        self.end(JobState::Cancelled, Some(&reason), now);
    }

    /// An operator cancels a job that does not run.
    pub(super) fn cancel(&mut self, now: SystemTime) {
        self.end(JobState::Cancelled, Some(BY_OPERATOR), now);
    }

    pub(super) fn expire(&mut self, now: SystemTime) {
        self.end(JobState::Cancelled, Some("expired"), now);
    }

    fn end(&mut self, state: JobState, reason: Option<&str>, now: SystemTime) {
        self.leave();
        let info = &mut self.job.info;
        info.state = state;
        info.reason = reason.map(cut);
        info.ended_at = Some(now);
    }

    /// No process runs it any more.
    fn leave(&mut self) {
        self.is_abandoned = false;
        self.job.info.worker = None;
        self.job.info.cancel_requested = None;
    }

    pub(super) fn retry(&mut self, now: SystemTime) {
        let info = &mut self.job.info;
        info.state = when_free(info, now, now);
        info.attempt = 0;
        info.interrupted = 0;
        info.due = now;
        info.first_due = now;
        info.expires = None;
        info.ended_at = None;
    }
}

/// The beginning of a text, if it is longer than a store keeps.
fn cut(text: &str) -> String {
    if text.len() <= JobInfo::MAX_REASON {
        return text.to_owned();
    }
    let rest = format!(".. (cut, of {} bytes)", text.len());
    let mut end = JobInfo::MAX_REASON - rest.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned() + &rest
}

/// The state of a job that is due then, if it waits for no other.
fn when_free(info: &JobInfo, due: SystemTime, now: SystemTime) -> JobState {
    match info.waits {
        0 if due <= now => when_due(info),
        0 => JobState::Scheduled,
        _ => JobState::Waiting,
    }
}

/// A job with a limit is blocked until the store has found a place for it.
fn when_due(info: &JobInfo) -> JobState {
    match info.limit_key {
        Some(_) => JobState::Blocked,
        None => JobState::Available,
    }
}
