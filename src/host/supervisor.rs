//! The thread that drives a host: it does what the machine decides, and makes the report. Also
//! how other threads wait for the report.

use super::collect_report;
use super::core::{Core, PoolSlot, State};
use super::items::LeftItems;
use super::machine::{Action, TIME_TO_LEAVE};
use super::report::{HostReport, StoredReport};
use super::status::HostPhase;
use crate::async_log::AsyncLog;
use crate::clock::{self, Deadline};
use crate::pool::Pool;
use crate::record;
use crate::stop::{StopPlan, StopReport};
use crate::sync::MutexGuard;
use crate::threads::{self, Thread};
use std::time::Duration;

/// Claims the host for the thread that starts and drives it. `false`: it was stopped
/// before it was started.
pub(super) fn claim(core: &Core) -> bool {
    core.change(|state, now| {
        if state.machine.stop.is_some() {
            return false;
        }
        state.is_driven = true;
        state.machine.begin(now);
        true
    })
}

/// Drives the host until its report is made.
pub(super) fn drive(core: &Core) {
    let mut log = AsyncLog::new("host");
    let mut state = core.state.lock();
    let mut leave_by = None;
    loop {
        let now = core.clock.now();
        state.machine.woke(now);
        let (actions, wake) = state.machine.advance(now, |index| core.last_sign(index));
        if !actions.is_empty() {
            // What follows from them is found in the next round.
            act(core, &mut state, actions, &mut log);
            state.changes += 1;
            core.changed.notify_all();
        } else if state.machine.is_done(now) {
            break;
        } else if core.clock.is_manual() && state.machine.is_done_but_for_leaving(now) {
            // Threads that leave take real time, also where a test moves the clock: it may
            // not move it any more.
            let leave_by = *leave_by.get_or_insert_with(|| Deadline::after(TIME_TO_LEAVE));
            if leave_by.has_passed(clock::now()) {
                break;
            }
            leave_by.wait(&core.changed, &mut state);
        } else {
            // A clock that a test moves says nothing about when this thread woke.
            if !core.clock.is_manual() {
                state.machine.freezes.sleeps(wake);
            }
            core.clock.wait(wake, &core.changed, &mut state);
        }
    }
    make_report(core, state, log);
}

fn act(core: &Core, state: &mut MutexGuard<'_, State>, actions: Vec<Action>, log: &mut AsyncLog) {
    let mut tokens = Vec::new();
    for action in actions {
        match action {
            Action::Begin(index) => {
                let slot = &mut state.slots[index];
                // The last incarnation's may be cancelled.
                slot.token = Default::default();
                slot.begins = true;
            }
            Action::Cancel(index) => tokens.push(state.slots[index].token.clone()),
            Action::CancelHost => tokens.push(core.token.clone()),
            Action::Log(level, text) => {
                log.write(record::HOST, level, format!("host {}: {text}", core.name));
            }
        }
    }
    // Those that wait for a token may be the program's code (invariant 1 of the core).
    MutexGuard::unlocked(state, || tokens.iter().for_each(|token| token.cancel()));
}

fn make_report(core: &Core, mut state: MutexGuard<'_, State>, mut log: AsyncLog) {
    // The lock is released below: what services report from here on comes too late, so that
    // the report is of one moment.
    state.machine.is_frozen = true;
    let threads = threads_to_join(&mut state);
    let pools = std::mem::take(&mut state.pools);
    // Threads that wait for another incarnation leave, and can be joined.
    core.changed.notify_all();
    let (lingering, pools, items) = MutexGuard::unlocked(&mut state, || {
        // The stop may be shortened meanwhile, so the time that is left is read repeatedly.
        let deadline = || Deadline::after(core.stop_left());
        let lingering = threads::join_until("host-join", threads, deadline);
        (lingering, stop_pools(core, pools), take_items(core))
    });
    state.machine.times.done = Some(core.clock.now());
    let data = collect_report::collect(core, &state.machine, &lingering, &pools, &items);
    let stored = StoredReport::new(data, pools);
    // A peek is no fetch: the tasks stay for the first caller.
    let report = stored.peek();
    let level = match report.is_clean() {
        true => log::Level::Info,
        false => log::Level::Warn,
    };
    log.write(record::HOST, level, report.to_string());
    state.machine.phase = HostPhase::Done;
    state.store_report(stored);
    drop(state);
    core.changed.notify_all();
    log.close();
}

/// The threads that have nothing left to do, with the services that they are of.
fn threads_to_join(state: &mut State) -> Vec<(usize, Thread)> {
    let over: Vec<usize> = state.machine.over().collect();
    let threads = over.into_iter().filter_map(|index| {
        let thread = state.slots[index].thread.take()?;
        Some((index, thread))
    });
    threads.collect()
}

/// Mostly they have stopped already. Those of services whose turn did not come stop now, all
/// at once.
fn stop_pools(core: &Core, pools: Vec<(usize, Pool, PoolSlot)>) -> Vec<StopReport> {
    let handles = pools.iter().map(|(_, pool, _)| pool.stop_handle());
    core.stop_pools_in_time(handles.collect());
    let reports = pools.into_iter().map(|(_, pool, slot)| {
        // Only waits: plans merge to the earlier deadline, and this pool has one.
        let late = pool.stop(StopPlan::drain(Duration::MAX));
        // The first report is the one that holds the unstarted tasks.
        let first = slot.lock().take();
        first.unwrap_or(late)
    });
    reports.collect()
}

fn take_items(core: &Core) -> Vec<(usize, LeftItems)> {
    let stores = core.stores.iter();
    stores
        .map(|(index, store)| (*index, store.take_out()))
        .collect()
}

// Threads that wait.

/// Blocks until the host is up, or its report is made; returns whether it came up.
pub(super) fn wait_until_up(core: &Core) -> bool {
    let mut state = core.state.lock();
    while state.machine.times.up.is_none() && state.report.is_none() {
        core.changed.wait(&mut state);
    }
    state.machine.times.up.is_some()
}

/// Blocks until the host has stopped, and drives it so far if it `drives`. Where no
/// thread drives, since the host was stopped before it was started, this drives too.
pub(super) fn wait_for_report(core: &Core, drives: bool) -> HostReport {
    let own = core.own_service();
    let mut state = core.state.lock();
    state.waiting += 1;
    if let Some(own) = own {
        state.machine.entries[own].is_inside_stop = true;
        core.changed.notify_all();
    }
    let is_stopped = state.machine.stop.is_some();
    if drives || (is_stopped && !std::mem::replace(&mut state.is_driven, true)) {
        drop(state);
        drive(core);
        state = core.state.lock();
    }
    // The report is made by the driver, which may be this thread: then it is there at once.
    let report = loop {
        if let Some(report) = fetch(&mut state) {
            break report;
        }
        core.changed.wait(&mut state);
    };
    if let Some(own) = own {
        state.machine.entries[own].is_inside_stop = false;
    }
    // It has nothing left to do but to close its log and to end.
    let driver = state.driver.take();
    drop(state);
    if let Some(driver) = driver {
        driver.join();
    }
    report
}

/// The report, for one of the threads that wait for it.
fn fetch(state: &mut State) -> Option<HostReport> {
    // What the host keeps for waiting threads, it keeps until the last of them.
    let is_last = state.waiting == 1;
    let report = state.report.as_mut()?.fetch(is_last);
    state.waiting -= 1;
    Some(report)
}
