//! What becomes of a recurring job in the store. Pure: others read the clock and the store.
//!
//! # Invariants
//!
//! 1. Each instant leaves the store once: a change that enqueues its job moves `next` and
//!    `had_until` past it, and is made only from the revision that was seen.
//! 2. `next` is later than `had_until`, by whichever clocks both were computed, unless a clock was
//!    ahead by more than [`CORRECTION`]: what it has written counts no more.
//! 3. Only a process that declares the same schedule and policy as the store moves `next` along; the
//!    declaration of the process that started last replaces others.

use super::declared::Declared;
use crate::store::{Due, JobSpec, RecurringChange, RecurringJob, WorkerId};
use std::time::{Duration, SystemTime};

/// A clock that was ahead by more than this was wrong, as in `schedule`.
const CORRECTION: Duration = Duration::from_secs(3 * 3600);

/// What is declared is noted in the store when the last note is this old.
const TOUCH: Duration = Duration::from_secs(120);

/// What a process that declares a recurring job does about it.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, which is taken apart at once"
)]
pub(in crate::jobs) enum Declaration {
    /// The store has it.
    Stands,
    /// The store has it, and should know that it is still declared.
    Touch,
    /// The store gets it.
    Change(RecurringChange),
    /// A process that started later declares another one.
    Yields,
}

/// `process` is the first lease of the process, which says when it started.
pub(in crate::jobs) fn declare(
    declared: &Declared,
    owner: &str,
    stored: Option<&RecurringJob>,
    process: WorkerId,
    now: SystemTime,
) -> Declaration {
    let Some(stored) = stored else {
        let job = declared.job.clone();
        let new = RecurringJob::new(owner, &declared.key, job, process, now);
        let next = declared.recurrence.first(now);
        return Declaration::Change(RecurringChange::add(written(declared, new, next)));
    };
    let is_due_as = declared.is_due_as(stored);
    if is_due_as && stored.job == declared.job {
        let age = now.duration_since(stored.declared_at);
        return match was_ahead(stored, now) {
            true => Declaration::Change(begin_again(declared, stored, now)),
            false if age.is_ok_and(|age| age < TOUCH) => Declaration::Stands,
            false => Declaration::Touch,
        };
    }
    if process < stored.declared_by && !stored.is_undeclared(now) {
        return Declaration::Yields;
    }
    let mut change = match is_due_as {
        true => RecurringChange::set(stored.clone()),
        false => begin_again(declared, stored, now),
    };
    if let Some(to) = &mut change.to {
        to.job = declared.job.clone();
        to.declared_by = process;
        to.declared_at = now;
    }
    Declaration::Change(change)
}

/// The declaration counts from now on. The instant that was stored, if it has come, is had; nothing
/// else before now is.
fn begin_again(declared: &Declared, stored: &RecurringJob, now: SystemTime) -> RecurringChange {
    let mut to = stored.clone();
    to.declared_at = now;
    let come = stored.next.filter(|_| stored.is_due(now));
    to.had_until = stored
        .had_until
        .max(stored.next.filter(|next| *next <= now));
    if was_ahead(stored, now) {
        to.had_until = None;
    }
    let after = to.had_until.map_or(now, |had| had.max(now));
    let next = declared.recurrence.first_after(after);
    let owed = come.filter(|come| {
        Some(*come) > stored.had_until && declared.recurrence.makes_up_for(*come, now)
    });
    to.last = owed.or(to.last);
    let change = RecurringChange::set(written(declared, to, next));
    match owed {
        Some(instant) => change.enqueue(at(&declared.job, instant)),
        None => change,
    }
}

fn was_ahead(stored: &RecurringJob, now: SystemTime) -> bool {
    let is_ahead = |time: SystemTime| time.duration_since(now).is_ok_and(|by| by > CORRECTION);
    stored.had_until.is_some_and(is_ahead) || is_ahead(stored.declared_at)
}

fn written(declared: &Declared, mut to: RecurringJob, next: Option<SystemTime>) -> RecurringJob {
    to.schedule.clone_from(&declared.schedule);
    to.missed.clone_from(&declared.missed);
    to.next = next.map(in_millis);
    to
}

/// What is done about a stored recurring job that is due, and how many instants are not made up for;
/// `None` if it is not due, or due by another declaration.
pub(in crate::jobs) fn look(
    declared: &Declared,
    stored: &RecurringJob,
    now: SystemTime,
) -> Option<(RecurringChange, u64)> {
    let next = stored.next.filter(|_| stored.is_due(now))?;
    if !declared.is_due_as(stored) {
        return None;
    }
    let instants = declared.recurrence.instants(next, now);
    let mut runs = instants.runs;
    let many = runs.len() as u64;
    runs.retain(|instant| Some(*instant) > stored.had_until);
    let mut to = stored.clone();
    to.next = instants.next.map(in_millis);
    to.had_until = stored.had_until.max(Some(instants.latest));
    to.last = runs.last().copied().or(stored.last);
    if stored.job == declared.job {
        to.declared_at = now;
    }
    // Of the job in the store, which may be that of a process that started later.
    let jobs = runs.into_iter().map(|instant| at(&stored.job, instant));
    let change = jobs.fold(RecurringChange::set(to), RecurringChange::enqueue);
    Some((change, instants.count - many))
}

fn at(job: &JobSpec, instant: SystemTime) -> JobSpec {
    JobSpec {
        due: Due::At(instant),
        ..job.clone()
    }
}

/// As stores keep it: rounded up.
fn in_millis(instant: SystemTime) -> SystemTime {
    Due::At(instant).resolve(instant)
}

#[cfg(test)]
mod tests;
