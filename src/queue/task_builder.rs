//! A task that is given more than its closure before it is submitted.

use super::{Door, Home, verbs};
use crate::sync::Arc;
use std::fmt;
use std::time::Duration;

/// A task with a name, and maybe a [limit](Self::start_within) for its wait, about
/// to be submitted: made by [`Pool::task`](crate::Pool::task), with the verbs of
/// the pool.
///
/// One builder submits any number of tasks.
///
/// # Examples
///
/// ```
/// let pool = groundcrew::Pool::new(1)?;
/// let handle = pool.task("sum of 1 to 4").submit(|| 1 + 2 + 3 + 4)?;
/// assert_eq!(handle.info().name(), "sum of 1 to 4");
/// assert_eq!(handle.join()?, 10);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[must_use = "a task is not submitted before one of the verbs is called"]
pub struct TaskBuilder<'a> {
    home: &'a Arc<Home>,
    name: Arc<str>,
    start_within: Duration,
}

impl<'a> TaskBuilder<'a> {
    pub(crate) fn new(home: &'a Arc<Home>, name: String) -> TaskBuilder<'a> {
        TaskBuilder {
            home,
            name: name.into(),
            start_within: Duration::MAX,
        }
    }

    /// A limit for the task's wait: if it has not been started `limit` after the
    /// call of the verb, it never is. Does not block.
    ///
    /// Such a task is *expired*: what it captured is dropped, its handle says
    /// [`TaskError::Expired`], also to a `join` that waits at that moment, and
    /// [`Stats::expired`] and the report of a stop count it. The limit includes
    /// the time for which the verb itself waits for room in the queue. It says
    /// nothing of how long the task may run; and it is lifted from a task that a
    /// stop hands back. [`Duration::MAX`] is no limit; after [`Duration::ZERO`]
    /// no worker ever comes in time.
    ///
    /// [`TaskError::Expired`]: crate::TaskError::Expired
    /// [`Stats::expired`]: crate::Stats::expired
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Pool, TaskError};
    /// use std::time::Duration;
    ///
    /// let pool = Pool::new(1)?;
    /// let (open, gate) = groundcrew::channel::bounded::<()>(0);
    /// pool.execute(move || gate.recv().unwrap_or_default())?; // the only worker is busy
    /// let quote = pool
    ///     .task("quote")
    ///     .start_within(Duration::from_millis(1))
    ///     .submit(|| "too late to be of use")?;
    /// assert!(matches!(quote.join(), Err(TaskError::Expired)));
    /// assert_eq!(pool.stats().expired(), 1);
    /// drop(open);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn start_within(mut self, limit: Duration) -> Self {
        self.start_within = limit;
        self
    }

    fn door(&self) -> Door<'_> {
        Door::labelled(self.home, &self.name, self.start_within)
    }

    verbs!();
}

impl fmt::Debug for TaskBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskBuilder")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
