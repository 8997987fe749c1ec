//! The store in an SQLite file, by the suite for all stores, and by what processes and files do to
//! it.
#![cfg(unix)]

mod conformance;
mod errors;
mod kills;
mod leases;
mod mangled;
mod processes;
mod rows;
mod transactions;

use groundcrew::store::sqlite::SqliteStore;
use groundcrew::store::{
    Claim, ClaimRequest, Finish, JobSpec, KindRequest, Outcome, ProcessInfo, Store, StoreError,
    WorkerId,
};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// A folder in memory where there is one: an fsync costs nothing there.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}

/// A store in a new file.
fn store() -> (TempDir, PathBuf, SqliteStore) {
    let folder = folder();
    let path = folder.path().join("jobs.db");
    let store = SqliteStore::open(&path).unwrap();
    (folder, path, store)
}

fn job() -> JobSpec {
    JobSpec::new("count", "{}")
}

fn with_client_id(id: impl Into<String>) -> JobSpec {
    let mut job = job();
    job.client_id = Some(id.into());
    job
}

fn register(store: &SqliteStore) -> WorkerId {
    let process = ProcessInfo {
        host: "machine".to_owned(),
        pid: std::process::id(),
        boot: "boot".to_owned(),
    };
    store.register(&process).unwrap()
}

fn claim(store: &SqliteStore, worker: WorkerId, most: usize) -> Result<Claim, StoreError> {
    store.claim(&ClaimRequest {
        worker,
        queues: &["default"],
        kinds: &[KindRequest {
            kind: "count",
            expected: Duration::from_micros(1),
            max_attempts: 3,
        }],
        budget: Duration::from_secs(1),
        most,
    })
}

fn completed(claim: &Claim) -> Vec<Finish> {
    let completed = claim.jobs.iter().map(|job| Finish {
        attempt: job.attempt_id(),
        outcome: Outcome::Completed,
    });
    completed.collect()
}
