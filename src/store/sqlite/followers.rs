//! The jobs that wait for others.

use super::columns::{json, load, save};
use super::errors::Failure;
use super::limits;
use super::tx::Tx;
use super::values;
use crate::store::row::ParentEnd;
use crate::store::{JobId, JobSpec, JobState, StoreError};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeSet;

pub(super) const STATE: &str = "SELECT state FROM groundcrew_job WHERE id = ?1";

/// The jobs that are to be completed before a new one.
pub(super) fn parents(conn: &Connection, job: &JobSpec) -> Result<BTreeSet<JobId>, Failure> {
    let mut parents = BTreeSet::new();
    for parent in &job.after {
        let mut statement = conn.prepare_cached(STATE)?;
        let code = statement.query_row([parent.get()], |row| row.get(0));
        let state = code.optional()?.and_then(super::columns::state);
        match state {
            Some(JobState::Completed) => {}
            None | Some(JobState::Cancelled) => {
                let parent = *parent;
                return Err(Failure::Refused(StoreError::CannotFollow { parent, state }));
            }
            Some(_) => drop(parents.insert(*parent)),
        }
    }
    Ok(parents)
}

const ADD: &str = "INSERT INTO groundcrew_after(parent, child) VALUES(?1, ?2)";

pub(super) fn add(
    conn: &Connection,
    parents: &BTreeSet<JobId>,
    child: JobId,
) -> rusqlite::Result<()> {
    for parent in parents {
        conn.prepare_cached(ADD)?
            .execute([parent.get(), child.get()])?;
    }
    Ok(())
}

pub(super) const PARENTS: &str =
    "SELECT parent FROM groundcrew_after WHERE child = ?1 ORDER BY parent";
pub(super) const CHILDREN: &str =
    "SELECT child FROM groundcrew_after WHERE parent = ?1 ORDER BY child LIMIT ?2";

/// Those that a job waits for.
pub(super) fn waits_for(conn: &Connection, child: JobId) -> rusqlite::Result<Vec<JobId>> {
    let mut statement = conn.prepare_cached(PARENTS)?;
    let parents = statement.query_map([child.get()], |row| Ok(JobId::new(row.get(0)?)))?;
    parents.collect()
}

/// Those that wait for a job: the first `most`.
pub(super) fn children(
    conn: &Connection,
    parent: JobId,
    most: usize,
) -> rusqlite::Result<Vec<JobId>> {
    let mut statement = conn.prepare_cached(CHILDREN)?;
    let values = [parent.get(), values::limit(most)];
    let children = statement.query_map(values, |row| Ok(JobId::new(row.get(0)?)))?;
    children.collect()
}

fn code(how: ParentEnd) -> i64 {
    match how {
        ParentEnd::Completed => 5,
        ParentEnd::Cancelled => 7,
        ParentEnd::Deleted => 8,
        ParentEnd::Pruned => 9,
    }
}

fn how(code: i64) -> ParentEnd {
    match code {
        5 => ParentEnd::Completed,
        8 => ParentEnd::Deleted,
        9 => ParentEnd::Pruned,
        _ => ParentEnd::Cancelled,
    }
}

pub(super) const WAITED_FOR: &str = "
SELECT DISTINCT parent FROM groundcrew_after
WHERE parent IN (SELECT value FROM json_each(?1))";
// The first end counts: those who waited then have not been looked at yet.
const ENDED: &str =
    "INSERT INTO groundcrew_parent_ended(parent, how) VALUES(?1, ?2) ON CONFLICT DO NOTHING";

/// What one transaction lets go on, or cancels: it holds the lock that all other writers wait for.
const MOST: usize = 100;

impl Tx<'_> {
    /// What follows from what has come, ended or left: jobs that waited for those go on or are
    /// cancelled, and places are given. Returns whether a job may be available that was not.
    pub(super) fn settle(&mut self) -> rusqlite::Result<bool> {
        let mut has_news = self.note_ended()?;
        if has_news {
            self.release()?;
        }
        has_news |= limits::settle(&mut self.touched, self.conn, &mut self.counts)?;
        if has_news {
            self.news();
        }
        Ok(has_news)
    }

    /// Notes the jobs that have ended and are waited for. Returns whether there are any.
    fn note_ended(&mut self) -> rusqlite::Result<bool> {
        let ended = self.touched.take_ended();
        if ended.is_empty() {
            return Ok(false);
        }
        let ids: Vec<JobId> = ended.iter().map(|(job, _)| *job).collect();
        let mut statement = self.prepare(WAITED_FOR)?;
        let waited_for = statement.query_map([json(&ids)], |row| Ok(JobId::new(row.get(0)?)))?;
        let waited_for: BTreeSet<JobId> = waited_for.collect::<rusqlite::Result<_>>()?;
        for (job, how) in ended.iter().filter(|(job, _)| waited_for.contains(job)) {
            self.execute(ENDED, [job.get(), code(*how)])?;
        }
        Ok(!waited_for.is_empty())
    }

    /// Lets jobs go on whose parents have ended, or cancels them, to any depth. Returns whether there
    /// are more.
    pub(super) fn release(&mut self) -> rusqlite::Result<bool> {
        let mut room = MOST;
        while room > 0 {
            let Some((parent, how)) = next_ended(self.conn)? else {
                return Ok(false);
            };
            room -= self.release_from(parent, how, room)?;
            // Those that were cancelled may be waited for themselves.
            self.note_ended()?;
        }
        Ok(next_ended(self.conn)?.is_some())
    }

    /// The same for all that wait for one job, however many.
    pub(super) fn release_all_from(&mut self, parent: JobId) -> rusqlite::Result<()> {
        while let Some(how) = end_of(self.conn, parent)? {
            self.release_from(parent, how, MOST)?;
        }
        Ok(())
    }

    fn release_from(
        &mut self,
        parent: JobId,
        how: ParentEnd,
        most: usize,
    ) -> rusqlite::Result<usize> {
        let children = children(self.conn, parent, most)?;
        for child in &children {
            self.execute(CUT, [parent.get(), child.get()])?;
            if let Some(mut job) = load(self.conn, *child)? {
                job.parent_ended(parent, how, self.now);
                save(self, &job)?;
                self.news();
            }
        }
        if children.len() < most {
            self.execute(FORGET, [parent.get()])?;
        }
        Ok(children.len())
    }
}

pub(super) const CUT: &str = "DELETE FROM groundcrew_after WHERE parent = ?1 AND child = ?2";
pub(super) const FORGET: &str = "DELETE FROM groundcrew_parent_ended WHERE parent = ?1";
pub(super) const NEXT_ENDED: &str =
    "SELECT parent, how FROM groundcrew_parent_ended WHERE parent > ?1 ORDER BY parent LIMIT 1";
pub(super) const END_OF: &str = "SELECT how FROM groundcrew_parent_ended WHERE parent = ?1";

/// A job that has ended, and is still waited for.
pub(super) fn next_ended(conn: &Connection) -> rusqlite::Result<Option<(JobId, ParentEnd)>> {
    let mut statement = conn.prepare_cached(NEXT_ENDED)?;
    let next = statement.query_row([i64::MIN], |row| {
        Ok((JobId::new(row.get(0)?), how(row.get(1)?)))
    });
    next.optional()
}

fn end_of(conn: &Connection, parent: JobId) -> rusqlite::Result<Option<ParentEnd>> {
    let mut statement = conn.prepare_cached(END_OF)?;
    let end = statement.query_row(params![parent.get()], |row| Ok(how(row.get(0)?)));
    end.optional()
}
