//! The context of a run.

use crate::task::TaskContext;
use std::fmt;
use std::ops::Deref;
use std::time::{Duration, SystemTime};

/// The context passed to the closure of an entry for each run. It has the due time of the run, and
/// everything of a [`TaskContext`], such as the token and the submitter.
///
/// # Examples
///
/// ```
/// use groundcrew::{Pool, Schedule, Scheduler, channel};
/// use std::time::Duration;
///
/// let pool = Pool::new(1)?;
/// let scheduler = Scheduler::new(pool.submitter());
/// let (sender, receiver) = channel::unbounded();
/// scheduler
///     .entry("report", Schedule::after(Duration::from_millis(1)))
///     .run(move |ctx| {
///         ctx.note("counting"); // a method of `TaskContext`
///         Ok(sender.send((ctx.entry().to_owned(), ctx.lateness()))?)
///     })?;
/// scheduler.start()?;
/// let (name, lateness) = receiver.recv()?;
/// assert_eq!(name, "report");
/// assert!(lateness < Duration::from_secs(60));
/// # Ok::<(), groundcrew::BoxError>(())
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

    /// Returns the name of the entry.
    pub fn entry(&self) -> &str {
        self.entry
    }

    /// Returns the scheduled time of this run, without jitter. For a triggered run, this is
    /// when it was triggered.
    pub fn due(&self) -> SystemTime {
        self.due
    }

    /// Returns how late it began: the time that it waited for a worker, or more if it makes up for
    /// a missed run.
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
