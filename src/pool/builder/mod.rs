//! The settings of a pool.

mod check;
mod hooks;

use super::Pool;
use super::error::PoolBuildError;
use super::replacer::Replacements;
use super::worker::{Hooks, Worker};
#[cfg(feature = "testing")]
use crate::clock::ManualClock;
use crate::clock::{self, Clock};
use crate::queue::{Latencies, Observer, PanicHook, PoolCore, PoolRef, Settings, StateMakers};
use crate::record::record;
use crate::stop::{StopPlan, Stopper};
use crate::sync::Arc;
use crate::threads;
use std::fmt;
use std::time::Duration;

/// Builds a [`Pool`]. Created by [`Pool::builder`].
///
/// # Hooks
///
/// The pool's workers call all hooks. No lock is held during the call, so a hook may submit tasks.
/// A worker calls one hook at a time. A panic in a hook is caught and logged as an error, and has
/// no other effect.
///
/// # Examples
///
/// ```
/// use groundcrew::Pool;
///
/// let pool = Pool::builder()
///     .threads(2)
///     .queue_capacity(64)
///     .name("render")
///     .on_panic(|info, message| eprintln!("{info} panicked: {message}"))
///     .build()?;
/// let name = pool.submit(|| std::thread::current().name().map(str::to_owned))?;
/// assert!(name.join()?.unwrap().starts_with("render-"));
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[must_use = "a pool is not built before `build` is called"]
pub struct PoolBuilder {
    threads: Option<usize>,
    capacity: usize,
    name: String,
    stack_size: Option<usize>,
    hooks: Hooks,
    panic_hook: Option<PanicHook>,
    observer: Option<Observer>,
    measures_latency: bool,
    state_makers: StateMakers,
    drop_plan: StopPlan,
    in_place: bool,
    max_retrying: Option<usize>,
    max_replacements: usize,
    clock: Clock,
}

impl PoolBuilder {
    pub(super) fn new() -> PoolBuilder {
        PoolBuilder {
            threads: None,
            capacity: 1024,
            name: "groundcrew".to_owned(),
            stack_size: None,
            hooks: Hooks::default(),
            panic_hook: None,
            observer: None,
            measures_latency: false,
            state_makers: StateMakers::default(),
            drop_plan: StopPlan::drain(Duration::from_secs(5)),
            in_place: false,
            max_retrying: None,
            max_replacements: 0,
            clock: Clock::default(),
        }
    }

    /// Sets the number of worker threads, which is constant for the lifetime of the pool.
    /// [`build`](Self::build) refuses 0 and more than 65,536.
    ///
    /// Defaults to [`std::thread::available_parallelism`], which respects cgroup limits.
    pub fn threads(mut self, threads: usize) -> PoolBuilder {
        self.threads = Some(threads);
        self
    }

    /// Sets how many tasks the queue holds. Its memory, 32 bytes per task, is allocated by
    /// [`build`](Self::build), which refuses 0 and more than 67,108,864.
    ///
    /// A submitter that waits for space is not woken for every free place. It is woken once the
    /// queue has fallen to an eighth of its capacity and less than 1 ms of work is left for each
    /// worker, and then fills the queue up again. In addition, one of the waiting submitters checks
    /// for free places every 5 ms. Submitters are woken in the order in which they began to wait.
    /// Once one has been overtaken for 5 ms, no newcomer passes it. With a capacity of a few dozen
    /// or less, the workers may run out of work while a submitter wakes up: for short tasks, prefer
    /// the default.
    ///
    /// Defaults to 1024.
    pub fn queue_capacity(mut self, places: usize) -> PoolBuilder {
        self.capacity = places;
        self
    }

    /// Sets the name of the pool. Its workers are called `name-0`, `name-1` and so on. If that is
    /// longer than the 15 bytes that Linux shows, the name is cut and the number kept.
    /// [`build`](Self::build) refuses an empty name and one with control characters.
    ///
    /// Defaults to `groundcrew`.
    pub fn name(mut self, name: impl Into<String>) -> PoolBuilder {
        self.name = name.into();
        self
    }

    /// Sets the stack size of each worker, in bytes. [`build`](Self::build) refuses less than
    /// 65,536.
    ///
    /// Defaults to the standard library's default: 2 MiB, or the value of `RUST_MIN_STACK`.
    pub fn stack_size(mut self, bytes: usize) -> PoolBuilder {
        self.stack_size = Some(bytes);
        self
    }

