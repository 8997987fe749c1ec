//! Where a stop is, and what has to be done next. Pure: `now` is given, threads and locks
//! are the stopper's.

use super::plan::{Moments, PoolPhase};
use super::report::{Closures, ReportData, StopReport};
use crate::clock::Deadline;
use crate::queue::TakenOut;
use crate::sync::{Arc, Weak};
use crate::threads::{PATIENCE, Thread};
use std::time::{Duration, Instant};

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
    /// Helpers that join threads.
    pub(super) joiners: usize,
    /// Since when no helper could be started.
    pub(super) refused_since: Option<Instant>,
    /// No helper could be started for too long: threads that left are not joined.
    pub(super) no_joiners: bool,
    /// When a worker last left or was joined.
    pub(super) progress: Option<Instant>,
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

/// The minimum time a stop waits for idle workers: they only have to wake up and leave.
const TIME_TO_LEAVE: Duration = Duration::from_millis(5);
/// After this time without a join the next thread is given to another helper: the first is
/// held up by a thread that lingers.
const JOIN_HELD_UP: Duration = Duration::from_millis(10);

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
            joiners: 0,
            refused_since: None,
            no_joiners: false,
            progress: None,
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
        let others = || self.members.iter().filter(|member| !member.inside_stop);
        let nobody_drains = others().all(|member| member.standing != WorkerStatus::Working);
        let Moments {
            backlog_out,
            cancel,
            deadline,
        } = self.moments;
        if self.backlog_out.is_none()
            && (nobody_drains || backlog_out.has_passed(now) || cancel.has_passed(now))
        {
            return Step::TakeOut;
        }
        if !self.cancelled && cancel.has_passed(now) {
            return Step::Cancel;
        }
        if others().all(|member| self.is_gone(member)) {
            return Step::Report;
        }
        let mut wake = deadline;
        if deadline.has_passed(now) {
            let leave_by = self.backlog_out.map(|out| out + TIME_TO_LEAVE);
            let somebody_may_leave = self.members.iter().enumerate().any(|(index, member)| {
                !member.inside_stop && !self.is_gone(member) && !is_running(index)
            });
            match leave_by {
                Some(leave_by) if somebody_may_leave && now < leave_by => {
                    wake = Deadline::at(leave_by);
                }
                _ => return Step::Report,
            }
        }
        if self.backlog_out.is_none() {
            wake = wake.earlier(backlog_out);
        }
        if !self.cancelled {
            wake = wake.earlier(cancel);
        }
        if self.next_to_join().is_some() {
            let held_up = self.progress.map(|last| last + JOIN_HELD_UP);
            match held_up {
                Some(held_up)
                    if (self.joiners > 0 || self.refused_since.is_some()) && now < held_up =>
                {
                    wake = wake.earlier(Deadline::at(held_up));
                }
                _ => return Step::StartJoiner,
            }
        }
        Step::Wait(wake)
    }

    /// A helper was asked for at `now`, and could be started or not. One that could not is asked
    /// for again a little later.
    pub(super) fn joiner_started(&mut self, now: Instant, started: bool) {
        self.progress = Some(now);
        if started {
            self.joiners += 1;
            self.refused_since = None;
            return;
        }
        let since = *self.refused_since.get_or_insert(now);
        self.no_joiners |= self.joiners == 0 && now >= since + PATIENCE;
    }

    /// Nothing of it is waited for any more. Where no helper can be started
    /// a thread that left is not waited for, but reported.
    fn is_gone(&self, member: &WorkerEntry) -> bool {
        member.standing.is_gone() || (member.standing == WorkerStatus::Left && self.no_joiners)
    }

    /// The next thread that left and is not being joined yet.
    pub(super) fn next_to_join(&self) -> Option<usize> {
        let waits =
            |member: &WorkerEntry| member.standing == WorkerStatus::Left && member.thread.is_some();
        match self.no_joiners {
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
