//! The thread that drives a host: it does what the machine says, and makes the
//! report.

use super::core::{Core, State};
use super::machine::{Action, TIME_TO_LEAVE};
use super::report::{self, HostReport, Leftovers, StoredReport};
use super::status::HostPhase;
use crate::async_log::{AsyncLog, log_or_stderr_in_time};
use crate::clock::{self, Deadline};
use crate::stop::StopPlan;
use crate::sync::{Arc, MutexGuard};
use crate::threads;
use std::time::Duration;

impl Core {
    /// Drives the host until its report is made.
    pub(super) fn drive(self: &Arc<Self>) {
        let mut async_log = AsyncLog::new("host");
        let mut state = self.state.lock();
        let mut leave_by = None;
        loop {
            let now = self.clock.now();
            state.machine.woke(now);
            let (actions, wake) = state.machine.advance(now, |index| self.last_sign(index));
            if !actions.is_empty() {
                self.act(&mut state, actions, &mut async_log);
                state.changes += 1;
                self.changed.notify_all();
            } else if state.machine.is_done(now) {
                break;
            } else if self.clock.is_manual() && state.machine.is_done_but_for_leaving(now) {
                // It is threads that leave, which takes real time, also where a test moves the
                // clock: it may not move it any more.
                let leave_by = *leave_by.get_or_insert_with(|| Deadline::after(TIME_TO_LEAVE));
                if leave_by.has_passed(clock::now()) {
                    break;
                }
                leave_by.wait(&self.changed, &mut state);
            } else {
                if !self.clock.is_manual() {
                    state.machine.freezes.sleeps(wake);
                }
                self.clock.wait(wake, &self.changed, &mut state);
            }
        }
        self.make_report(state, async_log);
    }

    fn act(
        &self,
        state: &mut MutexGuard<'_, State>,
        actions: Vec<Action>,
        async_log: &mut AsyncLog,
    ) {
        let mut tokens = Vec::new();
        for action in actions {
            match action {
                Action::Begin(index) => {
                    let seat = &mut state.seats[index];
                    seat.token = Default::default();
                    seat.begin = true;
                }
                Action::Cancel(index) => tokens.push(state.seats[index].token.clone()),
                Action::CancelHost => tokens.push(self.token.clone()),
                Action::Log(level, text) => {
                    async_log.write(level, format!("host {}: {text}", self.name));
                }
            }
        }
        MutexGuard::unlocked(state, || tokens.iter().for_each(|token| token.cancel()));
    }

    fn make_report(self: &Arc<Self>, mut state: MutexGuard<'_, State>, mut async_log: AsyncLog) {
        state.machine.is_frozen = true;
        let over: Vec<usize> = state.machine.over().collect();
        let threads = over.into_iter().filter_map(|index| {
            let thread = state.seats[index].thread.take();
            thread.map(|thread| (index, thread))
        });
        let threads: Vec<_> = threads.collect();
        let pools = std::mem::take(&mut state.pools);
        self.changed.notify_all();
        let (lingering, pools, items) = MutexGuard::unlocked(&mut state, || {
            // The stop may be shortened meanwhile, so the time that is left is checked
            // repeatedly.
            let deadline = || Deadline::after(self.stop_left());
            let lingering = threads::join_until("host-join", threads, deadline);
            // Mostly they have stopped already. Services whose turn did not come stop now,
            // all at once.
            let handles = pools.iter().map(|(_, pool, _)| pool.stop_handle());
            let handles: Vec<_> = handles.collect();
            self.insist_on(&handles);
            let pools = pools.into_iter().map(|(index, pool, slot)| {
                let late = pool.stop(StopPlan::drain(Duration::MAX));
                // The caller that stopped it has the tasks that it did not start.
                let first = slot.lock().take();
                (index, first.unwrap_or(late))
            });
            let pools: Vec<_> = pools.collect();
            let items = self
                .queues
                .iter()
                .map(|(index, queue)| (*index, queue.take_out()));
            (lingering, pools, items.collect::<Vec<_>>())
        });
        state.machine.times.done = Some(self.clock.now());
        let facts = report::facts(self, &state.machine, &lingering, &pools, items);
        let pools = pools.into_iter().map(|(_, report)| report).collect();
        let left = Leftovers::new(pools);
        let kept = StoredReport::new(Arc::new(facts), Arc::new(left));
        async_log.write(log::Level::Info, kept.peek().to_string());
        state.machine.phase = HostPhase::Done;
        // A service that can no longer be stopped has nothing left to wait for.
        state.insisted_on.clear();
        state.report = Some(kept);
        state.changes += 1;
        drop(state);
        self.changed.notify_all();
        async_log.close();
    }

    /// Logs the report of a dropped host, which no caller receives, if it is not clean.
    pub(super) fn tell_of_drop(&self, report: &HostReport) {
        if report.is_clean() {
            return;
        }
        let text = format!("host {} was dropped: {report}", self.name);
        log_or_stderr_in_time(log::Level::Error, text);
    }
}
