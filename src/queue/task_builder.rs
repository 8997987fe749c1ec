//! A task that is given more than its closure before it is submitted.

use super::{Door, Home, verbs};
use crate::sync::Arc;
use std::fmt;

/// A task with a name, about to be submitted: made by
/// [`Pool::task`](crate::Pool::task), with the verbs of the pool.
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
}

impl<'a> TaskBuilder<'a> {
    pub(crate) fn new(home: &'a Arc<Home>, name: String) -> TaskBuilder<'a> {
        TaskBuilder {
            home,
            name: name.into(),
        }
    }

    fn door(&self) -> Door<'_> {
        Door::named(self.home, &self.name)
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
