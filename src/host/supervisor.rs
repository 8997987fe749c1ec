//! The thread that drives a host: it does what the machine says, and makes the
//! report.

use super::core::{Core, State};
use super::machine::Action;
use super::report::{self, HostReport, Kept, Leftovers, Unprocessed};
use super::status::HostPhase;
use crate::clock::Deadline;
use crate::stop::{StopPlan, TIME_TO_TELL, TIME_TO_TELL_UNCLEAN, say};
use crate::sync::{Arc, MutexGuard};
use crate::threads;
use crate::unwind;
use std::time::Duration;

impl Core {
    /// Drives the host until its report is made.
    pub(super) fn drive(self: &Arc<Self>) {
        let mut state = self.state.lock();
        loop {
            let now = self.clock.now();
            let (actions, wake) = state.machine.advance(now, |index| self.last_beat(index));
            if !actions.is_empty() {
                self.act(&mut state, actions);
                self.changed.notify_all();
            } else if state.machine.is_done(now) {
                break;
            } else {
                self.clock.wait(wake, &self.changed, &mut state);
            }
        }
        self.make_report(state);
    }

    fn act(&self, state: &mut MutexGuard<'_, State>, actions: Vec<Action>) {
        let (mut tokens, mut records) = (Vec::new(), Vec::new());
        for action in actions {
            match action {
                Action::Begin(index) => {
                    let seat = &mut state.seats[index];
                    seat.token = Default::default();
                    seat.begin = true;
                }
                Action::Cancel(index) => tokens.push(state.seats[index].token.clone()),
                Action::CancelHost => tokens.push(self.token.clone()),
                Action::Log(level, text) => records.push((level, text)),
            }
        }
        MutexGuard::unlocked(state, || {
            tokens.iter().for_each(|token| token.cancel());
            self.log(records);
        });
    }

    /// The logger is the program's code, and may be stuck: it is not waited for
    /// beyond a tenth of a second.
    fn log(&self, mut records: Vec<(log::Level, String)>) {
        records.retain(|(level, _)| *level <= log::max_level());
        if records.is_empty() {
            return;
        }
        let name = self.name.clone();
        threads::run_until("host-log", Deadline::after(TIME_TO_TELL), move || {
            for (level, text) in records {
                unwind::log_guarded(|| log::log!(level, "host {name}: {text}"));
            }
        });
    }

    fn make_report(&self, mut state: MutexGuard<'_, State>) {
        let now = self.clock.now();
        state.machine.phase = HostPhase::Done;
        let by = state
            .machine
            .stop
            .as_ref()
            .and_then(|stop| stop.by.moment());
        let left = by.map_or(Duration::MAX, |by| by.saturating_duration_since(now));
        let over: Vec<usize> = state.machine.over().collect();
        let threads = over.into_iter().filter_map(|index| {
            let thread = state.seats[index].thread.take();
            thread.map(|thread| (index, thread))
        });
        let threads: Vec<_> = threads.collect();
        let pools = std::mem::take(&mut state.pools);
        self.changed.notify_all();
        let (lingering, pools, items) = MutexGuard::unlocked(&mut state, || {
            let deadline = Deadline::after(left);
            let lingering = threads::join_until("host-join", threads, deadline);
            // Mostly they have stopped already. Those whose turn did not come stop now,
            // all at once.
            let plan = || {
                StopPlan::drain(deadline.moment().map_or(Duration::MAX, |deadline| {
                    deadline.saturating_duration_since(crate::clock::now())
                }))
            };
            for (_, pool, _) in &pools {
                pool.stop_handle().request(plan());
            }
            let pools = pools.into_iter().map(|(index, pool, slot)| {
                let late = pool.stop(plan());
                // Whoever stopped it has the tasks that it did not start.
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
        let facts = report::facts(self, &state.machine, &lingering, &pools, &items);
        let pools = pools.into_iter().map(|(_, report)| report).collect();
        let items = items.into_iter().map(|(index, taken)| Unprocessed {
            queue: self.names[index].clone(),
            items: taken.items,
        });
        let left = Leftovers::new(pools, items.collect());
        state.report = Some(Kept::new(Arc::new(facts), Arc::new(left)));
        let told = state.report.as_ref().map(Kept::peek);
        drop(state);
        self.changed.notify_all();
        if let Some(report) = told {
            self.log(vec![(log::Level::Info, report.to_string())]);
        }
    }

    /// Says of the report of a dropped host, that nobody will see otherwise, what it
    /// says, if it is not clean.
    pub(super) fn tell_of_drop(&self, report: &HostReport) {
        if report.is_clean() {
            return;
        }
        let text = format!("host {} was dropped: {report}", self.name);
        threads::run_until(
            "host-log",
            Deadline::after(TIME_TO_TELL_UNCLEAN),
            move || {
                say(log::Level::Error, &text);
            },
        );
    }
}
