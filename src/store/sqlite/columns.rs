//! Rows of the table of jobs, and back.

use super::tx::{Tx, millis, moment};
use super::values::{count, optional_count, optional_text, priority, text};
use crate::store::row::{ParentEnd, Row as Job};
use crate::store::{
    AttemptInfo, AttemptOutcome, Fence, JobDetails, JobId, JobInfo, JobState, WorkerId,
};
use rusqlite::{Connection, Error, OptionalExtension, Row, params};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) fn code(state: JobState) -> i64 {
    match state {
        JobState::Scheduled => 0,
        JobState::Available => 1,
        JobState::Running => 2,
        JobState::Waiting => 3,
        JobState::Blocked => 4,
        JobState::Completed => 5,
        JobState::Dead => 6,
        JobState::Cancelled => 7,
    }
}

pub(super) fn state(code: i64) -> Option<JobState> {
    JobState::ALL
        .into_iter()
        .find(|state| self::code(*state) == code)
}

/// All that [`job`] reads, of a job `j` with its queue `q`, its kind `k` and its limit `m`.
macro_rules! job_columns {
    () => {
        "j.id, q.name, k.name, j.state, j.priority, j.due, j.first_due, j.attempt, j.max_attempts, \
         j.lost, j.interrupted, j.fence, j.worker, j.cancel_requested, j.expires, j.timeout, \
         j.unique_key, j.enqueued_at, j.claimed_at, j.ended_at, j.reason, j.abandoned, m.name, \
         j.waits"
    };
}

/// The names that belong to a job `j`, which is found first.
macro_rules! with_names {
    () => {
        "CROSS JOIN groundcrew_lane l ON l.id = j.lane \
         CROSS JOIN groundcrew_queue q ON q.id = l.queue \
         CROSS JOIN groundcrew_kind k ON k.id = l.kind \
         LEFT JOIN groundcrew_limit m ON m.id = j.limit_id"
    };
}

pub(super) use {job_columns, with_names};

pub(super) const JOB: &str = concat!(
    "SELECT ",
    job_columns!(),
    " FROM groundcrew_job j ",
    with_names!(),
    " WHERE j.id = ?1"
);

/// A job without its payload and its past attempts.
pub(super) fn job(row: &Row<'_>) -> rusqlite::Result<Job> {
    let info = JobInfo {
        id: JobId::new(row.get(0)?),
        queue: text(row, 1)?,
        kind: text(row, 2)?,
        state: read_state(row, 3)?,
        priority: priority(row, 4)?,
        due: moment(row.get(5)?),
        first_due: moment(row.get(6)?),
        attempt: count(row, 7)?,
        max_attempts: optional_count(row, 8)?,
        lost: count(row, 9)?,
        interrupted: count(row, 10)?,
        fence: row.get::<_, Option<i64>>(11)?.map(fence),
        worker: row.get::<_, Option<i64>>(12)?.map(WorkerId::new),
        cancel_requested: row.get::<_, Option<i64>>(13)?.map(moment),
        expires: row.get::<_, Option<i64>>(14)?.map(moment),
        timeout: row.get::<_, Option<i64>>(15)?.map(duration),
        unique_key: optional_text(row, 16)?,
        limit_key: optional_text(row, 22)?,
        waits: count(row, 23)?,
        enqueued_at: moment(row.get(17)?),
        claimed_at: row.get::<_, Option<i64>>(18)?.map(moment),
        ended_at: row.get::<_, Option<i64>>(19)?.map(moment),
        reason: optional_text(row, 20)?,
    };
    let job = JobDetails {
        info,
        payload: Vec::new(),
        meta: BTreeMap::new(),
        client_id: None,
        waits_for: Vec::new(),
        followers: Vec::new(),
        attempts: Vec::new(),
    };
    Ok(Job {
        job,
        is_abandoned: row.get(21)?,
    })
}

