//! What the workers of a pool report to its stop, and new workers for lost places.
//!
//! A worker that is stuck is marked, so that it takes nothing more, and one in a spare
//! place works instead. When its task ends after all the stuck one leaves; its thread is
//! joined, and its place is a spare one.

use super::plan::StopPlan;
use super::state::WorkerStatus;
use super::stopper::Stopper;
use crate::clock::{self, Deadline};
use crate::record::record;
use crate::sync::Arc;
use crate::threads::{self, Thread};
use crate::worker::{SlotGuard, WorkerState};
use std::io;
use std::time::Duration;

impl Stopper {
    /// The workers' threads, to be joined in the end.
    pub(crate) fn set_threads(&self, threads: Vec<Thread>) {
        let mut state = self.state.lock();
        for (worker, thread) in state.workers.iter_mut().zip(threads) {
            worker.thread = Some(thread);
        }
    }

    pub(crate) fn worker_started(&self, index: usize, thread_id: Option<u64>) {
        self.state.lock().workers[index].thread_id = thread_id;
    }

    /// The worker is done, but for the destructors of its thread-locals.
    pub(crate) fn worker_left(self: &Arc<Self>, index: usize) {
        let mut state = self.state.lock();
        let has_no_report = state.report.is_none();
        let worker = &mut state.workers[index];
        worker.status = WorkerStatus::Left;
        let was_replaced = worker.was_replaced;
        state.joiners.progressed(clock::now());
        let mut workers = state.workers.iter();
        let is_last = workers.all(|worker| worker.status != WorkerStatus::Working);
        let logs = is_last && state.is_ownerless && has_no_report;
        // A stop without a driver: `request_stop` found no thread for one. This one has time.
        let has_stop = state.began.is_some() && has_no_report;
        let drives = has_stop && state.claim_driving();
        self.changed.notify_all();
        drop(state);
        if drives {
            self.drive_elsewhere();
        }
        if was_replaced {
            self.recycle(index);
        }
        if logs {
            let name = &self.core.name;
            record!(
                Info,
                POOL,
                "pool {name}: dropped by one of its own tasks; drained and gone"
            );
        }
    }

    /// An internal bug ended the worker. There is no other to take its place.
    pub(crate) fn worker_died(self: &Arc<Self>, index: usize) {
        let core = &self.core;
        SlotGuard::take(&core.slots[index]).set_state(WorkerState::Dead);
        core.leave(true);
        core.idle_changed();
        let (name, left) = (&core.name, core.present());
        if left == 0 {
            self.request_stop(StopPlan::cancel(Duration::ZERO));
        }
        record!(
            Error,
            POOL,
            "pool {name}: worker {index} died of a fault in groundcrew, {left} left"
        );
    }
}

/// The outcome of a request for a new worker.
pub(crate) enum Replaced {
    /// By the worker of this name.
    By(Arc<str>),
    /// All spare places are taken.
    NoneSpare,
    /// The pool is closed, or this worker's place was taken before: there is no need.
    NotNeeded,
    Failed(io::Error),
}

impl Stopper {
    /// Lets a new worker, started by `start`, take the place of a stuck one.
    pub(crate) fn replace(
        self: &Arc<Self>,
        stuck: usize,
        start: impl FnOnce(usize, &Arc<str>) -> io::Result<Thread>,
    ) -> Replaced {
        let core = &self.core;
        let mut state = self.state.lock();
        if state.began.is_some() || core.is_closed() || state.workers[stuck].was_replaced {
            return Replaced::NotNeeded;
        }
        let mut workers = state.workers.iter_mut().enumerate();
        let spare = workers.find(|(_, worker)| worker.status == WorkerStatus::Spare);
        let Some((index, worker)) = spare else {
            return Replaced::NoneSpare;
        };
        worker.status = WorkerStatus::Working;
        let name = worker.name.clone();
        core.slots[index].revive();
        core.one_more_present();
        drop(state);
        let started = start(index, &name);
        let mut state = self.state.lock();
        match started {
            Ok(thread) => {
                state.workers[index].thread = Some(thread);
                state.workers[stuck].was_replaced = true;
                drop(state);
                self.changed.notify_all();
                core.dismiss(stuck);
                Replaced::By(name)
            }
            Err(error) => {
                state.workers[index].status = WorkerStatus::Spare;
                drop(state);
                core.leave(true);
                self.changed.notify_all();
                Replaced::Failed(error)
            }
        }
    }

    /// A worker whose place was taken has left: its own is a spare one, once its thread is
    /// joined, which a helper does. Where there is none, the stop joins it.
    fn recycle(self: &Arc<Self>, index: usize) {
        let stopper = self.clone();
        let name = format!("{}-join", self.core.name);
        // By a worker that leaves, and so has time.
        let patience = Deadline::after(threads::SPAWN_TIMEOUT);
        let helper = threads::spawn_helper_until(&name, patience, move || {
            let thread = stopper.state.lock().workers[index].thread.take();
            // None: a stop has begun, and joins it.
            let Some(thread) = thread else { return };
            thread.join();
            let mut state = stopper.state.lock();
            state.workers[index].status = WorkerStatus::Spare;
            state.workers[index].was_replaced = false;
            stopper.changed.notify_all();
        });
        drop(helper.map_err(|(error, _)| error));
    }
}
