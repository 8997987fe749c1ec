//! What can be said of an entry before it is added.

use super::context::RunContext;
use super::entry::{Entry, State};
use super::error::ScheduleError;
use super::policy::{MisfirePolicy, OverlapPolicy};
use super::rule::Schedule;
use super::scheduler::{ScheduleEntry, Scheduler};
use super::timetable::Timetable;
use crate::causes::BoxError;
use crate::sync::Arc;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

/// An entry about to be added: made by [`Scheduler::entry`], added by [`run`](Self::run).
///
/// # Examples
///
/// ```
/// use groundcrew::{Pool, Schedule, Scheduler};
/// use groundcrew::schedule::{MisfirePolicy, OverlapPolicy};
/// use std::time::Duration;
///
/// let pool = Pool::new(1)?;
/// let scheduler = Scheduler::new(pool.submitter());
/// scheduler
///     .entry("warm the cache", Schedule::every(Duration::from_secs(300)))
///     .jitter(Duration::from_secs(10))
///     .overlap(OverlapPolicy::Queue)
///     .misfire(MisfirePolicy::Skip)
///     .run_at_start()
///     .time_limit(Duration::from_secs(60))
///     .run(|_| Ok(()))?;
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[must_use = "an entry is not added before `run` is called"]
pub struct EntryBuilder<'a> {
    scheduler: &'a Scheduler,
    name: String,
    schedule: Schedule,
    jitter: Duration,
    overlap: OverlapPolicy,
    missed: MisfirePolicy,
    threshold: Duration,
    run_at_start: bool,
    time_limit: Option<Duration>,
}

/// What is later than this was missed: the threshold of Quartz.
const THRESHOLD: Duration = Duration::from_secs(60);

