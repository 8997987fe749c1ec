//! The core under a model checker, instead of under real threads.
//!
//! `src/sync/model.rs` puts the checker in the place of locks, atomics, channels
//! and threads; all the rest is the code that programs run. In a model there is
//! no time, so no wait is saved by a later look: a wake-up that is lost is a
//! deadlock, and is reported.
//!
//! - With `--cfg shuttle` whole pools are run under some thousands of schedules
//!   each, chosen at random and by PCT, deadlines included.
//! - With `--cfg loom` small pieces are run under every schedule with few
//!   preemptions, and with every value that a weak memory may show: `orders`.
//!
//! Every test counts for itself (see [`Count`]) and compares that with the
//! report.
//!
//! # That they bite
//!
//! Faults were seeded one at a time, and found: no look for tasks or for `closed` before a
//! sleep, no wake after a push, `waking` left set, a woken worker that wakes no other; no
//! look at `closed` after a push, a last worker that leaves without a look, a late push
//! left where it is; slots not marked, reported tasks not settled, a task begun in place
//! after the report; a gate without a second try, not opened by a worker or by the close; a
//! worker, a tombstone or a report that ends no `wait_idle`, a report that ends no wait for a
//! cancel; a cancel counted twice; an end, a plan or a worker's leaving that is not notified;
//! of batchers: a worker that waits without a look at what came while it tried to claim a
//! task; of scopes: an end that wakes no thread or does not take the lock first, a task
//! counted in after its push, one taken back that counts as accepted, one given back that
//! wakes neither its scope nor the thread that joins it, or that its handle takes for
//! unstarted; and in loom a weaker order of
//! `closed`, of the counts of sleepers and waiters, and of `reported`. A change of a
//! protocol is worth the same trial.

use crate::stop::StopReport;
use crate::sync::model::time;
use crate::sync::{Arc, StaticMutex};
use crate::{Pool, PoolBuilder, SubmitError, TaskError};
use std::time::Duration;

#[cfg(shuttle)]
mod batch;
#[cfg(shuttle)]
mod cancel;
#[cfg(shuttle)]
mod idle;
#[cfg(shuttle)]
mod join;
#[cfg(loom)]
mod orders;
#[cfg(shuttle)]
mod replace;
#[cfg(shuttle)]
mod retry;
#[cfg(shuttle)]
mod scope;
#[cfg(shuttle)]
mod stop;
#[cfg(shuttle)]
mod submit;

#[cfg(shuttle)]
pub(crate) use crate::sync::model::chance;

/// The number of schedules of each kind, unless `GROUNDCREW_SCHEDULES` is set.
#[cfg(shuttle)]
const SCHEDULES: usize = 5_000;

/// Runs `scenario` under many schedules.
#[cfg(shuttle)]
fn check(scenario: fn()) {
    check_often(1, scenario);
}

/// The same with the number of schedules multiplied.
#[cfg(shuttle)]
fn check_often(times: usize, scenario: fn()) {
    use shuttle::scheduler::{PctScheduler, RandomScheduler};
    use shuttle::{Config, Runner};

    let number = std::env::var("GROUNDCREW_SCHEDULES");
    let schedules = times * number.map_or(SCHEDULES, |number| number.parse().unwrap());
    let mut config = Config::new();
    config.stack_size = STACK;
    config.silence_warnings = true;
    let run = move || {
        time::reset();
        scenario();
    };
    Silence::install();
    Runner::new(RandomScheduler::new(schedules), config.clone()).run(run);
    Runner::new(PctScheduler::new(3, schedules), config).run(run);
}

/// Runs `scenario` under every schedule with few preemptions.
#[cfg(loom)]
fn check(scenario: fn()) {
    use crate::sync::model::Fences;

    let mut model = loom::model::Builder::new();
    model.max_branches = 100_000;
    // `LOOM_MAX_PREEMPTIONS` says otherwise.
    model.preemption_bound.get_or_insert(2);
    for fences in [Fences::AfterWrites, Fences::BeforeReads] {
        fences.choose();
        model.check(move || {
            time::reset();
            scenario();
        });
    }
}

const FOREVER: Duration = Duration::MAX;
#[cfg(shuttle)]
const SECOND: Duration = Duration::from_secs(1);

