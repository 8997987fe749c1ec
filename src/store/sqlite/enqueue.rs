//! Jobs get in.

use super::columns::{code, duration_millis, meta_text};
use super::counts::Counts;
use super::errors::Failure;
use super::followers;
use super::lanes::Lanes;
use super::limits;
use super::touched::Touched;
use super::tx::{Tx, millis};
use crate::store::{Due, Enqueued, JobId, JobSpec, JobState, StoreError};
use rusqlite::{CachedStatement, Connection, OptionalExtension, ToSql, params, params_from_iter};
use std::time::SystemTime;

pub(super) fn enqueue(tx: &mut Tx<'_>, jobs: &[JobSpec]) -> Result<Vec<Enqueued>, Failure> {
    let mut enqueuer = Enqueuer::new(tx.conn, tx.now)?;
    let mut enqueued = Vec::with_capacity(jobs.len());
    let mut rest = jobs;
    while let Some(job) = rest.first() {
        let alike = rest
            .iter()
            .take_while(|other| are_alike(job, other))
            .count();
        if alike > 1 {
            let ids = enqueuer.enqueue_alike(
                tx.lanes,
                &mut tx.counts,
                &mut tx.touched,
                &rest[..alike],
            )?;
            enqueued.extend(ids.map(|id| Enqueued { id, is_new: true }));
        } else {
            let one =
                enqueuer.enqueue(tx.lanes, &mut tx.counts, &mut tx.touched, job, &enqueued)?;
            enqueued.push(one);
        }
        rest = &rest[alike.max(1)..];
    }
    if enqueued.iter().any(|job| job.is_new) {
        tx.news();
    }
    Ok(enqueued)
}

/// Whether the rows of two jobs differ in nothing but their ids.
fn are_alike(one: &JobSpec, other: &JobSpec) -> bool {
    let has_key = |job: &JobSpec| {
        job.client_id.is_some() || job.unique_key.is_some() || !job.after.is_empty()
    };
    let options = |job: &JobSpec| {
        let JobSpec {
            priority,
            due,
            max_attempts,
            timeout,
            expires,
            ..
        } = *job;
        (priority, due, max_attempts, timeout, expires)
    };
    !has_key(one)
        && !has_key(other)
        && options(one) == options(other)
        && (&one.queue, &one.kind, &one.limit) == (&other.queue, &other.kind, &other.limit)
}

pub(super) const KNOWN: &str = "SELECT job FROM groundcrew_client WHERE client_id = ?1";
pub(super) const HOLDER: &str = "SELECT id FROM groundcrew_job WHERE unique_key = ?1 AND state < 5";
const JOB: &str = "
INSERT INTO groundcrew_job(lane, state, priority, due, first_due, max_attempts, timeout, expires,
  unique_key, enqueued_at, limit_id, waits, turn)
VALUES(?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 1)";
/// The same `?12` times.
const JOBS: &str = "
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?12)
INSERT INTO groundcrew_job(lane, state, priority, due, first_due, max_attempts, timeout, expires,
  unique_key, enqueued_at, limit_id, waits, turn)
SELECT ?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 1 FROM n";
const PAYLOAD: &str = "INSERT INTO groundcrew_payload(job, payload, meta) VALUES(?1, ?2, ?3)";
const CLIENT: &str = "INSERT INTO groundcrew_client(client_id, job) VALUES(?1, ?2)";

/// Puts jobs in, in a transaction of the store's or of the program's.
pub(super) struct Enqueuer<'c> {
    conn: &'c Connection,
    now: SystemTime,
    payload: CachedStatement<'c>,
}