fn read_state(row: &Row<'_>, index: usize) -> rusqlite::Result<JobState> {
    let code = row.get(index)?;
    state(code).ok_or(Error::IntegralValueOutOfRange(index, code))
}

pub(super) fn fence(number: i64) -> Fence {
    Fence::new(number.unsigned_abs())
}

/// As the tables keep it. They have been given none that does not fit.
pub(super) fn fence_number(fence: Fence) -> i64 {
    i64::try_from(fence.get()).unwrap_or(i64::MAX)
}

pub(super) fn duration(millis: i64) -> Duration {
    Duration::from_millis(millis.unsigned_abs())
}

/// Rounded up.
pub(super) fn duration_millis(duration: Duration) -> i64 {
    let millis = duration.as_nanos().div_ceil(1_000_000);
    i64::try_from(millis).unwrap_or(i64::MAX)
}

/// Reads a job for a change.
pub(super) fn load(conn: &Connection, id: JobId) -> rusqlite::Result<Option<Job>> {
    conn.prepare_cached(JOB)?
        .query_row([id.get()], job)
        .optional()
}

pub(super) const SAVE: &str = "
UPDATE groundcrew_job SET state = ?2, due = ?3, first_due = ?4, attempt = ?5, lost = ?6,
  interrupted = ?7, fence = ?8, worker = ?9, abandoned = ?10, cancel_requested = ?11, expires = ?12,
  ended_at = ?13, reason = ?14, waits = ?15
WHERE id = ?1 RETURNING limit_id";

/// Writes what a change has made of a job that was [loaded](load).
pub(super) fn save(tx: &mut Tx<'_>, changed: &Job) -> rusqlite::Result<()> {
    let info = &changed.job.info;
    let mut save = tx.prepare(SAVE)?;
    let values = params![
        info.id.get(),
        code(info.state),
        millis(info.due),
        millis(info.first_due),
        info.attempt,
        info.lost,
        info.interrupted,
        info.fence.map(fence_number),
        info.worker.map(WorkerId::get),
        changed.is_abandoned,
        info.cancel_requested.map(millis),
        info.expires.map(millis),
        info.ended_at.map(millis),
        info.reason,
        info.waits,
    ];
    let limit = save.query_row(values, |row| row.get(0)).optional()?;
    tx.touched.add(limit.flatten());
    if let Some(how) = ParentEnd::of(info.state) {
        tx.touched.ended(info.id, how);
    }
    // They were not loaded: these are new.
    for attempt in &changed.job.attempts {
        remember(tx.conn, info.id, attempt)?;
    }
    Ok(())
}

pub(super) const BURY: &str = "
UPDATE groundcrew_job SET state = 6, fence = ?2, worker = NULL, abandoned = 0,
  cancel_requested = NULL, reason = ?3, ended_at = ?4
WHERE id = ?1 RETURNING limit_id";

/// Makes a job dead that cannot be read, or whose end cannot be written as it should be.
pub(super) fn bury(tx: &mut Tx<'_>, id: JobId, fence: Fence, reason: &str) -> rusqlite::Result<()> {
    let values = params![id.get(), fence_number(fence), reason, tx.now_ms()];
    let limit = tx.prepare(BURY)?.query_row(values, |row| row.get(0));
    tx.touched.add(limit.optional()?.flatten());
    Ok(())
}

const REMEMBER: &str = "
INSERT INTO groundcrew_attempt(job, fence, attempt, worker, claimed_at, ended_at, outcome, error)
VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

pub(super) const FORGET_OLD: &str = "
DELETE FROM groundcrew_attempt WHERE job = ?1 AND fence <=
  (SELECT fence FROM groundcrew_attempt WHERE job = ?1 ORDER BY fence DESC LIMIT 1 OFFSET ?2)";

