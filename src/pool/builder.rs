//! The settings of a pool.

use super::Pool;
use super::error::PoolBuildError;
use super::replacer::Replacements;
use super::worker::{Hooks, Worker};
#[cfg(feature = "testing")]
use crate::clock::ManualClock;
use crate::clock::{self, Clock};
use crate::queue::{Meter, Observer, PanicHook, PoolCore, PoolRef, Settings, WorkerReplacer};
use crate::stop::{StopPlan, Stopper};
use crate::sync::Arc;
use crate::task::{TaskInfo, TaskOutcome};
use crate::threads::{self, LEAST_STACK};
use crate::unwind::{self, Guarded};
use std::fmt;
use std::time::Duration;

const A_HOOK: &str = "a hook of a pool";

/// Builds a [`Pool`]. Made by [`Pool::builder`].
///
/// # Hooks
///
/// All hooks run on the pool's workers, one after the other on each, and no
/// lock is held meanwhile: they may submit. A panic in one is caught and logged
/// as an error, and changes nothing else.
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
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
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
    /// Makes the extension for this number of workers.
    pub(super) meter: Option<fn(usize) -> Arc<dyn Meter>>,
    drop_plan: StopPlan,
    in_place: bool,
    max_retrying: Option<usize>,
    max_replacements: usize,
    clock: Clock,
}