#[cfg(shuttle)]
fn any_plan() -> crate::StopPlan {
    use crate::StopPlan;

    chance::one_of(&[
        StopPlan::drain(Duration::ZERO),
        StopPlan::drain(SECOND),
        StopPlan::drain(FOREVER),
        StopPlan::finish_running(SECOND),
        StopPlan::finish_running(FOREVER),
        StopPlan::cancel(SECOND),
        StopPlan::cancel(FOREVER),
    ])
}

/// Of each worker, whose stack is made again in every schedule.
const STACK: usize = 128 * 1024;

fn builder(threads: usize, capacity: usize) -> PoolBuilder {
    let builder = Pool::builder().threads(threads).queue_capacity(capacity);
    builder.stack_size(STACK)
}

fn pool(threads: usize, capacity: usize) -> Pool {
    builder(threads, capacity).build().unwrap()
}

/// A logger that says nothing: unclean reports would go to stderr.
struct Silence;

impl Silence {
    fn install() {
        let _ = log::set_logger(&Silence);
        log::set_max_level(log::LevelFilter::Error);
    }
}

impl log::Log for Silence {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, _: &log::Record<'_>) {}

    fn flush(&self) {}
}

/// The outcome of each task, as seen from outside the library.
#[derive(Default)]
struct Count(StaticMutex<Vec<Fate>>);

#[derive(Clone, Debug, Default)]
struct Fate {
    accepted: bool,
    began: u32,
    /// How often what it captured was dropped.
    dropped: u32,
}

/// What a task captures.
struct Captured {
    count: Arc<Count>,
    index: usize,
}

impl Captured {
    /// What a task does first.
    fn begin(&self) {
        self.count.0.lock()[self.index].began += 1;
    }
}

impl Drop for Captured {
    fn drop(&mut self) {
        self.count.0.lock()[self.index].dropped += 1;
    }
}

impl Count {
    fn new() -> Arc<Count> {
        Arc::default()
    }

    /// One more task; [`Captured::begin`] is what it does first.
    fn task(self: &Arc<Count>) -> Captured {
        let mut fates = self.0.lock();
        fates.push(Fate::default());
        Captured {
            count: self.clone(),
            index: fates.len() - 1,
        }
    }

    /// Submits a task that only counts, by `verb`.
    fn submit<T, F>(
        self: &Arc<Count>,
        verb: impl FnOnce(Captured) -> Result<T, SubmitError<F>>,
    ) -> Option<T> {
        let captured = self.task();
        let index = captured.index;
        let accepted = verb(captured).ok();
        self.0.lock()[index].accepted = accepted.is_some();
        accepted
    }

    fn sum(&self, of: impl Fn(&Fate) -> bool) -> u64 {
        self.0.lock().iter().filter(|fate| of(fate)).count() as u64
    }

    /// Every accepted task ended exactly once, when no thread submits any more.
    fn agrees_with(&self, report: &StopReport) {
        let unstarted = report.unstarted().len() as u64;
        let left = (report.abandoned().len() + report.stopping_tasks().len()) as u64;
        let ran = report.completed() + report.panicked() + left;
        let accepted = self.sum(|fate| fate.accepted);
        assert_eq!(report.accepted(), accepted, "{report}");
        assert_eq!(
            ran + report.cancelled() + unstarted,
            accepted,
            "each once: {report}"
        );
        assert_eq!(report.expired(), 0);
        // One that was put on a stack and then abandoned may not have begun yet.
        let began = self.sum(|fate| fate.began > 0);
        assert!(began <= ran && ran <= began + left, "{began}: {report}");
        assert_eq!(self.sum(|fate| fate.began > 1), 0, "none began twice");
        assert_eq!(self.sum(|fate| fate.began > 0 && !fate.accepted), 0);
    }

    /// When everything is over and every report is gone.
    fn nothing_is_left(&self) {
        let fates = self.0.lock();
        assert!(fates.iter().all(|fate| fate.dropped == 1), "{fates:?}");
    }
}

/// What a join may say of a task, whatever raced.
fn outcome<T>(joined: &Result<T, TaskError>) -> &'static str {
    match joined {
        Ok(_) => "completed",
        Err(TaskError::Panicked(_)) => "panicked",
        Err(TaskError::Cancelled) => "cancelled",
        Err(TaskError::Expired) => "expired",
        Err(TaskError::Unstarted) => "unstarted",
        Err(TaskError::Abandoned) => "abandoned",
        Err(TaskError::Refused(_)) => unreachable!("it has a handle"),
    }
}
