//! Jobs are claimed.

use super::careful::{Advice, Care};
use super::columns::{bury, code, content, duration, fence, fence_number, json};
use super::errors::Failure;
use super::pause;
use super::tx::{Tx, moment};
use super::values::{count, optional_count, priority};
use crate::store::row::ParentEnd;
use crate::store::{
    Candidate, Claim, ClaimRequest, ClaimedJob, Fence, JobId, JobState, KindRequest, Picker,
    StoreError, UnreadableJob, WorkerId,
};
use crate::sync::Arc;
use rusqlite::{Connection, Row, params};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// A [`ClaimRequest`] that can be sent to the writer.
pub(super) struct OwnedRequest {
    worker: WorkerId,
    queues: Vec<String>,
    kinds: Vec<(String, Duration, u32)>,
    budget: Duration,
    most: usize,
    care: Arc<Care>,
}

impl OwnedRequest {
    pub(super) fn of(request: &ClaimRequest<'_>, care: Arc<Care>) -> OwnedRequest {
        let kinds = request.kinds.iter();
        OwnedRequest {
            worker: request.worker,
            queues: request
                .queues
                .iter()
                .map(|queue| (*queue).to_owned())
                .collect(),
            kinds: kinds
                .map(|kind| (kind.kind.to_owned(), kind.expected, kind.max_attempts))
                .collect(),
            budget: request.budget,
            most: request.most,
            care,
        }
    }

    fn kinds(&self) -> Vec<KindRequest<'_>> {
        let kinds = self.kinds.iter();
        let kinds = kinds.map(|(kind, expected, max_attempts)| KindRequest {
            kind,
            expected: *expected,
            max_attempts: *max_attempts,
        });
        kinds.collect()
    }
}

/// What a claim would find.
pub(super) enum Look {
    Something,
    Nothing,
    NoLease,
}

pub(super) const ANY: &str = "
SELECT 1 FROM groundcrew_queue q CROSS JOIN groundcrew_kind k
CROSS JOIN groundcrew_lane l ON l.queue = q.id AND l.kind = k.id
CROSS JOIN groundcrew_job j ON j.lane = l.id
WHERE q.name = ?1 AND q.paused_at IS NULL AND k.name = ?2 AND j.state = 1 LIMIT 1";

pub(super) fn look(conn: &Connection, request: &ClaimRequest<'_>) -> rusqlite::Result<Look> {
    if !conn.prepare_cached(LEASE)?.exists([request.worker.get()])? {
        return Ok(Look::NoLease);
    }
    let mut any = conn.prepare_cached(ANY)?;
    for queue in request.queues {
        for kind in request.kinds {
            if any.exists([*queue, kind.kind])? {
                return Ok(Look::Something);
            }
        }
    }
    Ok(Look::Nothing)
}

pub(super) fn claim(tx: &mut Tx<'_>, request: &OwnedRequest) -> Result<Claim, Failure> {
    let claim = try_to_claim(tx, request);
    if let Err(Failure::Sqlite(error)) = &claim {
        request.care.failed(error);
    }
    claim
}

fn try_to_claim(tx: &mut Tx<'_>, request: &OwnedRequest) -> Result<Claim, Failure> {
    check_lease(tx, request.worker)?;
    tx.lanes.refresh(tx.conn)?;
    tx.lanes.look_for_others(tx.conn)?;
    let kinds = request.kinds();
    let mut picker = Picker::new(&ClaimRequest {
        worker: request.worker,
        queues: &[],
        kinds: &kinds,
        budget: request.budget,
        most: request.most,
    });
    let mut picked = Vec::new();
    for queue in &request.queues {
        if pause::is_paused(tx.conn, queue)? {
            continue;
        }
        let mut found = HashMap::new();
        let mut candidates = Vec::new();
        for kind in &kinds {
            for job in available(tx, queue, kind, &mut picker)? {
                candidates.push(job.candidate(kind));
                found.insert(job.claimed.id, job);
            }
        }
        let ids = picker.pick(candidates);
        picked.extend(ids.iter().filter_map(|id| found.remove(id)));
    }
    if picked.is_empty() {
        // What has expired may have left a place.
        let has_more = tx.settle()? || picker.has_more();
        return Ok(Claim {
            has_more,
            ..Claim::default()
        });
    }
    let fence = fence(tx.next_fence()?);
    let mut claim = match request.care.is_careful() {
        false => begin_all(tx, picked, request.worker, fence)?,
        true => begin_each(tx, picked, request, fence)?,
    };
    claim.has_more = tx.settle()? || picker.has_more() || !claim.unreadable.is_empty();
    Ok(claim)
}