    /// Sets the plan by which dropping the pool stops it. [`build`](Self::build) refuses a plan
    /// without a deadline.
    ///
    /// Defaults to [`StopPlan::drain`] with 5 s.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Pool, StopPlan};
    /// use std::time::Duration;
    ///
    /// let plan = StopPlan::cancel(Duration::from_secs(5));
    /// let pool = Pool::builder().threads(1).drop_plan(plan).build()?;
    /// let handle = pool.submit_with(|ctx| ctx.token().wait())?;
    /// while pool.running().is_empty() {}
    /// drop(pool); // cancels the token
    /// assert!(handle.join().is_ok());
    /// assert!(Pool::builder().drop_plan(Duration::MAX).build().is_err());
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn drop_plan(mut self, plan: impl Into<StopPlan>) -> PoolBuilder {
        self.drop_plan = plan.into();
        self
    }

    /// When the queue is full, makes a worker run a task that it submits at once, on top of the
    /// submitting task, instead of adding it to its overflow list. The submit then blocks until the
    /// new task has ended. While half of the worker's stack or more is in use, tasks go to the
    /// list.
    ///
    /// This keeps memory use low, and is the fastest option for tasks that fan out. However, the
    /// submitting task now waits for the other one. If it holds a lock, a borrow or a channel end
    /// that the other one needs, it deadlocks. The reported running time of a task run this way may
    /// include that of the task below it.
    ///
    /// By default, tasks go to the overflow lists.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::Pool;
    /// let pool = Pool::builder().threads(1).queue_capacity(1).caller_runs_when_full().build()?;
    /// pool.execute_with(|ctx| {
    ///     let submitter = ctx.submitter();
    ///     (0..100).for_each(|_| submitter.execute(|| ()).unwrap());
    /// })?;
    /// pool.wait_idle();
    /// assert_eq!(pool.stats().completed(), 101);
    /// assert_eq!(pool.stats().overflow_peak(), 0);
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn caller_runs_when_full(mut self) -> PoolBuilder {
        self.in_place = true;
        self
    }

    /// Sets the maximum number of tasks with a [retry policy](crate::TaskBuilder::retry) in the
    /// pool, counted from submit to final outcome. A task that another pool's stop handed back
    /// still counts there after it is [resubmitted](crate::Pool::resubmit), and does not count
    /// here. Defaults to the capacity of the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::{Pool, Retry};
    /// # use groundcrew::submit::WhenFull;
    /// # use std::time::Duration;
    /// let pool = Pool::builder().threads(1).max_retrying(1).build()?;
    /// let task = pool.task("send").retry(Retry::fixed(Duration::from_secs(3600)));
    /// let first = task.submit(|_| Err::<(), _>("no connection"))?;
    /// let second = task.when_full(WhenFull::Refuse);
    /// assert!(second.submit(|_| Err::<(), _>("no connection")).unwrap_err().is_full());
    /// # first.cancel();
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn max_retrying(mut self, tasks: usize) -> PoolBuilder {
        self.max_retrying = Some(tasks);
        self
    }

    /// Sets how many new workers may replace stuck ones. When a task is overrun (see
    /// [`TaskBuilder::time_limit`]), a new worker replaces the worker that runs it. Defaults to 0.
    ///
    /// The stuck worker takes no other task. If its task ends after all, its thread exits and
    /// another replacement becomes available. Until then a stop waits for it as for every other
    /// worker, and reports its task as abandoned.
    ///
    /// [`TaskBuilder::time_limit`]: crate::TaskBuilder::time_limit
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::Pool;
    /// use std::time::Duration;
    ///
    /// let pool = Pool::builder().threads(1).max_replacements(1).build()?;
    /// let (open, gate) = groundcrew::channel::bounded::<()>(0);
    /// pool.task("stuck")
    ///     .time_limit(Duration::from_millis(1))
    ///     .execute(move || gate.recv().unwrap_or_default())?;
    /// // The only worker is lost, and yet:
    /// assert_eq!(pool.submit(|| 7)?.join()?, 7);
    /// assert_eq!(pool.stats().overrun(), 1);
    /// drop(open);
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn max_replacements(mut self, max: usize) -> PoolBuilder {
        self.max_replacements = max;
        self
    }

