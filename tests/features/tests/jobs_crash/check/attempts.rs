//! How attempts follow each other.

use super::{Facts, Faults};
use crate::records::{Line, Said};
use crate::witness::Change;
use std::collections::{HashMap, HashSet};

pub(super) fn check(faults: &mut Faults, facts: &Facts<'_>) {
    numbers(faults, facts);
    own_ends(faults, facts);
    beginnings(faults, facts);
    let suspects = suspects(facts);
    claimed_alone(faults, facts, &suspects);
    run_alone(faults, facts, &suspects);
}

fn numbers(faults: &mut Faults, facts: &Facts<'_>) {
    let records = facts.records;
    let ids = records.log.iter().map(|line| (line.id, &line.client_id));
    let client_ids: HashMap<i64, &String> = ids.collect();
    let mut last: HashMap<i64, i64> = HashMap::new();
    for change in &facts.changes {
        let before = last.insert(change.job, change.new_fence);
        let before = before.unwrap_or_default();
        let grows = change.new_fence > before || !change.is_claim();
        let holds = change.fence == before && change.new_fence >= before && grows;
        faults.unless(holds, || format!("a fence: {before}, then {change:?}"));
        let counts = !change.is_claim() || change.new_attempt == change.attempt + 1;
        let max = change.max_attempts;
        let is_allowed = max.is_none_or(|max| change.new_attempt <= max);
        faults.unless(counts && is_allowed, || format!("an attempt: {change:?}"));
        if let Some(client_id) = client_ids.get(&change.job) {
            let attempts = records.plans[*client_id].attempts;
            faults.unless(max == Some(attempts.into()), || {
                format!("it was to have {attempts} attempts: {change:?}")
            });
        }
    }
}

/// An end that does not raise the fence is one that its process has reported.
fn own_ends(faults: &mut Faults, facts: &Facts<'_>) {
    let lines = facts.records.log.iter();
    let returned = lines.filter(|line| line.said != Said::Begun);
    let returned: HashSet<(i64, i64)> = returned.map(Line::key).collect();
    let ends = facts.changes.iter().filter(|change| change.ends_attempt());
    for end in ends.filter(|end| !end.is_takeover() && !end.is_undone()) {
        faults.unless(returned.contains(&end.key()), || {
            format!("no handler has returned, and the fence is the same: {end:?}")
        });
    }
}

fn beginnings(faults: &mut Faults, facts: &Facts<'_>) {
    let snoozed: HashSet<(i64, i64)> = facts.said(Said::Snoozes).map(Line::key).collect();
    let ends = facts.changes.iter().filter(|change| change.ends_attempt());
    let ends: HashMap<(i64, i64), &Change> = ends.map(|change| (change.key(), change)).collect();
    let is_frozen = |line: &Line| facts.history.frozen.contains_key(&line.pid);
    let mut begun = HashSet::new();
    let mut last: HashMap<i64, &Line> = HashMap::new();
    for line in facts.said(Said::Begun) {
        let key = line.key();
        faults.unless(begun.insert(key), || format!("began twice: {line:?}"));
        let is_given_back = ends.get(&key).is_some_and(|end| end.is_undone());
        faults.unless(
            !is_given_back || snoozed.contains(&key) || is_frozen(line),
            || format!("began, and was given back: {line:?}, {:?}", ends.get(&key)),
        );
        if let Some(before) = last.insert(line.id, line) {
            let was_frozen = is_frozen(line) || is_frozen(before);
            faults.unless(before.fence < line.fence || was_frozen, || {
                format!("an older attempt after a newer one: {before:?}, {line:?}")
            });
        }
    }
    let mut lines: Vec<&Line> = facts.said(Said::Begun).collect();
    lines.sort_by_key(|line| line.key());
    for pair in lines.windows(2).filter(|pair| pair[0].id == pair[1].id) {
        let end = ends.get(&pair[0].key());
        let does_not_count = end.is_some_and(|end| end.interruptions > 0 || end.is_undone());
        faults.unless(does_not_count || pair[0].attempt < pair[1].attempt, || {
            format!("an attempt that does not grow: {pair:?}, {end:?}")
        });
    }
}

/// The claims of jobs whose last attempts were lost with their processes, by the number of these in
/// a row.
fn suspects(facts: &Facts<'_>) -> HashMap<(i64, i64), u32> {
    let snoozed: HashSet<(i64, i64)> = facts.said(Said::Snoozes).map(Line::key).collect();
    let mut lost: HashMap<i64, u32> = HashMap::new();
    let mut suspects = HashMap::new();
    for change in &facts.changes {
        let lost = lost.entry(change.job).or_default();
        if change.is_claim() && *lost > 0 {
            suspects.insert(change.key(), *lost);
        } else if change.is_takeover() && change.counts() {
            *lost += 1;
        } else if change.counts() || change.is_undone() && snoozed.contains(&change.key()) {
            *lost = 0;
        }
    }
    suspects
}

/// What is claimed together has the same fence.
fn claimed_alone(faults: &mut Faults, facts: &Facts<'_>, suspects: &HashMap<(i64, i64), u32>) {
    let mut claims: HashMap<i64, Vec<&Change>> = HashMap::new();
    for change in facts.changes.iter().filter(|change| change.is_claim()) {
        claims.entry(change.new_fence).or_default().push(change);
    }
    for claim in claims.values().filter(|claim| claim.len() > 1) {
        let mut lost = claim.iter().filter(|it| suspects.contains_key(&it.key()));
        if let Some(lost) = lost.next() {
            let others = claim.len() - 1;
            faults
                .0
                .push(format!("claimed with {others} others: {lost:?}"));
        }
    }
}

/// Lines are written while their attempts run, so attempts that run one after the other have lines
/// in that order.
fn run_alone(faults: &mut Faults, facts: &Facts<'_>, suspects: &HashMap<(i64, i64), u32>) {
    let is_suspect = |line: &&&Line| suspects.get(&line.key()).is_some_and(|lost| *lost > 1);
    let mut running: HashMap<u32, Vec<&Line>> = HashMap::new();
    for line in &facts.records.log {
        // While it stands still, the time passes after which nothing waits any more.
        if facts.history.frozen.contains_key(&line.pid) {
            continue;
        }
        let running = running.entry(line.pid).or_default();
        if line.said != Said::Begun {
            running.retain(|begun| begun.key() != line.key());
            continue;
        }
        running.push(line);
        let suspect = running.iter().find(is_suspect);
        faults.unless(suspect.is_none() || running.len() == 1, || {
            format!("a job that was lost twice does not run alone: {running:?}")
        });
    }
}
