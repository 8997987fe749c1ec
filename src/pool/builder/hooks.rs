//! What a pool calls and measures: hooks, the closures that make the state of workers, the observer,
//! the histogram of latencies.

use super::PoolBuilder;
use crate::sync::Arc;
use crate::task::{TaskInfo, TaskOutcome};
use crate::unwind::Guarded;
use std::time::Duration;

const A_HOOK: &str = "a hook of a pool";

impl PoolBuilder {
    /// Sets a hook that each worker calls before its first task, with its index from 0 on.
    /// [`build`](Self::build) does not wait for the hook. A second hook replaces the first.
    ///
    /// By default there is no hook.
    pub fn on_worker_start(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> PoolBuilder {
        let hook = Guarded::new(hook, A_HOOK);
        self.hooks.start = Some(Arc::new(move |index| {
            hook(index);
        }));
        self
    }

    /// Sets a hook that each worker calls after its last task, with its index from 0 on. A stop
    /// waits for the hook until its deadline, except on a worker that called `stop` itself. A
    /// worker that is still in the hook then is [`lingering`](crate::StopReport::lingering). A
    /// second hook replaces the first.
    ///
    /// By default there is no hook.
    pub fn on_worker_stop(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> PoolBuilder {
        let hook = Guarded::new(hook, A_HOOK);
        self.hooks.stop = Some(Arc::new(move |index| {
            hook(index);
        }));
        self
    }

    /// Gives each worker a value of type `T` for its tasks, such as a connection, a compiled model
    /// or a buffer. [`TaskContext::state`](crate::TaskContext::state) returns it.
    ///
    /// A worker calls `make`, with its index from 0 on, when one of its tasks first asks for the
    /// value. So the value need not be `Send`: it is made, used and dropped on the worker's thread.
    /// If `make` panics, that is a panic of the task that asked, and the next task that asks calls
    /// it again. A worker that [replaces](Self::max_replacements) a stuck one makes its own values.
    ///
    /// A worker drops its values after its last task, before the hook
    /// [`on_worker_stop`](Self::on_worker_stop), and waits for that as for the hook. It also drops
    /// them when a task has panicked on it, so that no later task is given what the panic left half
    /// done.
    ///
    /// There can be values of several types. A second closure for the same type replaces the first.
    /// By default there are none. `make` itself is kept as long as the pool, a
    /// [`Submitter`](crate::Submitter) or a handle of one of its tasks exists.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::Pool;
    /// use std::cell::RefCell;
    ///
    /// let pool = Pool::builder()
    ///     .threads(2)
    ///     .worker_state(|_| RefCell::new(String::new())) // a buffer that is used again
    ///     .build()?;
    /// let task = pool.submit_with(|ctx| {
    ///     let buffer = ctx.state::<RefCell<String>>().expect("this runs on a worker");
    ///     let mut buffer = buffer.borrow_mut();
    ///     buffer.clear();
    ///     buffer.push_str("hello");
    ///     buffer.len()
    /// })?;
    /// assert_eq!(task.join()?, 5);
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn worker_state<T: 'static>(
        mut self,
        make: impl Fn(usize) -> T + Send + Sync + 'static,
    ) -> PoolBuilder {
        self.state_makers.add(make);
        self
    }

    /// Sets a hook that is called when a task panics, with the task and the panic's message. The
    /// worker that ran the task calls it after it logs the panic, and before it counts the panic
    /// and notifies the handle. (For [`UnstartedTask::run`](crate::task::UnstartedTask::run), the
    /// calling thread does.) A second hook replaces the first.
    ///
    /// By default there is no hook.
    pub fn on_panic(
        mut self,
        hook: impl Fn(&TaskInfo, &str) + Send + Sync + 'static,
    ) -> PoolBuilder {
        let hook = Guarded::new(hook, A_HOOK);
        self.panic_hook = Some(Arc::new(move |info, message| hook(info, message)));
        self
    }

    /// Sets an observer: a hook that is called when a task that a worker ran has ended, with the
    /// task, its outcome, and how long it waited and ran. The worker calls it after it counts the
    /// task and notifies the handle, and runs nothing else meanwhile. A second observer replaces
    /// the first.
    ///
    /// - The waiting time is measured from the call of the submit method to the task's start,
    ///   including the wait for space in the queue. It is `None` for a resubmitted task. A
    ///   [retried](crate::TaskBuilder::retry) task is observed once, after its last attempt: its
    ///   running time is that of the last attempt, and its waiting time is everything before,
    ///   including earlier attempts.
    /// - The running time excludes other tasks that ran on top of the task, because a join claimed
    ///   them or because they were [run in place](Self::caller_runs_when_full), and the observer's
    ///   time for them. It includes joins of tasks that another worker runs.
    /// - For an abandoned task, the observer is called when the task ends, however late. A task
    ///   that is inside `stop` is observed with its real outcome. The number of calls is therefore
    ///   the sum of [`completed`](crate::pool::PoolStats::completed),
    ///   [`panicked`](crate::pool::PoolStats::panicked) and
    ///   [`ended_late`](crate::pool::PoolStats::ended_late). Tasks that no worker ran are not
    ///   observed: cancelled, expired and unstarted tasks, even if run by hand later, and tasks
    ///   that a [scope](crate::Pool::scope) runs itself. A loop is observed as the tasks it consists of,
    ///   not per item.
    /// - [`wait_idle`](crate::Pool::wait_idle), scopes, loops and a clean stop wait for the observer. A
    ///   join does not. A stop does not wait beyond its deadline: a worker that is still in the
    ///   observer then is [`lingering`](crate::StopReport::lingering).
    ///
    /// An observer costs each task two or three more reads of the clock, and an allocation if the
    /// task has a handle.
    ///
    /// By default there is no observer.
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
    /// # Ok::<(), groundcrew::BoxError>(())
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
    /// [`PoolStats::latency`](crate::pool::PoolStats::latency). Requires the feature `histogram`.
    ///
    /// This costs each task two or three reads of the clock, and an allocation if it has a handle,
    /// and each worker 72 KiB of memory. It can be combined with an [`observer`](Self::observer).
    ///
    /// By default nothing is measured.
    #[cfg(feature = "histogram")]
    pub fn latency_histogram(mut self) -> PoolBuilder {
        self.measures_latency = true;
        self
    }
}
