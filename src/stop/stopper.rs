//! Who carries a stop out, and those who wait for it.
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

use super::abandoned::{AbandonedTask, LingeringWorker};
use super::display::{self, TIME_TO_TELL, TIME_TO_TELL_UNCLEAN};
use super::plan::{Phase, StopPlan};
use super::report::{Closures, Facts, StopReport, Unstarted};
use super::state::{Kept, Member, Standing, Step, StopState};
use crate::clock::{self, Deadline};
use crate::queue::{Home, Queue};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard};
use crate::task::{Aftermath, Counts, Settled, State, UnstartedTask, index_in};
use crate::threads::{self, Thread};
use crate::unwind;
use std::cmp::Reverse;
use std::time::Duration;

pub(crate) struct Stopper {
    pub(crate) queue: Arc<Queue>,
    state: Mutex<StopState>,
    /// Notified when a plan came, a worker left or was joined, and when the
    /// report is made.
    changed: Condvar,
}

/// So long a report looks at what the threads of abandoned tasks do: time
/// enough for some hundred of them. Of the others only the name is told.
const TIME_TO_LOOK: Duration = Duration::from_millis(2);

/// How many tasks a stop left behind so far, or found as husks.
pub(crate) struct LeftBehind {
    pub(crate) taken_out: u64,
    pub(crate) cancelled: u64,
    pub(crate) unstarted: usize,
    pub(crate) abandoned: usize,
    pub(crate) caller: usize,
}

