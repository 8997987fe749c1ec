//! Which of the candidates a claim gets. Pure.

use super::claim::ClaimRequest;
use super::ids::JobId;
use std::cmp::Reverse;
use std::time::{Duration, SystemTime};

/// Chooses the jobs of a claim. A store offers the candidates of one queue after the other, in the
/// order of the request, until the picker is [full](Self::is_full).
///
/// Within a queue the order is: higher priority first, then the earlier due one, then the lower id.
/// Jobs are taken until their expected times reach the budget, but at least one. A job whose last
/// attempt was lost is claimed alone: it may have been what ended its process.
#[derive(Clone, Debug)]
pub struct Picker {
    budget: Duration,
    most: usize,
    taken: usize,
    expected: Duration,
    /// What comes next has to be claimed alone.
    is_stopped: bool,
    discarded: usize,
    /// As many were discarded as may be, and there was one more.
    has_more: bool,
}

/// An available job that may be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The job.
    pub id: JobId,
    /// Higher ones come first.
    pub priority: i32,
    /// Earlier ones come first.
    pub due: SystemTime,
    /// Whether its last attempt was lost.
    pub is_lost: bool,
    /// How long a job of its kind is expected to take.
    pub expected: Duration,
}

impl Picker {
    /// The number of jobs that one claim discards at most: it takes a short time, however many have
    /// expired.
    pub const MOST_DISCARDED: usize = 200;

    /// For one claim.
    pub fn new(request: &ClaimRequest<'_>) -> Picker {
        Picker {
            budget: request.budget,
            most: request.most,
            taken: 0,
            expected: Duration::ZERO,
            is_stopped: false,
            discarded: 0,
            has_more: false,
        }
    }

    /// The maximum number of candidates of one lane that can still be taken, and so need to be
    /// read.
    pub fn room(&self) -> usize {
        match self.is_full() {
            true => 0,
            false => self.most - self.taken,
        }
    }

    /// Whether nothing more is taken.
    pub fn is_full(&self) -> bool {
        let is_spent = self.taken > 0 && self.expected >= self.budget;
        self.is_stopped || self.has_more || is_spent || self.taken >= self.most
    }

    /// Asks whether one more job may be ended instead of claimed, since it has expired or cannot be
    /// read. If not, the picker is full: what else is available in this queue is not known.
    pub fn discard(&mut self) -> bool {
        self.has_more = self.discarded >= Picker::MOST_DISCARDED;
        self.discarded += usize::from(!self.has_more);
        !self.has_more
    }

    /// Whether the claim ends early: another [discard](Self::discard) was not allowed.
    pub fn has_more(&self) -> bool {
        self.has_more
    }

    /// Takes from the candidates of one queue, which may be in any order. Returns the jobs to claim,
    /// in the order in which they are to be run.
    pub fn pick(&mut self, mut queue: Vec<Candidate>) -> Vec<JobId> {
        queue.sort_unstable_by_key(|job| (Reverse(job.priority), job.due, job.id));
        let mut picked = Vec::new();
        for candidate in queue {
            if self.is_full() || !self.take(candidate) {
                break;
            }
            picked.push(candidate.id);
        }
        picked
    }

    /// Whether the next one in order is taken.
    fn take(&mut self, candidate: Candidate) -> bool {
        self.is_stopped = candidate.is_lost;
        if candidate.is_lost && self.taken > 0 {
            return false;
        }
        self.taken += 1;
        self.expected = self.expected.saturating_add(candidate.expected);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::ids::WorkerId;
    use super::*;
    use std::time::UNIX_EPOCH;

    const MS: Duration = Duration::from_millis(1);

    fn picker(budget: Duration, most: usize) -> Picker {
        Picker::new(&ClaimRequest {
            worker: WorkerId::new(1),
            queues: &[],
            kinds: &[],
            budget,
            most,
        })
    }

    fn candidate(id: i64, priority: i32, due: u32, expected: Duration) -> Candidate {
        Candidate {
            id: JobId::new(id),
            priority,
            due: UNIX_EPOCH + due * MS,
            is_lost: false,
            expected,
        }
    }

    fn numbers(picked: &[JobId]) -> Vec<i64> {
        picked.iter().map(|id| id.get()).collect()
    }

    #[test]
    fn a_queue_is_taken_by_priority_then_by_due_then_by_id() {
        let queue = vec![
            candidate(1, 0, 2, MS),
            candidate(4, 0, 1, MS),
            candidate(3, 0, 1, MS),
            candidate(2, 5, 9, MS),
        ];
        assert_eq!(numbers(&picker(50 * MS, 100).pick(queue)), [2, 3, 4, 1]);
    }

    #[test]
    fn jobs_are_taken_until_their_expected_times_reach_the_budget_over_all_queues() {
        let mut picker = picker(50 * MS, 100);
        let queue = |from| (from..from + 2).map(|id| candidate(id, 0, 0, 20 * MS));
        assert_eq!(picker.pick(queue(1).collect()).len(), 2);
        assert_eq!(numbers(&picker.pick(queue(3).collect())), [3]);
        assert!(picker.is_full());
        assert_eq!(picker.room(), 0);
    }

    #[test]
    fn one_job_is_taken_however_long_it_takes_and_never_more_than_asked_for() {
        let long = || (1..5).map(|id| candidate(id, 0, 0, 999 * MS)).collect();
        assert_eq!(numbers(&picker(Duration::ZERO, 100).pick(long())), [1]);
        let short = (1..5).map(|id| candidate(id, 0, 0, MS)).collect();
        assert_eq!(numbers(&picker(50 * MS, 3).pick(short)), [1, 2, 3]);
        assert!(picker(50 * MS, 0).pick(long()).is_empty());
    }

    #[test]
    fn a_lost_job_is_taken_alone_and_holds_back_what_is_behind_it() {
        let lost = |mut job: Candidate| {
            job.is_lost = true;
            job
        };
        let mut first = picker(50 * MS, 100);
        let queue = vec![lost(candidate(1, 0, 0, MS)), candidate(2, 0, 0, MS)];
        assert_eq!(numbers(&first.pick(queue)), [1]);
        assert!(first.pick(vec![candidate(3, 0, 0, MS)]).is_empty());

        let mut second = picker(50 * MS, 100);
        let queue = vec![
            candidate(1, 0, 0, MS),
            lost(candidate(2, 0, 0, MS)),
            candidate(3, 0, 0, MS),
        ];
        assert_eq!(numbers(&second.pick(queue)), [1]);
        assert!(second.is_full());
    }
}
