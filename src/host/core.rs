//! What the threads of a host share.
//!
//! # Which thread does what
//!
//! - Each service has one thread ([`body`](super::body)), which reports to the machine what
//!   happens to the service.
//! - One thread drives ([`supervisor`](super::supervisor)): it asks the machine what has to
//!   be done, does it, and makes the report.
//! - Any thread may request a stop, read the status, and wait for the report.
//!
//! # Locks
//!
//! One lock, `state`, under which the machine decides; one condition variable, `changed`,
//! on which all threads wait: there are tens of threads, and days between two changes. The
//! locks of liveness records and of queues come after it. No code of the program's is called under
//! any of them, and no token is cancelled.

use super::context::WaitForError;
use super::entry::Lifecycle;
use super::failure::ServiceFailure;
use super::liveness::Liveness;
use super::machine::{Machine, Next};
use super::queue::Hosted;
use super::reason::StopReason;
use super::report::{HostReport, StoredReport};
use super::service::PoolSlot;
use super::status::HostStatus;
use crate::cancel::CancelToken;
use crate::clock::{Clock, Deadline, default_grace};
use crate::pool::{Pool, PoolView};
use crate::queue::Member;
use crate::stop::{StopHandle, StopPlan};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard};
use crate::threads::Thread;
use std::time::{Duration, Instant};

pub(super) struct Core {
    pub(super) name: Arc<str>,
    /// The services' names.
    pub(super) names: Vec<Arc<str>>,
    pub(super) clock: Clock,
    /// Cancelled when the stop begins.
    pub(super) token: CancelToken,
    /// Of each service: those of its own thread, then those of threads that it has
    /// started.
    liveness: Vec<Mutex<Vec<Arc<Liveness>>>>,
    /// The services' queues.
    pub(super) queues: Vec<(usize, Arc<dyn Hosted>)>,
    /// The services' pools.
    pub(super) pools: Vec<(usize, PoolView)>,
    pub(super) state: Mutex<State>,
    /// Something in `state` has changed.
    pub(super) changed: Condvar,
}

pub(super) struct State {
    pub(super) machine: Machine,
    pub(super) seats: Vec<ServiceSlot>,
    /// The services' pools, until their report is made.
    pub(super) pools: Vec<(usize, Pool, PoolSlot)>,
    /// A thread drives, or has driven.
    pub(super) driving: bool,
    /// The thread that drives, if it was started for that.
    pub(super) driver: Option<Thread>,
    /// Pools that stop while the report is made.
    pub(super) insisted_on: Vec<StopHandle>,
    pub(super) report: Option<StoredReport>,
    /// How often something has changed.
    pub(super) changes: u64,
    /// Calls that wait for the report.
    pub(super) waiting: usize,
}

/// The place of a service's thread.
#[derive(Default)]
pub(super) struct ServiceSlot {
    /// Of the current incarnation.
    pub(super) token: CancelToken,
    /// The thread is to begin one.
    pub(super) begin: bool,
    pub(super) thread: Option<Thread>,
}

impl Core {
    pub(super) fn new(
        name: Arc<str>,
        clock: Clock,
        machine: Machine,
        pools: Vec<(usize, Pool, PoolSlot)>,
        queues: Vec<(usize, Arc<dyn Hosted>)>,
    ) -> Arc<Core> {
        let names: Vec<Arc<str>> = machine
            .entries
            .iter()
            .map(|entry| entry.name.clone())
            .collect();
        let liveness = |name: &Arc<str>| Mutex::new(vec![Arc::new(Liveness::new(name))]);
        let core = Arc::new(Core {
            name,
            clock,
            token: CancelToken::new(),
            liveness: names.iter().map(liveness).collect(),
            queues,
            pools: pools
                .iter()
                .map(|(index, pool, _)| (*index, pool.view()))
                .collect(),
            state: Mutex::new(State {
                seats: names.iter().map(|_| ServiceSlot::default()).collect(),
                machine,
                pools,
                driving: false,
                driver: None,
                insisted_on: Vec::new(),
                report: None,
                changes: 0,
                waiting: 0,
            }),
            changed: Condvar::new(),
            names,
        });
        core.join_parts();
        #[cfg(feature = "testing")]
        if let Some(manual) = &core.clock.manual {
            let watcher: Arc<dyn crate::clock::Watcher> = core.clone();
            manual.watch(Arc::downgrade(&watcher));
        }
        core
    }

