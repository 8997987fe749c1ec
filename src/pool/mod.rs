//! The [`Pool`]: a fixed set of worker threads fed by one bounded queue; its builder and its
//! statistics.

mod builder;
mod error;
mod replacer;
mod stats;
#[cfg(not(any(loom, shuttle)))]
mod view;
mod worker;

#[cfg(feature = "histogram")]
pub use crate::queue::{DurationHistogram, Latency};
pub use builder::PoolBuilder;
pub use error::PoolBuildError;
pub use stats::PoolStats;
#[cfg(not(any(loom, shuttle)))]
pub(crate) use view::PoolView;

use crate::clock::Deadline;
use crate::queue::PoolRef;
#[cfg(not(any(loom, shuttle)))]
use crate::queue::{Member, worker_index_in};
use crate::stop::{RunningTask, StopHandle, StopPlan, StopReport, Stopper};
use crate::submit::{Submission, Submitter, TaskBuilder, pool_verbs, verbs};
use crate::sync::Arc;
use replacer::Replacements;
use std::fmt;
use std::time::Duration;

/// A fixed set of worker threads fed by one bounded queue.
///
/// A pool has one owner: it is not `Clone`, and dropping it stops it. Others
/// submit through a [`Submitter`], and stop it through a [`StopHandle`].
///
/// # When the queue is full
///
/// | what is submitted by | from outside | from one of the pool's own workers |
/// | --- | --- | --- |
/// | `submit`, `submit_with`, `execute`, `execute_with`, `resubmit`; also on the builders | waits | never waits: the worker's overflow list |
/// | `try_submit`, `try_execute`, `try_resubmit` | refuses | refuses |
/// | a builder with [`when_full`](TaskBuilder::when_full), [`resubmit_until`](Self::resubmit_until): with [`WhenFull::Refuse`] | refuses | refuses |
/// | with a duration or a moment | waits, then refuses | waits, then refuses |
/// | with a [`CancelToken`](crate::CancelToken) | waits; refuses once it is cancelled | never waits: the worker's overflow list |
/// | `scope` and its verbs, `map`, `for_each`, `map_reduce`, `stream` | waits | never waits; `stream` has a bound of its own |
///
/// [`WhenFull::Refuse`]: crate::submit::WhenFull::Refuse
///
/// So for submitters outside the memory is bounded by the capacity, whatever the number of
/// tasks, and tasks can submit without risk of deadlock. The overflow lists are not bounded
/// and show in [`stats`](Self::stats). A refusal gives the closure back. Tasks of one
/// outside thread are started in the order in which they were submitted, unless one is
/// joined by a worker.
///
/// Two pools whose tasks submit to each other can still deadlock, when both
/// queues are full.
///
/// # What happens to a panicking task
///
/// Only its own task fails: the worker survives, and the panic is counted, logged, passed
/// to the [`on_panic`](PoolBuilder::on_panic) hook, and returned by `join`. The same goes
/// for a panic in the drop of something the task captured.
///
/// Rust's own panic hook still prints each panic on stderr; a program that does not want
/// that sets another one with [`std::panic::set_hook`].
///
/// Rust itself aborts the process, and no pool can help it: on a panic during
/// the unwinding of another, on one in the panic hook, on one in the destructor
/// of a thread-local, on a stack overflow, and on any with `panic = "abort"`.
///
/// # Stopping
///
/// [`stop`](Self::stop) closes the pool, waits as its [`StopPlan`] says, and returns a
/// [`StopReport`] that names the tasks that were abandoned and those that never started.
/// Dropping the pool is a stop with its drop plan ([`PoolBuilder::drop_plan`], 5 s by
/// default); a report that is not clean is then logged, or written to stderr where no
/// logger is enabled. The drop waits a second at most for a logger or a stderr that is
/// stuck, and not beyond its plan for the drop of what unstarted tasks hold. Dropped by one
/// of its own tasks, the pool drains without limit.
///
/// If `main` returns, or any thread calls [`std::process::exit`], the process ends and what
/// still runs ends with it, in the middle of an instruction. Keep the pool in `main`. A
/// `fork` copies only the thread that calls it: fork before the pool is built.
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
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub struct Pool {
    pool_ref: Arc<PoolRef>,
    stopper: Arc<Stopper>,
    /// What the queue knows of it does not keep it.
    _replacer: Arc<Replacements>,
    drop_plan: StopPlan,
}

impl Pool {
    /// A pool with this number of threads, a queue of 1024 places, and the defaults of
    /// [`builder`](Self::builder). Does not wait for the threads to run.
    ///
    /// # Errors
    ///
    /// Those of [`PoolBuilder::build`].
    pub fn new(threads: usize) -> Result<Pool, PoolBuildError> {
        Pool::builder().threads(threads).build()
    }

    /// Returns a builder for a pool; [`PoolBuilder::build`] makes it. Starts nothing.
    pub fn builder() -> PoolBuilder {
        PoolBuilder::new()
    }

