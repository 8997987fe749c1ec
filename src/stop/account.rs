//! The account at the end of a stop: how each task ended, and which were left behind.

use super::abandoned::AbandonedTask;
use super::lingering::LingeringWorker;
use super::report::{Closures, ReportData};
use super::state::{StopState, StoredReport};
use super::stopper::Stopper;
use super::unstarted::Unstarted;
use crate::clock::{self, Deadline};
use crate::queue::PoolRef;
use crate::sync::{Arc, MutexGuard};
use crate::task::{Aftermath, Counts, Settled, UnstartedTask};
use crate::threads;
use std::cmp::Reverse;
use std::time::Duration;

/// The maximum time a report spends on the states of abandoned tasks' threads: enough for
/// some hundred of them. Of the others only the name is reported.
const TIME_TO_LOOK: Duration = Duration::from_millis(2);

/// How many tasks a stop left behind so far, or found as tombstones.
pub(crate) struct LeftBehind {
    pub(crate) taken_out: u64,
    pub(crate) cancelled: u64,
    pub(crate) expired: u64,
    pub(crate) unstarted: usize,
    pub(crate) abandoned: usize,
    pub(crate) caller: usize,
}

impl Stopper {
    pub(crate) fn left_behind(&self) -> LeftBehind {
        let state = self.state.lock();
        let (unstarted, abandoned, caller) = match &state.report {
            Some(kept) => kept.facts.left_behind(),
            None => (state.out.unstarted.len(), 0, 0),
        };
        LeftBehind {
            taken_out: state.out.taken,
            cancelled: state.out.cancelled,
            expired: state.out.expired,
            unstarted,
            abandoned,
            caller,
        }
    }

    /// Settles everything, slot by slot, and makes the report of it.
    pub(super) fn make_report(&self, mut state: MutexGuard<'_, StopState>) {
        let began = state.began.unwrap_or_else(clock::now);
        let aftermath = Arc::new(Aftermath::default());
        let pool_cancelled = self.queue.token.cancelled_at();
        let mut counts = Counts::default();
        let (mut abandoned, mut caller, mut lingering) = (Vec::new(), Vec::new(), Vec::new());
        let mut cells = Vec::new();
        for (member, slot) in state.members.iter().zip(&self.queue.slots) {
            let settled = match member.inside_stop {
                true => Settled::Caller,
                false => Settled::Abandoned,
            };
            let mut runs = member.inside_stop;
            let of_worker = slot.report(settled, &aftermath, |running| {
                runs = true;
                match settled {
                    Settled::Caller => caller.push(running.info()),
                    Settled::Abandoned => {
                        let task = AbandonedTask::new(running, &member.name, pool_cancelled);
                        abandoned.push((member.thread_id, task));
                        cells.extend(running.cell.clone());
                    }
                }
            });
            counts.add(&of_worker);
            if !runs && !member.standing.is_gone() {
                lingering.push((member.thread_id, LingeringWorker::new(&member.name)));
            }
        }
        // Attempts that failed after the backlog was taken out. Every stack is settled: no
        // other task comes to wait.
        self.queue.take_out_later(&mut state.out);
        // The longest first: that is the one to look at.
        abandoned.sort_by_key(|(_, task): &(_, AbandonedTask)| Reverse(task.running_for()));
        let until = Deadline::after(TIME_TO_LOOK);
        let look = |thread_id: Option<u64>| match until.has_passed(clock::now()) {
            true => None,
            false => thread_id.and_then(threads::status),
        };
        let abandoned: Vec<_> = abandoned
            .into_iter()
            .map(|(thread_id, task)| task.on(look(thread_id)))
            .collect();
        let lingering: Vec<_> = lingering
            .into_iter()
            .map(|(thread_id, worker)| worker.on(look(thread_id)))
            .collect();
        let unstarted = std::mem::take(&mut state.out.unstarted);
        let metas = unstarted.iter();
        let metas = metas.map(|task| (task.meta(), task.attempts())).collect();
        let pool_ref = PoolRef::new(&self.queue);
        let tasks = unstarted
            .into_iter()
            .map(|task| UnstartedTask::new(task, pool_ref.clone()))
            .collect();
        let facts = ReportData {
            elapsed: clock::now().duration_since(began),
            limit: state
                .moments
                .deadline
                .moment()
                .map(|deadline| deadline.saturating_duration_since(began)),
            pool: self.queue.name.clone(),
            accepted: counts.taken + state.out.taken - self.queue.backlog().repeated,
            overrun: counts.overrun,
            failed_schedules: self.queue.failed_runs.list(),
            completed: counts.completed,
            panicked: counts.panicked,
            cancelled: counts.cancelled + state.out.cancelled + self.queue.cancelled_outside(),
            expired: counts.expired + state.out.expired + self.queue.expired_outside(),
            unstarted: Unstarted::new(metas),
            abandoned,
            caller,
            lingering,
            aftermath,
        };
        let closures = Arc::new(Closures::new(tasks));
        state.report = Some(StoredReport {
            facts: Arc::new(facts),
            closures: Arc::downgrade(&closures),
            until_fetched: Some(closures),
        });
        // Before the report is handed out: what it says holds for the handles.
        for cell in cells {
            cell.abandon();
        }
        self.queue.end_idle_waits();
        self.changed.notify_all();
        drop(state);
        // Without the lock: the timer's thread is joined, and may be about to take it to
        // replace a worker.
        self.queue.let_timer_go();
    }
}