fn remember(conn: &Connection, id: JobId, attempt: &AttemptInfo) -> rusqlite::Result<()> {
    conn.prepare_cached(REMEMBER)?.execute(params![
        id.get(),
        fence_number(attempt.fence),
        attempt.attempt,
        attempt.worker.get(),
        millis(attempt.claimed_at),
        millis(attempt.ended_at),
        outcome_code(attempt.outcome),
        attempt.error,
    ])?;
    let kept = AttemptInfo::KEPT as i64;
    conn.prepare_cached(FORGET_OLD)?.execute([id.get(), kept])?;
    Ok(())
}

pub(super) const ATTEMPTS: &str = "
SELECT attempt, fence, worker, claimed_at, ended_at, outcome, error
FROM groundcrew_attempt WHERE job = ?1 ORDER BY fence";

/// The attempts of a job that did not succeed, oldest first.
pub(super) fn attempts(conn: &Connection, id: JobId) -> rusqlite::Result<Vec<AttemptInfo>> {
    let mut statement = conn.prepare_cached(ATTEMPTS)?;
    let attempts = statement.query_map([id.get()], |row| {
        Ok(AttemptInfo {
            attempt: count(row, 0)?,
            fence: fence(row.get(1)?),
            worker: WorkerId::new(row.get(2)?),
            claimed_at: moment(row.get(3)?),
            ended_at: moment(row.get(4)?),
            outcome: read_outcome(row, 5)?,
            error: optional_text(row, 6)?,
        })
    })?;
    attempts.collect()
}

const OUTCOMES: [AttemptOutcome; 3] = [
    AttemptOutcome::Failed,
    AttemptOutcome::Lost,
    AttemptOutcome::Interrupted,
];

fn outcome_code(outcome: AttemptOutcome) -> i64 {
    match outcome {
        AttemptOutcome::Failed => 0,
        AttemptOutcome::Lost => 1,
        AttemptOutcome::Interrupted => 2,
    }
}

fn read_outcome(row: &Row<'_>, index: usize) -> rusqlite::Result<AttemptOutcome> {
    let code: i64 = row.get(index)?;
    let known = OUTCOMES.into_iter().find(|one| outcome_code(*one) == code);
    known.ok_or(Error::IntegralValueOutOfRange(index, code))
}

/// Ids for `json_each`: one statement that changes many rows takes a fraction of the time of many.
pub(super) fn json(ids: &[JobId]) -> String {
    let mut json = String::with_capacity(ids.len() * 8 + 2);
    for id in ids {
        json.push(if json.is_empty() { '[' } else { ',' });
        json.push_str(&id.get().to_string());
    }
    json.push_str(if json.is_empty() { "[]" } else { "]" });
    json
}

pub(super) const PAYLOAD: &str = "SELECT payload, meta FROM groundcrew_payload WHERE job = ?1";

/// The payload and the meta data of a job, or why they cannot be read.
pub(super) type Content = Result<(Vec<u8>, BTreeMap<String, String>), String>;

pub(super) fn content(conn: &Connection, id: JobId) -> rusqlite::Result<Content> {
    let mut statement = conn.prepare_cached(PAYLOAD)?;
    let row = |row: &Row<'_>| Ok((row.get(0)?, optional_text(row, 1)?));
    let Some((payload, meta)) = statement.query_row([id.get()], row).optional()? else {
        return Ok(Err("it has no payload".to_owned()));
    };
    let meta = match meta {
        Some(text) => serde_json::from_str(&text),
        None => Ok(BTreeMap::new()),
    };
    let meta = meta.map_err(|error| format!("its meta data is no JSON object of texts: {error}"));
    Ok(meta.map(|meta| (payload, meta)))
}

/// The meta data of a job, as the tables keep it: JSON, or nothing.
pub(super) fn meta_text(meta: &BTreeMap<String, String>) -> Option<String> {
    // It cannot fail: keys and values are texts.
    let text = || serde_json::to_string(meta).unwrap_or_default();
    (!meta.is_empty()).then(text)
}
