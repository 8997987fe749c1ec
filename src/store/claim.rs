//! What a worker asks for, and gets.

use super::ids::{AttemptId, Fence, JobId, WorkerId};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// What a process asks for when it claims jobs: those of the given kinds in the given queues, as
/// many as it expects to begin soon.
#[derive(Clone, Debug)]
pub struct ClaimRequest<'a> {
    /// The process that will run them.
    pub worker: WorkerId,
    /// The queues, each once, in the order in which they are looked at. The caller orders them by
    /// their weights, again for each claim.
    pub queues: &'a [&'a str],
    /// The kinds that the process has handlers for, each once.
    pub kinds: &'a [KindRequest<'a>],
    /// Jobs are claimed until their expected times add up to this. One is claimed in any case.
    pub budget: Duration,
    /// The maximum number of jobs.
    pub most: usize,
}

/// A kind of a [`ClaimRequest`].
#[derive(Clone, Copy, Debug)]
pub struct KindRequest<'a> {
    /// Its name.
    pub kind: &'a str,
    /// How long a job of it is expected to take.
    pub expected: Duration,
    /// The maximum number of attempts of a job that has none of its own. The first claim writes it
    /// into the job, so that a process without this handler can judge the job if it is lost.
    pub max_attempts: u32,
}

/// The jobs that a process has claimed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// In the order in which they were claimed, which is that of [`Picker`](super::Picker).
    pub jobs: Vec<ClaimedJob>,
    /// Whether the next claim may find more at once: this one ended early, since it had discarded as
    /// many jobs as one claim may, or what it discarded has left its [place](super::Limit) to others.
    pub has_more: bool,
    /// Those that it has found and could not read.
    pub unreadable: Vec<UnreadableJob>,
}

/// A job that a claim could not read. It is dead from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableJob {
    /// The job.
    pub id: JobId,
    /// The fence of the claim.
    pub fence: Fence,
    /// Its queue.
    pub queue: String,
    /// The name of its type.
    pub kind: String,
    /// The number of its last attempt; 0 if there was none.
    pub attempt: u32,
    /// Why it is dead, as in the store.
    pub reason: String,
}

/// A job that a process has claimed, with all that its handler needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedJob {
    /// The job.
    pub id: JobId,
    /// The fence of this claim.
    pub fence: Fence,
    /// Its queue.
    pub queue: String,
    /// The name of its type.
    pub kind: String,
    /// What it was enqueued with.
    pub payload: Vec<u8>,
    /// What the program keeps with it.
    pub meta: BTreeMap<String, String>,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// The maximum number of attempts.
    pub max_attempts: u32,
    /// How many attempts in a row ended with their process. If it is not 0, this job was claimed
    /// alone.
    pub lost: u32,
    /// How often a stop interrupted it.
    pub interrupted: u32,
    /// When it was due at first, or was retried by hand.
    pub first_due: SystemTime,
    /// When this attempt was due.
    pub due: SystemTime,
    /// When it was enqueued.
    pub enqueued_at: SystemTime,
    /// How long the attempt may take.
    pub timeout: Option<Duration>,
}

impl ClaimedJob {
    /// The attempt, as [`Finish`](super::Finish) names it.
    pub fn attempt_id(&self) -> AttemptId {
        AttemptId {
            job: self.id,
            fence: self.fence,
        }
    }
}
