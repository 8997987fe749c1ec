//! The thread that keeps the store in order: each process does it, and it is harmless that several
//! do.

use super::super::dead_job::DeadJob;
use super::core::Core;
use super::ending::default_policy;
use super::health::Part;
use crate::clock;
use crate::retry;
use crate::store::{
    BeatWatch, JobState, LostJob, Outcome, StoreError, TakenOver, WorkerId, WorkerInfo,
};
use crate::unwind;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A process whose beat is the same for this long is silent.
const SILENCE: Duration = Duration::from_secs(30);
/// How often processes are looked at: one that has ended is found within this on the same machine.
const LOOK: Duration = Duration::from_millis(100);
/// How often the rest is looked at, whatever the store says has changed.
const POLL: Duration = Duration::from_secs(1);
/// The time between two looks after changes, so that a flood of them costs little.
const BETWEEN: Duration = Duration::from_millis(20);
const AT_ONCE: usize = 1000;
const PRUNING: Duration = Duration::from_secs(60);

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
                    core.closed.wait_timeout(BETWEEN);
                }
            }
            Err(error) => {
                maintenance.watch.unreachable();
                let pause = core.failed(Part::Maintenance, error);
                core.closed.wait_timeout(pause);
            }
        }
    }
}

struct Maintenance<'a> {
    core: &'a Core,
    watch: BeatWatch,
    /// The store has changed since the last look, or that failed.
    has_changed: bool,
    /// When all is looked at again, in real time.
    poll: Instant,
    /// When the next scheduled job is due.
    promote: Instant,
    prune: Instant,
}

impl<'a> Maintenance<'a> {
    fn new(core: &'a Core) -> Maintenance<'a> {
        let now = clock::now();
        Maintenance {
            core,
            watch: BeatWatch::new(SILENCE),
            has_changed: true,
            poll: now,
            promote: now,
            prune: now,
        }
    }

    /// Does what is to be done, and returns how long there is nothing to do.
    fn pass(&mut self) -> Result<Duration, StoreError> {
        let now = clock::now();
        let looks = self.has_changed || self.poll <= now;
        if looks {
            self.look_at_held()?;
            self.poll = now + POLL;
        }
        if looks || self.promote <= now {
            self.promote = now + promote(self.core)?;
        }
        self.has_changed = false;
        self.take_over()?;
        if self.prune <= now {
            self.prune = now + self.prune()?;
        }
        Ok(self
            .promote
            .saturating_duration_since(clock::now())
            .min(LOOK))
    }

    fn look_at_held(&self) -> Result<(), StoreError> {
        let Some(worker) = self.core.lease() else {
            return Ok(());
        };
        match self.core.store().held(worker) {
            Ok(held) => self.core.look_at_held(&held),
            Err(StoreError::LeaseLost { .. }) => self.core.lease_lost(worker),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn take_over(&mut self) -> Result<(), StoreError> {
        let workers = self.core.store().workers()?;
        let own = self.core.lease();
        for (worker, beat) in self.watch.look(&workers, self.core.clock.since_boot()) {
            if Some(worker) == own {
                continue;
            }
            let judge = Judge::new(self.core);
            let taken_over = self
                .core
                .store()
                .take_over(worker, beat, &|lost| judge.outcome(lost))?;
            if let Some(jobs) = taken_over {
                report(self.core, &workers, worker, &jobs);
                for job in jobs.iter().filter(|job| job.state == JobState::Dead) {
                    self.core
                        .found_dead(dead_job(&job.lost, judge.outcome(&job.lost)));
                }
            }
        }
        Ok(())
    }

    /// A full batch is followed by another one soon.
    fn prune(&self) -> Result<Duration, StoreError> {
        let mut next = PRUNING;
        for (state, age) in KEPT {
            if self.core.store().prune(state, age, AT_ONCE)?.has_more {
                next = POLL;
            }
        }
        Ok(next)
    }
}

/// Makes due jobs available, and returns when to look again.
pub(super) fn promote(core: &Core) -> Result<Duration, StoreError> {
    loop {
        let promoted = core.store().promote_due(AT_ONCE)?;
        match promoted.next {
            Some(Duration::ZERO) => {}
            Some(next) => return Ok(next.min(POLL)),
            None => return Ok(POLL),
        }
        if core.closed.is_cancelled() {
            return Ok(POLL);
        }
    }
}

/// What becomes of the jobs of a process that was taken over.
struct Judge<'a> {
    core: &'a Core,
    random: f64,
}

impl<'a> Judge<'a> {
    fn new(core: &'a Core) -> Judge<'a> {
        Judge {
            core,
            random: retry::random(),
        }
    }

    /// By the policy of the kind, or, where this process does not handle it, by the default one.
    /// Is called while the store may be locked, and does not panic.
    fn outcome(&self, lost: &LostJob) -> Outcome {
        let setup = &self.core.setup;
        let default = default_policy();
        let policy = setup.place_of(&lost.kind).map(|place| setup.policy(place));
        let policy = policy.unwrap_or(&default).clone().attempts(u32::MAX);
        let delay = unwind::catch(|| policy.delay(lost.attempt, Duration::ZERO, self.random));
        let delay = delay.unwrap_or_else(|payload| {
            unwind::drop_payload(payload);
            None
        });
        let backoff = delay.unwrap_or(Duration::from_secs(15));
        lost.outcome(backoff, setup.max_interruptions)
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
