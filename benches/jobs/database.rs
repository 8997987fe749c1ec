//! A database in a folder of its own, and the jobs in it.

use crate::harness::report;
use groundcrew::Host;
use groundcrew::host::RunningHost;
use groundcrew::jobs::{Job, JobContext, Jobs, NewJob};
use groundcrew::store::JobState;
use groundcrew::store::sqlite::rusqlite::Connection;
use groundcrew::store::sqlite::{Durability, SqliteStore};
use serde::{Deserialize, Serialize};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

#[derive(Serialize, Deserialize)]
pub(crate) struct Noop {
    pub(crate) n: u64,
}

impl Job for Noop {
    const KIND: &'static str = "noop";
}

/// What is measured in both.
pub(crate) const BOTH: [(&str, Durability); 2] = [
    ("groundcrew, FULL", Durability::Full),
    ("groundcrew, NORMAL", Durability::Normal),
];

/// Removed with all that is in it when it is dropped.
pub(crate) struct Database(TempDir);

impl Database {
    pub(crate) fn new() -> Database {
        let folder = report::folder();
        fs::create_dir_all(&folder).unwrap();
        Database(TempDir::new_in(folder).unwrap())
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.path().join("jobs.db")
    }

    pub(crate) fn open(&self, durability: Durability) -> Jobs {
        open(&self.file(), durability)
    }

    /// Reads the table: this number of jobs are in this state, and none in another one.
    pub(crate) fn check(&self, state: JobState, jobs: u64) {
        let number = match state {
            JobState::Available => 1,
            JobState::Completed => 5,
            other => panic!("the number of {other} is not known here"),
        };
        let conn = Connection::open(self.file()).unwrap();
        let query = "SELECT count(*), coalesce(sum(state = ?1), 0) FROM groundcrew_job";
        let read: (i64, i64) = conn
            .query_row(query, [number], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        let jobs = jobs as i64;
        assert_eq!(read, (jobs, jobs), "jobs, and those that are {state}");
    }
}

pub(crate) fn open(file: &Path, durability: Durability) -> Jobs {
    let store = SqliteStore::builder(file).durability(durability).open();
    Jobs::open(store.unwrap()).unwrap()
}

/// In transactions of a thousand.
pub(crate) fn enqueue(jobs: &Jobs, numbers: Range<u64>) {
    for first in numbers.clone().step_by(1000) {
        let batch = first..numbers.end.min(first + 1000);
        let new = batch.map(|n| NewJob::of(&Noop { n }));
        jobs.enqueue_many(new).unwrap();
    }
}

/// Two threads that run each job with `handler`.
pub(crate) fn work(jobs: &Jobs, handler: impl Fn(Noop) + Send + Sync + 'static) -> RunningHost {
    let mut host = Host::builder();
    let _ = host
        .jobs("bench", jobs)
        .threads(2)
        .on(move |job: Noop, _: &JobContext| handler(job));
    host.build().unwrap().start().unwrap()
}

pub(crate) fn wait_for_completed(jobs: &Jobs, count: u64) {
    let completed = |jobs: &Jobs| -> u64 {
        let counts = jobs.counts().unwrap();
        counts
            .iter()
            .map(|lane| lane.states[JobState::Completed])
            .sum()
    };
    while completed(jobs) < count {
        thread::sleep(Duration::from_millis(1));
    }
}

/// This bench again, as a child: what it does, and how much of it.
pub(crate) fn child(what: &str, file: &Path, amount: u64) -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--child", what, "--amount", &amount.to_string()]);
    child.arg("--file").arg(file);
    child
}