pub(super) const LEASE: &str = "SELECT 1 FROM groundcrew_worker WHERE id = ?1";

pub(super) fn check_lease(tx: &Tx<'_>, worker: WorkerId) -> Result<(), Failure> {
    match tx.prepare(LEASE)?.exists([worker.get()])? {
        true => Ok(()),
        false => Err(Failure::Refused(StoreError::LeaseLost { worker })),
    }
}

/// A job that may be claimed, as it will be if it is.
#[derive(Clone)]
struct Found {
    lane: i64,
    /// The maximum number of attempts of its kind.
    of_kind: u32,
    priority: i32,
    claimed: ClaimedJob,
}

impl Found {
    fn candidate(&self, kind: &KindRequest<'_>) -> Candidate {
        Candidate {
            id: self.claimed.id,
            priority: self.priority,
            due: self.claimed.due,
            is_lost: self.claimed.lost > 0,
            expected: kind.expected,
        }
    }
}

pub(super) const AVAILABLE: &str = "
SELECT id, priority, due, lost, expires, attempt, max_attempts, interrupted, first_due, enqueued_at,
  timeout
FROM groundcrew_job WHERE state = 1 AND lane = ?1 ORDER BY priority DESC, due, id";

/// The jobs of a lane for which the picker has room, the first in order. What has expired is
/// cancelled on the way.
fn available(
    tx: &mut Tx<'_>,
    queue: &str,
    kind: &KindRequest<'_>,
    picker: &mut Picker,
) -> Result<Vec<Found>, Failure> {
    let room = picker.room();
    let lane = tx.lanes.get(queue, kind.kind);
    let Some(lane) = lane.filter(|lane| room > 0 && !tx.lanes.is_empty(*lane)) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    let mut expired: Vec<JobId> = Vec::new();
    let mut statement = tx.prepare(AVAILABLE)?;
    let mut rows = statement.query([lane])?;
    while found.len() < room {
        let Some(row) = rows.next()? else {
            break;
        };
        let expires: Option<i64> = row.get(4)?;
        if expires.is_none_or(|expires| expires > tx.now_ms()) {
            found.push(read(row, lane, queue, kind)?);
        } else if picker.discard() {
            expired.push(JobId::new(row.get(0)?));
        } else {
            break;
        }
    }
    // Before the next write: a statement that is half read keeps a transaction open.
    drop(rows);
    if found.is_empty() && !picker.has_more() {
        tx.lanes.found_empty(lane);
    }
    expire(tx, &expired)?;
    Ok(found)
}

fn read(row: &Row<'_>, lane: i64, queue: &str, kind: &KindRequest<'_>) -> rusqlite::Result<Found> {
    let attempt = count(row, 5)?;
    let max_attempts = optional_count(row, 6)?;
    let claimed = ClaimedJob {
        id: JobId::new(row.get(0)?),
        fence: fence(0),
        queue: queue.to_owned(),
        kind: kind.kind.to_owned(),
        payload: Vec::new(),
        meta: Default::default(),
        attempt: attempt.saturating_add(1),
        max_attempts: max_attempts.unwrap_or(kind.max_attempts),
        lost: count(row, 3)?,
        interrupted: count(row, 7)?,
        first_due: moment(row.get(8)?),
        due: moment(row.get(2)?),
        enqueued_at: moment(row.get(9)?),
        timeout: row.get::<_, Option<i64>>(10)?.map(duration),
    };
    Ok(Found {
        lane,
        of_kind: kind.max_attempts,
        priority: priority(row, 1)?,
        claimed,
    })
}

pub(super) const EXPIRE: &str = "
UPDATE groundcrew_job SET state = 7, reason = 'expired', ended_at = ?2
WHERE id IN (SELECT value FROM json_each(?1)) RETURNING limit_id";

