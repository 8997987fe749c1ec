//! The [`Pool`]: a fixed set of worker threads fed by one bounded queue; its builder and its
//! statistics.

mod builder;
mod error;
mod replacer;
mod stats;
#[cfg(not(loom))]
mod view;
mod worker;

#[cfg(feature = "histogram")]
pub use crate::queue::{DurationHistogram, Latency};
pub use builder::PoolBuilder;
pub use error::PoolBuildError;
pub use stats::PoolStats;
#[cfg(not(loom))]
pub(crate) use view::PoolView;

use crate::clock::Deadline;
#[cfg(not(loom))]
use crate::queue::Member;
use crate::queue::{PoolRef, worker_index_in};
use crate::stop::{RunningTask, StopHandle, StopPlan, StopReport, Stopper};
use crate::submit::{Submission, Submitter, TaskBuilder, pool_verbs, verbs};
use crate::sync::Arc;
use replacer::Replacements;
use std::fmt;
use std::time::Duration;

/// A fixed set of worker threads fed by one bounded queue.
///
/// A pool has one owner: it is not `Clone`, and dropping it stops it. Other code submits through a
/// [`Submitter`], and stops the pool through a [`StopHandle`].
///
/// # When the queue is full
///
/// | method | from outside | from one of the pool's own workers |
/// | --- | --- | --- |
/// | `submit`, `submit_with`, `execute`, `execute_with`, `resubmit`; also on the builders | waits | never waits: uses the worker's overflow list |
/// | `try_submit`, `try_execute`, `try_resubmit` | refuses | refuses |
/// | a builder with [`when_full`](TaskBuilder::when_full), or [`resubmit_until`](Self::resubmit_until): with [`WhenFull::Refuse`] | refuses | refuses |
/// | the same with a [`Duration`] or an [`Instant`](std::time::Instant) | waits, then refuses | waits, then refuses |
/// | the same with a [`CancelToken`](crate::CancelToken) | waits; refuses once it is cancelled | never waits: uses the worker's overflow list |
/// | `scope` and its methods, `map`, `try_map`, `for_each`, `map_reduce`, `find_any`, `find_map_any`, `stream` | waits | never waits; `stream` has its own bound |
///
/// [`WhenFull::Refuse`]: crate::submit::WhenFull::Refuse
///
/// For outside submitters, the capacity bounds the memory, whatever the number of tasks. Tasks can
/// submit without risk of deadlock. The overflow lists are not bounded; their length is in
/// [`stats`](Self::stats). A refusal returns the closure. Tasks from one outside thread start in
/// the order in which they were submitted, unless a worker joins one of them.
///
/// Two pools whose tasks submit to each other can still deadlock when both queues are full.
///
/// # What happens to a panicking task
///
/// A panic fails only its own task. The worker survives. The panic is counted, logged, passed to
/// the [`on_panic`](PoolBuilder::on_panic) hook, and returned by `join`. The same goes for a panic
/// in the drop of a captured value.
///
/// Rust's own panic hook still prints each panic on stderr. Replace it with
/// [`std::panic::set_hook`] to avoid that.
///
/// In these cases Rust aborts the process, and the pool cannot prevent it: a panic during the
/// unwinding of another, in the panic hook, or in the destructor of a thread-local; a stack
/// overflow; and any panic with `panic = "abort"`.
///
/// # Stopping
///
/// [`stop`](Self::stop) closes the pool, waits as its [`StopPlan`] says, and returns a
/// [`StopReport`] that names the tasks that were abandoned and those that never started.
///
/// Dropping the pool stops it with its drop plan ([`PoolBuilder::drop_plan`], 5 s by default). A
/// report that is not clean is then logged, or written to stderr if no logger is enabled. The drop
/// waits at most a second for a logger or stderr that is stuck. It waits for the drop of what
/// unstarted tasks hold, but not beyond its plan. If one of its own tasks drops the pool, the pool
/// drains without limit.
///
/// If `main` returns, or any thread calls [`std::process::exit`], the process ends, and running
/// tasks end with it, in the middle of an instruction. Keep the pool in `main`. A `fork` copies
/// only the calling thread: fork before you build the pool.
///
/// # Examples
///
/// ```
/// use groundcrew::Pool;
/// use std::time::Duration;
///
/// let pool = Pool::new(2)?;
/// let handles: Vec<_> = (1..=3_u32)
///     .map(|n| pool.submit(move || n * n))
///     .collect::<Result<_, _>>()?;
/// let squares: Vec<u32> = handles.into_iter().map(|handle| handle.join().unwrap()).collect();
/// assert_eq!(squares, [1, 4, 9]);
///
/// let report = pool.stop(Duration::from_secs(5));
/// assert!(report.is_clean());
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
pub struct Pool {
    pool_ref: Arc<PoolRef>,
    stopper: Arc<Stopper>,
    /// What the queue knows of it does not keep it.
    _replacer: Arc<Replacements>,
    drop_plan: StopPlan,
}

