//! Where a stop is, and what has to be done next. Pure: `now` is given, threads and locks
//! are the stopper's.

use super::phase::PoolPhase;
use super::plan::Moments;
use super::report::{Closures, ReportData, StopReport};
use crate::clock::Deadline;
use crate::queue::{LeftBehind, Queued, TakenOut};
use crate::sync::{Arc, Weak};
use crate::task::UnstartedTask;
use crate::threads::{JoinHelpers, TIME_TO_EXIT, Thread};
use std::time::Instant;

/// A worker's thread, as the stop knows it.
pub(super) struct WorkerEntry {
    pub(super) name: Arc<str>,
    /// Taken by the thread that joins it.
    pub(super) thread: Option<Thread>,
    /// The system's number of the thread, where it is known.
    pub(super) thread_id: Option<u64>,
    pub(super) status: WorkerStatus,
    /// It waits inside `stop`, for the others.
    pub(super) is_inside_stop: bool,
    /// It was stuck, and another one has taken its place: when it leaves, its own is free.
    pub(super) was_replaced: bool,
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
    pub(super) workers: Vec<WorkerEntry>,
    /// When the first stop began.
    pub(super) began: Option<Instant>,
    /// When what is due; all plans so far, merged.
    pub(super) moments: Moments,
    /// Some thread carries the stop out.
    pub(super) has_driver: bool,
    /// When the backlog was taken out.
    pub(super) backlog_out: Option<Instant>,
    /// What of the backlog there is to report.
    pub(super) out: TakenOut<Queued>,
    pub(super) is_cancelled: bool,
    /// Of the helpers that join the workers' threads.
    pub(super) joiners: JoinHelpers,
    /// Calls of `stop` that wait for the report.
    pub(super) waiting: usize,
    pub(super) report: Option<StoredReport>,
    /// The pool was dropped by one of its own workers.
    pub(super) is_ownerless: bool,
}

/// What the pool keeps of its report. The unstarted closures are kept only until every
/// thread that waited for them, or else the first to ask, has them.
pub(super) struct StoredReport {
    pub(super) data: Arc<ReportData>,
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
    /// `names` of all places; those that are spare come after the first `working`.
    pub(super) fn new(names: &[Arc<str>], working: usize) -> StopState {
        let worker = |(index, name): (usize, &Arc<str>)| WorkerEntry {
            name: name.clone(),
            thread: None,
            thread_id: None,
            status: match index < working {
                true => WorkerStatus::Working,
                false => WorkerStatus::Spare,
            },
            is_inside_stop: false,
            was_replaced: false,
        };
        StopState {
            workers: names.iter().enumerate().map(worker).collect(),
            began: None,
            moments: Moments::NEVER,
            has_driver: false,
            backlog_out: None,
            out: TakenOut::default(),
            is_cancelled: false,
            joiners: JoinHelpers::default(),
            waiting: 0,
            report: None,
            is_ownerless: false,
        }
    }