    pub(super) fn name_of(&self, index: usize) -> &str {
        &self.names[index]
    }

    /// The pools and queues learn that they are services of this host.
    fn join_parts(&self) {
        let member = |service: usize| Member {
            host: self.name.clone(),
            service,
            stopping: self.token.clone(),
        };
        for (index, pool, _) in &self.state.lock().pools {
            pool.join_host(member(*index));
        }
        for (index, queue) in &self.queues {
            queue.join_host(member(*index));
        }
    }

    /// Threads that wait look again.
    pub(super) fn notify(&self) {
        self.change(|_, _| ());
    }

    /// Changes something, and wakes all waiting threads to look at it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State, Instant) -> T) -> T {
        let mut state = self.state.lock();
        let result = change(&mut state, self.clock.now());
        state.changes += 1;
        drop(state);
        self.changed.notify_all();
        result
    }

    // What services' threads report.

    /// Blocks until the service is to begin; `None`: it is over.
    pub(super) fn next_incarnation(&self, index: usize) -> Option<CancelToken> {
        let mut state = self.state.lock();
        loop {
            let seat = &mut state.seats[index];
            let (begins, token) = (std::mem::take(&mut seat.begin), seat.token.clone());
            let entry = &mut state.machine.entries[index];
            if begins && !entry.is_told() {
                entry.is_begun = true;
                return Some(token);
            } else if begins {
                // Its stop was requested before it could begin.
                state.machine.ended(index, None, self.clock.now());
                state.changes += 1;
                self.changed.notify_all();
            }
            let is_over = matches!(state.machine.entries[index].life, Lifecycle::Over);
            if is_over || state.machine.is_frozen {
                return None;
            }
            self.changed.wait(&mut state);
        }
    }

    pub(super) fn started(&self, index: usize) -> Next {
        self.change(|state, now| state.machine.started(index, now))
    }

    pub(super) fn said_ready(&self, index: usize) {
        self.change(|state, now| state.machine.said_ready(index, now));
    }

    pub(super) fn run_ended(&self, index: usize, failure: Option<ServiceFailure>) -> Next {
        let (next, evicted) = self.change(|state, now| {
            let next = state.machine.run_ended(index, failure, now);
            (next, std::mem::take(&mut state.machine.evicted))
        });
        drop(evicted);
        next
    }

    pub(super) fn ended(&self, index: usize, failures: Vec<ServiceFailure>) {
        let late = self.change(|state, now| {
            let is_late = state.machine.is_frozen;
            state.machine.ended(index, failures, now);
            (is_late, std::mem::take(&mut state.machine.evicted))
        });
        self.let_go(late);
    }

    // What contexts and handles ask.

    pub(super) fn wait_for(&self, name: &str, token: &CancelToken) -> Result<(), WaitForError> {
        let Some(index) = self.names.iter().position(|other| &**other == name) else {
            return Err(WaitForError::Unknown(name.to_owned()));
        };
        let mut state = self.state.lock();
        loop {
            let entry = &state.machine.entries[index];
            if token.is_cancelled() {
                return Err(WaitForError::Cancelled);
            } else if matches!(entry.life, Lifecycle::Over) && entry.failure.is_some() {
                return Err(WaitForError::Over(name.to_owned()));
            } else if entry.is_there() {
                return Ok(());
            } else if matches!(entry.life, Lifecycle::Over) {
                return Err(WaitForError::Over(name.to_owned()));
            }
            self.changed.wait(&mut state);
        }
    }

    pub(super) fn time_left(&self, index: usize) -> Duration {
        let end = self.state.lock().machine.end_by_of(index);
        self.until(end.and_then(|(_, by)| by.moment()))
    }

    /// From now on; [`Duration::MAX`] if that is never.
    fn until(&self, moment: Option<Instant>) -> Duration {
        moment.map_or(Duration::MAX, |moment| {
            moment.saturating_duration_since(self.clock.now())
        })
    }

    /// Blocks until `is_so`, of which this is notified.
    pub(super) fn wait_while_not(&self, is_so: impl Fn() -> bool) {
        let mut state = self.state.lock();
        while !is_so() {
            self.changed.wait(&mut state);
        }
    }

    /// Blocks until `is_done`, of which this is notified, or until the service is in
    /// its grace: the last part of its time to stop. Returns which.
    pub(super) fn wait_until_grace(&self, index: usize, is_done: impl Fn() -> bool) -> bool {
        let mut state = self.state.lock();
        while !is_done() {
            let grace = match state.machine.end_by_of(index) {
                Some((told, by)) => grace(told, by),
                None => Deadline::NEVER,
            };
            if grace.has_passed(self.clock.now()) {
                return false;
            }
            self.clock.wait(grace, &self.changed, &mut state);
        }
        true
    }

    pub(super) fn request_stop(&self, reason: StopReason, limit: Option<Duration>) {
        let pools = self.change(|state, now| {
            state.machine.request_stop(reason, limit, now);
            state.insisted_on.clone()
        });
        self.insist_on(&pools);
        // The driving thread does that too; before the start no thread does.
        self.token.cancel();
    }

    /// Stops pools in the time that is left, now and whenever that becomes less.
    pub(super) fn insist_on(&self, pools: &[StopHandle]) {
        if pools.is_empty() {
            return;
        }
        self.state.lock().insisted_on = pools.to_vec();
        for pool in pools {
            pool.request_stop(StopPlan::drain(self.stop_left()));
        }
    }

    /// How long the stop may still take.
    pub(super) fn stop_left(&self) -> Duration {
        let state = self.state.lock();
        let stop = state.machine.stop.as_ref();
        self.until(stop.and_then(|stop| stop.by.moment()))
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.state.lock().machine.stop.is_some()
    }

    pub(super) fn is_ready(&self) -> bool {
        self.state.lock().machine.is_ready()
    }

    pub(super) fn is_alive(&self) -> bool {
        let state = self.state.lock();
        state
            .machine
            .is_alive(self.clock.now(), |index| self.last_sign(index))
    }

    pub(super) fn status(&self) -> HostStatus {
        let state = self.state.lock();
        let status = HostStatus::new(self, &state.machine);
        drop(state);
        status.with_pools(self)
    }

    /// Blocks until the status `is_so`, or the report is made; returns which.
    pub(super) fn wait_until(&self, mut is_so: impl FnMut(&HostStatus) -> bool) -> bool {
        let mut state = self.state.lock();
        loop {
            let seen = state.changes;
            let (is_over, status) = (
                state.report.is_some(),
                HostStatus::new(self, &state.machine),
            );
            // It is the program's code, and called without the lock.
            if MutexGuard::unlocked(&mut state, || is_so(&status.with_pools(self))) {
                return true;
            } else if is_over {
                return false;
            }
            while state.changes == seen {
                self.changed.wait(&mut state);
            }
        }
    }

    // Liveness.

    pub(super) fn liveness_of(&self, index: usize) -> Vec<Arc<Liveness>> {
        self.liveness[index].lock().clone()
    }

    pub(super) fn own_liveness(&self, index: usize) -> Arc<Liveness> {
        self.liveness[index].lock()[0].clone()
    }

    pub(super) fn add_liveness(&self, index: usize, thread: &str) -> Arc<Liveness> {
        let liveness = Arc::new(Liveness::new(thread));
        let mut all = self.liveness[index].lock();
        // Of a thread of that name that an incarnation before this one had.
        let mut nth = 0..;
        all.retain(|other| nth.next() == Some(0) || *other.name != *thread);
        all.push(liveness.clone());
        liveness
    }

    /// The last note of a thread of the service, its own before others.
    pub(super) fn last_note(&self, index: usize) -> Option<Arc<str>> {
        let liveness = self.liveness[index].lock();
        liveness.iter().find_map(|liveness| liveness.last_note())
    }

    /// When a thread of the service last said that it lives.
    pub(super) fn last_beat(&self, index: usize) -> Option<Instant> {
        let liveness = self.liveness[index].lock();
        liveness
            .iter()
            .filter_map(|liveness| liveness.last_beat())
            .max()
    }

    /// When the service last gave a sign of life. A queue whose workers handle no item
    /// needs to give none.
    pub(super) fn last_sign(&self, index: usize) -> Option<Instant> {
        let queue = self.queues.iter().find(|(other, _)| *other == index);
        match queue {
            Some((_, queue)) if queue.stats().in_progress() == 0 => Some(self.clock.now()),
            _ => self.last_beat(index),
        }
    }

    /// The service whose own thread is the current one.
    fn own_service(&self) -> Option<usize> {
        (0..self.names.len()).find(|index| self.own_liveness(*index).is_here())
    }

    // The report.

    /// Claims the host for the thread that starts and drives it. `false`: it was stopped
    /// before it was started.
    pub(super) fn claim(&self) -> bool {
        self.change(|state, now| {
            if state.machine.stop.is_some() {
                return false;
            }
            state.driving = true;
            state.machine.begin(now);
            true
        })
    }

    /// Blocks until the host is up, or its report is made; returns whether it came up.
    pub(super) fn wait_until_up(&self) -> bool {
        let mut state = self.state.lock();
        while state.machine.times.up.is_none() && state.report.is_none() {
            self.changed.wait(&mut state);
        }
        state.machine.times.up.is_some()
    }

    /// The host is to stop when every service has returned.
    pub(super) fn end_with_services(&self) {
        self.change(|state, _| state.machine.ends_with_services = true);
    }

    /// Whether the report was handed to a caller.
    pub(super) fn is_fetched(&self) -> bool {
        let state = self.state.lock();
        state.report.as_ref().is_some_and(StoredReport::is_fetched)
    }

    /// Blocks until the host has stopped, and drives it so far if it `drives`. Where no
    /// thread drives, since the host was stopped before it was started, this drives too.
    pub(super) fn wait_for_report(self: &Arc<Self>, drives: bool) -> HostReport {
        let own = self.own_service();
        let mut state = self.state.lock();
        state.waiting += 1;
        if let Some(own) = own {
            state.machine.entries[own].is_inside_stop = true;
            self.changed.notify_all();
        }
        let is_stopped = state.machine.stop.is_some();
        if drives || (is_stopped && !std::mem::replace(&mut state.driving, true)) {
            drop(state);
            self.drive();
            state = self.state.lock();
        }
        let report = loop {
            if let Some(report) = state.fetch() {
                break report;
            }
            self.changed.wait(&mut state);
        };
        if let Some(own) = own {
            state.machine.entries[own].is_inside_stop = false;
        }
        // It has nothing left to do but to close its journal and to end.
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.join();
        }
        report
    }
}

impl State {
    /// The report, for one of the threads that wait for it.
    fn fetch(&mut self) -> Option<HostReport> {
        let is_last = self.waiting == 1;
        let report = self.report.as_mut()?.fetch(is_last);
        self.waiting -= 1;
        Some(report)
    }
}

/// How long before its end a service's stop is cut short: as a pool's.
fn grace(told: Instant, by: Deadline) -> Deadline {
    let Some(moment) = by.moment() else {
        return Deadline::NEVER;
    };
    let whole = moment.saturating_duration_since(told);
    by.minus(default_grace(whole), told)
}

#[cfg(feature = "testing")]
impl crate::clock::Watcher for Core {
    fn clock_moved(&self) {
        self.notify();
    }
}
