//! What the threads of a host share.
//!
//! # Which thread does what
//!
//! - Each service has one thread ([`service_thread`](super::service_thread)), which reports to
//!   the machine what happens to the service.
//! - One thread drives the host ([`supervisor`](super::supervisor)): it asks the machine what has
//!   to be done, does it, and makes the report.
//! - Any thread may request a stop, read the status, and wait for the report.
//!
//! # Locks
//!
//! One lock, `state`, under which the machine decides; one condition variable, `changed`,
//! on which all threads wait: there are tens of threads, and days between two changes. The
//! locks of liveness records and of item stores come after it.
//!
//! # Invariants
//!
//! 1. No code of the program is called or dropped under these locks, and no token is cancelled.
//! 2. Whatever changes `state` notifies `changed`: waiting threads look again.

use super::error::WaitForError;
use super::failure::{FailedIn, ServiceFailure};
use super::items::ItemStore;
use super::liveness::ServiceLiveness;
use super::machine::{Machine, Next};
use super::reason::StopReason;
use super::report::StoredReport;
use crate::cancel::CancelToken;
use crate::clock::{Clock, Deadline, default_grace};
use crate::pool::{Pool, PoolView};
use crate::queue::Member;
use crate::record::record;
use crate::stop::{StopHandle, StopPlan, StopReport};
use crate::sync::{Arc, Condvar, Mutex};
use crate::threads::Thread;
use crate::unwind::Payload;
use std::time::{Duration, Instant};

pub(super) struct Core {
    pub(super) name: Arc<str>,
    /// The services' names.
    pub(super) names: Vec<Arc<str>>,
    pub(super) clock: Clock,
    /// Cancelled when the stop begins.
    pub(super) token: CancelToken,
    /// By service.
    pub(super) liveness: Vec<ServiceLiveness>,
    /// The items of services, each with the index of its service.
    pub(super) stores: Vec<(usize, Arc<dyn ItemStore>)>,
    /// The services' pools.
    pub(super) pools: Vec<(usize, PoolView)>,
    pub(super) state: Mutex<State>,
    /// Something in `state` has changed.
    pub(super) changed: Condvar,
}

pub(super) struct State {
    pub(super) machine: Machine,
    pub(super) slots: Vec<ServiceSlot>,
    /// The services' pools, until their report is made.
    pub(super) pools: Vec<(usize, Pool, PoolSlot)>,
    /// A thread drives, or has driven.
    pub(super) is_driven: bool,
    /// The thread that drives, if it was started for that.
    pub(super) driver: Option<Thread>,
    /// Pools that stop while the report is made.
    stopping_pools: Vec<StopHandle>,
    pub(super) report: Option<StoredReport>,
    /// The number of changes so far.
    pub(super) changes: u64,
    /// Calls that wait for the report.
    pub(super) waiting: usize,
}

/// The place of a service's thread.
#[derive(Default)]
pub(super) struct ServiceSlot {
    /// Of the current incarnation.
    pub(super) token: CancelToken,
    /// The thread is to begin an incarnation.
    pub(super) begins: bool,
    pub(super) thread: Option<Thread>,
}

/// For a pool's report, which holds its unstarted tasks, until the host takes it.
/// Locked while the pool stops: the host asks for it afterwards.
pub(super) type PoolSlot = Arc<Mutex<Option<StopReport>>>;

impl Core {
    pub(super) fn new(
        name: Arc<str>,
        clock: Clock,
        machine: Machine,
        pools: Vec<(usize, Pool, PoolSlot)>,
        stores: Vec<(usize, Arc<dyn ItemStore>)>,
    ) -> Arc<Core> {
        let entries = machine.entries.iter();
        let names: Vec<Arc<str>> = entries.map(|entry| entry.name.clone()).collect();
        let views = pools.iter().map(|(index, pool, _)| (*index, pool.view()));
        let core = Arc::new(Core {
            name,
            clock,
            token: CancelToken::new(),
            liveness: names
                .iter()
                .map(|name| ServiceLiveness::new(name))
                .collect(),
            stores,
            pools: views.collect(),
            state: Mutex::new(State {
                slots: names.iter().map(|_| ServiceSlot::default()).collect(),
                machine,
                pools,
                is_driven: false,
                driver: None,
                stopping_pools: Vec::new(),
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
            // Weakly, since a test's clock outlives its hosts.
            let watcher: Arc<dyn crate::clock::Watcher> = core.clone();
            manual.watch(Arc::downgrade(&watcher));
        }
        core
    }

    /// The pools and item stores get to know that they are services of this host: their
    /// refusals are then due to its stop.
    fn join_parts(&self) {
        let state = self.state.lock();
        let member = |service: usize| Member {
            host: self.name.clone(),
            service,
            is_stopping: state.machine.is_stopping.clone(),
        };
        for (index, pool, _) in &state.pools {
            pool.join_host(member(*index));
        }
        for (index, store) in &self.stores {
            store.join_host(member(*index));
        }
    }

    pub(super) fn index_of(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|other| **other == *name)
    }

    // Changes.

    /// Waiting threads look again.
    pub(super) fn notify(&self) {
        self.change(|_, _| ());
    }

    /// Changes something, and wakes all waiting threads to look at it (invariant 2).
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State, Instant) -> T) -> T {
        let mut state = self.state.lock();
        let result = change(&mut state, self.clock.now());
        state.changes += 1;
        drop(state);
        self.changed.notify_all();
        result
    }

