//! Processes and their leases.

use super::claim::LEASE;
use super::columns::{bury, fence, load, save, with_names};
use super::errors::may_be_of_a_row;
use super::lock_file::LockFolder;
use super::tx::{Tx, millis, moment};
use super::values::{count, optional_count, text};
use crate::store::{
    AttemptId, Beat, Begun, Fence, HeldJob, JobId, JobState, LostJob, Outcome, ProcessInfo,
    TakenOver, WorkerId, WorkerInfo,
};
use crate::sync::Mutex;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

pub(super) fn new_token(conn: &Connection) -> rusqlite::Result<String> {
    conn.query_row("SELECT lower(hex(randomblob(16)))", [], |row| row.get(0))
}

/// Of all leases.
pub(super) fn tokens(conn: &Connection) -> rusqlite::Result<HashSet<String>> {
    let mut statement = conn.prepare_cached("SELECT token FROM groundcrew_worker")?;
    let tokens = statement.query_map([], |row| row.get(0))?;
    tokens.collect()
}

const REGISTER: &str = "
INSERT INTO groundcrew_worker(token, host, pid, boot, beat, registered_at, renewed_at)
VALUES(?1, ?2, ?3, ?4, 0, ?5, ?5)";

pub(super) fn register(
    tx: &Tx<'_>,
    token: &str,
    process: &ProcessInfo,
) -> rusqlite::Result<WorkerId> {
    let id = tx.prepare(REGISTER)?.insert(params![
        token,
        process.host,
        process.pid,
        process.boot,
        tx.now_ms()
    ])?;
    Ok(WorkerId::new(id))
}

pub(super) const RENEW: &str =
    "UPDATE groundcrew_worker SET beat = beat + 1, renewed_at = ?2 WHERE id = ?1";

/// Returns whether there is such a lease.
pub(super) fn renew(
    conn: &Connection,
    worker: WorkerId,
    now: SystemTime,
) -> rusqlite::Result<bool> {
    let mut statement = conn.prepare_cached(RENEW)?;
    Ok(statement.execute([worker.get(), millis(now)])? > 0)
}

pub(super) const TOKEN: &str = "SELECT token, beat FROM groundcrew_worker WHERE id = ?1";
const END: &str = "DELETE FROM groundcrew_worker WHERE id = ?1";

/// Ends a lease without running jobs. Returns their number, and the token of a lease that has ended.
pub(super) fn withdraw(tx: &Tx<'_>, worker: WorkerId) -> rusqlite::Result<(usize, Option<String>)> {
    let running = running(tx.conn, worker)?.len();
    if running > 0 {
        return Ok((running, None));
    }
    let token = tx
        .prepare(TOKEN)?
        .query_row([worker.get()], |row| row.get(0));
    tx.execute(END, [worker.get()])?;
    Ok((0, token.optional()?))
}

pub(super) const WORKERS: &str = "
SELECT id, token, host, pid, boot, beat, registered_at, renewed_at
FROM groundcrew_worker ORDER BY id";

pub(super) fn workers(conn: &Connection, folder: &LockFolder) -> rusqlite::Result<Vec<WorkerInfo>> {
    let mut statement = conn.prepare_cached(WORKERS)?;
    let workers = statement.query_map([], |row| {
        let token: String = row.get(1)?;
        Ok(WorkerInfo {
            id: WorkerId::new(row.get(0)?),
            process: ProcessInfo {
                host: row.get(2)?,
                pid: row.get(3)?,
                boot: row.get(4)?,
            },
            beat: beat(&token, row.get(5)?, folder),
            sign: folder.sign(&token),
            registered_at: moment(row.get(6)?),
            renewed_at: moment(row.get(7)?),
        })
    })?;
    workers.collect()
}

