//! How leases end.

use super::{Facts, Faults};
use crate::act::Act;
use crate::history::End;
use crate::player::THREADS;
use crate::process::Under;
use crate::records::{Line, Said};
use crate::witness::Change;
use std::collections::{HashMap, HashSet};

pub(super) fn check(faults: &mut Faults, facts: &Facts<'_>) {
    let suicides = suicides(facts);
    for (pid, fate) in &facts.history.fates {
        let is_explained = matches!(fate.under, Under::Kill(_)) || suicides.contains_key(pid);
        faults.unless(fate.end != End::ByItself || is_explained, || {
            format!("process {pid} was killed, and not by a job: {fate:?}")
        });
    }
    takeovers(faults, facts, &suicides);
    second_leases(faults, facts);
    given_back(faults, facts);
}

/// The attempts that were about to end their processes.
fn suicides<'a>(facts: &Facts<'a>) -> HashMap<u32, &'a Line> {
    let records = facts.records;
    let begun = records.log.iter().filter(|line| line.said == Said::Begun);
    let kills = begun.filter(|line| records.plans[&line.client_id].act == Act::Kill);
    kills.map(|line| (line.pid, line)).collect()
}

fn takeovers(faults: &mut Faults, facts: &Facts<'_>, suicides: &HashMap<u32, &Line>) {
    let claims = facts.changes.iter().filter(|change| change.is_claim());
    let claims: HashMap<(i64, i64), i64> = claims.map(|claim| (claim.key(), claim.n)).collect();
    let takeovers = facts.changes.iter().filter(|change| change.is_takeover());
    for takeover in takeovers {
        let pid = facts.process(takeover);
        let fate = pid.and_then(|pid| facts.history.fates.get(&pid));
        let claim = pid
            .and_then(|pid| suicides.get(&pid))
            .filter(|_| fate.is_some_and(|fate| fate.end == End::ByItself))
            .and_then(|line| claims.get(&line.key()).copied());
        let after = pid.and_then(|pid| facts.history.may_be_lost_after(pid));
        let frozen = pid.is_some_and(|pid| facts.history.frozen.contains_key(&pid));
        let after = match (frozen, claim) {
            (false, Some(claim)) => Some(claim),
            _ => after,
        };
        faults.unless(after.is_some_and(|after| takeover.n > after), || {
            format!(
                "taken over from process {pid:?}, {fate:?}, alive until {after:?}: {takeover:?}"
            )
        });
    }
}

fn second_leases(faults: &mut Faults, facts: &Facts<'_>) {
    let mut leases: HashMap<u32, usize> = HashMap::new();
    for pid in facts.processes.values() {
        *leases.entry(*pid).or_default() += 1;
    }
    for (pid, count) in leases {
        let is_excused = facts.history.frozen.contains_key(&pid) || facts.history.had_errors(pid);
        faults.unless(count == 1 || is_excused, || {
            format!("process {pid} was never frozen, and had {count} leases")
        });
        let account = facts.records.accounts.get(&pid);
        let lost = account.map_or(0, |account| account.lease_lost);
        faults.unless(lost == 0 || is_excused, || {
            format!("process {pid} was never frozen, and says that its lease was lost: {account:?}")
        });
    }
}

/// Between the mark that an attempt begins and the line of its handler each thread may be lost.
fn given_back(faults: &mut Faults, facts: &Facts<'_>) {
    let begun: HashSet<(i64, i64)> = facts.said(Said::Begun).map(Line::key).collect();
    let mut silent: HashMap<i64, Vec<&Change>> = HashMap::new();
    for change in facts.changes.iter().filter(|change| change.is_takeover()) {
        let had_errors = facts
            .process(change)
            .is_some_and(|pid| facts.history.had_errors(pid));
        let is_silent = change.counts() && !begun.contains(&change.key());
        if let Some(worker) = change.worker.filter(|_| is_silent && !had_errors) {
            silent.entry(worker).or_default().push(change);
        }
    }
    for (worker, changes) in silent {
        faults.unless(changes.len() <= THREADS, || {
            let (count, first) = (changes.len(), changes[0]);
            format!("{count} that had not begun count as attempts of lease {worker}: {first:?}")
        });
    }
}
