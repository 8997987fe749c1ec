//! What has to hold in the end, whatever happened.
//!
//! Of jobs ([`jobs`]):
//!
//! 1. Each acknowledged job is completed, dead or cancelled, and a client id is one job. Most of
//!    them are completed.
//! 2. A job that is completed may succeed; one that is dead failed for good, or has used all its
//!    attempts; one that is cancelled has expired, or was to be cancelled.
//! 3. No job is completed twice. What is completed, the handler has returned `Ok` for, in the
//!    attempt of that fence.
//!
//! Of attempts ([`attempts`]):
//!
//! 4. Each claim and each takeover raises the fence of the job: what ends with the fence of its
//!    attempt, the handler has returned from, or it was given back.
//! 5. No job has more attempts than it may have, and that is the number that it was enqueued with.
//! 6. No attempt begins twice. From one attempt of a job to the next that begins, the number grows,
//!    unless the first was interrupted or snoozed; what has begun is never given back.
//! 7. The next attempt of a job begins after the last, except where a process was frozen while its
//!    lease was taken over.
//! 8. A job that was lost with its process is claimed alone. One that was lost twice in a row has
//!    its process for itself.
//!
//! Of leases ([`leases`]):
//!
//! 9. A process that has ended by itself was killed by a job, or by `strace`.
//! 10. Only processes that have ended, or were frozen for it, are taken over, and not before that.
//!     Only these have a second lease, and report that they lost one.
//! 11. What had not begun when its process was lost is given back: without a line of its handler, an
//!     attempt counts for each thread at most.
//!
//! Of accounts ([`accounts`]):
//!
//! 12. The account of each report adds up, and each of its numbers agrees with the witness. The exit
//!     code is not 0 if something was left.
//!
//! Of the file ([`file`]):
//!
//! 13. Nothing runs, no process has a lease, and no locked file is left.
//! 14. The counts of the store are right, and the file is sound.

mod accounts;
mod attempts;
mod file;
mod jobs;
mod leases;

use crate::history::History;
use crate::records::{AllRecords, Line, Said};
use crate::witness::{self, Change};
use groundcrew::store::sqlite::rusqlite::Connection;
use std::collections::HashMap;
use std::path::Path;

/// What is known.
struct Facts<'a> {
    records: &'a AllRecords,
    history: &'a History,
    changes: Vec<Change>,
    /// The process of each lease.
    processes: HashMap<i64, u32>,
    conn: Connection,
}

/// What does not hold.
struct Faults(Vec<String>);

impl Faults {
    fn unless(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds {
            self.0.push(fault());
        }
    }
}

impl Facts<'_> {
    /// The lines of handlers that did this.
    fn said(&self, said: Said) -> impl Iterator<Item = &Line> {
        self.records
            .log
            .iter()
            .filter(move |line| line.said == said)
    }

    /// The process that had or got the job.
    fn process(&self, change: &Change) -> Option<u32> {
        self.processes.get(&change.worker?).copied()
    }
}

pub(crate) fn check(records: &AllRecords, database: &Path, history: &History) {
    let conn = Connection::open(database).unwrap();
    let facts = Facts {
        records,
        history,
        changes: Change::all(&conn),
        processes: witness::processes(&conn),
        conn,
    };
    println!(
        "{} jobs acknowledged, {} runs begun, {} changes in the store",
        records.enqueued.len(),
        facts.said(Said::Begun).count(),
        facts.changes.len()
    );
    let mut faults = Faults(records.complaints.clone());
    jobs::check(&mut faults, &facts);
    attempts::check(&mut faults, &facts);
    leases::check(&mut faults, &facts);
    accounts::check(&mut faults, &facts);
    file::check(&mut faults, &facts.conn, database);
    let first: Vec<&String> = faults.0.iter().take(20).collect();
    assert!(first.is_empty(), "{} faults: {first:#?}", faults.0.len());
}
