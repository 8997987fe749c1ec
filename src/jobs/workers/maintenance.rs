//! The thread that keeps the store in order: each process does it, and it is harmless that several
//! do.

use super::super::dead_job::DeadJob;
use super::beat;
use super::core::Core;
use super::ending::default_policy;
use super::health::Part;
use super::recurring::RecurringJobs;
use crate::clock;
use crate::retry;
use crate::store::{
    Beat, BeatWatch, JobState, LostJob, Outcome, StoreError, TakenOver, WorkerId, WorkerInfo,
};
use crate::unwind;
use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

/// A process whose beat is the same for this long is silent.
const SILENCE: Duration = Duration::from_secs(30);
/// How often processes are looked at if there are others: one that has ended is found within this on
/// the same machine. One that comes is found like any other change.
const LOOK: Duration = Duration::from_millis(100);
/// How often the rest is looked at, whatever the store says has changed.
const POLL: Duration = Duration::from_secs(1);
/// The time between two looks after changes, so that a flood of them costs little.
const BETWEEN: Duration = Duration::from_millis(20);
/// In one transaction.
const MOST_PROMOTED: usize = 1000;
/// In one transaction, which may have to read the payloads.
const MOST_SWEPT: usize = 100;
/// How often is looked for what has expired, or ended long ago.
const SWEEPING: Duration = Duration::from_secs(10);

/// What ended is kept for this long.
const KEPT: [(JobState, Duration); 3] = [
    (JobState::Completed, DAY),
    (JobState::Cancelled, DAY),
    (JobState::Dead, Duration::from_secs(30 * 24 * 60 * 60)),
];
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Keeps the store in order until everything is over.
pub(super) fn maintain(core: &Core) {
    let mut maintenance = Maintenance::new(core);
    while !core.closed.is_cancelled() {
        let seen = core.store().version();
        let wait = maintenance.pass();
        let now = core.store().wait_for_change(seen, wait);
        if now != seen {
            maintenance.has_changed = true;
            core.closed.wait_timeout(maintenance.pause());
        }
    }
}

struct Maintenance<'a> {
    core: &'a Core,
    watch: BeatWatch,
    /// Those that could not be taken over as a whole, which was logged; and when that is tried again.
    left: HashMap<WorkerId, Instant>,
    /// The store has changed since the last look.
    has_changed: bool,
    /// When a change is looked at next.
    after_change: Instant,
    /// When processes were looked at. All these are in real time.
    looked: Instant,
    /// When they are looked at again.
    look: Instant,
    /// When all else is looked at again.
    poll: Instant,
    /// When the next scheduled job is due.
    promote: Instant,
    /// The last promotion failed: a change is no reason for the next one.
    is_promoting_later: bool,
    /// When is looked for blocked jobs that have a place.
    unblock: Instant,
    sweep: Instant,
    /// The last sweep failed, which was logged.
    is_sweep_failing: bool,
    recurring: RecurringJobs<'a>,
}

