//! Processes and their leases.

use super::claim::LEASE;
use super::columns::{fence, running, save};
use super::lock_file::LockFolder;
use super::tx::{Tx, millis, moment};
use crate::store::row::Row as Job;
use crate::store::{
    AttemptId, Beat, Begun, Fence, HeldJob, LostJob, Outcome, ProcessInfo, TakenOver, WorkerId,
    WorkerInfo,
};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashSet;
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
    let jobs = running(conn, worker)?;
    let begun = folder.begun(&token);
    let lost = jobs
        .into_iter()
        .map(|job| lost(job, worker, begun.as_ref()));
    Ok(Some(lost.collect()))
}

fn lost(job: Job, worker: WorkerId, begun: Option<&HashSet<AttemptId>>) -> LostJob {
    let attempt_id = attempt_id(&job);
    let begun = match begun {
        _ if job.is_abandoned => Begun::Abandoned,
        None => Begun::Unknown,
        Some(begun) if begun.contains(&attempt_id) => Begun::Yes,
        Some(_) => Begun::No,
    };
    let info = job.job.info;
    LostJob {
        attempt_id,
        worker,
        queue: info.queue,
        kind: info.kind,
        attempt: info.attempt,
        max_attempts: info.max_attempts.unwrap_or(1),
        interrupted: info.interrupted,
        first_due: info.first_due,
        begun,
    }
}

fn attempt_id(job: &Job) -> AttemptId {
    AttemptId {
        job: job.job.info.id,
        fence: job.job.info.fence.unwrap_or(Fence::new(0)),
    }
}

/// How a takeover went.
pub(super) enum Takeover {
    /// The token of the lease that has ended, and what became of its jobs.
    Done(String, Vec<TakenOver>),
    /// The beat is another one, or the lease has ended.
    Refused,
    /// The process has claimed or ended jobs since they were judged.
    Outdated,
}

/// Ends the lease if its beat is still `seen`, and its jobs as they were judged.
pub(super) fn take_over(
    tx: &mut Tx<'_>,
    folder: &LockFolder,
    worker: WorkerId,
    seen: Beat,
    judged: &[(LostJob, Outcome)],
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
    for (mut job, (lost, outcome)) in running(tx.conn, worker)?.into_iter().zip(judged) {
        job.take_over(outcome, lost.is_suspect(), fence, tx.now);
        save(tx.conn, &job)?;
        taken_over.push(TakenOver {
            lost: lost.clone(),
            state: job.job.info.state,
        });
    }
    tx.execute(END, [worker.get()])?;
    if !taken_over.is_empty() {
        tx.news();
    }
    Ok(Takeover::Done(token, taken_over))
}

/// The jobs that run in the name of a process; `None` if it has no lease.
pub(super) fn held(conn: &Connection, worker: WorkerId) -> rusqlite::Result<Option<Vec<HeldJob>>> {
    if !conn.prepare_cached(LEASE)?.exists([worker.get()])? {
        return Ok(None);
    }
    let held = running(conn, worker)?.into_iter().map(|job| HeldJob {
        attempt: attempt_id(&job),
        cancel_requested: job.job.info.cancel_requested.is_some(),
    });
    Ok(Some(held.collect()))
}