    /// A submitter to this pool, that does not keep it open. Costs an allocation. Once the
    /// pool is closed the submitter refuses everything.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let pool = groundcrew::Pool::new(1)?;
    /// let submitter = pool.submitter();
    /// assert_eq!(submitter.submit(|| 7)?.join()?, 7);
    /// assert!(pool.stop(Duration::from_secs(5)).is_clean());
    /// assert!(submitter.submit(|| 7).unwrap_err().is_closed());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn submitter(&self) -> Submitter {
        Submitter::new(&self.pool_ref.queue)
    }

    /// The pool is a service of a host.
    #[cfg(not(any(loom, shuttle)))]
    pub(crate) fn join_host(&self, member: Member) {
        self.pool_ref.queue.membership.set(member);
    }

    /// The number of its queue.
    pub(crate) fn id(&self) -> u64 {
        self.pool_ref.queue.id
    }

    /// Starts a task with a name, for reports, logs and
    /// [`TaskInfo::name`](crate::task::TaskInfo::name); submit it with one of the builder's
    /// verbs.
    pub fn task(&self, name: impl Into<String>) -> TaskBuilder<'_> {
        TaskBuilder::new(&self.pool_ref, name.into())
    }

    fn submission(&self) -> Submission<'_> {
        Submission::unnamed(&self.pool_ref)
    }

    verbs!();

    pool_verbs!();

    /// Blocks until no task waits and none runs, or until the report of a stop
    /// is made.
    ///
    /// Called from a task it does not wait for that task, nor for those below
    /// it on its worker's stack, nor for others that are inside `wait_idle`. It
    /// keeps its worker busy: tasks that wait need another one. It does not wait
    /// for hooks.
    pub fn wait_idle(&self) {
        self.pool_ref.queue.wait_idle(Deadline::NEVER);
    }

    /// Blocks like [`wait_idle`](Self::wait_idle), for `timeout` at most;
    /// returns `false` if that has passed.
    ///
    /// After the report of a stop it returns `true`, though tasks that were
    /// abandoned still run.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = groundcrew::Pool::new(1)?;
    /// let (open, gate) = groundcrew::channel::bounded::<()>(0);
    /// pool.execute(move || gate.recv().unwrap_or_default())?;
    /// assert!(!pool.wait_idle_timeout(Duration::from_millis(1)));
    /// drop(open);
    /// assert!(pool.wait_idle_timeout(Duration::MAX));
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn wait_idle_timeout(&self, timeout: Duration) -> bool {
        self.pool_ref.queue.wait_idle(Deadline::after(timeout))
    }

    pub(crate) fn pool_ref(&self) -> &Arc<PoolRef> {
        &self.pool_ref
    }

    /// How many workers the pool was built with.
    pub fn threads(&self) -> usize {
        self.pool_ref.queue.workers
    }

    /// The current counters of the pool. Locks each worker's state for a moment; also works
    /// after a stop.
    pub fn stats(&self) -> PoolStats {
        PoolStats::of(&self.stopper)
    }

    /// What the workers do now, the innermost task of each first; empty if they do nothing.
    /// Locks each worker's state for a moment.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = groundcrew::Pool::new(1)?;
    /// let (open, gate) = groundcrew::channel::bounded::<()>(0);
    /// pool.task("wait").execute(move || gate.recv().unwrap_or_default())?;
    /// while pool.running().is_empty() {}
    /// let running = pool.running();
    /// assert_eq!(running[0].info().name(), "wait");
    /// assert_eq!(running[0].worker(), "groundcrew-0");
    /// drop(open);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn running(&self) -> Vec<RunningTask> {
        self.stopper.running()
    }

    /// A handle that stops this pool, from any thread. It does not keep the pool open, and
    /// still works when the pool has stopped.
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle::new(self.stopper.clone())
    }

    #[cfg(not(any(loom, shuttle)))]
    pub(crate) fn view(&self) -> PoolView {
        PoolView {
            stopper: self.stopper.clone(),
        }
    }

    /// Closes the pool, waits for it as `plan` says, and returns the report: the
    /// same as [`StopHandle::stop`]. Blocks until everything is done or the plan's
    /// deadline has come; after the first stop it returns the same report at once.
    pub fn stop(&self, plan: impl Into<StopPlan>) -> StopReport {
        self.stopper.stop(plan.into())
    }
}

#[cfg(test)]
impl Pool {
    /// Puts a task into the queue as it is.
    fn push_raw(&self, task: crate::queue::Queued) {
        self.pool_ref.queue.push_raw(task);
    }
}

impl Drop for Pool {
    /// Stops the pool with its drop plan; see [above](Self#stopping).
    fn drop(&mut self) {
        if self.stopper.is_fetched() {
            return;
        }
        let in_own_task = worker_index_in(self.pool_ref.queue.id).is_some();
        if in_own_task && self.stopper.disown() {
            return;
        }
        self.stopper.stop_dropped(self.drop_plan);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.pool_ref.queue.name)
            .field("phase", &self.stopper.phase())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