    /// Uses a manual clock, for tests. It applies to retry delays, time limits, the sleeps of tasks
    /// ([`TaskContext::sleep`](crate::TaskContext::sleep)), and the schedules and batches that use
    /// this pool. Stops still use real time.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::testing::ManualClock;
    /// use groundcrew::{Pool, Retry};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let pool = Pool::builder().threads(1).clock(&clock).build()?;
    /// let hourly = Retry::fixed(Duration::from_secs(3600)).attempts(3);
    /// let handle = pool.task("send").retry(hourly).submit(|_| Err::<(), _>("no connection"))?;
    /// for _ in 1..3 {
    ///     clock.wait_for_sleepers(1); // it waits for the next attempt
    ///     clock.advance(Duration::from_secs(3600));
    /// }
    /// let error = handle.join()?.unwrap_err();
    /// assert_eq!(error.history()[2].began(), Duration::from_secs(7200));
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    #[cfg(feature = "testing")]
    pub fn clock(mut self, clock: &ManualClock) -> PoolBuilder {
        self.clock = Clock {
            manual: Some(clock.clone()),
        };
        self
    }

    /// Starts the workers and returns the pool, without waiting for them to run.
    ///
    /// # Errors
    ///
    /// [`PoolBuildError`] if an option is invalid, with a sentence that says what to write instead,
    /// or if the system cannot start a thread. In that case the threads that were started have
    /// exited, without calling a hook.
    pub fn build(self) -> Result<Pool, PoolBuildError> {
        let threads = self.threads.unwrap_or_else(threads::available_parallelism);
        self.check(threads)?;
        if cfg!(panic = "abort") {
            record!(
                Warn,
                POOL,
                "panic = \"abort\": a panic in a task ends the process"
            );
        }
        let stack_size = self.stack_size.unwrap_or_else(threads::default_stack_size);
        let names: Vec<Arc<str>> = (0..threads + self.max_replacements)
            .map(|index| threads::worker_name(&self.name, index).into())
            .collect();
        let core = PoolCore::new(Settings {
            name: self.name.into(),
            workers: threads,
            spares: self.max_replacements,
            capacity: self.capacity,
            retry_permits: self.max_retrying.unwrap_or(self.capacity),
            clock: self.clock,
            in_place: self.in_place,
            panic_hook: self.panic_hook,
            observer: self.observer,
            latencies: self.measures_latency.then(|| Latencies::new(names.len())),
            state_makers: self.state_makers,
        });
        let stopper = Stopper::new(core.clone(), &names);
        let started = threads::spawn_all("worker", &names[..threads], stack_size, |index| {
            let worker = Worker {
                index,
                stack_size,
                stopper: stopper.clone(),
                hooks: self.hooks.clone(),
            };
            move || worker.run()
        })?;
        stopper.set_threads(started);
        let replacer = Arc::new(Replacements {
            stopper: Arc::downgrade(&stopper),
            hooks: self.hooks,
            stack_size,
            most: self.max_replacements,
        });
        let weak = Arc::downgrade(&replacer);
        core.set_replace(Box::new(move |stuck| {
            let replacer = weak.upgrade();
            replacer.map_or_else(String::new, |replacer| replacer.replace(stuck))
        }));
        let name = &core.name;
        record!(
            Info,
            POOL,
            "pool {name}: open, {threads} workers, {} places",
            self.capacity
        );
        Ok(Pool {
            pool_ref: PoolRef::new(&core),
            stopper,
            _replacer: replacer,
            drop_plan: self.drop_plan,
        })
    }

    /// What is wrong with the settings, if anything is.
    fn check(&self, threads: usize) -> Result<(), PoolBuildError> {
        let wrong = check::threads(threads)
            .or_else(|| check::capacity(self.capacity))
            .or_else(|| check::retrying(self.max_retrying))
            .or_else(|| check::replacements(self.max_replacements, threads))
            .or_else(|| check::name(&self.name))
            .or_else(|| check::stack_size(self.stack_size))
            .or_else(|| check::drop_plan(self.drop_plan, clock::now()));
        match wrong {
            Some(wrong) => Err(PoolBuildError::option(wrong)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for PoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuilder")
            .field("threads", &self.threads)
            .field("queue_capacity", &self.capacity)
            .field("name", &self.name)
            .field("stack_size", &self.stack_size)
            .field("drop_plan", &self.drop_plan)
            .field("caller_runs_when_full", &self.in_place)
            .field("max_retrying", &self.max_retrying)
            .field("max_replacements", &self.max_replacements)
            .finish_non_exhaustive()
    }
}
