//! What is read without the writer.

use super::columns::{JOB, attempts, code, content, job, job_columns, with_names};
use super::counts::{DELETED, PRUNED};
use super::followers;
use super::lanes::LANES_AFTER;
use super::tx::{millis, moment};
use super::values::{limit, optional_text, text};
use crate::store::place::Place;
use crate::store::{
    Cursor, JobDetails, JobFilter, JobId, JobInfo, JobPage, JobState, LaneCounts, StateCounts,
};
use rusqlite::{Connection, OptionalExtension, Params};
use std::collections::BTreeMap;
use std::time::SystemTime;

/// The number that is shown of a job.
const MOST_FOLLOWERS: usize = 100;

pub(super) const CLIENT_ID: &str = "SELECT client_id FROM groundcrew_client WHERE job = ?1";

pub(super) fn get(conn: &Connection, id: JobId) -> rusqlite::Result<Option<JobDetails>> {
    let key = [id.get()];
    let mut statement = conn.prepare_cached(JOB)?;
    let Some(found) = statement.query_row(key, job).optional()? else {
        return Ok(None);
    };
    // Why it cannot be read is the reason of its end.
    let (payload, meta) = content(conn, id)?.unwrap_or_default();
    let mut client_id = conn.prepare_cached(CLIENT_ID)?;
    Ok(Some(JobDetails {
        payload,
        meta,
        client_id: client_id
            .query_row(key, |row| optional_text(row, 0))
            .optional()?
            .flatten(),
        waits_for: followers::waits_for(conn, id)?,
        followers: followers::children(conn, id, MOST_FOLLOWERS)?,
        attempts: attempts(conn, id)?,
        info: found.job.info,
    }))
}

struct Lane {
    id: i64,
    queue: String,
    kind: String,
}

fn lanes(conn: &Connection) -> rusqlite::Result<Vec<Lane>> {
    let mut statement = conn.prepare_cached(LANES_AFTER)?;
    let lanes = statement.query_map([0], |row| {
        Ok(Lane {
            id: row.get(0)?,
            queue: text(row, 1)?,
            kind: text(row, 2)?,
        })
    })?;
    lanes.collect()
}

macro_rules! list {
    ($rest:expr) => {
        concat!(
            "SELECT ",
            job_columns!(),
            " FROM groundcrew_job j ",
            with_names!(),
            " WHERE ",
            $rest
        )
    };
}

pub(super) const SCHEDULED: &str =
    list!("j.state = 0 AND j.lane = ?1 AND (j.due, j.id) > (?2, ?3) ORDER BY j.due, j.id LIMIT ?4");
/// The rest of the priority of the cursor.
pub(super) const AVAILABLE: &str = list!(
    "j.state = 1 AND j.lane = ?1 AND j.priority = ?2 AND (j.due, j.id) > (?3, ?4) \
     ORDER BY j.due, j.id LIMIT ?5"
);
pub(super) const KEPT_BACK: &str = list!(
    "j.state IN (3, 4) AND j.state = ?5 AND j.lane = ?1 AND j.priority = ?2 \
     AND (j.due, j.id) > (?3, ?4) ORDER BY j.due, j.id LIMIT ?6"
);
pub(super) const KEPT_BACK_BELOW: &str = list!(
    "j.state IN (3, 4) AND j.state = ?3 AND j.lane = ?1 AND j.priority < ?2 \
     ORDER BY j.priority DESC, j.due, j.id LIMIT ?4"
);
/// Those of lower priorities.
pub(super) const AVAILABLE_BELOW: &str = list!(
    "j.state = 1 AND j.lane = ?1 AND j.priority < ?2 \
     ORDER BY j.priority DESC, j.due, j.id LIMIT ?3"
);
pub(super) const ENDED: &str = list!(
    "j.state >= 5 AND j.state = ?1 AND j.lane = ?2 AND (j.ended_at, j.id) < (?3, ?4) \
     ORDER BY j.ended_at DESC, j.id DESC LIMIT ?5"
);

pub(super) fn list(
    conn: &Connection,
    filter: &JobFilter,
    after: Option<Cursor>,
    most: usize,
) -> rusqlite::Result<JobPage> {
    let fits = |wanted: &Option<String>, name: &String| {
        wanted.as_ref().is_none_or(|wanted| wanted == name)
    };
    // One more shows whether there is another page.
    let room = most.saturating_add(1);
    let mut jobs = Vec::new();
    if filter.state == JobState::Running {
        let place = after.map(|cursor| Place::at(filter.state, cursor));
        let all = all_running(conn)?.into_iter();
        jobs.extend(all.filter(|job| {
            place.is_none_or(|place| Place::of(job) > place)
                && fits(&filter.queue, &job.queue)
                && fits(&filter.kind, &job.kind)
        }));
    } else {
        for lane in lanes(conn)? {
            if fits(&filter.queue, &lane.queue) && fits(&filter.kind, &lane.kind) {
                jobs.extend(list_lane(conn, filter.state, lane.id, after, room)?);
            }
        }
    }
    jobs.sort_unstable_by_key(Place::of);
    let is_last = jobs.len() <= most;
    jobs.truncate(most);
    let last = jobs.last().filter(|_| !is_last);
    Ok(JobPage {
        next: last.map(Cursor::of),
        jobs,
    })
}

pub(super) const RUNNING: &str = concat!(
    "SELECT ",
    job_columns!(),
    " FROM groundcrew_job j ",
    with_names!(),
    " WHERE j.state = 2 AND j.worker = ?1 ORDER BY j.id"
);

