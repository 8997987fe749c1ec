//! Where a stop is, and what has to be done next. Pure: `now` is given, threads and locks
//! are the stopper's.

use super::plan::{Moments, PoolPhase};
use super::report::{Closures, ReportData, StopReport};
use crate::clock::Deadline;
use crate::queue::TakenOut;
use crate::sync::{Arc, Weak};
use crate::threads::{JoinHelpers, TIME_TO_EXIT, Thread};
use std::time::Instant;

/// A worker's thread, as the stop knows it.
pub(super) struct WorkerEntry {
    pub(super) name: Arc<str>,
    /// Taken by the thread that joins it.
    pub(super) thread: Option<Thread>,
    /// The system's number of the thread, where it is known.
    pub(super) thread_id: Option<u64>,
    pub(super) standing: WorkerStatus,
    /// It waits inside `stop`, for the others.
    pub(super) inside_stop: bool,
    /// It was stuck, and another one has taken its place: when it leaves, its own is free.
    pub(super) replaced: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkerStatus {
    Working,
    /// Has left its body; the thread may still be ending.
    Left,
    Joined,
    /// No thread has this place: it is for one that takes another's.
    Spare,
}

impl WorkerStatus {
    /// No thread of it is left.
    pub(super) fn is_gone(self) -> bool {
        matches!(self, WorkerStatus::Joined | WorkerStatus::Spare)
    }
}

/// Everything about the stop of one pool, behind the stopper's lock.
pub(super) struct StopState {
    pub(super) members: Vec<WorkerEntry>,
    /// When the first stop began.
    pub(super) began: Option<Instant>,
    /// When what is due; all plans so far, merged.
    pub(super) moments: Moments,
    /// Some thread carries the stop out.
    pub(super) driving: bool,
    /// When the backlog was taken out.
    pub(super) backlog_out: Option<Instant>,
    /// What of the backlog there is to report.
    pub(super) out: TakenOut,
    pub(super) cancelled: bool,
    /// Of the helpers that join the workers' threads.
    pub(super) joiners: JoinHelpers,
    /// Calls of `stop` that wait for the report.
    pub(super) waiting: usize,
    pub(super) report: Option<StoredReport>,
    /// The pool was dropped by one of its own workers.
    pub(super) ownerless: bool,
}

/// What the pool keeps of its report. The unstarted closures are kept only until every
/// thread that waited for them, or else the first to ask, has them.
pub(super) struct StoredReport {
    pub(super) facts: Arc<ReportData>,
    pub(super) closures: Weak<Closures>,
    pub(super) until_fetched: Option<Arc<Closures>>,
}

/// What has to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    TakeOut,
    Cancel,
    StartJoiner,
    Report,
    Wait(Deadline),
}

impl StopState {
    pub(super) fn new() -> StopState {
        StopState {
            members: Vec::new(),
            began: None,
            moments: Moments::NEVER,
            driving: false,
            backlog_out: None,
            out: TakenOut::default(),
            cancelled: false,
            joiners: JoinHelpers::default(),
            waiting: 0,
            report: None,
            ownerless: false,
        }
    }

    pub(super) fn phase(&self, is_closed: bool) -> PoolPhase {
        match (self.report.is_some(), self.cancelled, is_closed) {
            (true, _, _) => PoolPhase::Done,
            (_, true, _) => PoolPhase::Cancelling,
            (_, _, true) => PoolPhase::Closed,
            _ => PoolPhase::Open,
        }
    }

    /// What to do at `now`. `is_running` returns whether a worker has a task on its stack.
    pub(super) fn next_step(&self, now: Instant, is_running: impl Fn(usize) -> bool) -> Step {
        if self.backlog_out.is_none() && self.is_backlog_due(now) {
            return Step::TakeOut;
        }
        if !self.cancelled && self.moments.cancel.has_passed(now) {
            return Step::Cancel;
        }
        if self.others().all(|(_, member)| self.is_gone(member)) {
            return Step::Report;
        }
        let end = self.end(now, is_running);
        if end.has_passed(now) {
            return Step::Report;
        }
        let join = self.next_join(now);
        if join.has_passed(now) {
            return Step::StartJoiner;
        }
        Step::Wait(end.earlier(join).earlier(self.next_moment()))
    }

