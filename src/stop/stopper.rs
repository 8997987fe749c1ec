//! The thread that carries out a stop, and the threads that wait for it.
//!
//! # Invariants
//!
//! 1. One thread drives the stop: the first that called `stop`, or a helper
//!    started by `request`. The others hand it their plans and wait.
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

use super::display::TIME_TO_TELL_UNCLEAN;
use super::plan::{PoolPhase, StopPlan};
use super::report::StopReport;
use super::state::{Step, StopState, WorkerEntry, WorkerStatus};
use super::tell::logs_infos;
use crate::async_log::TIME_TO_TELL;
use crate::clock::{self, Deadline};
use crate::queue::PoolCore;
use crate::sync::{Arc, Condvar, Mutex, MutexGuard};
use crate::task::{SlotGuard, State, worker_index_in};
use crate::threads::{self, Thread};
use crate::unwind;
use std::io;
use std::time::Duration;

pub(crate) struct Stopper {
    pub(crate) queue: Arc<PoolCore>,
    pub(super) state: Mutex<StopState>,
    /// Notified when a plan came, a worker left or was joined, and when the
    /// report is made.
    pub(super) changed: Condvar,
}

impl Stopper {
    /// `names` of all places, those that are spare last.
    pub(crate) fn new(queue: Arc<PoolCore>, names: &[Arc<str>]) -> Arc<Stopper> {
        let mut state = StopState::new();
        state.members = names
            .iter()
            .enumerate()
            .map(|(index, name)| WorkerEntry {
                name: name.clone(),
                thread: None,
                thread_id: None,
                standing: match index < queue.workers {
                    true => WorkerStatus::Working,
                    false => WorkerStatus::Spare,
                },
                inside_stop: false,
                replaced: false,
            })
            .collect();
        Arc::new(Stopper {
            queue,
            state: Mutex::new(state),
            changed: Condvar::new(),
        })
    }

    /// The workers' threads, to be joined in the end.
    pub(crate) fn set_threads(&self, threads: Vec<Thread>) {
        let mut state = self.state.lock();
        for (member, thread) in state.members.iter_mut().zip(threads) {
            member.thread = Some(thread);
        }
    }

    // What workers report.

    pub(crate) fn worker_started(&self, index: usize, thread_id: Option<u64>) {
        self.state.lock().members[index].thread_id = thread_id;
    }

    /// The worker is done, but for the destructors of its thread-locals.
    pub(crate) fn worker_left(self: &Arc<Self>, index: usize) {
        let mut state = self.state.lock();
        state.members[index].standing = WorkerStatus::Left;
        state.joiners.progressed(clock::now());
        let is_last = state
            .members
            .iter()
            .all(|member| member.standing != WorkerStatus::Working);
        let logs = is_last && state.ownerless && state.report.is_none();
        let replaced = state.members[index].replaced;
        // A request found no thread for it.
        let is_left_alone = state.began.is_some() && state.report.is_none();
        let drives = is_left_alone && !std::mem::replace(&mut state.driving, true);
        self.changed.notify_all();
        drop(state);
        if drives {
            self.drive_elsewhere();
        }
        if replaced {
            self.recycle(index);
        }
        if logs {
            let name = &self.queue.name;
            unwind::log_guarded(|| {
                log::info!("pool {name}: dropped by one of its own tasks; drained and gone");
            });
        }
    }

    /// An internal bug ended the worker. There is no other to take its place.
    pub(crate) fn worker_died(self: &Arc<Self>, index: usize) {
        let queue = &self.queue;
        SlotGuard::take(&queue.slots[index]).set_state(State::Dead);
        queue.leave(true);
        queue.idle_changed();
        let (name, left) = (&queue.name, queue.present());
        if left == 0 {
            self.request_stop(StopPlan::cancel(Duration::ZERO));
        }
        unwind::log_guarded(|| {
            log::error!("pool {name}: worker {index} died of a fault in groundcrew, {left} left");
        });
    }

    // What statistics ask for.

    pub(crate) fn worker_names(&self) -> Vec<Arc<str>> {
        let state = self.state.lock();
        state
            .members
            .iter()
            .map(|member| member.name.clone())
            .collect()
    }

    // What programs ask for.

    pub(crate) fn phase(&self) -> PoolPhase {
        self.state.lock().phase(self.queue.is_closed())
    }

    /// Closes the queue and logs that.
    pub(crate) fn close(self: &Arc<Self>) {
        let closed = self.close_silently();
        self.tell_closed(closed);
    }

    /// Closes the queue; returns how many tasks had not started, if it was open.
    fn close_silently(&self) -> Option<usize> {
        let later = self.queue.backlog();
        let queued = self.queue.queued() + self.queue.overflowed() + later.due + later.waiting;
        self.queue.close().then_some(queued)
    }