    /// A change by which failures may be kept no longer. They are dropped here, without the
    /// lock (invariant 1).
    fn change_failures<T>(&self, change: impl FnOnce(&mut Machine, Instant) -> T) -> T {
        let (result, evicted, is_late) = self.change(|state, now| {
            let is_late = state.machine.is_frozen;
            let result = change(&mut state.machine, now);
            (result, state.machine.failures.take_evicted(), is_late)
        });
        // While the report is made the host writes no records any more. A panic in a drop that
        // comes then is logged here, or nothing would mention it.
        for failure in evicted {
            if is_late && failure.failed_in() == FailedIn::Drop {
                let host = &self.name;
                record!(Error, HOST, "host {host}: {failure}");
            }
        }
        result
    }

    // What services' threads report.

    /// Blocks until the service is to begin; `None`: it is over.
    pub(super) fn next_incarnation(&self, index: usize) -> Option<CancelToken> {
        let mut state = self.state.lock();
        loop {
            let slot = &mut state.slots[index];
            // Taken, so that one `Begin` of the machine begins one incarnation.
            let (begins, token) = (std::mem::take(&mut slot.begins), slot.token.clone());
            let entry = &mut state.machine.entries[index];
            // What serves others is stopped in any case: they may be at it already.
            if begins && (entry.stop_request.is_none() || entry.options.serves_others) {
                entry.is_begun = true;
                return Some(token);
            } else if begins {
                // Its stop was requested before it could begin.
                state.machine.ended(index, None, self.clock.now());
                state.changes += 1;
                self.changed.notify_all();
            }
            if state.machine.entries[index].is_over() || state.machine.is_frozen {
                return None;
            }
            self.changed.wait(&mut state);
        }
    }

    pub(super) fn started(&self, index: usize) -> Next {
        self.change_failures(|machine, now| machine.started(index, now))
    }

    pub(super) fn ready(&self, index: usize) {
        self.change_failures(|machine, now| machine.ready(index, now));
    }

    pub(super) fn run_ended(&self, index: usize, failure: Option<ServiceFailure>) -> Next {
        self.change_failures(|machine, now| machine.run_ended(index, failure, now))
    }

    pub(super) fn ended(&self, index: usize, failures: Vec<ServiceFailure>) {
        self.change_failures(|machine, now| machine.ended(index, failures, now));
    }

    /// Some of the service's code panicked in its drop.
    pub(super) fn drop_panicked(&self, index: usize, payload: Payload) {
        let failure = ServiceFailure::of_panic(&self.names[index], FailedIn::Drop, payload);
        self.change_failures(|machine, now| {
            if machine.is_frozen {
                machine.failures.evict([failure.clone()]);
            }
            machine.drop_panicked(index, failure, now);
        });
    }

    // What contexts and handles ask.

    /// Blocks until the service is up, or over, or the token of the waiting one is cancelled.
    pub(super) fn wait_for(&self, name: &str, token: &CancelToken) -> Result<(), WaitForError> {
        let Some(index) = self.index_of(name) else {
            return Err(WaitForError::Unknown(name.to_owned()));
        };
        let mut state = self.state.lock();
        loop {
            let entry = &state.machine.entries[index];
            // One that failed and is ignored is available: those after it go on without it. A
            // caller that names it needs it.
            let has_failed = entry.is_over() && entry.failure.is_some();
            // The token first: a service that is to stop begins nothing more, even if the other
            // one came up meanwhile.
            if token.is_cancelled() {
                return Err(WaitForError::Cancelled);
            } else if entry.is_available() && !has_failed {
                return Ok(());
            } else if entry.is_over() {
                return Err(WaitForError::Over(name.to_owned()));
            }
            self.changed.wait(&mut state);
        }
    }

    pub(super) fn time_left(&self, index: usize) -> Duration {
        let end = self.state.lock().machine.time_to_end(index);
        self.until(end.and_then(|(_, by)| by.moment()))
    }

