//! What a run of an entry is given.

use crate::task::TaskContext;
use std::fmt;
use std::ops::Deref;
use std::time::{Duration, SystemTime};

/// What the closure of an entry is given for each run: for when it is, and everything a task
/// can ask, as [`TaskContext`]: its token, a place for a note, a submitter.
///
/// # Examples
///
/// ```
/// use groundcrew::{Pool, Schedule, Scheduler, channel};
/// use std::time::Duration;
///
/// let pool = Pool::new(1)?;
/// let scheduler = Scheduler::new(pool.submitter());
/// let (tell, told) = channel::unbounded();
/// scheduler
///     .entry("report", Schedule::after(Duration::from_millis(1)))
///     .run(move |ctx| {
///         ctx.note("counting"); // a method of `TaskContext`
///         Ok(tell.send((ctx.entry().to_owned(), ctx.lateness()))?)
///     })?;
/// scheduler.start()?;
/// let (name, lateness) = told.recv()?;
/// assert_eq!(name, "report");
/// assert!(lateness < Duration::from_secs(60));
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub struct RunContext<'a> {
    task: &'a TaskContext,
    entry: &'a str,
    due: SystemTime,
    lateness: Duration,
}

impl<'a> RunContext<'a> {
    pub(super) fn new(
        task: &'a TaskContext,
        entry: &'a str,
        due: SystemTime,
        lateness: Duration,
    ) -> RunContext<'a> {
        RunContext {
            task,
            entry,
            due,
            lateness,
        }
    }

    /// The name of the entry. Does not block. For an example see [above](Self).
    pub fn entry(&self) -> &str {
        self.entry
    }

    /// For when this run is: the moment by the schedule, without jitter, however late it
    /// began. Of a run that was triggered, when it was. Does not block.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Pool, Schedule, Scheduler, channel};
    /// use std::time::SystemTime;
    ///
    /// let pool = Pool::new(1)?;
    /// let scheduler = Scheduler::new(pool.submitter());
    /// let (tell, told) = channel::unbounded();
    /// let now = SystemTime::now();
    /// scheduler
    ///     .entry("once", Schedule::at(now))
    ///     .run(move |ctx| Ok(tell.send(ctx.due())?))?;
    /// scheduler.start()?;
    /// assert_eq!(told.recv()?, now);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn due(&self) -> SystemTime {
        self.due
    }

    /// How late it began: what it waited for a worker, or more if it makes up for one that
    /// was missed. Does not block. For an example see [above](Self).
    pub fn lateness(&self) -> Duration {
        self.lateness
    }
}

impl Deref for RunContext<'_> {
    type Target = TaskContext;

    fn deref(&self) -> &TaskContext {
        self.task
    }
}

impl fmt::Debug for RunContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunContext")
            .field("entry", &self.entry)
            .field("due", &self.due)
            .field("lateness", &self.lateness)
            .finish_non_exhaustive()
    }
}
