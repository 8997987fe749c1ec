//! The stop of a pool, as the threads see it that request it and wait for it.
//!
//! # Invariants
//!
//! 1. One thread drives the stop (`driver.rs`): the first that called `stop`, or a helper
//!    started by `request_stop`. The others hand it their plans and wait.
//! 2. The driver runs no user code before the report is made: closures are
//!    moved, not dropped; the log is written afterwards.
//! 3. Nothing that may take long is waited for without the deadline: threads
//!    are joined by helpers.
//! 4. The report is made under the slots' locks, one after the other, after
//!    the queue was sealed: a task is in the backlog or on a stack, and neither
//!    grows any more.
//!
//! Order of locks: the stopper's, then a slot's. The lock is not held while
//! threads are started or the queue is emptied.

use super::phase::PoolPhase;
use super::plan::StopPlan;
use super::records;
use super::report::StopReport;
use super::running::RunningTask;
use super::state::StopState;
use crate::async_log::{LOG_TIMEOUT, UNCLEAN_REPORT_TIMEOUT};
use crate::clock::{self, Deadline};
use crate::queue::{PoolCore, worker_index_in};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard};

pub(crate) struct Stopper {
    pub(crate) core: Arc<PoolCore>,
    pub(super) state: Mutex<StopState>,
    /// Notified when a plan came, a worker left or was joined, and when the
    /// report is made.
    pub(super) changed: Condvar,
}

/// The outcome of one call of `stop`.
struct Stopped {
    report: StopReport,
    /// If this call closed the queue: how many tasks had not started.
    closed: Option<usize>,
    /// Whether this call drove the stop.
    drove: bool,
}

impl Stopper {
    /// `names` of all places, those that are spare last.
    pub(crate) fn new(core: Arc<PoolCore>, names: &[Arc<str>]) -> Arc<Stopper> {
        let state = StopState::new(names, core.workers);
        Arc::new(Stopper {
            core,
            state: Mutex::new(state),
            changed: Condvar::new(),
        })
    }

    // What statistics ask for.

    pub(crate) fn worker_names(&self) -> Vec<Arc<str>> {
        let state = self.state.lock();
        let names = state.workers.iter().map(|worker| worker.name.clone());
        names.collect()
    }

    /// What every worker runs, the innermost task of each first.
    pub(crate) fn running(&self) -> Vec<RunningTask> {
        let pool_cancelled = self.core.token.cancelled_at();
        let names = self.worker_names();
        let mut tasks = Vec::new();
        for (slot, worker) in self.core.slots.iter().zip(&names) {
            slot.running(|running| {
                tasks.push(RunningTask::new(running, worker, pool_cancelled));
            });
        }
        tasks
    }

    // What programs ask for.

    pub(crate) fn phase(&self) -> PoolPhase {
        self.state.lock().phase(self.core.is_closed())
    }

    /// Closes the queue and logs that.
    pub(crate) fn close(self: &Arc<Self>) {
        let closed = self.close_silently();
        records::closed_in_time(&self.core, closed);
    }

    /// Closes the queue; returns how many tasks had not started, if it was open.
    fn close_silently(&self) -> Option<usize> {
        let later = self.core.backlog();
        let queued = self.core.queued() + self.core.overflowed() + later.due + later.waiting;
        self.core.close().then_some(queued)
    }

    /// Stops the pool and returns the report.
    pub(crate) fn stop(self: &Arc<Self>, plan: StopPlan) -> StopReport {
        let Stopped {
            report,
            closed,
            drove,
        } = self.stop_silently(plan);
        if records::logs_infos() && (closed.is_some() || drove) {
            let (core, logged) = (self.core.clone(), report.without_tasks());
            records::run_until(&self.core, Deadline::after(LOG_TIMEOUT), move || {
                records::closed(&core, closed);
                if drove {
                    records::stopped(&core, &logged);
                }
            });
        }
        report
    }

    /// The stop of a pool that is dropped. No caller gets the report, so it is logged if it
    /// is not clean, and dropped with all that it holds: both may be stuck in the program's
    /// code, and neither is waited for without a limit.
    pub(crate) fn stop_dropped(self: &Arc<Self>, plan: StopPlan) {
        let deadline = plan.deadline(clock::now());
        let Stopped { report, closed, .. } = self.stop_silently(plan);
        let log_by = Deadline::after(match report.is_clean() {
            true => LOG_TIMEOUT,
            false => UNCLEAN_REPORT_TIMEOUT,
        });
        if !report.is_clean() || records::logs_infos() {
            let (core, logged) = (self.core.clone(), report.without_tasks());
            records::run_until(&self.core, log_by, move || {
                records::closed(&core, closed);
                records::dropped(&core, &logged);
            });
        }
        if report.holds_tasks() {
            records::run_until(&self.core, deadline.later(log_by), || drop(report));
        }
    }

    fn stop_silently(self: &Arc<Self>, plan: StopPlan) -> Stopped {
        let own = worker_index_in(self.core.id);
        let mut state = self.state.lock();
        if let Some(report) = state.fetch(false) {
            return Stopped {
                report,
                closed: None,
                drove: false,
            };
        }
        state.waiting += 1;
        if let Some(own) = own {
            state.workers[own].is_inside_stop = true;
        }
        // Invariant 1: this thread drives, unless another one does.
        let mut drives = self.merge(&mut state, plan);
        let closed = MutexGuard::unlocked(&mut state, || self.close_silently());
        let mut drove = false;
        let report = loop {
            if drives {
                drove = true;
                MutexGuard::unlocked(&mut state, || self.drive());
            }
            if let Some(report) = state.fetch(true) {
                break report;
            }
            // The request that was to drive may have found no thread for it.
            drives = state.claim_driving();
            if !drives {
                self.changed.wait(&mut state);
            }
        };
        if let Some(own) = own {
            state.workers[own].is_inside_stop = false;
        }
        Stopped {
            report,
            closed,
            drove,
        }
    }

    /// Merges a plan into the stop, which it may begin. Returns whether the caller is to
    /// drive it.
    fn merge(&self, state: &mut StopState, plan: StopPlan) -> bool {
        let now = clock::now();
        let drives = state.merge(plan.moments(now), now);
        self.changed.notify_all();
        drives
    }

    /// Starts a stop without waiting for it.
    pub(crate) fn request_stop(self: &Arc<Self>, plan: StopPlan) {
        let mut state = self.state.lock();
        if state.report.is_some() {
            return;
        }
        let drives = self.merge(&mut state, plan);
        drop(state);
        let closed = self.close_silently();
        if drives {
            self.drive_elsewhere();
        }
        records::closed_in_time(&self.core, closed);
    }

    /// Whether the report was handed to a caller.
    pub(crate) fn is_fetched(&self) -> bool {
        self.state.lock().is_fetched()
    }

    /// The pool is dropped by one of its own workers, which cannot wait for
    /// itself: it drains, and the last worker says so. `false`: it has stopped
    /// already.
    pub(crate) fn disown(self: &Arc<Self>) -> bool {
        let mut state = self.state.lock();
        if state.report.is_some() {
            return false;
        }
        state.is_ownerless = true;
        drop(state);
        self.close();
        true
    }
}