impl<'a> EntryBuilder<'a> {
    pub(super) fn new(
        scheduler: &'a Scheduler,
        name: String,
        schedule: Schedule,
    ) -> EntryBuilder<'a> {
        EntryBuilder {
            scheduler,
            name,
            schedule,
            jitter: Duration::ZERO,
            overlap: OverlapPolicy::default(),
            missed: MisfirePolicy::default(),
            threshold: THRESHOLD,
            run_at_start: false,
            time_limit: None,
        }
    }

    /// Each run is later than its schedule has it by a random time of up to `most`, so that
    /// a hundred machines with one schedule do not all come at once; but not by more than
    /// there is until the run after it. The schedule does not drift because of that.
    /// Defaults to zero.
    pub fn jitter(mut self, most: Duration) -> Self {
        self.jitter = most;
        self
    }

    /// What is done when a run is due while the one before it is not over. Defaults to
    /// [`OverlapPolicy::Skip`].
    pub fn overlap(mut self, rule: OverlapPolicy) -> Self {
        self.overlap = rule;
        self
    }

    /// What is done about runs that were missed. Defaults to [`MisfirePolicy::Once`].
    pub fn misfire(mut self, rule: MisfirePolicy) -> Self {
        self.missed = rule;
        self
    }

    /// What [`MisfirePolicy::Skip`] calls missed: a run that is late by more than this. The other
    /// rules take no notice of it. Defaults to 60 s.
    ///
    /// If the whole process stood still (SIGSTOP, a paused container, a debugger), it grows by
    /// that time, but at most to its double.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::{Pool, Schedule, Scheduler};
    /// # use groundcrew::schedule::MisfirePolicy;
    /// # use std::time::Duration;
    /// # let pool = Pool::new(1)?;
    /// # let scheduler = Scheduler::new(pool.submitter());
    /// scheduler
    ///     .entry("tick", Schedule::every(Duration::from_secs(1)))
    ///     .misfire(MisfirePolicy::Skip)
    ///     .missed_after(Duration::from_millis(500))
    ///     .run(|_| Ok(()))?;
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn missed_after(mut self, threshold: Duration) -> Self {
        self.threshold = threshold;
        self
    }

    /// It also runs once when its scheduler starts, or, if that runs already, when it is
    /// added.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::{Pool, Schedule, Scheduler};
    /// # use std::time::Duration;
    /// # let pool = Pool::new(1)?;
    /// # let scheduler = Scheduler::new(pool.submitter());
    /// let entry = scheduler
    ///     .entry("tidy", Schedule::every(Duration::from_secs(3600)))
    ///     .run_at_start()
    ///     .run(|_| Ok(()))?;
    /// scheduler.start()?;
    /// pool.wait_idle();
    /// assert_eq!(entry.status().runs(), 1);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn run_at_start(mut self) -> Self {
        self.run_at_start = true;
        self
    }

    /// A limit for the time of each run: see
    /// [`TaskBuilder::time_limit`](crate::TaskBuilder::time_limit).
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::{Pool, Schedule, Scheduler};
    /// # use groundcrew::schedule::RunOutcome;
    /// # use std::time::Duration;
    /// # let pool = Pool::new(1)?;
    /// # let scheduler = Scheduler::new(pool.submitter());
    /// let entry = scheduler
    ///     .entry("slow", Schedule::every(Duration::from_secs(3600)))
    ///     .time_limit(Duration::from_millis(1))
    ///     .run(|ctx| Ok(ctx.sleep(Duration::MAX)?))?;
    /// entry.trigger();
    /// pool.wait_idle();
    /// assert_eq!(entry.status().last().unwrap().outcome(), &RunOutcome::Cancelled);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Adds the entry, which calls `closure` for each run, on a worker of the pool. If the
    /// scheduler runs the entry is planned from now on, otherwise from its start.
    ///
    /// An error of the closure is logged (ten a second of all schedules at most), and so is
    /// its panic; both are shown by [`ScheduleEntry::status`], and change nothing about the
    /// runs to come.
    ///
    /// # Errors
    ///
    /// A [`ScheduleError`] that says what is wrong: with the schedule (see
    /// [`Schedule::check`]), with the name, which no other entry may have, or with a rule
    /// that would never let anything run. Nothing is added then.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::{Pool, Schedule, Scheduler};
    /// # use std::time::Duration;
    /// # let pool = Pool::new(1)?;
    /// # let scheduler = Scheduler::new(pool.submitter());
    /// let never = scheduler.entry("tidy", Schedule::every(Duration::ZERO)).run(|_| Ok(()));
    /// assert!(never.unwrap_err().to_string().starts_with("a period of zero"));
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    #[track_caller]
    pub fn run(
        self,
        closure: impl Fn(&RunContext<'_>) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Result<ScheduleEntry, ScheduleError> {
        self.check()?;
        let added_at = Location::caller();
        let schedule = self.schedule.clone();
        let timetable = Timetable::new(self.schedule, self.missed, self.threshold, self.jitter);
        let queue = self.scheduler.queue().clone();
        self.scheduler.add(Arc::new_cyclic(|me| Entry {
            me: me.clone(),
            name: self.name.into(),
            schedule,
            closure: Arc::new(closure),
            overlap: self.overlap,
            run_at_start: self.run_at_start,
            time_limit: self.time_limit,
            queue,
            added_at,
            state: State::new(timetable),
        }))
    }

    fn check(&self) -> Result<(), ScheduleError> {
        self.schedule.check()?;
        let entry = || self.name.clone();
        if self.name.is_empty() || self.name.contains(char::is_control) {
            return Err(ScheduleError::Name { entry: entry() });
        }
        if self.overlap == OverlapPolicy::Concurrent(0) || self.missed == MisfirePolicy::All(0) {
            return Err(ScheduleError::NoRuns { entry: entry() });
        }
        Ok(())
    }
}

impl fmt::Debug for EntryBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntryBuilder")
            .field("name", &self.name)
            .field("schedule", &self.schedule)
            .field("overlap", &self.overlap)
            .field("missed", &self.missed)
            .finish_non_exhaustive()
    }
}