    /// The workers that the stop waits for. One inside `stop` waits itself.
    fn others(&self) -> impl Iterator<Item = (usize, &WorkerEntry)> {
        let members = self.members.iter().enumerate();
        members.filter(|(_, member)| !member.inside_stop)
    }

    /// Whether the backlog is to be taken out: its moment has come, or no worker is left that
    /// would run it.
    fn is_backlog_due(&self, now: Instant) -> bool {
        let is_working = |member: &WorkerEntry| member.standing == WorkerStatus::Working;
        self.moments.backlog_out.has_passed(now)
            || self.moments.cancel.has_passed(now)
            || !self.others().any(|(_, member)| is_working(member))
    }

    /// When the report is made, whatever is left. After the deadline, workers without a task
    /// still have a moment to exit: a stop with a deadline of zero is clean if all were idle.
    fn end(&self, now: Instant, is_running: impl Fn(usize) -> bool) -> Deadline {
        let deadline = self.moments.deadline;
        if !deadline.has_passed(now) {
            return deadline;
        }
        let may_exit = |(index, member): (usize, _)| !self.is_gone(member) && !is_running(index);
        match self.backlog_out {
            Some(out) if self.others().any(may_exit) => Deadline::at(out + TIME_TO_EXIT),
            _ => deadline,
        }
    }

    /// The next moment of the plan.
    fn next_moment(&self) -> Deadline {
        let backlog_out = match self.backlog_out {
            None => self.moments.backlog_out,
            Some(_) => Deadline::NEVER,
        };
        match self.cancelled {
            false => self.moments.cancel.earlier(backlog_out),
            true => backlog_out,
        }
    }

    /// When the next helper is needed to join what has left.
    fn next_join(&self, now: Instant) -> Deadline {
        match self.next_to_join() {
            Some(_) => self.joiners.next_start(now),
            None => Deadline::NEVER,
        }
    }

    /// Nothing of it is waited for any more. Where no helper can be started
    /// a thread that left is not waited for, but reported.
    fn is_gone(&self, member: &WorkerEntry) -> bool {
        member.standing.is_gone()
            || (member.standing == WorkerStatus::Left && self.joiners.have_given_up())
    }

    /// The next thread that left and is not being joined yet.
    pub(super) fn next_to_join(&self) -> Option<usize> {
        let waits =
            |member: &WorkerEntry| member.standing == WorkerStatus::Left && member.thread.is_some();
        match self.joiners.have_given_up() {
            false => self.members.iter().position(waits),
            true => None,
        }
    }

    /// What a call that asks for the report is given: one of those that waited
    /// for it, if `waited`.
    pub(super) fn fetch(&mut self, waited: bool) -> Option<StopReport> {
        self.waiting -= usize::from(waited && self.report.is_some());
        let kept = self.report.as_mut()?;
        let closures = kept.closures.upgrade().unwrap_or_default();
        if self.waiting == 0 {
            kept.until_fetched = None;
        }
        Some(StopReport::new(kept.facts.clone(), closures))
    }

    /// The report, for a reader that did not request the stop.
    pub(super) fn peek(&self) -> Option<StopReport> {
        let kept = self.report.as_ref()?;
        Some(StopReport::new(kept.facts.clone(), Arc::default()))
    }

    /// Whether the report was handed to a caller.
    pub(super) fn is_fetched(&self) -> bool {
        self.report
            .as_ref()
            .is_some_and(|kept| kept.until_fetched.is_none())
    }
}

#[cfg(test)]
mod tests;
