//! How jobs end.

use super::{Facts, Faults};
use crate::act::{ATTEMPTS, Act};
use crate::records::Said;
use crate::witness::{CANCELLED, COMPLETED, Change, DEAD, RUNNING};
use std::collections::{HashMap, HashSet};

pub(super) fn check(faults: &mut Faults, facts: &Facts<'_>) {
    let ends = ends(facts);
    acknowledged(faults, facts, &ends);
    for (client_id, (_, state)) in &ends {
        expected_end(faults, facts, client_id, *state);
    }
    completions(faults, facts);
}

/// The job and the state of each client id.
fn ends(facts: &Facts<'_>) -> HashMap<String, (i64, i64)> {
    let query = "SELECT client_id, job, coalesce(state, -1) FROM groundcrew_client
        LEFT JOIN groundcrew_job ON id = job";
    let mut statement = facts.conn.prepare(query).unwrap();
    let ends = statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))));
    ends.unwrap().map(Result::unwrap).collect()
}

fn acknowledged(faults: &mut Faults, facts: &Facts<'_>, ends: &HashMap<String, (i64, i64)>) {
    let mut completed = 0;
    let enqueued = &facts.records.enqueued;
    for (client_id, id) in enqueued {
        let end = ends.get(client_id);
        let has_ended = end.is_some_and(|(job, state)| job == id && *state > RUNNING);
        faults.unless(has_ended, || {
            format!("{client_id}, job {id}: its job and state are {end:?}")
        });
        completed += usize::from(end.is_some_and(|(_, state)| *state == COMPLETED));
    }
    faults.unless(completed * 2 > enqueued.len(), || {
        format!("only {completed} of {} are completed", enqueued.len())
    });
    for line in &facts.records.log {
        let job = ends.get(&line.client_id).map(|(job, _)| *job);
        faults.unless(job == Some(line.id), || {
            format!("the payload of another job: {line:?}, of job {job:?}")
        });
    }
}

fn expected_end(faults: &mut Faults, facts: &Facts<'_>, client_id: &str, state: i64) {
    let plan = &facts.records.plans[client_id];
    let query = "SELECT attempt FROM groundcrew_job, groundcrew_client
        WHERE id = job AND client_id = ?1";
    let attempt = || facts.conn.query_row(query, [client_id], |row| row.get(0));
    // Nothing fails that often, and nothing is killed that often.
    let may_be_used_up = plan.attempts < ATTEMPTS;
    let is_expected = match state {
        COMPLETED => plan.act.may_succeed(),
        DEAD => plan.act == Act::FailForGood || may_be_used_up && attempt() == Ok(plan.attempts),
        CANCELLED => plan.expires.is_some() || facts.records.cancels.contains(client_id),
        _ => true, // it has not ended, which is another fault
    };
    faults.unless(is_expected, || {
        format!(
            "ends in state {state} after {:?} attempts: {plan:?}",
            attempt()
        )
    });
}

fn completions(faults: &mut Faults, facts: &Facts<'_>) {
    let successes: HashSet<(i64, i64)> = facts.said(Said::Succeeds).map(|it| it.key()).collect();
    let mut completed = HashSet::new();
    for change in facts.changes.iter().filter(|change| change.completes()) {
        let is_first = completed.insert(change.job);
        faults.unless(is_first, || format!("completed twice: {change:?}"));
        let has_succeeded = successes.contains(&change.key()) && !Change::is_takeover(change);
        faults.unless(has_succeeded, || {
            format!("completed without success: {change:?}")
        });
    }
}
