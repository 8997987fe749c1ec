//! The places of limited jobs.

use super::columns::{code, json};
use super::counts::Counts;
use super::touched::Touched;
use super::tx::moment;
use super::values::{self, priority};
use crate::store::limit::{Holder, Share, most_admitted, share};
use crate::store::place::Place;
use crate::store::{Cursor, JobId, JobState, Limit};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::{BTreeSet, HashMap};

/// Gives the places of the limits that were touched. Returns whether a job is available that was
/// not.
pub(super) fn settle(
    touched: &mut Touched,
    conn: &Connection,
    counts: &mut Counts,
) -> rusqlite::Result<bool> {
    let (available, blocked) = (JobState::Available, JobState::Blocked);
    let mut has_news = false;
    for limit in touched.take_limits() {
        let change = plan(conn, limit)?;
        has_news |= !change.admit.is_empty();
        set(conn, counts, &change.block, available, blocked)?;
        set(conn, counts, &change.admit, blocked, available)?;
    }
    Ok(has_news)
}

pub(super) const FIND: &str = "SELECT id, max FROM groundcrew_limit WHERE name = ?1";
const ADD: &str = "INSERT INTO groundcrew_limit(name, max) VALUES(?1, ?2)";
pub(super) const CHANGE: &str = "UPDATE groundcrew_limit SET max = ?2 WHERE id = ?1";

/// The number of a limit, which has this maximum from now on.
pub(super) fn get_or_set(conn: &Connection, limit: &Limit) -> rusqlite::Result<i64> {
    let mut find = conn.prepare_cached(FIND)?;
    let found = find.query_row([&limit.key], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
    });
    match found.optional()? {
        None => conn
            .prepare_cached(ADD)?
            .insert(params![limit.key, limit.max]),
        Some((id, max)) => {
            if max != i64::from(limit.max) {
                conn.prepare_cached(CHANGE)?
                    .execute(params![id, limit.max])?;
            }
            Ok(id)
        }
    }
}

/// The number of the limit with this key.
pub(super) fn find(conn: &Connection, key: &str) -> rusqlite::Result<Option<i64>> {
    let mut find = conn.prepare_cached(FIND)?;
    find.query_row([key], |row| row.get(0)).optional()
}

/// A job, with its lane.
type InLane = (i64, JobId);

#[derive(Default)]
struct Change {
    block: Vec<InLane>,
    admit: Vec<InLane>,
}

pub(super) const MAX: &str = "SELECT max FROM groundcrew_limit WHERE id = ?1";
pub(super) const COUNT: &str = "
SELECT count(*) FROM groundcrew_job WHERE limit_id = ?1 AND state < 5 AND state IN (1, 2)";
pub(super) const PAUSED_LANES: &str = "
SELECT l.id FROM groundcrew_queue q CROSS JOIN groundcrew_lane l ON l.queue = q.id
WHERE q.paused_at IS NOT NULL";

/// What is to be changed for a limit.
fn plan(conn: &Connection, limit: i64) -> rusqlite::Result<Change> {
    let max: u32 = conn
        .prepare_cached(MAX)?
        .query_row([limit], |row| row.get(0))?;
    let held: i64 = conn
        .prepare_cached(COUNT)?
        .query_row([limit], |row| row.get(0))?;
    let free = i64::from(max) - held;
    let mut paused = conn.prepare_cached(PAUSED_LANES)?;
    let paused: BTreeSet<i64> = paused
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    if free >= 0 && paused.is_empty() {
        let admit = best_blocked(conn, limit, &paused, free as usize)?;
        return Ok(Change {
            admit,
            block: Vec::new(),
        });
    }
    let (holders, lanes) = holders(conn, limit, &paused)?;
    let most = most_admitted(max, &holders);
    let mut admit = best_blocked(conn, limit, &paused, most)?;
    let share: Share = share(max, holders, admit.len());
    admit.truncate(share.admit);
    let block = share.block.iter().map(|id| (lanes[id], *id)).collect();
    Ok(Change { block, admit })
}

pub(super) const HOLDERS: &str = "
SELECT id, lane, state, priority, due FROM groundcrew_job
WHERE limit_id = ?1 AND state < 5 AND state IN (1, 2)";

