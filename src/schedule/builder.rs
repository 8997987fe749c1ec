//! The options of an entry, before it is added.

use super::context::RunContext;
use super::entry::Entry;
use super::error::ScheduleError;
use super::job::Job;
use super::policy::{MisfirePolicy, OverlapPolicy};
use super::rule::Schedule;
use super::scheduler::{ScheduleEntry, Scheduler};
use super::timetable::Timetable;
use crate::causes::BoxError;
use crate::trace::Parent;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

/// Builds an entry of a [`Scheduler`]. Returned by [`Scheduler::entry`]; [`run`](Self::run) adds
/// the entry.
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
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[must_use = "an entry is not added before `run` is called"]
pub struct EntryBuilder<'a> {
    scheduler: &'a Scheduler,
    name: String,
    schedule: Schedule,
    jitter: Duration,
    overlap: OverlapPolicy,
    misfire: MisfirePolicy,
    threshold: Duration,
    run_at_start: bool,
    time_limit: Option<Duration>,
}

/// A run later than this was missed: the threshold of Quartz.
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
            misfire: MisfirePolicy::default(),
            threshold: THRESHOLD,
            run_at_start: false,
            time_limit: None,
        }
    }

    /// Delays each run by a random time of up to `most`, so that many machines with the same
    /// schedule do not run at the same moment. The delay is never longer than the time to the
    /// following run, and the schedule does not drift. Defaults to zero.
    pub fn jitter(mut self, most: Duration) -> Self {
        self.jitter = most;
        self
    }

    /// Sets the policy for a run that is due while the one before it has not ended. Defaults to
    /// [`OverlapPolicy::Skip`].
    pub fn overlap(mut self, policy: OverlapPolicy) -> Self {
        self.overlap = policy;
        self
    }

    /// Sets the policy for missed runs. Defaults to [`MisfirePolicy::Once`].
    pub fn misfire(mut self, policy: MisfirePolicy) -> Self {
        self.misfire = policy;
        self
    }

    /// Sets how late a run has to be to count as missed for [`MisfirePolicy::Skip`]. The other
    /// policies do not use it. Defaults to 60 s.
    ///
    /// If the whole process was frozen (SIGSTOP, a paused container, a debugger), the threshold
    /// grows by that time, up to twice its value.
    pub fn missed_after(mut self, threshold: Duration) -> Self {
        self.threshold = threshold;
        self
    }

    /// Adds a run when the scheduler starts, or, if the scheduler was started before, when the
    /// entry is added.
    pub fn run_at_start(mut self) -> Self {
        self.run_at_start = true;
        self
    }

    /// Sets the time limit of each run: see
    /// [`TaskBuilder::time_limit`](crate::TaskBuilder::time_limit).
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Adds the entry, which calls `closure` on a worker of the pool for each run. The schedule
    /// starts now, or with the scheduler if that was not started yet.
    ///
    /// Errors and panics of the closure are logged (at most ten records a second for all
    /// schedules together) and shown by [`ScheduleEntry::status`]. They do not change the
    /// schedule.
    ///
    /// # Errors
    ///
    /// Returns a [`ScheduleError`], and adds nothing, if the schedule is not valid (see
    /// [`Schedule::check`]), if the name is not valid or already used, or if a policy would never
    /// allow a run.
    #[track_caller]
    pub fn run(
        self,
        closure: impl Fn(&RunContext<'_>) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Result<ScheduleEntry, ScheduleError> {
        self.check()?;
        let job = Job {
            name: self.name.into(),
            closure: Box::new(closure),
            time_limit: self.time_limit,
            pool: self.scheduler.pool().clone(),
            added_at: Location::caller(),
            parent: Parent::current(),
        };
        let schedule = self.schedule.clone();
        let timetable = Timetable::new(self.schedule, self.misfire, self.threshold, self.jitter);
        let entry = Entry::new(job, schedule, timetable, self.overlap, self.run_at_start);
        self.scheduler.add(entry)
    }

    fn check(&self) -> Result<(), ScheduleError> {
        self.schedule.check()?;
        let entry = || self.name.clone();
        if self.name.is_empty() || self.name.contains(char::is_control) {
            return Err(ScheduleError::Name { entry: entry() });
        }
        if self.overlap == OverlapPolicy::Concurrent(0) || self.misfire == MisfirePolicy::All(0) {
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
            .field("misfire", &self.misfire)
            .finish_non_exhaustive()
    }
}