/// Both the row and the locked file count renewals. A process that a locked database keeps from
/// writing its row still writes its file; one that cannot write its file still writes its row.
fn beat(token: &str, of_row: i64, folder: &LockFolder) -> Beat {
    let of_row = of_row.unsigned_abs();
    Beat::new(of_row.wrapping_add(folder.beat(token)))
}

/// The token of a lease whose beat is still `seen`.
fn unchanged(
    conn: &Connection,
    folder: &LockFolder,
    worker: WorkerId,
    seen: Beat,
) -> rusqlite::Result<Option<String>> {
    let mut statement = conn.prepare_cached(TOKEN)?;
    let row = statement.query_row([worker.get()], |row| {
        let token: String = row.get(0)?;
        let beat = beat(&token, row.get(1)?, folder);
        Ok((beat == seen).then_some(token))
    });
    Ok(row.optional()?.flatten())
}

// Of the columns of a job that may be long none is read: their pages may be damaged.
pub(super) const LOST: &str = concat!(
    "SELECT j.id, j.fence, q.name, k.name, j.attempt, j.max_attempts, j.interrupted, \
     j.first_due, j.abandoned FROM groundcrew_job j ",
    with_names!(),
    " WHERE j.state = 2 AND j.worker = ?1 ORDER BY j.id"
);

/// The jobs of a process with this beat; `None` if it has another one, or no lease.
pub(super) fn lost_jobs(
    conn: &Connection,
    folder: &LockFolder,
    worker: WorkerId,
    seen: Beat,
) -> rusqlite::Result<Option<Vec<LostJob>>> {
    let Some(token) = unchanged(conn, folder, worker, seen)? else {
        return Ok(None);
    };
    let begun = folder.begun(&token);
    let mut statement = conn.prepare_cached(LOST)?;
    let lost = statement.query_map([worker.get()], |row| lost(row, worker, begun.as_ref()))?;
    lost.collect::<rusqlite::Result<_>>().map(Some)
}

fn lost(
    row: &Row<'_>,
    worker: WorkerId,
    begun: Option<&HashSet<AttemptId>>,
) -> rusqlite::Result<LostJob> {
    let attempt_id = attempt_id(row)?;
    let begun = match begun {
        _ if row.get(8)? => Begun::Abandoned,
        None => Begun::Unknown,
        Some(begun) if begun.contains(&attempt_id) => Begun::Yes,
        Some(_) => Begun::No,
    };
    Ok(LostJob {
        attempt_id,
        worker,
        queue: text(row, 2)?,
        kind: text(row, 3)?,
        attempt: count(row, 4)?,
        max_attempts: optional_count(row, 5)?.unwrap_or(1),
        interrupted: count(row, 6)?,
        first_due: moment(row.get(7)?),
        begun,
    })
}

/// The first two columns.
fn attempt_id(row: &Row<'_>) -> rusqlite::Result<AttemptId> {
    Ok(AttemptId {
        job: JobId::new(row.get(0)?),
        fence: row.get::<_, Option<i64>>(1)?.map_or(Fence::new(0), fence),
    })
}

/// How a takeover went.
pub(super) enum Takeover {
    /// The token of the lease that has ended, and what became of its jobs.
    Done(String, Vec<TakenOver>),
    /// The same without some jobs that cannot be changed: the lease stays with them.
    InPart(Vec<TakenOver>),
    /// None of those that are left can be changed, and why.
    Stuck(String),
    /// The beat is another one, or the lease has ended.
    Refused,
    /// The process has claimed or ended jobs since they were judged.
    Outdated,
}

/// The jobs that have ended the transaction of a takeover, and how. They are not touched again.
pub(super) type AtFault = Mutex<HashMap<JobId, String>>;

