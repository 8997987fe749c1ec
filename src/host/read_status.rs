//! Reads the status of a host.

use super::core::{Core, State};
use super::error::WaitForError;
use super::items::ItemStats;
use super::machine::{Entry, Lifecycle};
use super::report::ServiceThread;
use super::status::{HostStatus, PoolStatus, ServiceState, ServiceStatus};
use crate::clock::Deadline;
use crate::sync::MutexGuard;
use std::time::Instant;

pub(super) fn read(core: &Core) -> HostStatus {
    let state = core.state.lock();
    let status = without_pools(core, &state);
    drop(state);
    with_parts(core, status)
}

/// Blocks until the status `is_so`, or the report is made; returns whether it `is_so`.
pub(super) fn wait_until(core: &Core, mut is_so: impl FnMut(&HostStatus) -> bool) -> bool {
    let mut state = core.state.lock();
    loop {
        let seen = state.changes;
        let is_over = state.report.is_some();
        let status = without_pools(core, &state);
        // It is the program's code, and called without the lock.
        if MutexGuard::unlocked(&mut state, || is_so(&with_parts(core, status))) {
            return true;
        } else if is_over {
            return false;
        }
        while state.changes == seen {
            core.changed.wait(&mut state);
        }
    }
}

/// Blocks until the service is in this state.
pub(super) fn wait_for_state(
    core: &Core,
    name: &str,
    awaited: ServiceState,
    deadline: Deadline,
) -> Result<(), WaitForError> {
    let Some(index) = core.index_of(name) else {
        return Err(WaitForError::Unknown(name.to_owned()));
    };
    let mut state = core.state.lock();
    let state_now = |state: &mut State| state_of(&state.machine.entries[index]);
    // The report is the last change.
    let goes_on = |state: &mut State| state_now(state) != awaited && state.report.is_none();
    let is_late = deadline.wait_while(&core.changed, &mut state, goes_on);
    match state_now(&mut state) {
        now if now == awaited => Ok(()),
        now if is_late => Err(WaitForError::TimedOut {
            service: name.to_owned(),
            awaited,
            now,
        }),
        _ => Err(WaitForError::Over(name.to_owned())),
    }
}

fn without_pools(core: &Core, state: &State) -> HostStatus {
    let machine = &state.machine;
    let now = core.clock.now();
    let services = 0..machine.entries.len();
    let mut services: Vec<ServiceStatus> = services
        .map(|index| service(core, state, index, now))
        .collect();
    for (index, store) in &core.stores {
        match store.stats() {
            ItemStats::Queue(stats) => services[*index].queue = Some(stats),
            ItemStats::Batch(stats) => services[*index].batcher = Some(stats),
            #[cfg(feature = "jobs")]
            ItemStats::Jobs(_) => {}
        }
    }
    HostStatus {
        host: core.name.to_string(),
        phase: machine.phase,
        ready: machine.is_ready() && core.stores.iter().all(|(_, store)| store.is_ready()),
        alive: machine.is_alive(now, |index| core.last_sign(index)),
        services,
    }
}

/// The status of a pool, or of jobs, takes longer to read, and is not to hold up the host: it is
/// read without the host's lock.
fn with_parts(core: &Core, mut status: HostStatus) -> HostStatus {
    for (index, pool) in &core.pools {
        status.services[*index].pool = Some(PoolStatus::new(pool));
    }
    #[cfg(feature = "jobs")]
    for (index, store) in &core.stores {
        status.services[*index].jobs = store.jobs_status();
    }
    status
}

fn service(core: &Core, state: &State, index: usize, now: Instant) -> ServiceStatus {
    let (entry, liveness) = (&state.machine.entries[index], &core.liveness[index]);
    let ago = |moment: Instant| now.saturating_duration_since(moment);
    let last_sign = core.last_sign(index);
    ServiceStatus {
        name: entry.name.to_string(),
        state: state_of(entry),
        since: entry.since.map(ago),
        restarts: entry.restarts,
        failures: entry.failure_count,
        last_failure: entry.last_message.clone(),
        note: liveness.last_note().map(|note| note.to_string()),
        heartbeat_age: liveness.last_beat().map(ago),
        heartbeat_overdue: entry.is_heartbeat_overdue(last_sign, &state.machine.freezes, now),
        threads: liveness
            .running()
            .iter()
            .map(|thread| ServiceThread::new(thread))
            .collect(),
        queue: None,
        batcher: None,
        pool: None,
        #[cfg(feature = "jobs")]
        jobs: None,
    }
}

fn state_of(entry: &Entry) -> ServiceState {
    match entry.lifecycle {
        Lifecycle::Over if entry.open_failure().is_some() => ServiceState::Failed,
        Lifecycle::Over if !entry.is_begun => ServiceState::NotStarted,
        Lifecycle::Over => ServiceState::Stopped,
        Lifecycle::Idle => ServiceState::Waiting,
        Lifecycle::Resting { .. } => ServiceState::Restarting,
        _ if entry.stop_requested_by_host().is_some() => ServiceState::Stopping,
        Lifecycle::Starting | Lifecycle::Unready => ServiceState::Starting,
        Lifecycle::Up => ServiceState::Up,
        Lifecycle::Ending { .. } => ServiceState::Ending,
    }
}
