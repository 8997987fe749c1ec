//! What is done from time to time: scheduled jobs become available, old ones go.

use super::claim::expire;
use super::columns::{code, json};
use super::counts::{DELETED, PRUNED};
use super::lanes::LANES_AFTER;
use super::operate::remove;
use super::tx::{Tx, millis};
use super::values::limit;
use crate::store::row::ParentEnd;
use crate::store::{JobId, JobState, Promoted, Swept};
use rusqlite::{Connection, OptionalExtension, params};
use std::time::{Duration, SystemTime};

pub(super) const DUE: &str = "SELECT id, limit_id FROM groundcrew_job WHERE state = 0 AND due <= ?1 ORDER BY due, id LIMIT ?2";
pub(super) const PROMOTE: &str =
    "UPDATE groundcrew_job SET state = ?2 WHERE id IN (SELECT value FROM json_each(?1))";
pub(super) const NEXT: &str = "SELECT due FROM groundcrew_job WHERE state = 0 ORDER BY due LIMIT 1";

pub(super) fn promote_due(tx: &mut Tx<'_>, most: usize) -> rusqlite::Result<Promoted> {
    let (mut free, mut limited) = (Vec::new(), Vec::new());
    let mut statement = tx.prepare(DUE)?;
    let mut rows = statement.query([tx.now_ms(), limit(most)])?;
    while let Some(row) = rows.next()? {
        let limit: Option<i64> = row.get(1)?;
        tx.touched.add(limit);
        let jobs = if limit.is_some() {
            &mut limited
        } else {
            &mut free
        };
        jobs.push(JobId::new(row.get(0)?));
    }
    drop(rows);
    // Those with a limit are blocked until there is a place for them.
    for (jobs, state) in [(&free, JobState::Available), (&limited, JobState::Blocked)] {
        if !jobs.is_empty() {
            tx.execute(PROMOTE, params![json(jobs), code(state)])?;
            tx.news();
        }
    }
    Ok(Promoted {
        count: free.len() + limited.len(),
        next: until_next(tx.conn, tx.now)?,
    })
}

/// How long until the next scheduled job is due.
pub(super) fn until_next(conn: &Connection, now: SystemTime) -> rusqlite::Result<Option<Duration>> {
    let mut statement = conn.prepare_cached(NEXT)?;
    let next: Option<i64> = statement.query_row([], |row| row.get(0)).optional()?;
    Ok(next.map(|due| {
        let wait = due.saturating_sub(millis(now)).max(0);
        Duration::from_millis(wait.unsigned_abs())
    }))
}

pub(super) const EXPIRED: &str = "
SELECT id FROM groundcrew_job WHERE state IN (0, 1, 3, 4) AND expires <= ?1
ORDER BY expires, id LIMIT ?2";

/// Whether there is something to cancel.
pub(super) fn has_expired(conn: &Connection, now: SystemTime) -> rusqlite::Result<bool> {
    conn.prepare_cached(EXPIRED)?.exists([millis(now), 1])
}

pub(super) fn cancel_expired(tx: &mut Tx<'_>, most: usize) -> rusqlite::Result<Swept> {
    let expired: Vec<JobId> = {
        let mut statement = tx.prepare(EXPIRED)?;
        let values = [tx.now_ms(), limit(most.min(ROWS))];
        let ids = statement.query_map(values, |row| Ok(JobId::new(row.get(0)?)))?;
        ids.collect::<rusqlite::Result<_>>()?
    };
    expire(tx, &expired)?;
    Ok(Swept {
        count: expired.len(),
        has_more: has_expired(tx.conn, tx.now)?,
    })
}

/// What one transaction removes or cancels at most: it holds the lock that all other writers wait
/// for.
const ROWS: usize = 1000;
/// The size of the payloads that one transaction removes; one more in any case. To free the pages of
/// a payload, SQLite reads all of them.
const BYTES: i64 = 4 << 20;

pub(super) const OLD: &str = "
SELECT ended_at, id FROM groundcrew_job
WHERE state >= 5 AND state = ?1 AND lane = ?2 AND ended_at <= ?3
ORDER BY ended_at, id LIMIT ?4";

/// The jobs to prune: when they ended, their ids, and their lanes.
fn old(
    conn: &Connection,
    state: JobState,
    before: SystemTime,
    most: usize,
) -> rusqlite::Result<Vec<(i64, i64, i64)>> {
    let mut lanes = conn.prepare_cached(LANES_AFTER)?;
    let lanes: Vec<i64> = lanes
        .query_map([0], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut old = Vec::new();
    let mut statement = conn.prepare_cached(OLD)?;
    for lane in lanes {
        let values = [code(state), lane, millis(before), limit(most)];
        let of_lane = statement.query_map(values, |row| Ok((row.get(0)?, row.get(1)?, lane)))?;
        for job in of_lane {
            old.push(job?);
        }
    }
    old.sort_unstable();
    old.truncate(most);
    Ok(old)
}

/// Whether there is something to prune.
pub(super) fn has_old(
    conn: &Connection,
    state: JobState,
    before: SystemTime,
) -> rusqlite::Result<bool> {
    Ok(!old(conn, state, before, 1)?.is_empty())
}

pub(super) const SIZE: &str =
    "SELECT length(payload) + coalesce(length(meta), 0) FROM groundcrew_payload WHERE job = ?1";

/// The first of these jobs, up to the limit of the sizes of their payloads.
fn cut_to_size(tx: &Tx<'_>, jobs: &mut Vec<(i64, i64, i64)>) -> rusqlite::Result<()> {
    let mut size_of = tx.prepare(SIZE)?;
    let (mut count, mut size) = (0, 0);
    for (_, id, _) in jobs.iter() {
        if size > BYTES {
            break;
        }
        let of_job: Option<i64> = size_of.query_row([id], |row| row.get(0)).optional()?;
        size += of_job.unwrap_or_default();
        count += 1;
    }
    jobs.truncate(count);
    Ok(())
}

pub(super) fn prune(
    tx: &mut Tx<'_>,
    state: JobState,
    before: SystemTime,
    most: usize,
) -> rusqlite::Result<Swept> {
    let mut old = old(tx.conn, state, before, most.min(ROWS))?;
    cut_to_size(tx, &mut old)?;
    let ids: Vec<JobId> = old.iter().map(|(_, id, _)| JobId::new(*id)).collect();
    remove(tx, &ids, ParentEnd::Pruned)?;
    for (_, _, lane) in &old {
        // The trigger has counted each as deleted.
        tx.counts.add(*lane, DELETED, -1);
        tx.counts.add(*lane, PRUNED, 1);
    }
    Ok(Swept {
        count: old.len(),
        has_more: has_old(tx.conn, state, before)?,
    })
}