/// A running job belongs to a process that has a lease.
fn all_running(conn: &Connection) -> rusqlite::Result<Vec<JobInfo>> {
    let mut workers = conn.prepare_cached("SELECT id FROM groundcrew_worker")?;
    let workers: Vec<i64> = workers
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut jobs = Vec::new();
    for worker in workers {
        let mut statement = conn.prepare_cached(RUNNING)?;
        let of_worker = statement.query_map([worker], job)?;
        for job in of_worker {
            jobs.push(job?.job.info);
        }
    }
    Ok(jobs)
}

/// The jobs of a lane after a place, the first in order.
fn list_lane(
    conn: &Connection,
    state: JobState,
    lane: i64,
    after: Option<Cursor>,
    room: usize,
) -> rusqlite::Result<Vec<JobInfo>> {
    let place = after.map(|cursor| (millis(cursor.at), cursor.id.get()));
    match state {
        JobState::Scheduled => {
            let (at, id) = place.unwrap_or((i64::MIN, i64::MIN));
            select(conn, SCHEDULED, [lane, at, id, limit(room)])
        }
        JobState::Available => {
            let priority = after.map(|cursor| i64::from(cursor.priority));
            let mut jobs = match (priority, place) {
                (Some(priority), Some((at, id))) => {
                    select(conn, AVAILABLE, [lane, priority, at, id, limit(room)])?
                }
                _ => Vec::new(),
            };
            let below = priority.unwrap_or(i64::MAX);
            let rest = limit(room - jobs.len());
            jobs.extend(select(conn, AVAILABLE_BELOW, [lane, below, rest])?);
            Ok(jobs)
        }
        JobState::Waiting | JobState::Blocked => {
            let (priority, state) = (after.map(|it| i64::from(it.priority)), code(state));
            let mut jobs = match (priority, place) {
                (Some(priority), Some((at, id))) => {
                    let values = [lane, priority, at, id, state, limit(room)];
                    select(conn, KEPT_BACK, values)?
                }
                _ => Vec::new(),
            };
            let below = priority.unwrap_or(i64::MAX);
            let values = [lane, below, state, limit(room - jobs.len())];
            jobs.extend(select(conn, KEPT_BACK_BELOW, values)?);
            Ok(jobs)
        }
        JobState::Completed | JobState::Dead | JobState::Cancelled => {
            let (at, id) = place.unwrap_or((i64::MAX, i64::MAX));
            select(conn, ENDED, [code(state), lane, at, id, limit(room)])
        }
        // They are not listed by lane.
        JobState::Running => Ok(Vec::new()),
    }
}

fn select(conn: &Connection, sql: &str, values: impl Params) -> rusqlite::Result<Vec<JobInfo>> {
    let mut statement = conn.prepare_cached(sql)?;
    let jobs = statement.query_map(values, job)?;
    jobs.map(|job| Ok(job?.job.info)).collect()
}

pub(super) const COUNTS: &str = "SELECT lane, state, n FROM groundcrew_count";

pub(super) fn counts(conn: &Connection) -> rusqlite::Result<Vec<LaneCounts>> {
    let lanes = lanes(conn)?.into_iter().map(|lane| {
        let counts = LaneCounts {
            queue: lane.queue,
            kind: lane.kind,
            states: StateCounts::default(),
            deleted: 0,
            pruned: 0,
        };
        (lane.id, counts)
    });
    let mut lanes: BTreeMap<i64, LaneCounts> = lanes.collect();
    let mut statement = conn.prepare_cached(COUNTS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (lane, code): (i64, i64) = (row.get(0)?, row.get(1)?);
        let n = u64::try_from(row.get::<_, i64>(2)?).unwrap_or_default();
        let Some(counts) = lanes.get_mut(&lane) else {
            continue;
        };
        match (code, super::columns::state(code)) {
            (_, Some(state)) => counts.states[state] = n,
            (DELETED, _) => counts.deleted = n,
            (PRUNED, _) => counts.pruned = n,
            _ => {}
        }
    }
    let mut counts: Vec<LaneCounts> = lanes.into_values().collect();
    counts.sort_unstable_by(|a, b| (&a.queue, &a.kind).cmp(&(&b.queue, &b.kind)));
    Ok(counts)
}

pub(super) const OLDEST_BELOW: &str = "
SELECT priority, due FROM groundcrew_job WHERE state = 1 AND lane = ?1 AND priority < ?2
ORDER BY priority DESC, due LIMIT 1";

pub(super) const OLDEST_OF_REST: &str =
    "SELECT min(due) FROM groundcrew_job WHERE state = 1 AND lane = ?1 AND priority < ?2";

/// From one priority of a lane to the next takes as long as to read some dozen entries of the index.
const STEPS: usize = 100;

/// The first of each priority of each lane is looked at; in a lane with many priorities, all of the
/// lower ones.
pub(super) fn oldest_available(
    conn: &Connection,
    queue: &str,
) -> rusqlite::Result<Option<SystemTime>> {
    let mut oldest: Option<i64> = None;
    let mut statement = conn.prepare_cached(OLDEST_BELOW)?;
    let mut rest = conn.prepare_cached(OLDEST_OF_REST)?;
    let mut found = |due: i64| oldest = Some(oldest.map_or(due, |oldest| oldest.min(due)));
    for lane in lanes(conn)?.iter().filter(|lane| lane.queue == queue) {
        let mut below = i64::MAX;
        let mut is_last = false;
        for _ in 0..STEPS {
            let first = statement.query_row([lane.id, below], |row| Ok((row.get(0)?, row.get(1)?)));
            let Some((priority, due)) = first.optional()? else {
                is_last = true;
                break;
            };
            below = priority;
            found(due);
        }
        if !is_last {
            let rest: Option<i64> = rest.query_row([lane.id, below], |row| row.get(0))?;
            rest.into_iter().for_each(&mut found);
        }
    }
    Ok(oldest.map(moment))
}
