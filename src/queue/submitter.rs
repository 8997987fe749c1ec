//! A way to submit to a pool without owning it.

use super::{Door, Home, Queue, TaskBuilder, verbs};
use crate::sync::Arc;
use std::fmt;

/// Submits to a pool, from anywhere, without keeping the pool open.
///
/// Once the pool is closed every verb refuses. Give each thread a clone of its
/// own, so that they do not all count references on one. A clone costs an
/// allocation; inside of a task next to nothing, since there all clones count
/// on one that belongs to the worker.
///
/// # Examples
///
/// ```
/// use std::thread;
///
/// let pool = groundcrew::Pool::new(2)?;
/// let submitter = pool.submitter();
/// let producer = thread::spawn(move || {
///     (1..=10_u64).map(|n| submitter.submit(move || n * n).unwrap()).collect::<Vec<_>>()
/// });
/// let mut sum = 0;
/// for handle in producer.join().unwrap() {
///     sum += handle.join()?;
/// }
/// assert_eq!(sum, 385);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub struct Submitter {
    home: Arc<Home>,
}

impl Submitter {
    pub(crate) fn new(queue: &Arc<Queue>) -> Submitter {
        Submitter::at(Home::new(queue))
    }

    pub(super) fn at(home: Arc<Home>) -> Submitter {
        Submitter { home }
    }

    /// Starts a task with a name, for reports, logs and [`TaskInfo::name`]; submit it with
    /// one of the builder's verbs.
    ///
    /// [`TaskInfo::name`]: crate::TaskInfo::name
    pub fn task(&self, name: impl Into<String>) -> TaskBuilder<'_> {
        TaskBuilder::new(&self.home, name.into())
    }

    pub(crate) fn home(&self) -> &Arc<Home> {
        &self.home
    }

    fn door(&self) -> Door<'_> {
        Door::unnamed(&self.home)
    }

    verbs!();
}

impl Clone for Submitter {
    fn clone(&self) -> Submitter {
        match Home::of_current_worker(&self.home.queue) {
            Some(home) => Submitter::at(home),
            None => Submitter::new(&self.home.queue),
        }
    }
}

impl fmt::Debug for Submitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submitter")
            .field("pool", &self.home.queue.name)
            .field("is_closed", &self.home.queue.is_closed())
            .finish_non_exhaustive()
    }
}
