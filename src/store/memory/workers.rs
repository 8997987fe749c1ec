//! The leases, and what the threads of their processes have begun.

use crate::store::{
    AttemptId, Beat, Begun, LeaseSign, ProcessInfo, StoreError, WorkerId, WorkerInfo,
};
use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

#[derive(Default)]
pub(super) struct Workers {
    leases: BTreeMap<WorkerId, Lease>,
    last_id: i64,
}

struct Lease {
    info: WorkerInfo,
    /// What each thread began last.
    slots: HashMap<usize, AttemptId>,
}

impl Workers {
    pub(super) fn register(&mut self, process: ProcessInfo, now: SystemTime) -> WorkerId {
        self.last_id += 1;
        let id = WorkerId::new(self.last_id);
        let info = WorkerInfo {
            id,
            process,
            beat: Beat::new(0),
            sign: LeaseSign::Unknown,
            registered_at: now,
            renewed_at: now,
        };
        let slots = HashMap::new();
        self.leases.insert(id, Lease { info, slots });
        id
    }

    pub(super) fn renew(&mut self, worker: WorkerId, now: SystemTime) -> Result<(), StoreError> {
        let lease = self.leases.get_mut(&worker);
        let info = &mut lease.ok_or(StoreError::LeaseLost { worker })?.info;
        info.beat = Beat::new(info.beat.get() + 1);
        info.renewed_at = now;
        Ok(())
    }

    pub(super) fn check(&self, worker: WorkerId) -> Result<(), StoreError> {
        match self.leases.contains_key(&worker) {
            true => Ok(()),
            false => Err(StoreError::LeaseLost { worker }),
        }
    }

    pub(super) fn end(&mut self, worker: WorkerId) {
        self.leases.remove(&worker);
    }

    pub(super) fn all(&self) -> Vec<WorkerInfo> {
        self.leases
            .values()
            .map(|lease| lease.info.clone())
            .collect()
    }

    pub(super) fn beat(&self, worker: WorkerId) -> Option<Beat> {
        self.leases.get(&worker).map(|lease| lease.info.beat)
    }

    pub(super) fn mark_begun(&mut self, worker: WorkerId, slot: usize, attempt: AttemptId) {
        if let Some(lease) = self.leases.get_mut(&worker) {
            lease.slots.insert(slot, attempt);
        }
    }

    pub(super) fn begun(&self, worker: WorkerId, attempt: AttemptId) -> Begun {
        let lease = self.leases.get(&worker);
        match lease.is_some_and(|lease| lease.slots.values().any(|begun| *begun == attempt)) {
            true => Begun::Yes,
            false => Begun::No,
        }
    }
}
