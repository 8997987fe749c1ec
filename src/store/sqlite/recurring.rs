//! The recurring jobs.

use super::columns::{duration, duration_millis, meta_text};
use super::enqueue::Enqueuer;
use super::errors::Failure;
use super::tx::{Tx, millis, moment};
use super::values::{optional_count, optional_text, priority, text};
use crate::store::{
    DueRecurring, JobId, JobSpec, Limit, RecurringAnswer, RecurringChange, RecurringJob,
    StoreError, WorkerId,
};
use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Params, Row, params};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// All that [`job`] reads.
macro_rules! columns {
    ($rest:expr) => {
        concat!(
            "SELECT owner, key, schedule, missed, kind, queue, payload, meta, priority, \
             max_attempts, timeout, expires, unique_key, next_at, had_until, last_at, last_job, \
             paused_at, declared_at, declared_by, revision, limit_key, limit_max \
             FROM groundcrew_recurring ",
            $rest
        )
    };
}

pub(super) const ALL: &str = columns!("ORDER BY owner, key");
pub(super) const OF_OWNER: &str = columns!("WHERE owner = ?1 ORDER BY key");
pub(super) const ONE: &str = columns!("WHERE owner = ?1 AND key = ?2");
pub(super) const DUE: &str =
    columns!("WHERE owner = ?1 AND next_at <= ?2 AND paused_at IS NULL ORDER BY next_at, key");
pub(super) const NEXT: &str = "
SELECT next_at FROM groundcrew_recurring
WHERE owner = ?1 AND next_at > ?2 AND paused_at IS NULL ORDER BY next_at LIMIT 1";

pub(super) fn list(
    conn: &Connection,
    owner: Option<&str>,
    key: Option<&str>,
) -> rusqlite::Result<Vec<RecurringJob>> {
    match (owner, key) {
        (Some(owner), Some(key)) => select(conn, ONE, [owner, key]),
        (Some(owner), None) => select(conn, OF_OWNER, [owner]),
        (None, Some(key)) => {
            let mut all = select(conn, ALL, [])?;
            all.retain(|job| job.key == key);
            Ok(all)
        }
        (None, None) => select(conn, ALL, []),
    }
}

fn select(
    conn: &Connection,
    sql: &str,
    values: impl Params,
) -> rusqlite::Result<Vec<RecurringJob>> {
    let mut statement = conn.prepare_cached(sql)?;
    let jobs = statement.query_map(values, job)?;
    jobs.collect()
}

fn job(row: &Row<'_>) -> rusqlite::Result<RecurringJob> {
    let mut spec = JobSpec::new(text(row, 4)?, row.get::<_, Vec<u8>>(6)?);
    spec.queue = text(row, 5)?;
    spec.meta = meta(row, 7)?;
    spec.priority = priority(row, 8)?;
    spec.max_attempts = optional_count(row, 9)?;
    spec.timeout = row.get::<_, Option<i64>>(10)?.map(duration);
    spec.expires = row.get::<_, Option<i64>>(11)?.map(duration);
    spec.unique_key = optional_text(row, 12)?;
    let limit = optional_text(row, 21)?.zip(optional_count(row, 22)?);
    spec.limit = limit.map(|(key, max)| Limit { key, max });
    let declared_by = WorkerId::new(row.get(19)?);
    let declared_at = moment(row.get(18)?);
    let mut job = RecurringJob::new(text(row, 0)?, text(row, 1)?, spec, declared_by, declared_at);
    let time = |index| Ok::<_, Error>(row.get::<_, Option<i64>>(index)?.map(moment));
    job.schedule = text(row, 2)?;
    job.missed = text(row, 3)?;
    job.next = time(13)?;
    job.had_until = time(14)?;
    job.last = time(15)?;
    job.last_job = row.get::<_, Option<i64>>(16)?.map(JobId::new);
    job.paused_at = time(17)?;
    job.revision = row.get::<_, i64>(20)?.unsigned_abs();
    Ok(job)
}

fn meta(row: &Row<'_>, index: usize) -> rusqlite::Result<BTreeMap<String, String>> {
    let Some(text) = optional_text(row, index)? else {
        return Ok(BTreeMap::new());
    };
    let wrong = |error| Error::FromSqlConversionFailure(index, Type::Text, Box::new(error));
    serde_json::from_str(&text).map_err(wrong)
}

