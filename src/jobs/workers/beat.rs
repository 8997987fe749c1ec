//! The thread that keeps the lease.

use super::core::Core;
use super::health::Part;
use crate::store::{ProcessInfo, StoreError, WorkerId};
use std::fs;
use std::process;
use std::time::Duration;

/// A lease lasts five of these at least.
const PERIOD: Duration = Duration::from_secs(6);

/// Renews the lease until everything is over, and gets one if there is none. Then ends it.
pub(super) fn keep_lease(core: &Core) {
    let mut failure = None;
    loop {
        // Before the look at the lease: one that is lost after that wakes this round.
        let wake = core.next_beat();
        match (core.lease(), failure) {
            // In real time, also where a test moves the clock.
            (_, Some(pause)) => drop(wake.wait_timeout(pause)),
            (Some(_), None) => drop(core.clock.sleep(PERIOD, &wake.receiver())),
            (None, None) => {}
        }
        if core.closed.is_cancelled() {
            return core.withdraw();
        }
        failure = match beat(core) {
            Ok(()) => {
                core.succeeded(Part::Lease);
                None
            }
            Err(error) => Some(core.failed(Part::Lease, error)),
        };
    }
}

fn beat(core: &Core) -> Result<(), StoreError> {
    let Some(worker) = core.lease() else {
        return register(core);
    };
    match renew(core, worker) {
        Err(StoreError::LeaseLost { .. }) => register(core),
        result => result,
    }
}

/// Renews the lease, or finds that it is lost.
pub(super) fn renew(core: &Core, worker: WorkerId) -> Result<(), StoreError> {
    let sent = core.clock.now();
    let renewed = core.store().renew(worker);
    match &renewed {
        Ok(()) => core.renewed(worker, sent),
        Err(StoreError::LeaseLost { .. }) => core.lease_lost(worker),
        Err(_) => {}
    }
    renewed
}

/// Renews the lease, and returns whether it could be: no other process has taken over the jobs of
/// this one, and the store can be written to.
pub(super) fn holds_lease(core: &Core) -> bool {
    core.lease()
        .is_some_and(|worker| renew(core, worker).is_ok())
}

/// Gets a lease.
pub(super) fn register(core: &Core) -> Result<(), StoreError> {
    let sent = core.clock.now();
    let worker = core.store().register(&this_process())?;
    core.registered(worker, sent);
    Ok(())
}

fn this_process() -> ProcessInfo {
    let read = |path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.trim().to_owned()
    };
    ProcessInfo {
        host: read("/proc/sys/kernel/hostname"),
        pid: process::id(),
        boot: read("/proc/sys/kernel/random/boot_id"),
    }
}
