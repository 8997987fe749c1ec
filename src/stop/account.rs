//! The account at the end of a stop: how each task ended, and which were left behind.

use super::abandoned::AbandonedTask;
use super::lingering::LingeringWorker;
use super::report::ReportData;
use super::state::{StopState, WorkerEntry};
use super::unstarted::Unstarted;
use crate::clock::{self, Deadline};
use crate::queue::{PoolCore, PoolRef, WorkerSlot};
use crate::sync::Arc;
use crate::task::{TaskInfo, UnstartedTask};
use crate::threads;
use crate::worker::{AbandonedCounter, Counts, RunningCell, Settled};
use std::cmp::Reverse;
use std::time::{Duration, Instant};

/// The maximum time a report spends on asking the system what threads do: enough for some
/// hundred of them. Of the others only the name is reported.
const STATUS_BUDGET: Duration = Duration::from_millis(2);

/// What a stop found in the end.
pub(super) struct Account {
    pub(super) data: ReportData,
    pub(super) unstarted: Vec<UnstartedTask>,
    /// Of the abandoned tasks that have a handle.
    pub(super) abandoned: Vec<Arc<dyn RunningCell>>,
}

impl Account {
    /// Settles every accepted task, and counts it under one outcome.
    pub(super) fn settle(pool: &Arc<PoolCore>, state: &mut StopState) -> Account {
        let mut workers = SettledWorkers::new(pool.token.cancelled_at());
        for (worker, slot) in state.workers.iter().zip(&pool.slots) {
            workers.settle(worker, slot);
        }
        // Attempts that failed after the backlog was taken out. Every stack is settled: no
        // other task comes to wait.
        pool.take_out_timed(&mut state.out);
        workers.ask_for_statuses();
        workers.sum_up(pool, state)
    }
}

/// What the workers had on their stacks, and how everything before it ended.
#[derive(Default)]
struct SettledWorkers {
    pool_cancelled: Option<Instant>,
    counts: Counts,
    /// With the number of the worker's thread, as is `lingering`.
    abandoned: Vec<(Option<u64>, AbandonedTask)>,
    stopping: Vec<TaskInfo>,
    lingering: Vec<(Option<u64>, LingeringWorker)>,
    cells: Vec<Arc<dyn RunningCell>>,
    /// Counts down as abandoned tasks end.
    abandoned_counter: Arc<AbandonedCounter>,
}

impl SettledWorkers {
    fn new(pool_cancelled: Option<Instant>) -> SettledWorkers {
        SettledWorkers {
            pool_cancelled,
            ..SettledWorkers::default()
        }
    }

    /// Under the slot's lock: from then on, what is on the stack ends late, and changes no
    /// number of the report (Invariant 4 of the stopper).
    fn settle(&mut self, worker: &WorkerEntry, slot: &WorkerSlot) {
        let settled = match worker.is_inside_stop {
            true => Settled::Stopping,
            false => Settled::Abandoned,
        };
        let mut has_tasks = false;
        let abandoned_counter = self.abandoned_counter.clone();
        let counts = slot.report(settled, &abandoned_counter, |running| {
            has_tasks = true;
            match settled {
                Settled::Stopping => self.stopping.push(running.info()),
                Settled::Abandoned => {
                    let task = AbandonedTask::new(running, &worker.name, self.pool_cancelled);
                    self.abandoned.push((worker.thread_id, task));
                    self.cells.extend(running.cell.clone());
                }
            }
        });
        self.counts.add(&counts);
        if !has_tasks && !worker.is_inside_stop && !worker.status.is_gone() {
            let lingering = LingeringWorker::new(&worker.name);
            self.lingering.push((worker.thread_id, lingering));
        }
    }

    /// Adds what the system says of the threads that are left, as far as the time goes.
    fn ask_for_statuses(&mut self) {
        // The longest first: that is the one to look at.
        self.abandoned
            .sort_by_key(|(_, task)| Reverse(task.running_for()));
        let until = Deadline::after(STATUS_BUDGET);
        let status = |thread_id: Option<u64>| match until.has_passed(clock::now()) {
            true => None,
            false => thread_id.and_then(threads::status),
        };
        for (thread_id, task) in &mut self.abandoned {
            task.thread = status(*thread_id);
        }
        for (thread_id, worker) in &mut self.lingering {
            worker.thread = status(*thread_id);
        }
    }

    fn sum_up(self, pool: &Arc<PoolCore>, state: &mut StopState) -> Account {
        let (counts, out) = (self.counts, &mut state.out);
        let unstarted = std::mem::take(&mut out.unstarted);
        let metas = unstarted.iter();
        let metas = metas.map(|task| (task.meta(), task.attempts())).collect();
        let began = state.began.unwrap_or_else(clock::now);
        let deadline = state.moments.deadline.moment();
        let data = ReportData {
            elapsed: clock::now().duration_since(began),
            limit: deadline.map(|deadline| deadline.saturating_duration_since(began)),
            pool: (*pool.name).into(),
            accepted: counts.taken + out.taken - pool.backlog().repeated,
            overrun: counts.overrun,
            failed_schedules: pool.failed_runs.list(),
            completed: counts.completed,
            panicked: counts.panicked,
            cancelled: counts.cancelled + out.cancelled + pool.cancelled_outside(),
            expired: counts.expired + out.expired + pool.expired_outside(),
            unstarted: Unstarted::new(metas),
            abandoned: self.abandoned.into_iter().map(|(_, task)| task).collect(),
            stopping: self.stopping,
            lingering: self.lingering.into_iter().map(|(_, left)| left).collect(),
            abandoned_counter: self.abandoned_counter,
        };
        let pool_ref = PoolRef::new(pool);
        let unstarted = unstarted.into_iter();
        Account {
            data,
            unstarted: unstarted
                .map(|task| UnstartedTask::new(task, pool_ref.clone()))
                .collect(),
            abandoned: self.cells,
        }
    }
}
