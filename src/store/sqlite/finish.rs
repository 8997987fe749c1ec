//! Attempts end.

use super::columns::{code, fence_number, json, load, save};
use super::tx::Tx;
use crate::store::row::ParentEnd;
use crate::store::{Answer, AttemptId, Fence, Finish, JobId, JobState, Outcome};
use rusqlite::params;
use std::collections::{BTreeMap, HashSet};

pub(super) fn finish(tx: &mut Tx<'_>, ends: &[Finish]) -> rusqlite::Result<Vec<Answer>> {
    let completed = complete_all(tx, ends)?;
    let mut answers = Vec::with_capacity(ends.len());
    for end in ends {
        let answer = match end.outcome {
            Outcome::Completed if completed.contains(&end.attempt) => {
                Answer::Accepted(JobState::Completed)
            }
            _ => change(tx, end)?,
        };
        let returned = [JobState::Available, JobState::Scheduled].map(Answer::Accepted);
        if returned.contains(&answer) {
            tx.news();
        }
        answers.push(answer);
    }
    tx.settle()?;
    // Some may have got a place, or lost it.
    for (end, answer) in ends.iter().zip(&mut answers) {
        if let Answer::Accepted(JobState::Available | JobState::Blocked) = answer {
            let job = load(tx.conn, end.attempt.job)?;
            *answer = job.map_or(*answer, |job| Answer::Accepted(job.job.info.state));
        }
    }
    Ok(answers)
}

// The plus keeps SQLite from going through all that runs, where it takes that for less.
pub(super) const COMPLETE: &str = "
UPDATE groundcrew_job SET state = 5, worker = NULL, abandoned = 0, cancel_requested = NULL,
  ended_at = ?3, reason = NULL, turn = turn + 1
WHERE id IN (SELECT value FROM json_each(?1)) AND fence = ?2 AND +state = 2 RETURNING id, lane, limit_id";

/// The same as [`change`] for what has completed and is still its attempt's, in one statement for
/// each claim. Returns these attempts.
fn complete_all(tx: &mut Tx<'_>, ends: &[Finish]) -> rusqlite::Result<HashSet<AttemptId>> {
    let mut by_fence: BTreeMap<Fence, Vec<JobId>> = BTreeMap::new();
    let mut seen = HashSet::new();
    for end in ends {
        let AttemptId { job, fence } = end.attempt;
        // Of several ends of one job the first counts.
        if seen.insert(job) && end.outcome == Outcome::Completed {
            by_fence.entry(fence).or_default().push(job);
        }
    }
    let mut completed = HashSet::new();
    for (fence, jobs) in by_fence {
        let mut complete = tx.prepare(COMPLETE)?;
        let values = params![json(&jobs), fence_number(fence), tx.now_ms()];
        let mut rows = complete.query(values)?;
        while let Some(row) = rows.next()? {
            let job = JobId::new(row.get(0)?);
            completed.insert(AttemptId { job, fence });
            let lane = row.get(1)?;
            tx.counts.add(lane, code(JobState::Running), -1);
            tx.counts.add(lane, code(JobState::Completed), 1);
            tx.touched.add(row.get(2)?);
            tx.touched.ended(job, ParentEnd::Completed);
        }
    }
    Ok(completed)
}

fn change(tx: &mut Tx<'_>, end: &Finish) -> rusqlite::Result<Answer> {
    let Some(mut job) = load(tx.conn, end.attempt.job)? else {
        return Ok(Answer::Lost);
    };
    if job.job.info.fence != Some(end.attempt.fence) {
        return Ok(Answer::Lost);
    }
    // One that does not run and still has this fence has ended by this attempt before: a takeover
    // would have raised the fence.
    if job.job.info.state == JobState::Running {
        job.finish(&end.outcome, tx.now);
        save(tx, &job)?;
    }
    Ok(Answer::Accepted(job.job.info.state))
}