const MOST_THREADS: usize = 1 << 16;
const MOST_PLACES: usize = 1 << 26;

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
            meter: None,
            drop_plan: StopPlan::drain(Duration::from_secs(5)),
            in_place: false,
            max_retrying: None,
            max_replacements: 0,
            clock: Clock::default(),
        }
    }

    /// The number of worker threads, constant for the lifetime of the pool.
    /// [`build`](Self::build) refuses 0 and more than 65,536.
    ///
    /// Defaults to [`std::thread::available_parallelism`], which knows the
    /// limits of cgroups.
    pub fn threads(mut self, threads: usize) -> PoolBuilder {
        self.threads = Some(threads);
        self
    }

    /// How many tasks the queue holds. Its memory, 32 bytes a place, is taken at once.
    /// [`build`](Self::build) refuses 0 and more than 67,108,864.
    ///
    /// A submitter that waits for room costs the workers nothing: it is not woken for every
    /// place, but once the queue has fallen to an eighth of its capacity and less than 1 ms of
    /// work is left for each worker. It then fills the queue up again. So that no submitter
    /// sleeps on beside free places, one of those that wait also looks every 5 ms. They are
    /// woken in the order in which they fell asleep; one that was overtaken for 5 ms lets no
    /// newcomer pass. Capacities up to some dozen leave the workers little to do while a
    /// submitter wakes up: for short tasks, prefer the default.
    ///
    /// Defaults to 1024.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = groundcrew::Pool::builder().threads(1).queue_capacity(1).build()?;
    /// # let (open, gate) = groundcrew::channel::bounded::<()>(0);
    /// # pool.execute(move || gate.recv().unwrap_or_default())?;
    /// # while pool.running().is_empty() {}
    /// pool.try_execute(|| ())?; // waits behind a task that runs
    /// assert!(pool.try_execute(|| ()).unwrap_err().is_full());
    /// # drop(open);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn queue_capacity(mut self, places: usize) -> PoolBuilder {
        self.capacity = places;
        self
    }

    /// The name of the pool. Its workers are called `name-0`, `name-1` and so on; where
    /// that is longer than the 15 bytes that Linux shows, the name is cut and the number
    /// kept. [`build`](Self::build) refuses an empty name, and one with control characters.
    ///
    /// Defaults to `groundcrew`.
    pub fn name(mut self, name: impl Into<String>) -> PoolBuilder {
        self.name = name.into();
        self
    }

    /// The stack of each worker, in bytes. [`build`](Self::build) refuses less than 65,536.
    ///
    /// Defaults to what the standard library takes: 2 MiB, or the environment's
    /// `RUST_MIN_STACK`.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::Pool;
    ///
    /// let pool = Pool::builder().threads(1).stack_size(16 << 20).build()?;
    /// let large = pool.submit(|| std::hint::black_box([7_u8; 3 << 20])[0])?;
    /// assert_eq!(large.join()?, 7);
    /// assert!(Pool::builder().stack_size(1024).build().is_err());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn stack_size(mut self, bytes: usize) -> PoolBuilder {
        self.stack_size = Some(bytes);
        self
    }

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

    /// How dropping the pool stops it. [`build`](Self::build) refuses a plan without a
    /// deadline.
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
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn drop_plan(mut self, plan: impl Into<StopPlan>) -> PoolBuilder {
        self.drop_plan = plan.into();
        self
    }

    /// Runs a task that a worker submits to a full queue at once, on top of the submitting
    /// one, instead of keeping it in the worker's overflow list; as long as less than half
    /// of the worker's stack is used. A submit then blocks until its task has ended.
    ///
    /// Beyond that it goes to the list. It keeps memory flat and is the fastest way for
    /// tasks that fan out. The price: the submitting task waits for a task it never asked
    /// to wait for. If it holds a lock, a borrow or the end of a channel that the other one
    /// needs, it deadlocks; `submit` then no longer is a call that only puts something into
    /// a queue. The reported running time of such a task may be too long, by the time of
    /// the task below it.
    ///
    /// Defaults to overflow lists.
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
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn caller_runs_when_full(mut self) -> PoolBuilder {
        self.in_place = true;
        self
    }

    /// The maximum number of tasks with a [retry policy](crate::TaskBuilder::retry) in the
    /// pool, counted from submit to final outcome. One that another pool's stop handed
    /// back, and that is [resubmitted](crate::Pool::resubmit), keeps its place in that
    /// pool, and takes none here. Defaults to the capacity of the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::{Pool, Retry};
    /// # use std::time::Duration;
    /// let pool = Pool::builder().threads(1).max_retrying(1).build()?;
    /// let task = pool.task("send").retry(Retry::fixed(Duration::from_secs(3600)));
    /// let first = task.submit(|_| Err::<(), _>("no connection"))?;
    /// assert!(task.try_submit(|_| Ok::<_, &str>(())).unwrap_err().is_full());
    /// # first.cancel();
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn max_retrying(mut self, tasks: usize) -> PoolBuilder {
        self.max_retrying = Some(tasks);
        self
    }

    /// When a task is overrun (see [`TaskBuilder::time_limit`]), a new worker takes the
    /// place that is lost, up to this number of new workers. Defaults to 0.
    ///
    /// The stuck worker takes no other task: when its own ends after all, its thread leaves,
    /// and its place is free for another new worker. Until then a stop waits for it as for
    /// every other, and reports its task as abandoned.
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
    /// pool.task("deaf")
    ///     .time_limit(Duration::from_millis(1))
    ///     .execute(move || gate.recv().unwrap_or_default())?;
    /// // The only worker is lost, and yet:
    /// assert_eq!(pool.submit(|| 7)?.join()?, 7);
    /// assert_eq!(pool.stats().overrun(), 1);
    /// drop(open);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn max_replacements(mut self, max: usize) -> PoolBuilder {
        self.max_replacements = max;
        self
    }

    /// Uses a manual clock, for tests: for the pauses of retries and for time limits, and
    /// for the schedules and batches that use this pool. Stops still use real time.
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
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    #[cfg(feature = "testing")]
    pub fn clock(mut self, clock: &ManualClock) -> PoolBuilder {
        self.clock = Clock {
            manual: Some(clock.clone()),
        };
        self
    }

    /// Starts the workers. Does not wait for them to run.
    ///
    /// # Errors
    ///
    /// [`PoolBuildError`]: for an option with which the pool could not work, with a sentence
    /// that says what to write instead; or the system's error when a thread cannot be started.
    /// Then the threads before it are gone, without having called a hook.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::Pool;
    ///
    /// let error = Pool::builder().threads(0).build().unwrap_err();
    /// assert!(error.to_string().contains("at least 1"));
    /// ```
    pub fn build(self) -> Result<Pool, PoolBuildError> {
        let threads = self.threads.unwrap_or_else(threads::available_parallelism);
        self.check(threads)?;
        if cfg!(panic = "abort") {
            unwind::log_guarded(|| {
                log::warn!("panic = \"abort\": a panic in a task ends the process");
            });
        }
        let stack_size = self.stack_size.unwrap_or_else(threads::default_stack_size);
        let names: Vec<Arc<str>> = (0..threads + self.max_replacements)
            .map(|index| threads::worker_name(&self.name, index).into())
            .collect();
        let queue = PoolCore::new(Settings {
            name: self.name.into(),
            workers: threads,
            spares: self.max_replacements,
            capacity: self.capacity,
            places: self.max_retrying.unwrap_or(self.capacity),
            clock: self.clock,
            in_place: self.in_place,
            panic_hook: self.panic_hook,
            observer: self.observer,
            meter: self.meter.map(|make| make(names.len())),
        });
        let stopper = Stopper::new(queue.clone(), &names);
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
        let weak: Arc<dyn WorkerReplacer> = replacer.clone();
        queue.set_replacer(Arc::downgrade(&weak));
        let name = &queue.name;
        unwind::log_guarded(|| {
            log::info!(
                "pool {name}: open, {threads} workers, {} places",
                self.capacity
            );
        });
        Ok(Pool {
            pool_ref: PoolRef::new(&queue),
            stopper,
            _replacer: replacer,
            drop_plan: self.drop_plan,
        })
    }

    fn check(&self, threads: usize) -> Result<(), PoolBuildError> {
        let (capacity, stack) = (self.capacity, self.stack_size);
        let wrong = if threads == 0 {
            "a pool of 0 threads would never run a task; ask for at least 1, or use \
             Pool::builder() without `threads` for one per core"
                .to_owned()
        } else if threads > MOST_THREADS {
            format!(
                "{threads} threads are more than the {MOST_THREADS} that a pool can have; a \
                 CPU-bound one needs one per core, which is what leaving `threads` out gives"
            )
        } else if capacity == 0 {
            "a queue of 0 places would accept no task; ask for at least 1, or leave \
             `queue_capacity` out for 1024"
                .to_owned()
        } else if capacity > MOST_PLACES {
            format!(
                "{capacity} places are more than the {MOST_PLACES} that a queue can have, whose \
                 2 GiB are taken at once; ask for as many as may wait, or leave \
                 `queue_capacity` out for 1024"
            )
        } else if self.max_retrying == Some(0) {
            "with 0 places for tasks that are retried every such submit would be refused; ask \
             for at least 1, or leave `max_retrying` out for as many as the queue has"
                .to_owned()
        } else if self.max_replacements > MOST_THREADS - threads {
            format!(
                "{} places for new workers are too many: with the {threads} threads of the pool \
                 they may be {MOST_THREADS}; ask `max_replacements` for as many stuck tasks as the \
                 machine can bear",
                self.max_replacements
            )
        } else if self.name.is_empty() || self.name.contains(char::is_control) {
            format!(
                "{:?} cannot be the name of a pool, whose threads are called after it; leave \
                 control characters out of `name`, or leave `name` out for \"groundcrew\"",
                self.name
            )
        } else if let Some(stack) = stack.filter(|stack| *stack < LEAST_STACK) {
            format!(
                "a stack of {stack} bytes is too small even for a panic; ask for at least \
                 {LEAST_STACK}, or leave `stack_size` out for 2 MiB"
            )
        } else if self.drop_plan.is_endless(clock::now()) {
            "a drop plan without a deadline would let a drop wait forever; give it one, or \
             leave `drop_plan` out for 5 s"
                .to_owned()
        } else {
            return Ok(());
        };
        Err(PoolBuildError::option(wrong))
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
