//! A witness in the database: triggers that record each change of a job, in the transaction that
//! makes it.

use groundcrew::store::sqlite::rusqlite::{Connection, OpenFlags, Row};
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

const TRIGGERS: &str = "
CREATE TABLE witness(
  n INTEGER PRIMARY KEY, job INT, worker INT, fence INT,
  state INT, new_state INT, attempt INT, new_attempt INT, max_attempts INT,
  interrupted INT, new_interrupted INT, new_fence INT
);
CREATE TRIGGER witness_job AFTER UPDATE ON groundcrew_job
WHEN OLD.state <> NEW.state OR OLD.fence IS NOT NEW.fence OR OLD.attempt <> NEW.attempt BEGIN
  INSERT INTO witness VALUES(NULL, NEW.id, coalesce(NEW.worker, OLD.worker), OLD.fence,
    OLD.state, NEW.state, OLD.attempt, NEW.attempt, NEW.max_attempts,
    OLD.interrupted, NEW.interrupted, NEW.fence);
END;
CREATE TABLE witness_worker(worker INT, pid INT);
CREATE TRIGGER witness_worker AFTER INSERT ON groundcrew_worker BEGIN
  INSERT INTO witness_worker VALUES(NEW.id, NEW.pid);
END;
";

/// The states, as the schema numbers them.
const AVAILABLE: i64 = 1;
pub(crate) const RUNNING: i64 = 2;
pub(crate) const COMPLETED: i64 = 5;
pub(crate) const DEAD: i64 = 6;
pub(crate) const CANCELLED: i64 = 7;

/// A change of a job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    /// Grows from one to the next.
    pub(crate) n: i64,
    pub(crate) job: i64,
    /// The lease that had or got it.
    pub(crate) worker: Option<i64>,
    /// Before the change; 0 before the first claim.
    pub(crate) fence: i64,
    pub(crate) new_fence: i64,
    pub(crate) state: i64,
    pub(crate) new_state: i64,
    pub(crate) attempt: i64,
    pub(crate) new_attempt: i64,
    pub(crate) max_attempts: Option<i64>,
    /// How many interruptions it added.
    pub(crate) interruptions: i64,
}

pub(crate) fn set_up(path: &Path) {
    let conn = Connection::open(path).unwrap();
    conn.execute_batch(TRIGGERS).unwrap();
}

/// The number of the last change: those that come later have higher ones. 0 if it cannot be read.
pub(crate) fn last(path: &Path) -> i64 {
    let read = || {
        let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        conn.busy_timeout(Duration::from_secs(5))?;
        let query = "SELECT coalesce(max(n), 0) FROM witness";
        conn.query_row(query, [], |row| row.get(0))
    };
    read().unwrap_or_default()
}

/// The processes of all leases.
pub(crate) fn processes(conn: &Connection) -> HashMap<i64, u32> {
    let query = "SELECT worker, pid FROM witness_worker";
    let mut statement = conn.prepare(query).unwrap();
    let processes = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    processes.unwrap().map(Result::unwrap).collect()
}

impl Change {
    pub(crate) fn all(conn: &Connection) -> Vec<Change> {
        let query =
            "SELECT job, worker, coalesce(fence, 0), coalesce(new_fence, 0), state, new_state,
            attempt, new_attempt, max_attempts, new_interrupted - interrupted, n
            FROM witness ORDER BY n";
        let read = |row: &Row<'_>| {
            Ok(Change {
                job: row.get(0)?,
                worker: row.get(1)?,
                fence: row.get(2)?,
                new_fence: row.get(3)?,
                state: row.get(4)?,
                new_state: row.get(5)?,
                attempt: row.get(6)?,
                new_attempt: row.get(7)?,
                max_attempts: row.get(8)?,
                interruptions: row.get(9)?,
                n: row.get(10)?,
            })
        };
        let mut statement = conn.prepare(query).unwrap();
        let changes = statement.query_map([], read).unwrap();
        changes.map(Result::unwrap).collect()
    }

    pub(crate) fn is_claim(&self) -> bool {
        self.new_state == RUNNING && self.state == AVAILABLE
    }

    /// An attempt has ended.
    pub(crate) fn ends_attempt(&self) -> bool {
        self.state == RUNNING && self.new_state != RUNNING
    }

    /// Another process has ended the attempt.
    pub(crate) fn is_takeover(&self) -> bool {
        self.state == RUNNING && self.new_fence > self.fence
    }

    /// The attempt, or the one that begins: the job and its fence.
    pub(crate) fn key(&self) -> (i64, i64) {
        match self.is_claim() {
            true => (self.job, self.new_fence),
            false => (self.job, self.fence),
        }
    }

    pub(crate) fn completes(&self) -> bool {
        self.new_state == COMPLETED
    }

    /// The attempt has ended and counts.
    pub(crate) fn counts(&self) -> bool {
        self.ends_attempt() && self.new_attempt == self.attempt
    }

    /// The attempt does not count, and was not interrupted: it was snoozed or given back.
    pub(crate) fn is_undone(&self) -> bool {
        self.state == RUNNING && self.new_attempt < self.attempt && self.interruptions == 0
    }
}