/// Ends the lease if its beat is still `seen`, and its jobs as they were judged.
pub(super) fn take_over(
    tx: &mut Tx<'_>,
    folder: &LockFolder,
    worker: WorkerId,
    seen: Beat,
    judged: &[(LostJob, Outcome)],
    at_fault: &AtFault,
) -> rusqlite::Result<Takeover> {
    let Some(token) = unchanged(tx.conn, folder, worker, seen)? else {
        return Ok(Takeover::Refused);
    };
    let lost = lost_jobs(tx.conn, folder, worker, seen)?;
    if !lost.is_some_and(|lost| lost.iter().eq(judged.iter().map(|(lost, _)| lost))) {
        return Ok(Takeover::Outdated);
    }
    let fence = fence(tx.next_fence()?);
    let mut taken_over = Vec::with_capacity(judged.len());
    let mut left = None;
    for (lost, outcome) in judged {
        let id = lost.attempt_id.job;
        let known = at_fault.lock().get(&id).cloned();
        let ended = match known {
            Some(problem) => Err(problem),
            None => {
                let note = |error: &rusqlite::Error| {
                    if may_be_of_a_row(error) {
                        at_fault.lock().insert(id, error.to_string());
                    }
                };
                let ended = end_lost(tx, lost, outcome, fence).inspect_err(note)?;
                ended.map_err(|error| error.to_string())
            }
        };
        match ended {
            Ok(state) => taken_over.push(TakenOver {
                lost: lost.clone(),
                state,
            }),
            Err(problem) => left = Some(format!("job {id} cannot be changed: {problem}")),
        }
    }
    tx.settle()?;
    // Some may have got a place, or lost it.
    let is_due = |state| matches!(state, JobState::Available | JobState::Blocked);
    for one in taken_over.iter_mut().filter(|one| is_due(one.state)) {
        if let Some(job) = load(tx.conn, one.lost.attempt_id.job)? {
            one.state = job.job.info.state;
        }
    }
    if !taken_over.is_empty() {
        tx.news();
    }
    match left {
        None => {
            tx.execute(END, [worker.get()])?;
            Ok(Takeover::Done(token, taken_over))
        }
        Some(problem) if taken_over.is_empty() => Ok(Takeover::Stuck(problem)),
        Some(_) => Ok(Takeover::InPart(taken_over)),
    }
}

/// Ends a job as it was judged or, where that cannot be written, as dead. After the inner error it is
/// as it was before.
fn end_lost(
    tx: &mut Tx<'_>,
    lost: &LostJob,
    outcome: &Outcome,
    fence: Fence,
) -> rusqlite::Result<Result<JobState, rusqlite::Error>> {
    let id = lost.attempt_id.job;
    let ended = tx.part(|tx| {
        let mut job = load(tx.conn, id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        job.take_over(outcome, lost.is_suspect(), fence, tx.now);
        save(tx, &job)?;
        Ok(job.job.info.state)
    });
    match ended? {
        Ok(state) => Ok(Ok(state)),
        Err(error) => {
            let reason = format!("its process ended, and the store cannot write that: {error}");
            let dead = tx.part(|tx| bury(tx, id, fence, &reason))?;
            Ok(dead.map(|()| JobState::Dead))
        }
    }
}

pub(super) const HELD: &str = "
SELECT id, fence, cancel_requested FROM groundcrew_job
WHERE state = 2 AND worker = ?1 ORDER BY id";

/// The jobs that run in the name of a process; `None` if it has no lease.
pub(super) fn held(conn: &Connection, worker: WorkerId) -> rusqlite::Result<Option<Vec<HeldJob>>> {
    if !conn.prepare_cached(LEASE)?.exists([worker.get()])? {
        return Ok(None);
    }
    running(conn, worker).map(Some)
}

fn running(conn: &Connection, worker: WorkerId) -> rusqlite::Result<Vec<HeldJob>> {
    let mut statement = conn.prepare_cached(HELD)?;
    let held = statement.query_map([worker.get()], |row| {
        Ok(HeldJob {
            attempt: attempt_id(row)?,
            cancel_requested: row.get::<_, Option<i64>>(2)?.is_some(),
        })
    })?;
    held.collect()
}