impl<'a> Maintenance<'a> {
    fn new(core: &'a Core) -> Maintenance<'a> {
        let now = clock::now();
        Maintenance {
            core,
            watch: BeatWatch::new(SILENCE),
            left: HashMap::new(),
            has_changed: true,
            after_change: now,
            looked: now,
            look: now,
            poll: now,
            promote: now,
            is_promoting_later: false,
            unblock: now,
            sweep: now,
            is_sweep_failing: false,
            recurring: RecurringJobs::new(core),
        }
    }

    /// Does what is to be done, one batch of each kind of work at most, so that none of it keeps the
    /// rest waiting; returns how long there is nothing to do. What fails keeps nothing else from
    /// being done, and is tried again after a pause of its own.
    fn pass(&mut self) -> Duration {
        let now = clock::now();
        if self.poll <= now {
            self.poll = now + POLL;
            self.has_changed = true;
        }
        let has_changed = self.has_changed && self.after_change <= now;
        if has_changed {
            self.has_changed = false;
            self.after_change = now + BETWEEN;
        }
        self.look_at_processes(now, has_changed);
        self.look_at_held(has_changed);
        self.promote(now, has_changed);
        self.unblock(now);
        self.sweep(now);
        self.look_at_recurring(now);
        let next = self.look.min(self.promote).min(self.sweep);
        let next = next.min(self.unblock).min(self.recurring.next());
        let next = match self.has_changed {
            true => next.min(self.after_change),
            false => next,
        };
        next.saturating_duration_since(clock::now())
    }

    /// How long a change waits.
    fn pause(&self) -> Duration {
        let next = self.after_change.min(self.sweep);
        next.saturating_duration_since(clock::now()).min(BETWEEN)
    }

    /// Notes how a part of the work went. Returns when a part that has failed is tried again.
    fn note(&self, part: Part, result: Result<(), StoreError>) -> Option<Instant> {
        match result {
            Ok(()) => {
                self.core.succeeded(part);
                None
            }
            Err(error) => Some(clock::now() + self.core.failed(part, error)),
        }
    }

    /// Takes over from those that have ended.
    fn look_at_processes(&mut self, now: Instant, has_changed: bool) {
        if has_changed {
            self.look = self.look.min(self.looked + LOOK);
        }
        if self.look > now {
            return;
        }
        self.looked = now;
        let taken_over = self.take_over(now);
        let has_others = !matches!(taken_over, Ok(false));
        self.look = now + if has_others { LOOK } else { POLL };
        if taken_over.is_err() {
            self.watch.unreachable();
        }
        if let Some(again) = self.note(Part::Processes, taken_over.map(drop)) {
            self.look = again;
        }
    }

    /// Returns whether there are other processes.
    ///
    /// # Errors
    ///
    /// Of the store as a whole. An error of one takeover alone is logged.
    fn take_over(&mut self, now: Instant) -> Result<bool, StoreError> {
        let workers = self.core.store().workers()?;
        self.left
            .retain(|id, _| workers.iter().any(|info| info.id == *id));
        let own = self.core.lease();
        let silent = self.watch.look(&workers, self.core.clock.since_boot());
        for (id, beat) in silent {
            let is_later = self.left.get(&id).is_some_and(|again| *again > now);
            if Some(id) == own || is_later {
                continue;
            }
            let Err(error) = take_over(self.core, &workers, id, beat) else {
                continue;
            };
            // If the store could not be written to, the others could not renew their leases either.
            if error.is_temporary() && !beat::holds_lease(self.core) {
                return Err(error);
            }
            if self.left.insert(id, now + SWEEPING).is_none() {
                let text = format!(
                    "process {id} cannot be taken over as a whole, which is tried again every {} s: \
                     {error}",
                    SWEEPING.as_secs()
                );
                self.core.log(log::Level::Error, &text);
            }
        }
        Ok(workers.iter().any(|info| Some(info.id) != own))
    }

    fn look_at_held(&mut self, has_changed: bool) {
        let Some(worker) = self.core.lease().filter(|_| has_changed) else {
            return;
        };
        let held = match self.core.store().held(worker) {
            Ok(held) => {
                self.core.look_at_held(&held);
                Ok(())
            }
            Err(StoreError::LeaseLost { .. }) => {
                self.core.lease_lost(worker);
                Ok(())
            }
            Err(error) => Err(error),
        };
        if let Some(again) = self.note(Part::Held, held) {
            (self.has_changed, self.after_change) = (true, again);
        }
    }

    /// Makes due jobs available.
    fn promote(&mut self, now: Instant, has_changed: bool) {
        if self.promote > now && (!has_changed || self.is_promoting_later) {
            return;
        }
        let promoted = self.core.store().promote_due(MOST_PROMOTED);
        // Zero if more are due.
        let next = promoted.as_ref().ok().and_then(|promoted| promoted.next);
        self.promote = now + next.map_or(POLL, |next| next.min(POLL));
        let again = self.note(Part::Promote, promoted.map(drop));
        self.is_promoting_later = again.is_some();
        self.promote = again.unwrap_or(self.promote);
    }

    /// Enqueues recurring jobs that are due.
    fn look_at_recurring(&mut self, now: Instant) {
        let Some(looked) = self.recurring.pass(now) else {
            return;
        };
        if let Some(again) = self.note(Part::Recurring, looked) {
            self.recurring.put_off(again);
        }
    }

    /// Lets jobs go on that nothing holds back any more, where that was not done at once. If it
    /// fails, it is tried again; what is wrong with the store, the others say.
    fn unblock(&mut self, now: Instant) {
        if self.unblock > now {
            return;
        }
        self.unblock = now + POLL;
        let began = clock::now();
        if let Ok(true) = self.core.store().unblock() {
            // As with a sweep, half of the time is for others.
            let end = clock::now();
            self.unblock = end + end.saturating_duration_since(began);
        }
    }

    /// Cancels what has expired, and removes what ended long ago. If there is more, that follows after
    /// as long as this took, so that others can write to the store for half of the time. Jobs run
    /// without it, so that an error is logged, and does not make the host unready.
    fn sweep(&mut self, now: Instant) {
        if self.sweep > now {
            return;
        }
        self.sweep = now + SWEEPING;
        let (store, began) = (self.core.store(), clock::now());
        let expired = store.cancel_expired(MOST_SWEPT);
        let pruned = KEPT.map(|(state, age)| store.prune(state, age, MOST_SWEPT));
        let (mut has_more, mut failed) = (false, None);
        for swept in std::iter::once(expired).chain(pruned) {
            match swept {
                Ok(swept) => has_more |= swept.has_more,
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        if let Some(error) = failed.as_ref().filter(|_| !self.is_sweep_failing) {
            let text = format!(
                "jobs that have expired or ended long ago stay in the store, and this is tried \
                 again: {error}"
            );
            self.core.log(log::Level::Warn, &text);
        }
        self.is_sweep_failing = failed.is_some();
        if has_more {
            let end = clock::now();
            self.sweep = end + end.saturating_duration_since(began);
        }
    }
}

/// Makes all due jobs available.
pub(super) fn promote_all(core: &Core) -> Result<(), StoreError> {
    while core.store().promote_due(MOST_PROMOTED)?.next == Some(Duration::ZERO) {}
    Ok(())
}

/// Lets all jobs go on that nothing holds back any more.
pub(super) fn unblock_all(core: &Core) -> Result<(), StoreError> {
    while core.store().unblock()? {}
    Ok(())
}

/// Takes over from a process, if its beat is still that.
fn take_over(
    core: &Core,
    workers: &[WorkerInfo],
    worker: WorkerId,
    beat: Beat,
) -> Result<(), StoreError> {
    let judge = Judge::new(core)?;
    let judged = core
        .store()
        .take_over(worker, beat, &|lost| judge.outcome(lost));
    if let Some(jobs) = judged? {
        report(core, workers, worker, &jobs);
        for job in jobs.iter().filter(|job| job.state == JobState::Dead) {
            core.found_dead(dead_job(&job.lost, judge.outcome(&job.lost)));
        }
    }
    Ok(())
}

/// What becomes of the jobs of a process that was taken over.
struct Judge<'a> {
    core: &'a Core,
    /// By the clock of the store.
    now: SystemTime,
    random: f64,
}

impl<'a> Judge<'a> {
    fn new(core: &'a Core) -> Result<Judge<'a>, StoreError> {
        Ok(Judge {
            core,
            now: core.store().now()?,
            random: retry::random(),
        })
    }

    /// By the policy of the kind, or, where this process does not handle it, by the default one.
    /// Is called while the store may be locked, and does not panic.
    fn outcome(&self, lost: &LostJob) -> Outcome {
        let setup = &self.core.setup;
        let default = default_policy();
        let policy = setup.place_of(&lost.kind).map(|place| setup.policy(place));
        // The job's own number of attempts counts, not that of the policy.
        let policy = policy.unwrap_or(&default).clone().attempts(u32::MAX);
        let elapsed = self.now.duration_since(lost.first_due).unwrap_or_default();
        let delay = unwind::catch(|| policy.delay(lost.attempt, elapsed, self.random));
        let delay = delay.unwrap_or_else(|payload| {
            unwind::drop_payload(payload);
            Some(Duration::from_secs(15))
        });
        let outcome = lost.outcome(delay.unwrap_or_default(), setup.max_interruptions);
        match (outcome, delay) {
            // It would be too late.
            (Outcome::Failed { error, .. }, None) => Outcome::Dead { error },
            (outcome, _) => outcome,
        }
    }
}

fn dead_job(lost: &LostJob, outcome: Outcome) -> DeadJob {
    let error = match outcome {
        Outcome::Dead { error } => error,
        _ => "its process ended, and the store cannot write that".to_owned(),
    };
    DeadJob {
        id: lost.attempt_id.job,
        fence: lost.attempt_id.fence,
        queue: lost.queue.clone(),
        kind: lost.kind.clone(),
        attempt: lost.attempt,
        error,
    }
}

fn report(core: &Core, workers: &[WorkerInfo], worker: WorkerId, jobs: &[TakenOver]) {
    let of = workers.iter().find(|info| info.id == worker);
    let of = of.map_or_else(String::new, |info| {
        format!(" (pid {} on {:?})", info.process.pid, info.process.host)
    });
    let mut states: HashMap<JobState, usize> = HashMap::new();
    for job in jobs {
        *states.entry(job.state).or_default() += 1;
    }
    let counts = JobState::ALL.iter().filter_map(|state| {
        let count = states.get(state)?;
        Some(format!(", {count} {state}"))
    });
    let counts: String = counts.collect();
    let text = format!(
        "took over from process {worker}{of}, which has ended or is silent: {} jobs{counts}",
        jobs.len()
    );
    let level = match jobs.is_empty() {
        true => log::Level::Info,
        false => log::Level::Warn,
    };
    core.log(level, &text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancellation_is_looked_for_soon_enough_to_be_seen_within_a_fifth_of_a_second() {
        // The store says within 0.1 s that it has changed.
        assert!(Duration::from_millis(100) + BETWEEN < Duration::from_millis(200));
    }
}
