//! Enqueuing in transactions of the program.

use super::columns::meta_text;
use super::counts::Counts;
use super::enqueue::{Enqueuer, Times};
use super::errors::{self, Failure};
use super::lanes::Lanes;
use super::limits;
use super::touched::Touched;
use crate::clock::Clock;
use crate::store::{Due, Enqueued, JobSpec, SqlValue, Statement, StoreError, Transaction};
use rusqlite::Connection;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// On the database file of the store. The job is due by the system's clock. What it survives is
/// decided by the `synchronous` of the program's connection: with `FULL`, SQLite's default, a power
/// failure.
///
/// The transaction should be begun as `IMMEDIATE`
/// ([`TransactionBehavior`](rusqlite::TransactionBehavior)): one that begins with a read fails at
/// its first write if another connection has written meanwhile, whatever the busy timeout.
impl Transaction for &rusqlite::Transaction<'_> {
    fn enqueue(self, job: &JobSpec) -> Result<Enqueued, StoreError> {
        enqueue(self, job)
    }
}

/// As for a transaction. If the savepoint is rolled back, there is no job.
impl Transaction for &rusqlite::Savepoint<'_> {
    fn enqueue(self, job: &JobSpec) -> Result<Enqueued, StoreError> {
        enqueue(self, job)
    }
}

fn enqueue(conn: &Connection, job: &JobSpec) -> Result<Enqueued, StoreError> {
    job.check(usize::MAX)?;
    as_a_whole(conn, || {
        let now = Due::reading(Clock::default().read().wall);
        let (mut lanes, mut counts) = (Lanes::default(), Counts::default());
        let mut touched = Touched::default();
        let mut enqueuer = Enqueuer::new(conn, now)?;
        let enqueued = enqueuer.enqueue(&mut lanes, &mut counts, &mut touched, job, &[])?;
        limits::settle(&mut touched, conn, &mut counts)?;
        counts.write(conn)?;
        Ok(enqueued)
    })
    .map_err(|failure| match failure {
        Failure::Refused(error) => error,
        Failure::Sqlite(error) => describe(conn, &error),
    })
}

/// The program may commit its transaction after an error: then nothing of the job may be there.
fn as_a_whole<T>(
    conn: &Connection,
    body: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    conn.prepare_cached("SAVEPOINT groundcrew_enqueue")?
        .execute([])?;
    let result = body();
    // Some errors end the transaction.
    if result.is_err() && !conn.is_autocommit() {
        conn.prepare_cached("ROLLBACK TO groundcrew_enqueue")?
            .execute([])?;
    }
    if !conn.is_autocommit() {
        conn.prepare_cached("RELEASE groundcrew_enqueue")?
            .execute([])?;
    }
    result
}

fn describe(conn: &Connection, error: &rusqlite::Error) -> StoreError {
    if error.to_string().contains("no such table: groundcrew_") {
        return StoreError::Unsupported {
            detail: "the transaction's database has no tables of a store; begin it on the file \
                     that the store was opened on"
                .to_owned(),
        };
    }
    // How long the program's connection waits for locks is its own choice.
    let waited = conn.query_row("PRAGMA busy_timeout", [], |row| row.get(0));
    let waited = Duration::from_millis(u64::from(waited.unwrap_or(0_u32)));
    errors::describe(error, Path::new(conn.path().unwrap_or_default()), waited)
}

/// What the trigger of the view does not do.
pub(super) fn check_statement(job: &JobSpec) -> Result<(), StoreError> {
    match job.limit.is_none() && job.after.is_empty() {
        true => Ok(()),
        false => Err(StoreError::Unsupported {
            detail: "a statement cannot enqueue a job with a limit, or after others; enqueue it \
                     through its `Jobs`, or in a transaction of `rusqlite`"
                .to_owned(),
        }),
    }
}

/// Inserts into a view, whose trigger does the rest.
const ENQUEUE: &str = "INSERT INTO groundcrew_enqueue(queue, kind, payload, meta, priority, \
    enqueued_at, due, max_attempts, timeout, expires, unique_key, client_id) \
    VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

pub(super) fn statement(job: &JobSpec, now: SystemTime) -> Statement {
    let times = Times::of(job, now);
    let text = |text: &Option<String>| text.clone().map_or(SqlValue::Null, SqlValue::Text);
    let integer = |number: Option<i64>| number.map_or(SqlValue::Null, SqlValue::Integer);
    let values = vec![
        SqlValue::Text(job.queue.clone()),
        SqlValue::Text(job.kind.clone()),
        SqlValue::Blob(job.payload.clone()),
        text(&meta_text(&job.meta)),
        SqlValue::Integer(i64::from(job.priority)),
        SqlValue::Integer(times.enqueued_at),
        SqlValue::Integer(times.due),
        integer(job.max_attempts.map(i64::from)),
        integer(times.timeout),
        integer(times.expires),
        text(&job.unique_key),
        text(&job.client_id),
    ];
    Statement::new(ENQUEUE, values)
}
