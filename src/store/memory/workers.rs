//! The leases, and what their processes have begun.

use crate::store::{
    AttemptId, Beat, Begun, LeaseSign, ProcessInfo, StoreError, WorkerId, WorkerInfo,
};
use std::collections::{BTreeMap, HashSet};
use std::time::SystemTime;

#[derive(Default)]
pub(super) struct Workers {
    leases: BTreeMap<WorkerId, Lease>,
    last_id: i64,
}

struct Lease {
    info: WorkerInfo,
    /// What has begun, and whose end is not recorded.
    begun: HashSet<AttemptId>,
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
        let begun = HashSet::new();
        self.leases.insert(id, Lease { info, begun });
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

    pub(super) fn mark_begun(&mut self, worker: WorkerId, attempt: AttemptId) {
        if let Some(lease) = self.leases.get_mut(&worker) {
            lease.begun.insert(attempt);
        }
    }

    /// The end of the attempt is recorded.
    pub(super) fn ended(&mut self, worker: WorkerId, attempt: AttemptId) {
        if let Some(lease) = self.leases.get_mut(&worker) {
            lease.begun.remove(&attempt);
        }
    }

    pub(super) fn begun(&self, worker: WorkerId, attempt: AttemptId) -> Begun {
        let lease = self.leases.get(&worker);
        match lease.is_some_and(|lease| lease.begun.contains(&attempt)) {
            true => Begun::Yes,
            false => Begun::No,
        }
    }
}
