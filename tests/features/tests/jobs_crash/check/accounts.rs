//! What processes say of themselves.

use super::{Facts, Faults};
use crate::history::End;
use crate::records::{Line, NUMBERS, Said};
use crate::witness::{CANCELLED, COMPLETED, Change, DEAD};
use std::collections::{HashMap, HashSet};

/// What the witness has seen a process do.
#[derive(Clone, Copy, Default, Debug)]
struct Seen {
    claimed: u64,
    /// As [`NUMBERS`].
    numbers: [u64; NUMBERS.len()],
}

pub(super) fn check(faults: &mut Faults, facts: &Facts<'_>) {
    let seen = seen(facts);
    for (pid, fate) in &facts.history.fates {
        let account = facts.records.accounts.get(pid);
        let End::Stopped(code) = fate.end else {
            continue;
        };
        let Some(account) = account else {
            faults
                .0
                .push(format!("process {pid} was stopped without a report"));
            continue;
        };
        // The enqueuer may be left behind as well.
        let is_clean = account.open + account.lease_lost == 0;
        faults.unless(code == 75 || is_clean, || {
            format!("exit code {code} of process {pid}: {account:?}")
        });
        let seen = seen.get(pid).copied().unwrap_or_default();
        let had_errors = facts.history.had_errors(*pid);
        faults.unless(had_errors || seen.claimed == account.claimed, || {
            format!("claims of process {pid}, {account:?}: {seen:?}")
        });
        let numbers = account.numbers.iter().zip(seen.numbers);
        for (name, (said, seen)) in NUMBERS.iter().zip(numbers) {
            let is_right = (*said..=said + account.open).contains(&seen);
            faults.unless(is_right || had_errors, || {
                format!("{name} of process {pid}, {account:?}: {seen} in the store")
            });
        }
    }
}

fn seen(facts: &Facts<'_>) -> HashMap<u32, Seen> {
    let snoozed: HashSet<(i64, i64)> = facts.said(Said::Snoozes).map(Line::key).collect();
    let mut all: HashMap<u32, Seen> = HashMap::new();
    for change in &facts.changes {
        let Some(pid) = facts.process(change) else {
            continue;
        };
        let seen = all.entry(pid).or_default();
        if change.is_claim() {
            seen.claimed += 1;
        } else if change.ends_attempt() && !change.is_takeover() {
            let name = name(change, snoozed.contains(&change.key()));
            let place = NUMBERS.iter().position(|it| *it == name).unwrap();
            seen.numbers[place] += 1;
        }
    }
    all
}

fn name(end: &Change, is_snoozed: bool) -> &'static str {
    match end.new_state {
        COMPLETED => "completed",
        DEAD => "dead",
        CANCELLED => "cancelled",
        _ if end.counts() => "failed",
        _ if end.interruptions > 0 => "interrupted",
        _ if is_snoozed => "snoozed",
        _ => "given back",
    }
}
