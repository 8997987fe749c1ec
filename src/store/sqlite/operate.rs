//! What operators do.

use super::columns::{json, load, save};
use super::enqueue::HOLDER;
use super::errors::Failure;
use super::limits;
use super::tx::Tx;
use crate::store::row::{ParentEnd, Row as Job};
use crate::store::{CancelOutcome, JobId, JobState, Operation, StoreError};
use rusqlite::OptionalExtension;

pub(super) fn cancel(tx: &mut Tx<'_>, id: JobId) -> Result<CancelOutcome, Failure> {
    let mut job = known(tx, id)?;
    let outcome = match job.job.info.state {
        state if state.is_ended() => return Err(wrong_state(id, state, "cancel")),
        JobState::Running => {
            job.job.info.cancel_requested.get_or_insert(tx.now);
            tx.news();
            CancelOutcome::Requested
        }
        _ => {
            job.cancel(tx.now);
            CancelOutcome::Cancelled
        }
    };
    save(tx, &job)?;
    Ok(outcome)
}

pub(super) fn retry(tx: &mut Tx<'_>, id: JobId) -> Result<(), Failure> {
    let mut job = known(tx, id)?;
    let info = &job.job.info;
    if !matches!(info.state, JobState::Dead | JobState::Cancelled) {
        return Err(wrong_state(id, info.state, "retry"));
    }
    if let Some(key) = &info.unique_key {
        let mut holder = tx.prepare(HOLDER)?;
        let holder = holder.query_row([key], |row| row.get(0)).optional()?;
        if let Some(holder) = holder {
            return Err(Failure::Refused(StoreError::UniqueKeyHeld {
                key: key.clone(),
                holder: Some(JobId::new(holder)),
            }));
        }
    }
    // Of those that waited when it was cancelled.
    tx.release_all_from(id)?;
    job.retry(tx.now);
    save(tx, &job)?;
    tx.news();
    Ok(())
}

pub(super) fn delete(tx: &mut Tx<'_>, id: JobId) -> Result<(), Failure> {
    let info = known(tx, id)?.job.info;
    if info.state == JobState::Running {
        return Err(wrong_state(id, info.state, "delete"));
    }
    if let Some(key) = info.limit_key.filter(|_| !info.state.is_ended()) {
        let limit = limits::find(tx.conn, &key)?;
        tx.touched.add(limit);
    }
    Ok(remove(tx, &[id], ParentEnd::Deleted)?)
}

/// The same to several, each by itself. What is refused has changed nothing.
pub(super) fn operate(
    tx: &mut Tx<'_>,
    operation: Operation,
    jobs: &[JobId],
) -> rusqlite::Result<Vec<Result<(), StoreError>>> {
    let mut answers = Vec::with_capacity(jobs.len());
    for id in jobs {
        let answer = match operation {
            Operation::Cancel => cancel(tx, *id).map(drop),
            Operation::Retry => retry(tx, *id),
            Operation::Delete => delete(tx, *id),
        };
        answers.push(match answer {
            Ok(()) => Ok(()),
            Err(Failure::Refused(error)) => Err(error),
            Err(Failure::Sqlite(error)) => return Err(error),
        });
    }
    Ok(answers)
}

/// Removes jobs with all that belongs to them.
pub(super) fn remove(tx: &mut Tx<'_>, jobs: &[JobId], how: ParentEnd) -> rusqlite::Result<()> {
    let ids = json(jobs);
    jobs.iter().for_each(|job| tx.touched.ended(*job, how));
    for sql in REMOVE {
        tx.execute(sql, [&ids])?;
    }
    Ok(())
}

pub(super) const REMOVE: [&str; 5] = [
    "DELETE FROM groundcrew_job WHERE id IN (SELECT value FROM json_each(?1))",
    "DELETE FROM groundcrew_payload WHERE job IN (SELECT value FROM json_each(?1))",
    "DELETE FROM groundcrew_client WHERE job IN (SELECT value FROM json_each(?1))",
    "DELETE FROM groundcrew_attempt WHERE job IN (SELECT value FROM json_each(?1))",
    "DELETE FROM groundcrew_after WHERE child IN (SELECT value FROM json_each(?1))",
];

fn known(tx: &Tx<'_>, id: JobId) -> Result<Job, Failure> {
    let job = load(tx.conn, id)?;
    job.ok_or(Failure::Refused(StoreError::NotFound { id }))
}

fn wrong_state(id: JobId, state: JobState, verb: &'static str) -> Failure {
    Failure::Refused(StoreError::WrongState { id, state, verb })
}
