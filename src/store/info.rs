//! What is read of a job.

use super::ids::{Fence, JobId, WorkerId};
use super::state::JobState;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// A job in a list: all but its payload and its past attempts. Times are those of the store's wall
/// clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobInfo {
    /// The job.
    pub id: JobId,
    /// Its queue.
    pub queue: String,
    /// The name of its type.
    pub kind: String,
    /// Its state.
    pub state: JobState,
    /// Higher ones are claimed first within a queue.
    pub priority: i32,
    /// When it is due, or was when it was claimed.
    pub due: SystemTime,
    /// When it was due at first, before any attempt, or was retried by hand.
    pub first_due: SystemTime,
    /// The number of attempts, the running one included. A retry by hand sets it to 0.
    pub attempt: u32,
    /// The maximum number of attempts; `None` before the first claim, if its handler decides.
    pub max_attempts: Option<u32>,
    /// How many attempts in a row ended with their process.
    pub lost: u32,
    /// How often a stop interrupted it.
    pub interrupted: u32,
    /// The fence of the last claim or takeover.
    pub fence: Option<Fence>,
    /// The process that runs it.
    pub worker: Option<WorkerId>,
    /// When an operator requested the cancellation of the running attempt.
    pub cancel_requested: Option<SystemTime>,
    /// The moment from which it is not claimed any more.
    pub expires: Option<SystemTime>,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// The key that no other job has that has not ended.
    pub unique_key: Option<String>,
    /// The key of its [limit](super::Limit).
    pub limit_key: Option<String>,
    /// The number of jobs that are to be completed before it.
    pub waits: u32,
    /// When it was enqueued.
    pub enqueued_at: SystemTime,
    /// When it was last claimed.
    pub claimed_at: Option<SystemTime>,
    /// When it was completed, dead or cancelled.
    pub ended_at: Option<SystemTime>,
    /// The error of the last attempt, or why it is dead or cancelled.
    pub reason: Option<String>,
}

impl JobInfo {
    /// The longest reason that a store keeps, in bytes. It cuts the texts of errors to this: each
    /// list reads them.
    pub const MAX_REASON: usize = 8 << 10;
}

/// All that a store has of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobDetails {
    /// What a list shows.
    pub info: JobInfo,
    /// What its handler gets.
    pub payload: Vec<u8>,
    /// What the program keeps with it.
    pub meta: BTreeMap<String, String>,
    /// The client id with which it was enqueued.
    pub client_id: Option<String>,
    /// The jobs that are to be completed before it, in the order of their ids.
    pub waits_for: Vec<JobId>,
    /// The jobs that wait for it, or were cancelled while they did, in the order of their ids: the
    /// first 100.
    pub followers: Vec<JobId>,
    /// The attempts that failed, were lost or were interrupted, oldest first: the last
    /// [`KEPT`](AttemptInfo::KEPT).
    pub attempts: Vec<AttemptInfo>,
}

/// An attempt that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptInfo {
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The fence of its claim.
    pub fence: Fence,
    /// The process that ran it.
    pub worker: WorkerId,
    /// When it was claimed.
    pub claimed_at: SystemTime,
    /// When the store learned of its end.
    pub ended_at: SystemTime,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// Its error, or why it was lost.
    pub error: Option<String>,
}

impl AttemptInfo {
    /// The number of attempts kept for each job.
    pub const KEPT: usize = 16;
}

/// How an attempt ended that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttemptOutcome {
    /// Its handler failed.
    Failed,
    /// Its process ended, or did not renew its lease, after it had or may have begun.
    Lost,
    /// A stop interrupted it, or left it behind when the process ended.
    Interrupted,
}