/// What is available or runs, and the lane of each.
fn holders(
    conn: &Connection,
    limit: i64,
    paused: &BTreeSet<i64>,
) -> rusqlite::Result<(Vec<Holder>, HashMap<JobId, i64>)> {
    let mut statement = conn.prepare_cached(HOLDERS)?;
    let mut rows = statement.query([limit])?;
    let (mut holders, mut lanes) = (Vec::new(), HashMap::new());
    while let Some(row) = rows.next()? {
        let lane: i64 = row.get(1)?;
        let state: i64 = row.get(2)?;
        let place = place(row, 0, 3, 4)?;
        lanes.insert(place.id(), lane);
        holders.push(Holder {
            place,
            is_running: state == code(JobState::Running),
            is_paused: paused.contains(&lane),
        });
    }
    Ok((holders, lanes))
}

fn place(row: &Row<'_>, id: usize, of_priority: usize, due: usize) -> rusqlite::Result<Place> {
    let cursor = Cursor {
        priority: priority(row, of_priority)?,
        at: moment(row.get(due)?),
        id: JobId::new(row.get(id)?),
    };
    Ok(Place::at(JobState::Available, cursor))
}

pub(super) const NEXT_LANE: &str = "
SELECT lane FROM groundcrew_job WHERE state = 4 AND limit_id = ?1 AND lane > ?2
ORDER BY lane LIMIT 1";
pub(super) const BLOCKED: &str = "
SELECT id, priority, due FROM groundcrew_job WHERE state = 4 AND limit_id = ?1 AND lane = ?2
ORDER BY priority DESC, due, id LIMIT ?3";

/// The first `most` of the blocked jobs in lanes that are not paused. The lanes are stepped over:
/// nothing is read of what is blocked behind these.
fn best_blocked(
    conn: &Connection,
    limit: i64,
    paused: &BTreeSet<i64>,
    most: usize,
) -> rusqlite::Result<Vec<InLane>> {
    let mut best: Vec<(Place, i64)> = Vec::new();
    if most == 0 {
        return Ok(Vec::new());
    }
    let mut next = conn.prepare_cached(NEXT_LANE)?;
    let mut blocked = conn.prepare_cached(BLOCKED)?;
    let mut last = i64::MIN;
    while let Some(lane) = next.query_row([limit, last], |row| row.get(0)).optional()? {
        last = lane;
        if paused.contains(&lane) {
            continue;
        }
        let values = [limit, lane, values::limit(most)];
        let of_lane = blocked.query_map(values, |row| Ok((place(row, 0, 1, 2)?, lane)))?;
        for job in of_lane {
            best.push(job?);
        }
    }
    best.sort_unstable();
    best.truncate(most);
    let best = best.into_iter().map(|(place, lane)| (lane, place.id()));
    Ok(best.collect())
}

pub(super) const SET: &str = "
UPDATE groundcrew_job SET state = ?2, turn = turn + 1
WHERE id IN (SELECT value FROM json_each(?1))";

fn set(
    conn: &Connection,
    counts: &mut Counts,
    jobs: &[InLane],
    from: JobState,
    to: JobState,
) -> rusqlite::Result<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    let ids: Vec<JobId> = jobs.iter().map(|(_, id)| *id).collect();
    let mut set = conn.prepare_cached(SET)?;
    set.execute(params![json(&ids), code(to)])?;
    for (lane, _) in jobs {
        counts.add(*lane, code(from), -1);
        counts.add(*lane, code(to), 1);
    }
    Ok(())
}

pub(super) const NEXT_LIMIT: &str = "
SELECT limit_id FROM groundcrew_job WHERE state = 4 AND limit_id > ?1 ORDER BY limit_id LIMIT 1";

/// This number of limits is looked at in one go.
const LIMITS: usize = 500;

/// The limits after `last` for which there is something to change, and the last one that was looked
/// at; `None` if there are no more.
pub(super) fn unsettled(conn: &Connection, last: u64) -> rusqlite::Result<(Vec<i64>, Option<u64>)> {
    let mut last = i64::try_from(last).unwrap_or(i64::MAX);
    let mut next = conn.prepare_cached(NEXT_LIMIT)?;
    let mut unsettled = Vec::new();
    for _ in 0..LIMITS {
        let limit = next.query_row([last], |row| row.get(0)).optional()?;
        let Some(limit) = limit else {
            return Ok((unsettled, None));
        };
        last = limit;
        let change = plan(conn, limit)?;
        if !change.admit.is_empty() || !change.block.is_empty() {
            unsettled.push(limit);
        }
    }
    Ok((unsettled, Some(last.unsigned_abs())))
}