    /// From now on; [`Duration::MAX`] if that is never.
    fn until(&self, moment: Option<Instant>) -> Duration {
        moment.map_or(Duration::MAX, |moment| {
            moment.saturating_duration_since(self.clock.now())
        })
    }

    /// Blocks until `is_so`, whose changes notify this host.
    pub(super) fn wait_until(&self, is_so: impl Fn() -> bool) {
        let mut state = self.state.lock();
        while !is_so() {
            self.changed.wait(&mut state);
        }
    }

    /// Blocks until `is_done`, whose changes notify this host, or until the service is in
    /// its grace: the last part of its time to stop. Returns whether it is done.
    pub(super) fn wait_until_grace(&self, index: usize, is_done: impl Fn() -> bool) -> bool {
        self.wait_until_part(index, default_grace, is_done)
    }

    /// The same, until the very last part of the service's time.
    #[cfg(feature = "jobs")]
    pub(super) fn wait_until_last(&self, index: usize, is_done: impl Fn() -> bool) -> bool {
        self.wait_until_part(index, last_part, is_done)
    }

    /// The same, until the last part of the service's time, which is that long of the whole.
    fn wait_until_part(
        &self,
        index: usize,
        length: fn(Duration) -> Duration,
        is_done: impl Fn() -> bool,
    ) -> bool {
        let mut state = self.state.lock();
        while !is_done() {
            // Looked up in each round: a request may have shortened the stop.
            let part = last_part_of(&state, index, length);
            if part.has_passed(self.clock.now()) {
                return false;
            }
            self.clock.wait(part, &self.changed, &mut state);
        }
        true
    }

    /// When the service is in its grace.
    pub(super) fn grace(&self, index: usize) -> Deadline {
        last_part_of(&self.state.lock(), index, default_grace)
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.state.lock().machine.stop.is_some()
    }

    pub(super) fn is_ready(&self) -> bool {
        let are_ready = self.stores.iter().all(|(_, store)| store.is_ready());
        are_ready && self.state.lock().machine.is_ready()
    }

    pub(super) fn is_alive(&self) -> bool {
        let state = self.state.lock();
        let now = self.clock.now();
        state.machine.is_alive(now, |index| self.last_sign(index))
    }

    /// When the service last gave a sign of life. A queue whose workers handle no item
    /// needs to give none.
    pub(super) fn last_sign(&self, index: usize) -> Option<Instant> {
        let store = self.stores.iter().find(|(other, _)| *other == index);
        match store {
            Some((_, store)) if store.is_idle() => Some(self.clock.now()),
            _ => self.liveness[index].last_beat(),
        }
    }

    /// The service whose own thread is the current one.
    pub(super) fn own_service(&self) -> Option<usize> {
        (0..self.names.len()).find(|index| self.liveness[*index].own().is_here())
    }

    // The stop.

    pub(super) fn request_stop(&self, reason: StopReason, limit: Option<Duration>) {
        let pools = self.change(|state, now| {
            state.machine.request_stop(reason, limit, now);
            // While the report is made they no longer ask the machine for their time.
            state.stopping_pools.clone()
        });
        self.stop_pools_in_time(pools);
        // The driving thread does that too; before the start no thread does.
        self.token.cancel();
    }

    /// Stops pools in the time that is left, now and whenever that becomes less.
    pub(super) fn stop_pools_in_time(&self, pools: Vec<StopHandle>) {
        if pools.is_empty() {
            return;
        }
        // Stored before the time is read: a request that shortens the stop comes before that, or
        // finds the pools here.
        self.state.lock().stopping_pools = pools.clone();
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
}

impl State {
    /// The report is made: a service that can no longer be stopped has nothing left to wait
    /// for.
    pub(super) fn store_report(&mut self, report: StoredReport) {
        self.stopping_pools.clear();
        self.report = Some(report);
        self.changes += 1;
    }
}

/// When the last part of a service's time begins, which is that long of the whole: its grace, as
/// that of a pool, for example.
fn last_part_of(state: &State, index: usize, length: fn(Duration) -> Duration) -> Deadline {
    let time = state.machine.time_to_end(index);
    let Some((requested, by, moment)) = time.and_then(|(at, by)| Some((at, by, by.moment()?)))
    else {
        return Deadline::NEVER;
    };
    let whole = moment.saturating_duration_since(requested);
    by.minus(length(whole), requested)
}

/// Only the time that is left to say what is left behind, in a store on a slow disk, say.
#[cfg(feature = "jobs")]
fn last_part(whole: Duration) -> Duration {
    (whole / 10).min(Duration::from_millis(500))
}

#[cfg(feature = "testing")]
impl crate::clock::Watcher for Core {
    fn clock_moved(&self) {
        self.notify();
    }
}