impl Stopper {
    pub(crate) fn new(queue: Arc<Queue>, names: &[Arc<str>]) -> Arc<Stopper> {
        let mut state = StopState::new();
        state.members = names
            .iter()
            .map(|name| Member {
                name: name.clone(),
                thread: None,
                thread_id: None,
                standing: Standing::Working,
                inside_stop: false,
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

    // What workers tell.

    pub(crate) fn worker_started(&self, index: usize, thread_id: Option<u64>) {
        self.state.lock().members[index].thread_id = thread_id;
    }

    /// The worker is done, but for the destructors of its thread-locals.
    pub(crate) fn worker_left(&self, index: usize) {
        let mut state = self.state.lock();
        state.members[index].standing = Standing::Left;
        state.progress = Some(clock::now());
        let is_last = state
            .members
            .iter()
            .all(|member| member.standing != Standing::Working);
        let logs = is_last && state.ownerless && state.report.is_none();
        self.changed.notify_all();
        drop(state);
        if logs {
            let name = &self.queue.name;
            unwind::log_guarded(|| {
                log::info!("pool {name}: dropped by one of its own tasks; drained and gone");
            });
        }
    }

    /// A bug of ours ended the worker. There is no other to take its place.
    pub(crate) fn worker_died(self: &Arc<Self>, index: usize) {
        let queue = &self.queue;
        queue.slots[index].set_state(State::Left);
        queue.leave(true);
        let (name, left) = (&queue.name, queue.present());
        if left == 0 {
            self.request(StopPlan::cancel(Duration::ZERO));
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

    pub(crate) fn left_behind(&self) -> LeftBehind {
        let state = self.state.lock();
        let (unstarted, abandoned, caller) = match &state.report {
            Some(kept) => kept.facts.left_behind(),
            None => (state.out.unstarted.len(), 0, 0),
        };
        LeftBehind {
            taken_out: state.out.taken,
            cancelled: state.out.cancelled,
            unstarted,
            abandoned,
            caller,
        }
    }

    // What programs ask for.

    pub(crate) fn phase(&self) -> Phase {
        self.state.lock().phase(self.queue.is_closed())
    }

    /// Closes the queue and logs that.
    pub(crate) fn close(self: &Arc<Self>) {
        let closed = self.close_silently();
        self.tell_closed(closed);
    }

    /// Closes the queue; returns how many tasks were in it, if it was open.
    fn close_silently(&self) -> Option<usize> {
        let queued = self.queue.queued() + self.queue.overflowed();
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

    /// The stop of a pool that is dropped. Nobody gets the report, so it is told
    /// if it is not clean, and dropped with all that it holds: both may be stuck
    /// in the program's code, and neither is waited for without end.
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
        let own = index_in(self.queue.id);
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
    pub(crate) fn request(self: &Arc<Self>, plan: StopPlan) {
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

    fn drive_elsewhere(self: &Arc<Self>) {
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
        if let Err(error) = helper {
            // What has begun goes on when somebody waits in `stop` or calls it,
            // as the drop of the pool does. The queue is closed all the same.
            self.state.lock().driving = false;
            self.changed.notify_all();
            let name = &self.queue.name;
            unwind::log_guarded(|| {
                log::error!("pool {name}: closed, but no thread to stop it with: {error}");
            });
        }
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

    /// Whether the report was handed to somebody.
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
                    state.joiners += 1;
                    state.progress = Some(clock::now());
                    let started = MutexGuard::unlocked(&mut state, || self.start_joiner());
                    state.no_joiners |= !started && state.joiners == 1;
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
                state.members[index].standing = Standing::Joined;
                state.progress = Some(clock::now());
                stopper.changed.notify_all();
            }
        });
        helper.is_ok()
    }

    fn make_report(&self, mut state: MutexGuard<'_, StopState>) {
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
            if !runs && member.standing != Standing::Joined {
                lingering.push((member.thread_id, LingeringWorker::new(&member.name)));
            }
        }
        // The longest first: that is the one to look at.
        abandoned.sort_by_key(|(_, task): &(_, AbandonedTask)| Reverse(task.running_for));
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
        let metas = unstarted.iter().map(|task| task.meta().clone()).collect();
        let home = Home::new(&self.queue);
        let tasks = unstarted
            .into_iter()
            .map(|task| UnstartedTask::new(task, home.clone()))
            .collect();
        let facts = Facts {
            elapsed: clock::now().duration_since(began),
            limit: state
                .moments
                .deadline
                .moment()
                .map(|deadline| deadline.saturating_duration_since(began)),
            pool: self.queue.name.clone(),
            accepted: counts.taken + state.out.taken,
            completed: counts.completed,
            panicked: counts.panicked,
            cancelled: counts.cancelled + state.out.cancelled + self.queue.cancelled_outside(),
            expired: counts.expired,
            unstarted: Unstarted::new(metas),
            abandoned,
            caller,
            lingering,
            aftermath,
        };
        let closures = Arc::new(Closures::new(tasks));
        state.report = Some(Kept {
            facts: Arc::new(facts),
            closures: Arc::downgrade(&closures),
            until_fetched: Some(closures),
        });
        // Before anybody has the report: what it says holds for the handles.
        for cell in cells {
            cell.abandon();
        }
        self.queue.end_idle_waits();
        self.changed.notify_all();
    }

    /// Calls the program's code, but does not wait for it beyond `deadline`.
    fn run_until(&self, deadline: Deadline, call: impl FnOnce() + Send + 'static) {
        threads::run_until(&format!("{}-end", self.queue.name), deadline, call);
    }

    fn tell_closed(self: &Arc<Self>, closed: Option<usize>) {
        if logs_infos() && closed.is_some() {
            let stopper = self.clone();
            self.run_until(Deadline::after(TIME_TO_TELL), move || {
                stopper.log_closed(closed);
            });
        }
    }

    fn log_closed(&self, closed: Option<usize>) {
        if let Some(queued) = closed {
            let name = &self.queue.name;
            unwind::log_guarded(|| log::info!("pool {name}: closed, {queued} queued"));
        }
    }

    fn log_report(&self, report: &StopReport) {
        let name = &self.queue.name;
        self.queue.tell_unlogged_panics();
        unwind::log_guarded(|| log::info!("pool {name}: {report}"));
    }

    /// Says of the report of a dropped pool, that nobody will see otherwise,
    /// what it says.
    fn tell_of_drop(&self, report: &StopReport) {
        if report.is_clean() {
            return self.log_report(report);
        }
        self.queue.tell_unlogged_panics();
        let name = &self.queue.name;
        let text = format!("pool {name} was dropped: {report}");
        display::say(log::Level::Error, &text);
    }
}

/// Whether it is worth while to start a thread for a record of that level.
fn logs_infos() -> bool {
    log::max_level() >= log::LevelFilter::Info
}