    /// Stops the pool and returns the report.
    pub(crate) fn stop(self: &Arc<Self>, plan: StopPlan) -> StopReport {
        let (report, closed, drove) = self.stop_silently(plan);
        if logs_infos() && (closed.is_some() || drove) {
            let (stopper, logged) = (self.clone(), report.without_tasks());
            self.run_until(Deadline::after(TIME_TO_TELL), move || {
                stopper.log_closed(closed);
                if drove {
                    stopper.log_report(&logged);
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
        let (report, closed, _) = self.stop_silently(plan);
        let tell_by = Deadline::after(match report.is_clean() {
            true => TIME_TO_TELL,
            false => TIME_TO_TELL_UNCLEAN,
        });
        if !report.is_clean() || logs_infos() {
            let (stopper, told) = (self.clone(), report.without_tasks());
            self.run_until(tell_by, move || {
                stopper.log_closed(closed);
                stopper.tell_of_drop(&told);
            });
        }
        if report.holds_tasks() {
            self.run_until(deadline.later(tell_by), || drop(report));
        }
    }

    /// Also returns how many tasks were in the queue if this call closed it, and
    /// whether this call drove the stop.
    fn stop_silently(self: &Arc<Self>, plan: StopPlan) -> (StopReport, Option<usize>, bool) {
        let own = worker_index_in(self.queue.id);
        let mut state = self.state.lock();
        if let Some(report) = state.fetch(false) {
            return (report, None, false);
        }
        state.waiting += 1;
        if let Some(own) = own {
            state.members[own].inside_stop = true;
        }
        let mut drives = self.join_in(&mut state, plan);
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
            // A request that was to drive may have found no thread for it.
            drives = !std::mem::replace(&mut state.driving, true);
            if !drives {
                self.changed.wait(&mut state);
            }
        };
        if let Some(own) = own {
            state.members[own].inside_stop = false;
        }
        (report, closed, drove)
    }

    /// Starts a stop without waiting for it.
    pub(crate) fn request_stop(self: &Arc<Self>, plan: StopPlan) {
        let mut state = self.state.lock();
        if state.report.is_some() {
            return;
        }
        let drives = self.join_in(&mut state, plan);
        drop(state);
        let closed = self.close_silently();
        if drives {
            self.drive_elsewhere();
        }
        if logs_infos() && closed.is_some() {
            let stopper = self.clone();
            self.run_until(Deadline::after(TIME_TO_TELL), move || {
                stopper.log_closed(closed)
            });
        }
    }

    /// Lets a helper carry the stop out. Where the system refuses one, it is asked for
    /// again for a while, but not beyond the deadline of the stop; a thread that waits in
    /// `stop` may take over meanwhile.
    fn drive_elsewhere(self: &Arc<Self>) {
        let patience = Deadline::after(threads::PATIENCE);
        for pause in threads::pauses() {
            let Err(error) = self.start_driver() else {
                return;
            };
            let mut state = self.state.lock();
            state.driving = false;
            self.changed.notify_all();
            let give_up = patience.earlier(state.moments.deadline);
            let again = Deadline::after(pause).earlier(give_up);
            while !state.driving && state.report.is_none() && !again.has_passed(clock::now()) {
                again.wait(&self.changed, &mut state);
            }
            if state.driving || state.report.is_some() {
                return;
            }
            if give_up.has_passed(clock::now()) {
                // A stop that has begun goes on when a thread waits in `stop` or calls it,
                // as the drop of the pool does, or when a worker leaves. The queue is
                // closed all the same.
                drop(state);
                let name = &self.queue.name;
                return unwind::log_guarded(|| {
                    log::error!("pool {name}: closed, but no thread to stop it with: {error}");
                });
            }
            state.driving = true;
        }
    }

    fn start_driver(self: &Arc<Self>) -> io::Result<()> {
        let stopper = self.clone();
        let name = format!("{}-stop", self.queue.name);
        let helper = threads::spawn_helper(name, move || {
            stopper.drive();
            let (report, ownerless) = {
                let state = stopper.state.lock();
                (state.peek(), state.ownerless)
            };
            match report {
                Some(report) if ownerless => stopper.tell_of_drop(&report),
                Some(report) => stopper.log_report(&report),
                None => {}
            }
        });
        helper.map(drop)
    }

    /// Merges a plan into the stop, which it may begin. Returns whether the
    /// caller is to drive it.
    fn join_in(&self, state: &mut StopState, plan: StopPlan) -> bool {
        let now = clock::now();
        state.began.get_or_insert(now);
        state.moments = state.moments.merge(plan.moments(now));
        self.changed.notify_all();
        !std::mem::replace(&mut state.driving, true)
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
        state.ownerless = true;
        drop(state);
        self.close();
        true
    }

    // The driver.

    fn drive(self: &Arc<Self>) {
        let mut state = self.state.lock();
        loop {
            let slots = &self.queue.slots;
            match state.next_step(clock::now(), |index| slots[index].counts().0 > 0) {
                Step::Wait(deadline) => {
                    deadline.wait(&self.changed, &mut state);
                }
                Step::TakeOut => {
                    let out = MutexGuard::unlocked(&mut state, || self.queue.take_out());
                    state.out = out;
                    state.backlog_out = Some(clock::now());
                }
                Step::Cancel => {
                    state.cancelled = true;
                    MutexGuard::unlocked(&mut state, || self.queue.token.cancel());
                }
                Step::StartJoiner => {
                    let started = MutexGuard::unlocked(&mut state, || self.start_joiner());
                    state.joiners.asked(clock::now(), started);
                }
                Step::Report => break,
            }
        }
        self.make_report(state);
    }

    /// A helper that joins what left, one after the other, until the report is
    /// made. It may be held up by a thread that lingers: then the driver starts
    /// another one.
    fn start_joiner(self: &Arc<Self>) -> bool {
        let stopper = self.clone();
        let name = format!("{}-join", self.queue.name);
        let helper = threads::spawn_helper(name, move || {
            let mut state = stopper.state.lock();
            while state.report.is_none() {
                let Some(index) = state.next_to_join() else {
                    stopper.changed.wait(&mut state);
                    continue;
                };
                let thread = state.members[index].thread.take();
                MutexGuard::unlocked(&mut state, || thread.map(Thread::join));
                state.members[index].standing = WorkerStatus::Joined;
                state.joiners.progressed(clock::now());
                stopper.changed.notify_all();
            }
        });
        helper.is_ok()
    }
}