pub(super) fn expire(tx: &mut Tx<'_>, ids: &[JobId]) -> rusqlite::Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut expire = tx.prepare(EXPIRE)?;
    let mut rows = expire.query(params![json(ids), tx.now_ms()])?;
    while let Some(row) = rows.next()? {
        tx.touched.add(row.get(0)?);
    }
    for id in ids {
        tx.touched.ended(*id, ParentEnd::Cancelled);
    }
    Ok(())
}

pub(super) const BEGIN: &str = "
UPDATE groundcrew_job SET state = 2, attempt = min(attempt, 4294967294) + 1,
  max_attempts = coalesce(max_attempts, ?2), fence = ?3, worker = ?4, claimed_at = ?5,
  turn = turn + 1
WHERE id IN (SELECT value FROM json_each(?1))";

/// Claims what was found. A job that cannot be read is dead: it would be in the way of all behind it.
fn begin_all(
    tx: &mut Tx<'_>,
    found: Vec<Found>,
    worker: WorkerId,
    fence: Fence,
) -> rusqlite::Result<Claim> {
    let mut claim = Claim::default();
    let mut by_lane: BTreeMap<(i64, u32), Vec<JobId>> = BTreeMap::new();
    for found in found {
        let id = found.claimed.id;
        match content(tx.conn, id)? {
            Ok((payload, meta)) => {
                let lane = by_lane.entry((found.lane, found.of_kind)).or_default();
                lane.push(id);
                claim.jobs.push(ClaimedJob {
                    fence,
                    payload,
                    meta,
                    ..found.claimed
                });
            }
            Err(problem) => claim.unreadable.push(give_up(tx, found, fence, &problem)?),
        }
    }
    for ((lane, max_attempts), ids) in by_lane {
        let number = fence_number(fence);
        let values = params![json(&ids), max_attempts, number, worker.get(), tx.now_ms()];
        let begun = tx.execute(BEGIN, values)? as i64;
        tx.counts.add(lane, code(JobState::Available), -begun);
        tx.counts.add(lane, code(JobState::Running), begun);
    }
    Ok(claim)
}

/// The same, one by one, after a claim that failed at one of them: that one is dead. If it cannot even
/// be changed, it is left out.
fn begin_each(
    tx: &mut Tx<'_>,
    found: Vec<Found>,
    request: &OwnedRequest,
    fence: Fence,
) -> rusqlite::Result<Claim> {
    let (care, mut claim, mut is_complete) = (&request.care, Claim::default(), true);
    for found in found {
        let id = found.claimed.id;
        let begun = match care.advice(id) {
            Advice::Claim => {
                let one = vec![found.clone()];
                let begun = tx.part(|tx| begin_all(tx, one, request.worker, fence));
                let begun = begun.inspect_err(|error| care.failed_at(id, error))?;
                begun.map_err(|error| error.to_string())
            }
            Advice::Bury => {
                Err("its rows are damaged, or lie on a bad place of the disk".to_owned())
            }
            Advice::LeaveOut => {
                is_complete = false;
                continue;
            }
        };
        let problem = match begun {
            Ok(one) => {
                claim.jobs.extend(one.jobs);
                claim.unreadable.extend(one.unreadable);
                continue;
            }
            Err(problem) => problem,
        };
        let dead = tx.part(|tx| give_up(tx, found, fence, &problem));
        match dead.inspect_err(|error| care.failed_at(id, error))? {
            Ok(dead) => claim.unreadable.push(dead),
            Err(_) => is_complete = false,
        }
    }
    if is_complete {
        care.succeeded();
    }
    Ok(claim)
}

fn give_up(
    tx: &mut Tx<'_>,
    found: Found,
    fence: Fence,
    problem: &str,
) -> rusqlite::Result<UnreadableJob> {
    let job = found.claimed;
    let reason = format!("the store cannot read it: {problem}");
    bury(tx, job.id, fence, &reason)?;
    Ok(UnreadableJob {
        id: job.id,
        fence,
        queue: job.queue,
        kind: job.kind,
        attempt: job.attempt.saturating_sub(1),
        reason,
    })
}