pub(super) fn due(
    conn: &Connection,
    owner: &str,
    now: SystemTime,
) -> rusqlite::Result<DueRecurring> {
    let now = millis(now);
    let jobs = select(conn, DUE, params![owner, now])?;
    let mut next = conn.prepare_cached(NEXT)?;
    let next: Option<i64> = next
        .query_row(params![owner, now], |row| row.get(0))
        .optional()?;
    Ok(DueRecurring {
        jobs,
        next: next.map(|next| Duration::from_millis(next.abs_diff(now))),
    })
}

pub(super) const REVISION: &str =
    "SELECT revision FROM groundcrew_recurring WHERE owner = ?1 AND key = ?2";
pub(super) const REMOVE: &str = "DELETE FROM groundcrew_recurring WHERE owner = ?1 AND key = ?2";
const SAVE: &str = "
INSERT OR REPLACE INTO groundcrew_recurring(owner, key, schedule, missed, kind, queue, payload,
  meta, priority, max_attempts, timeout, expires, unique_key, next_at, had_until, last_at, last_job,
  paused_at, declared_at, declared_by, revision, limit_key, limit_max)
VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
  ?21, ?22, ?23)";

pub(super) fn change(
    tx: &mut Tx<'_>,
    changes: &[RecurringChange],
) -> Result<Vec<RecurringAnswer>, Failure> {
    changes.iter().map(|one| change_one(tx, one)).collect()
}

fn change_one(tx: &mut Tx<'_>, change: &RecurringChange) -> Result<RecurringAnswer, Failure> {
    let name = [&change.owner, &change.key];
    let mut found = tx.prepare(REVISION)?;
    let found: Option<i64> = found.query_row(name, |row| row.get(0)).optional()?;
    if found.map(i64::unsigned_abs) != change.seen {
        return Ok(RecurringAnswer::Outdated);
    }
    let mut enqueuer = Enqueuer::new(tx.conn, tx.now)?;
    let mut jobs = Vec::with_capacity(change.jobs.len());
    for job in &change.jobs {
        let enqueued = match enqueuer.enqueue(tx.lanes, &mut tx.counts, &mut tx.touched, job, &[]) {
            Ok(enqueued) => Some(enqueued.id),
            Err(Failure::Refused(StoreError::UniqueKeyHeld { .. })) => None,
            Err(error) => return Err(error),
        };
        jobs.push(enqueued);
    }
    let last_job = jobs.iter().rev().find_map(|job| *job);
    if last_job.is_some() {
        tx.news();
    }
    match &change.to {
        Some(to) => save(tx, change, to, last_job.or(to.last_job))?,
        None => drop(tx.execute(REMOVE, name)?),
    }
    Ok(RecurringAnswer::Changed(jobs))
}

fn save(
    tx: &Tx<'_>,
    change: &RecurringChange,
    to: &RecurringJob,
    last_job: Option<JobId>,
) -> rusqlite::Result<()> {
    let spec = &to.job;
    tx.execute(
        SAVE,
        params![
            change.owner,
            change.key,
            to.schedule,
            to.missed,
            spec.kind,
            spec.queue,
            spec.payload,
            meta_text(&spec.meta),
            spec.priority,
            spec.max_attempts,
            spec.timeout.map(duration_millis),
            spec.expires.map(duration_millis),
            spec.unique_key,
            to.next.map(millis),
            to.had_until.map(millis),
            to.last.map(millis),
            last_job.map(JobId::get),
            to.paused_at.map(millis),
            millis(to.declared_at),
            to.declared_by.get(),
            tx.next_fence()?,
            spec.limit.as_ref().map(|limit| &limit.key),
            spec.limit.as_ref().map(|limit| limit.max),
        ],
    )?;
    Ok(())
}

pub(super) const TOUCH: &str = "
UPDATE groundcrew_recurring SET declared_at = ?3, revision = ?4
WHERE owner = ?1 AND key IN (SELECT value FROM json_each(?2))";

/// A JSON array.
pub(super) fn json(keys: &[&str]) -> String {
    // It cannot fail: they are texts.
    serde_json::to_string(keys).unwrap_or_default()
}

/// `keys` is a JSON array.
pub(super) fn touch(tx: &Tx<'_>, owner: &str, keys: &str) -> rusqlite::Result<()> {
    let revision = tx.next_fence()?;
    tx.execute(TOUCH, params![owner, keys, tx.now_ms(), revision])?;
    Ok(())
}
