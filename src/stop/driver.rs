//! The driver of a stop: the one thread that carries it out.

use super::account::Account;
use super::records;
use super::state::{Step, StopState, WorkerStatus};
use super::stopper::Stopper;
use crate::clock::{self, Deadline};
use crate::record::record;
use crate::sync::{Arc, MutexGuard};
use crate::threads::{self, Thread};
use std::io;

impl Stopper {
    /// Takes one step after the other, until the report is made.
    pub(super) fn drive(self: &Arc<Self>) {
        let mut state = self.state.lock();
        loop {
            let slots = &self.core.slots;
            match state.next_step(clock::now(), |index| slots[index].counts().0 > 0) {
                Step::Wait(deadline) => {
                    deadline.wait(&self.changed, &mut state);
                }
                Step::TakeOut => {
                    // Invariant 2: what is taken out is moved, and dropped by others.
                    let out = MutexGuard::unlocked(&mut state, || self.core.take_out());
                    state.out = out;
                    self.core.set_left_behind(state.left_behind());
                    state.backlog_out = Some(clock::now());
                }
                Step::Cancel => {
                    state.is_cancelled = true;
                    MutexGuard::unlocked(&mut state, || self.core.token.cancel());
                }
                Step::StartJoiner => {
                    let started = MutexGuard::unlocked(&mut state, || self.start_joiner());
                    state.joiners.start_attempted(clock::now(), started);
                }
                Step::Report => break,
            }
        }
        self.make_report(state);
    }

    /// A helper that joins the threads that left, one after the other, until the report is
    /// made (Invariant 3). Where one holds it up, the driver starts another helper.
    fn start_joiner(self: &Arc<Self>) -> bool {
        let stopper = self.clone();
        let name = format!("{}-join", self.core.name);
        let helper = threads::spawn_helper(name, move || {
            let mut state = stopper.state.lock();
            while state.report.is_none() {
                let Some(index) = state.next_to_join() else {
                    stopper.changed.wait(&mut state);
                    continue;
                };
                let thread = state.workers[index].thread.take();
                MutexGuard::unlocked(&mut state, || thread.map(Thread::join));
                state.workers[index].status = WorkerStatus::Joined;
                state.joiners.progressed(clock::now());
                stopper.changed.notify_all();
            }
        });
        helper.is_ok()
    }

    /// Makes the report, and gives it to every thread that waits for the stop.
    fn make_report(&self, mut state: MutexGuard<'_, StopState>) {
        let Account {
            data,
            unstarted,
            abandoned,
        } = Account::settle(&self.core, &mut state);
        state.keep_report(data, unstarted);
        self.core.set_left_behind(state.left_behind());
        // Before the report is handed out: what it says holds for the handles.
        for cell in abandoned {
            cell.abandon();
        }
        self.core.end_waits();
        self.changed.notify_all();
        drop(state);
        // Without the lock: the timer's thread is joined, and may be about to take it to
        // replace a worker.
        self.core.let_timer_go();
    }

    /// Lets a helper carry the stop out. Where the system refuses one, it is tried
    /// again for a while, but not beyond the deadline of the stop; a thread that waits in
    /// `stop` may take over meanwhile.
    pub(super) fn drive_elsewhere(self: &Arc<Self>) {
        let patience = Deadline::after(threads::SPAWN_TIMEOUT);
        for pause in threads::spawn_pauses() {
            let Err(error) = self.start_driver() else {
                return;
            };
            let mut state = self.state.lock();
            state.has_driver = false;
            self.changed.notify_all();
            let give_up = patience.earlier(state.moments.deadline);
            let again = Deadline::after(pause).earlier(give_up);
            let has_no_driver = |state: &mut StopState| !state.has_driver && state.report.is_none();
            if !again.wait_while(&self.changed, &mut state, has_no_driver) {
                return;
            }
            if give_up.has_passed(clock::now()) {
                // A stop that has begun goes on when a thread waits in `stop` or calls it,
                // as the drop of the pool does, or when a worker leaves. The queue is
                // closed all the same.
                drop(state);
                let name = &self.core.name;
                return record!(
                    Error,
                    POOL,
                    "pool {name}: closed, but no thread to stop it with: {error}"
                );
            }
            state.has_driver = true;
        }
    }

    fn start_driver(self: &Arc<Self>) -> io::Result<()> {
        let stopper = self.clone();
        let name = format!("{}-stop", self.core.name);
        let helper = threads::spawn_helper(name, move || {
            stopper.drive();
            let (report, ownerless) = {
                let state = stopper.state.lock();
                (state.peek(), state.is_ownerless)
            };
            match report {
                Some(report) if ownerless => records::dropped(&stopper.core, &report),
                Some(report) => records::stopped(&stopper.core, &report),
                None => {}
            }
        });
        helper.map(drop)
    }
}