impl<'c> Enqueuer<'c> {
    pub(super) fn new(conn: &'c Connection, now: SystemTime) -> rusqlite::Result<Enqueuer<'c>> {
        Ok(Enqueuer {
            conn,
            now,
            payload: conn.prepare_cached(PAYLOAD)?,
        })
    }

    /// `before` are those of the same call.
    pub(super) fn enqueue(
        &mut self,
        lanes: &mut Lanes,
        counts: &mut Counts,
        touched: &mut Touched,
        job: &JobSpec,
        before: &[Enqueued],
    ) -> Result<Enqueued, Failure> {
        if let Some(id) = self.find(KNOWN, job.client_id.as_deref())? {
            return Ok(Enqueued { id, is_new: false });
        }
        if let Some(holder) = self.find(HOLDER, job.unique_key.as_deref())? {
            let is_other = |other: &Enqueued| other.is_new && other.id == holder;
            return Err(Failure::Refused(StoreError::UniqueKeyHeld {
                key: job.unique_key.clone().unwrap_or_default(),
                holder: Some(holder).filter(|_| !before.iter().any(is_other)),
            }));
        }
        let parents = followers::parents(self.conn, job)?;
        let lane = lanes.get_or_add(self.conn, &job.queue, &job.kind)?;
        let limit = self.limit(job, touched)?;
        let row = JobRow::of(lane, limit, parents.len(), job, self.now);
        let id = self.insert(&row, counts)?;
        followers::add(self.conn, &parents, id)?;
        if let Some(client_id) = &job.client_id {
            let mut client = self.conn.prepare_cached(CLIENT)?;
            client.execute(params![client_id, id.get()])?;
        }
        Ok(Enqueued { id, is_new: true })
    }

    fn find(&self, sql: &str, key: Option<&str>) -> rusqlite::Result<Option<JobId>> {
        let Some(key) = key else {
            return Ok(None);
        };
        let mut statement = self.conn.prepare_cached(sql)?;
        let found = statement.query_row([key], |row| row.get(0)).optional()?;
        Ok(found.map(JobId::new))
    }

    fn limit(&self, job: &JobSpec, touched: &mut Touched) -> rusqlite::Result<Option<i64>> {
        let limit = job.limit.as_ref();
        let limit = limit.map(|limit| limits::get_or_set(self.conn, limit));
        let limit = limit.transpose()?;
        touched.add(limit);
        Ok(limit)
    }

    fn insert(&mut self, row: &JobRow<'_>, counts: &mut Counts) -> rusqlite::Result<JobId> {
        let mut insert = self.conn.prepare_cached(JOB)?;
        let id = insert.insert(&row.values()[..])?;
        counts.add(row.lane, row.state, 1);
        self.insert_payload(id, row.job)?;
        Ok(JobId::new(id))
    }

    /// Jobs that [are alike](are_alike), in one statement.
    fn enqueue_alike(
        &mut self,
        lanes: &mut Lanes,
        counts: &mut Counts,
        touched: &mut Touched,
        jobs: &[JobSpec],
    ) -> Result<impl Iterator<Item = JobId> + use<>, Failure> {
        let lane = lanes.get_or_add(self.conn, &jobs[0].queue, &jobs[0].kind)?;
        let number = jobs.len() as i64;
        let limit = self.limit(&jobs[0], touched)?;
        let row = JobRow::of(lane, limit, 0, &jobs[0], self.now);
        let mut insert = self.conn.prepare_cached(JOBS)?;
        let values = row.values().into_iter().chain([&number as &dyn ToSql]);
        insert.execute(params_from_iter(values))?;
        // One statement gives ids without gaps.
        let last = self.conn.last_insert_rowid();
        let ids = last - number + 1..=last;
        for (id, job) in ids.clone().zip(jobs) {
            self.insert_payload(id, job)?;
        }
        counts.add(lane, row.state, number);
        Ok(ids.map(JobId::new))
    }

    fn insert_payload(&mut self, id: i64, job: &JobSpec) -> rusqlite::Result<()> {
        let meta = meta_text(&job.meta);
        self.payload.execute(params![id, job.payload, meta])?;
        Ok(())
    }
}

/// The row of a new job.
struct JobRow<'a> {
    lane: i64,
    limit: Option<i64>,
    waits: i64,
    state: i64,
    times: Times,
    job: &'a JobSpec,
}

impl<'a> JobRow<'a> {
    /// With a limit, it is blocked until there is a place for it.
    fn of(
        lane: i64,
        limit: Option<i64>,
        waits: usize,
        job: &'a JobSpec,
        now: SystemTime,
    ) -> JobRow<'a> {
        let times = Times::of(job, now);
        let state = match (times.due <= times.enqueued_at, limit) {
            _ if waits > 0 => JobState::Waiting,
            (true, None) => JobState::Available,
            (true, Some(_)) => JobState::Blocked,
            (false, _) => JobState::Scheduled,
        };
        JobRow {
            lane,
            limit,
            waits: waits as i64,
            state: code(state),
            times,
            job,
        }
    }

    /// In the order of [`JOB`].
    fn values(&self) -> [&dyn ToSql; 11] {
        let JobRow {
            lane,
            limit,
            waits,
            state,
            times,
            job,
        } = self;
        [
            lane,
            state,
            &job.priority,
            &times.due,
            &job.max_attempts,
            &times.timeout,
            &times.expires,
            &job.unique_key,
            &times.enqueued_at,
            limit,
            waits,
        ]
    }
}

/// The times of a job, in milliseconds.
pub(super) struct Times {
    pub(super) enqueued_at: i64,
    pub(super) due: i64,
    pub(super) expires: Option<i64>,
    pub(super) timeout: Option<i64>,
}

impl Times {
    pub(super) fn of(job: &JobSpec, now: SystemTime) -> Times {
        let expires = job.expires.map(|after| Due::After(after).resolve(now));
        Times {
            enqueued_at: millis(now),
            due: millis(job.due.resolve(now)),
            expires: expires.map(millis),
            timeout: job.timeout.map(duration_millis),
        }
    }
}
