//! The thread that keeps the store in order: each process does it, and it is harmless that several
//! do.

use super::super::dead_job::DeadJob;
use super::core::Core;
use super::ending::default_policy;
use super::health::Part;
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
/// How often processes are looked at: one that has ended is found within this on the same machine.
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
        match maintenance.pass() {
            Ok(wait) => {
                core.succeeded(Part::Maintenance);
                let now = core.store().wait_for_change(seen, wait);
                if now != seen {
                    maintenance.has_changed = true;
                    core.closed.wait_timeout(maintenance.pause());
                }
            }
            Err(error) => {
                let pause = core.failed(Part::Maintenance, error);
                core.closed.wait_timeout(match maintenance.is_watching {
                    true => pause.min(LOOK),
                    false => pause,
                });
            }
        }
    }
}

struct Maintenance<'a> {
    core: &'a Core,
    watch: BeatWatch,
    /// The last look at processes did not fail.
    is_watching: bool,
    /// The store has changed since the last look, or that failed.
    has_changed: bool,
    /// When a change is looked at next.
    after_change: Instant,
    /// When processes are looked at again. All these are in real time.
    look: Instant,
    /// When all else is looked at again.
    poll: Instant,
    /// When the next scheduled job is due.
    promote: Instant,
    sweep: Instant,
}

impl<'a> Maintenance<'a> {
    fn new(core: &'a Core) -> Maintenance<'a> {
        let now = clock::now();
        Maintenance {
            core,
            watch: BeatWatch::new(SILENCE),
            is_watching: true,
            has_changed: true,
            after_change: now,
            look: now,
            poll: now,
            promote: now,
            sweep: now,
        }
    }

    /// Does what is to be done, one batch of each kind of work at most, so that none of it keeps the
    /// rest waiting; returns how long there is nothing to do. What fails keeps nothing else from
    /// being done.
    fn pass(&mut self) -> Result<Duration, StoreError> {
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
        let results = [
            self.look_at_processes(now),
            self.look_at_held(has_changed),
            self.promote(now, has_changed),
            self.sweep(now),
        ];
        results.into_iter().collect::<Result<(), StoreError>>()?;
        let next = self.look.min(self.promote).min(self.sweep);
        let next = match self.has_changed {
            true => next.min(self.after_change),
            false => next,
        };
        Ok(next.saturating_duration_since(clock::now()))
    }

    /// How long a change waits.
    fn pause(&self) -> Duration {
        let next = self.after_change.min(self.sweep);
        next.saturating_duration_since(clock::now())
    }

    /// Takes over from those that have ended.
    fn look_at_processes(&mut self, now: Instant) -> Result<(), StoreError> {
        if self.look > now {
            return Ok(());
        }
        self.look = now + LOOK;
        let taken_over = self.take_over();
        self.is_watching = taken_over.is_ok();
        if taken_over.is_err() {
            self.watch.unreachable();
        }
        taken_over
    }

    fn take_over(&mut self) -> Result<(), StoreError> {
        let workers = self.core.store().workers()?;
        let own = self.core.lease();
        let silent = self.watch.look(&workers, self.core.clock.since_boot());
        let others = silent.into_iter().filter(|(id, _)| Some(*id) != own);
        let results = others.map(|(id, beat)| take_over(self.core, &workers, id, beat));
        // All of them, also if one of them fails.
        results.collect::<Vec<_>>().into_iter().collect()
    }

    fn look_at_held(&mut self, has_changed: bool) -> Result<(), StoreError> {
        let Some(worker) = self.core.lease().filter(|_| has_changed) else {
            return Ok(());
        };
        match self.core.store().held(worker) {
            Ok(held) => self.core.look_at_held(&held),
            Err(StoreError::LeaseLost { .. }) => self.core.lease_lost(worker),
            Err(error) => {
                self.has_changed = true;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Makes due jobs available.
    fn promote(&mut self, now: Instant, has_changed: bool) -> Result<(), StoreError> {
        if self.promote > now && !has_changed {
            return Ok(());
        }
        self.promote = now + POLL;
        let promoted = self.core.store().promote_due(MOST_PROMOTED)?;
        // Zero if more are due.
        self.promote = now + promoted.next.map_or(POLL, |next| next.min(POLL));
        Ok(())
    }

    /// Cancels what has expired, and removes what ended long ago. If there is more, that follows after
    /// as long as this took, so that others can write to the store for half of the time.
    fn sweep(&mut self, now: Instant) -> Result<(), StoreError> {
        if self.sweep > now {
            return Ok(());
        }
        self.sweep = now + SWEEPING;
        let (store, began) = (self.core.store(), clock::now());
        let mut has_more = store.cancel_expired(MOST_SWEPT)?.has_more;
        for (state, age) in KEPT {
            has_more |= store.prune(state, age, MOST_SWEPT)?.has_more;
        }
        if has_more {
            let end = clock::now();
            self.sweep = end + end.saturating_duration_since(began);
        }
        Ok(())
    }
}

/// Makes all due jobs available.
pub(super) fn promote_all(core: &Core) -> Result<(), StoreError> {
    while core.store().promote_due(MOST_PROMOTED)?.next == Some(Duration::ZERO) {}
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
        _ => String::new(),
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
