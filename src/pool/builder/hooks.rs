//! What a pool calls and measures: hooks, the observer, the histogram of latencies.

use super::PoolBuilder;
use crate::sync::Arc;
use crate::task::{TaskInfo, TaskOutcome};
use crate::unwind::Guarded;
use std::time::Duration;

const A_HOOK: &str = "a hook of a pool";

impl PoolBuilder {
    /// Called by each worker before its first task, with its index from 0 on. `build` does
    /// not wait for it. A second hook replaces the first.
    ///
    /// Defaults to nothing.
    pub fn on_worker_start(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> PoolBuilder {
        let hook = Guarded::new(hook, A_HOOK);
        self.hooks.start = Some(Arc::new(move |index| {
            hook(index);
        }));
        self
    }

    /// Called by each worker after its last task, with its index from 0 on. A stop waits
    /// for it (unless that very worker called it), but not beyond its deadline: a worker
    /// that is still in the hook then is [`lingering`](crate::StopReport::lingering). A
    /// second hook replaces the first.
    ///
    /// Defaults to nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// let (sender, receiver) = groundcrew::channel::unbounded();
    /// let pool = groundcrew::Pool::builder()
    ///     .threads(2)
    ///     .on_worker_stop(move |index| sender.send(index).unwrap_or_default())
    ///     .build()?;
    /// assert!(pool.stop(Duration::from_secs(5)).is_clean());
    /// assert_eq!(receiver.try_iter().count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn on_worker_stop(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> PoolBuilder {
        let hook = Guarded::new(hook, A_HOOK);
        self.hooks.stop = Some(Arc::new(move |index| {
            hook(index);
        }));
        self
    }

    /// Called when a task panicked, with the task and the panic's message, by the worker
    /// that ran it: after the log record, before the panic is counted and its handle is
    /// notified. (A task run by [`UnstartedTask::run`](crate::task::UnstartedTask::run) calls it
    /// on that thread.) A second hook replaces the first.
    ///
    /// Defaults to nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = groundcrew::channel::unbounded();
    /// let pool = groundcrew::Pool::builder()
    ///     .threads(1)
    ///     .on_panic(move |info, message| {
    ///         sender.send(format!("{}: {message}", info.name())).unwrap_or_default();
    ///     })
    ///     .build()?;
    /// pool.task("row 7").execute(|| panic!("no such row"))?;
    /// assert_eq!(receiver.recv()?, "row 7: no such row");
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn on_panic(
        mut self,
        hook: impl Fn(&TaskInfo, &str) + Send + Sync + 'static,
    ) -> PoolBuilder {
        let hook = Guarded::new(hook, A_HOOK);
        self.panic_hook = Some(Arc::new(move |info, message| hook(info, message)));
        self
    }

    /// Called for each task that a worker ran, when it has ended, with the task, how it
    /// ended, how long it had waited and how long it ran: by that worker, after the task
    /// was counted and its handle was notified. The worker is busy while it runs. A second
    /// observer replaces the first.
    ///
    /// - How long it waited is the time from the call of the verb to the task's start, the
    ///   verb's own wait for room included; `None` for a task that was resubmitted. Of one
    ///   that is [tried again](crate::TaskBuilder::retry) it is called once, when the last
    ///   attempt has ended, with how long that attempt ran and how long everything before
    ///   it took, earlier attempts included.
    /// - How long it ran leaves out what ran on top of it: tasks that a join of its
    ///   worker claimed, or that were [run in place](Self::caller_runs_when_full),
    ///   and the observer's time for those. A join of a task that another worker
    ///   runs counts.
    /// - For an abandoned task it is called when the task ends, however late. A task inside
    ///   `stop` is reported with its real outcome. So it is called as often as
    ///   [`completed`](crate::pool::PoolStats::completed), [`panicked`](crate::pool::PoolStats::panicked) and
    ///   [`ended_late`](crate::pool::PoolStats::ended_late) count together; never for what a worker
    ///   did not run: cancelled, expired and unstarted tasks, those run by hand among them,
    ///   and what a [scope](Pool::scope) runs itself. For a loop it is called for the tasks
    ///   that make up the loop, not for the items.
    /// - When [`wait_idle`](Pool::wait_idle), a scope or a loop returns, it has been called
    ///   for all their tasks, as it has after a clean stop: they wait for it. A join does
    ///   not. Beyond its deadline a stop does not wait for it: a worker that is still in
    ///   there is [`lingering`](crate::StopReport::lingering).
    ///
    /// With an observer a task costs two or three reads of the clock more, and an
    /// allocation if it has a handle; without, nothing.
    ///
    /// Defaults to nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::Pool;
    /// use groundcrew::task::TaskOutcome;
    /// use std::time::Duration;
    ///
    /// let (sender, receiver) = groundcrew::channel::unbounded();
    /// let pool = Pool::builder()
    ///     .threads(1)
    ///     .observer(move |info, outcome, waited, ran| {
    ///         sender.send((info.name().to_owned(), outcome, waited, ran)).unwrap_or_default();
    ///     })
    ///     .build()?;
    /// pool.task("row 7").execute(|| std::thread::sleep(Duration::from_millis(2)))?;
    /// let (name, outcome, waited, ran) = receiver.recv()?;
    /// assert_eq!((name.as_str(), outcome), ("row 7", TaskOutcome::Completed));
    /// assert!(waited.is_some() && ran >= Duration::from_millis(2));
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn observer(
        mut self,
        observer: impl Fn(&TaskInfo, TaskOutcome, Option<Duration>, Duration) + Send + Sync + 'static,
    ) -> PoolBuilder {
        let observer = Guarded::new(observer, A_HOOK);
        self.observer = Some(Arc::new(move |info, outcome, waited, ran| {
            observer(info, outcome, waited, ran);
        }));
        self
    }

    /// Measures how long each task waits and runs, for
    /// [`PoolStats::latency`](crate::pool::PoolStats::latency). Only with the feature
    /// `histogram`.
    ///
    /// It costs each task two or three reads of the clock, and an allocation if it
    /// has a handle; and each worker 72 KiB of memory. An
    /// [`observer`](Self::observer) may be set as well.
    ///
    /// Defaults to measuring nothing.
    #[cfg(feature = "histogram")]
    pub fn latency_histogram(mut self) -> PoolBuilder {
        self.measures_latency = true;
        self
    }
}