impl Pool {
    /// Creates a pool with this number of threads, a queue of 1024 places, and the defaults of
    /// [`builder`](Self::builder). Does not wait for the threads to run.
    ///
    /// # Errors
    ///
    /// As [`PoolBuilder::build`].
    pub fn new(threads: usize) -> Result<Pool, PoolBuildError> {
        Pool::builder().threads(threads).build()
    }

    /// Returns a builder for a pool. Starts nothing.
    pub fn builder() -> PoolBuilder {
        PoolBuilder::new()
    }

    /// Returns a submitter to this pool, which does not keep it open. Costs an allocation. Once the
    /// pool is closed, the submitter refuses all tasks.
    pub fn submitter(&self) -> Submitter {
        Submitter::new(&self.pool_ref.core)
    }

    /// The pool is a service of a host.
    #[cfg(not(loom))]
    pub(crate) fn join_host(&self, member: Member) {
        self.pool_ref.core.membership.set(member);
    }

    /// The number of its queue.
    pub(crate) fn id(&self) -> u64 {
        self.pool_ref.core.id
    }

    /// Returns a builder for a task with a name. The name appears in reports, logs and
    /// [`TaskInfo::name`](crate::task::TaskInfo::name).
    pub fn task(&self, name: impl Into<String>) -> TaskBuilder<'_> {
        TaskBuilder::new(&self.pool_ref, name.into())
    }

    fn submission(&self) -> Submission<'_> {
        Submission::unnamed(&self.pool_ref)
    }

    verbs!();

    pool_verbs!();

    /// Blocks until no task is waiting or running, or until a stop has made its report.
    ///
    /// When called from a task, it does not wait for that task, for those below it on its worker's
    /// stack, or for others that are inside `wait_idle`. It keeps its worker busy, so waiting tasks
    /// need another one. It does not wait for hooks.
    pub fn wait_idle(&self) {
        self.pool_ref.core.wait_idle(Deadline::NEVER);
    }

    /// Blocks like [`wait_idle`](Self::wait_idle), for `timeout` at most; returns `false` if it
    /// timed out.
    ///
    /// After the report of a stop it returns `true`, even if abandoned tasks still run.
    pub fn wait_idle_timeout(&self, timeout: Duration) -> bool {
        self.pool_ref.core.wait_idle(Deadline::after(timeout))
    }

    pub(crate) fn pool_ref(&self) -> &Arc<PoolRef> {
        &self.pool_ref
    }

    /// Returns the number of workers that the pool was built with.
    pub fn threads(&self) -> usize {
        self.pool_ref.core.workers
    }

    /// Returns the current counters of the pool. Locks each worker's state for a moment. Also works
    /// after a stop.
    pub fn stats(&self) -> PoolStats {
        PoolStats::of(&self.pool_ref.core)
    }

    /// Returns the tasks that run now, the innermost of each worker first. Locks each worker's
    /// state for a moment.
    pub fn running(&self) -> Vec<RunningTask> {
        self.stopper.running()
    }

    /// Returns a handle that stops this pool, from any thread. It does not keep the pool open, and
    /// still works after the pool has stopped.
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle::new(self.stopper.clone())
    }

    #[cfg(not(loom))]
    pub(crate) fn view(&self) -> PoolView {
        PoolView {
            stopper: self.stopper.clone(),
        }
    }

    /// Closes the pool, waits for it as `plan` says, and returns the report, like
    /// [`StopHandle::stop`]. Blocks until everything is done or the plan's deadline has passed.
    /// After the first stop it returns the same report at once.
    pub fn stop(&self, plan: impl Into<StopPlan>) -> StopReport {
        self.stopper.stop(plan.into())
    }
}

#[cfg(test)]
impl Pool {
    /// Puts a task into the queue as it is.
    fn push_raw(&self, task: crate::queue::Queued) {
        self.pool_ref.core.push_raw(task);
    }
}

impl Drop for Pool {
    /// Stops the pool with its drop plan; see [above](Self#stopping).
    fn drop(&mut self) {
        if self.stopper.is_fetched() {
            return;
        }
        let in_own_task = worker_index_in(self.pool_ref.core.id).is_some();
        if in_own_task && self.stopper.disown() {
            return;
        }
        self.stopper.stop_dropped(self.drop_plan);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.pool_ref.core.name)
            .field("phase", &self.stopper.phase())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
