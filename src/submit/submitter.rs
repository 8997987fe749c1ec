//! A way to submit to a pool without owning it.

use super::{Submission, TaskBuilder, pool_verbs, verbs};
use crate::queue::{PoolCore, PoolRef};
use crate::sync::Arc;
use std::fmt;

/// Submits tasks to a pool from anywhere, without keeping the pool open.
///
/// Once the pool is closed, every submit is refused. Give each thread its own clone, to avoid
/// contention on a shared reference count. A clone costs an allocation. Inside a task a clone is
/// nearly free, since all clones there share a count that belongs to the worker.
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
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
pub struct Submitter {
    pool_ref: Arc<PoolRef>,
}

impl Submitter {
    pub(crate) fn new(core: &Arc<PoolCore>) -> Submitter {
        Submitter::at(PoolRef::new(core))
    }

    pub(super) fn at(pool_ref: Arc<PoolRef>) -> Submitter {
        Submitter { pool_ref }
    }

    /// Returns a builder for a task with a name. The name appears in reports, logs and
    /// [`TaskInfo::name`].
    ///
    /// [`TaskInfo::name`]: crate::task::TaskInfo::name
    pub fn task(&self, name: impl Into<String>) -> TaskBuilder<'_> {
        TaskBuilder::new(&self.pool_ref, name.into())
    }

    pub(crate) fn pool_ref(&self) -> &Arc<PoolRef> {
        &self.pool_ref
    }

    fn submission(&self) -> Submission<'_> {
        Submission::unnamed(&self.pool_ref)
    }

    verbs!();

    pool_verbs!();
}

impl Clone for Submitter {
    fn clone(&self) -> Submitter {
        match PoolRef::of_current_worker(&self.pool_ref.core) {
            Some(pool_ref) => Submitter::at(pool_ref),
            None => Submitter::new(&self.pool_ref.core),
        }
    }
}

impl fmt::Debug for Submitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submitter")
            .field("pool", &self.pool_ref.core.name)
            .field("is_closed", &self.pool_ref.core.is_closed())
            .finish_non_exhaustive()
    }
}