    pub(super) fn phase(&self, is_closed: bool) -> PoolPhase {
        match (self.report.is_some(), self.is_cancelled, is_closed) {
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
        // After the backlog is out: no task begins whose token is cancelled already.
        if !self.is_cancelled && self.moments.cancel.has_passed(now) {
            return Step::Cancel;
        }
        if self.others().all(|(_, worker)| self.is_gone(worker)) {
            return Step::Report;
        }
        let end = self.end(now, is_running);
        if end.has_passed(now) {
            return Step::Report;
        }
        // Only now: at the end nothing is joined any more.
        let join = self.next_join(now);
        if join.has_passed(now) {
            return Step::StartJoiner;
        }
        Step::Wait(end.earlier(join).earlier(self.next_moment()))
    }

    /// The workers that the stop waits for. One inside `stop` waits itself.
    fn others(&self) -> impl Iterator<Item = (usize, &WorkerEntry)> {
        let workers = self.workers.iter().enumerate();
        workers.filter(|(_, worker)| !worker.is_inside_stop)
    }

    /// Whether the backlog is to be taken out: its moment has come, or no worker is left that
    /// would run it.
    fn is_backlog_due(&self, now: Instant) -> bool {
        let is_working = |worker: &WorkerEntry| worker.status == WorkerStatus::Working;
        self.moments.backlog_out.has_passed(now)
            || self.moments.cancel.has_passed(now)
            || !self.others().any(|(_, worker)| is_working(worker))
    }

    /// When the report is made, whatever is left. After the deadline, workers without a task
    /// still have a moment to exit: a stop with a deadline of zero is clean if all were idle.
    fn end(&self, now: Instant, is_running: impl Fn(usize) -> bool) -> Deadline {
        let deadline = self.moments.deadline;
        if !deadline.has_passed(now) {
            return deadline;
        }
        let may_exit = |(index, worker): (usize, _)| !self.is_gone(worker) && !is_running(index);
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
        match self.is_cancelled {
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
    fn is_gone(&self, worker: &WorkerEntry) -> bool {
        worker.status.is_gone()
            || (worker.status == WorkerStatus::Left && self.joiners.have_given_up())
    }

    /// The next thread that left and is not being joined yet.
    pub(super) fn next_to_join(&self) -> Option<usize> {
        let waits =
            |worker: &WorkerEntry| worker.status == WorkerStatus::Left && worker.thread.is_some();
        match self.joiners.have_given_up() {
            false => self.workers.iter().position(waits),
            true => None,
        }
    }

    /// Merges a plan into the stop, which it may begin. Returns whether the caller is to
    /// drive it.
    pub(super) fn merge(&mut self, moments: Moments, now: Instant) -> bool {
        self.began.get_or_insert(now);
        self.moments = self.moments.merge(moments);
        self.claim_driving()
    }

    /// Makes the caller the driver, if there is none (Invariant 1 of the stopper).
    pub(super) fn claim_driving(&mut self) -> bool {
        !std::mem::replace(&mut self.has_driver, true)
    }

    pub(super) fn keep_report(&mut self, data: ReportData, unstarted: Vec<UnstartedTask>) {
        let closures = Arc::new(Closures::new(unstarted));
        self.report = Some(StoredReport {
            data: Arc::new(data),
            closures: Arc::downgrade(&closures),
            until_fetched: Some(closures),
        });
    }

    /// The report, for a call of `stop`: one that waited for it, if `waited`. Once all those
    /// calls have it, only the reports own the closures.
    pub(super) fn fetch(&mut self, waited: bool) -> Option<StopReport> {
        self.waiting -= usize::from(waited && self.report.is_some());
        let stored = self.report.as_mut()?;
        let closures = stored.closures.upgrade().unwrap_or_default();
        if self.waiting == 0 {
            stored.until_fetched = None;
        }
        Some(StopReport::new(stored.data.clone(), closures))
    }

    /// The report, for a reader that did not request the stop.
    pub(super) fn peek(&self) -> Option<StopReport> {
        let stored = self.report.as_ref()?;
        Some(StopReport::new(stored.data.clone(), Arc::default()))
    }

    /// Whether the report was handed to a caller.
    pub(super) fn is_fetched(&self) -> bool {
        let stored = self.report.as_ref();
        stored.is_some_and(|stored| stored.until_fetched.is_none())
    }

    /// For the pool's statistics: what was taken out, and what the report counts.
    pub(super) fn left_behind(&self) -> LeftBehind {
        let left = LeftBehind {
            taken_out: self.out.taken,
            cancelled: self.out.cancelled,
            expired: self.out.expired,
            unstarted: self.out.unstarted.len() as u64,
            ..LeftBehind::default()
        };
        match &self.report {
            Some(stored) => stored.data.left_behind(left),
            None => left,
        }
    }
}

#[cfg(test)]
mod tests;
