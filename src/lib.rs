//! A thread pool for programs that do not use async: a fixed number of threads, one bounded
//! queue, and a stop that keeps its deadline and names what it left behind.
//!
//! ```
//! use groundcrew::Pool;
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), groundcrew::BoxError> {
//! let pool = Pool::builder().threads(2).name("render").build()?;
//! let handle = pool.task("resize beach.png").submit(|| 640 * 480)?;
//! assert_eq!(handle.join()?, 307_200);
//!
//! let report = pool.stop(Duration::from_secs(5));
//! println!("{report}"); // the tasks that were abandoned, and those that never started
//! assert!(report.is_clean());
//! # Ok(())
//! # }
//! ```
//!
//! # Overview
//!
//! A [`Pool`] owns its workers and its queue. A [`Submitter`] lets other code submit tasks,
//! and a [`TaskHandle`] waits for a task or cancels it. A [`StopHandle`] stops the pool by a
//! [`StopPlan`] and returns the [`StopReport`]. A task that reacts to a stop takes a
//! [`TaskContext`] with a [`CancelToken`], which can also call a closure
//! ([`CancelToken::on_cancel`]) that ends a call which knows no token. The context shows that a
//! stop has begun ([`TaskContext::stopping`]), and has what each worker keeps for its tasks
//! ([`TaskContext::state`]). With the feature `signals`, Ctrl-C and SIGTERM can
//! stop a pool ([`signals::stop_on_signal`]) or a host ([`Host::run_until_signal`]).
//!
//! Parallel loops run on a pool:
//!
//! | to | use | effect of a stop |
//! | --- | --- | --- |
//! | run closures that borrow | [`Pool::scope`] | none: the scope runs its unstarted tasks itself |
//! | change or compute every item of a collection | [`Pool::map`], [`Pool::try_map`], [`Pool::for_each`], [`Pool::map_reduce`] | a drain lets the loop finish, if there is time; otherwise it returns `Err(Unstarted)` |
//! | search a collection, up to the first hit | [`Pool::find_any`] | as for the row above |
//! | process an iterator of any length, in order, in little memory | [`Pool::stream`] | yields an error in place of each item that was not processed, then ends |
//!
//! A [`Host`] runs long-lived services, each on its own thread. They start in the order of
//! their dependencies, every failure is reported, and all stop together by one deadline. A
//! pool can be a service, and so can a [`WorkQueue`] of items with its workers.
//!
//! ```
//! use groundcrew::host::Restart;
//! use groundcrew::{BoxError, Host, HostReport};
//! use std::time::Duration;
//!
//! fn main() -> Result<HostReport, BoxError> {
//!     let mut host = Host::builder();
//!     host.startup_task("warm-up", |_| Ok(()));
//!     host.background("sweeper", |ctx| {
//!         loop {
//!             ctx.sleep(Duration::from_secs(60))?; // ends at once when the stop is requested
//!         }
//!     })
//!     .after(["warm-up"])
//!     .on_failure(Restart::new());
//!     # host.background("end", |ctx| Ok(ctx.request_stop("the example is over")));
//!     Ok(host.build()?.run()) // or `run_until_signal`; the report names what did not stop
//! }
//! ```
//!
//! Retries, schedules and other timed work:
//!
//! | to | use | effect of a stop of the pool |
//! | --- | --- | --- |
//! | run something every five minutes, or at 17:00 in London | [`Scheduler`] with a [`Schedule`] | no more runs become due; runs that had not started are handed back |
//! | retry what failed | [`TaskBuilder::retry`] with a [`Retry`]; in a service [`Retry::call`] | the wait for the next attempt ends; the task is handed back |
//! | cancel a task that takes too long | [`TaskBuilder::time_limit`], [`PoolBuilder::max_replacements`] | a task that ran too long is marked in the report |
//! | handle items of one type together | [`Batcher`] | its own stop handles the items it holds, and hands back the rest |
//! | stop calling a system that is down | [`CircuitBreaker`](retry::CircuitBreaker) | none |
//! | keep work that has to survive the process | `jobs::Jobs` in a `store::sqlite::SqliteStore`, with the feature `sqlite`; `HostBuilder::jobs` runs them | a service's stop gives back what has not begun; the next start runs it |
//!
//! ```
//! use groundcrew::{Pool, Retry, Schedule, Scheduler};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), groundcrew::BoxError> {
//! let pool = Pool::new(2)?;
//! let scheduler = Scheduler::new(pool.submitter());
//! scheduler
//!     .entry("warm the cache", Schedule::every(Duration::from_secs(300)))
//!     .run_at_start()
//!     .run(|ctx| {
//!         let retry = Retry::exponential(Duration::from_millis(100)).attempts(5);
//!         let load = ctx.submitter().task("load").retry(retry).submit(|_| Ok::<_, std::io::Error>(7))?;
//!         assert_eq!(load.join()??, 7);
//!         Ok(())
//!     })?;
//! scheduler.start()?;
//! # while scheduler.status()[0].last().is_none() {}
//! # assert_eq!(scheduler.status()[0].last().unwrap().outcome().to_string(), "completed");
//! assert!(pool.stop(Duration::from_secs(5)).is_clean());
//! # Ok(())
//! # }
//! ```
//!
//! The [`guide`] has complete programs for common jobs: a TCP server, a daemon that reloads its
//! configuration, a unit of systemd, probes of Kubernetes, tests that do not sleep, and the same
//! ten lines with rayon, threadpool, crossbeam and tokio.
//!
//! Common questions about a pool:
//!
//! - [What happens when the queue is full?](Pool#when-the-queue-is-full)
//! - [What happens to a panicking task?](Pool#what-happens-to-a-panicking-task)
//! - [What happens when it stops?](Pool#stopping)
//! - [May a task join another one?](TaskHandle#joining-from-inside-a-task)
//! - [May a task stop its own pool?](StopHandle#from-inside-a-task)
//! - [What happens to tasks that never started?](StopReport#what-it-holds)
//! - [What if a result is useless after some time?](TaskBuilder::start_within)
//! - [What if a task fails, but may succeed later?](submit::RetryTaskBuilder)
//! - [What if a task takes too long?](TaskBuilder::time_limit)
//!
//! About a host:
//!
//! - [What does the start wait for, and what if it fails?](Host#the-start)
//! - [In which order do services stop, and how much time does each have?](Host#the-stop)
//! - [How long may a stop take under Docker, Kubernetes,
//!   systemd?](Host#how-long-the-stop-may-take)
//! - [What happens when a service fails?](Host#when-a-service-fails)
//! - How can a service react to file changes? With the feature `watch`:
//!   `FolderWatch::on_change`.
//!
//! About jobs that survive the process, with the features `jobs` and `sqlite`:
//!
//! - What is promised, and what does an error mean? The documentation of `jobs`.
//! - How is a job enqueued together with the program's own rows? That of `store::sqlite`.
//!
//! About schedules and other timed work:
//!
//! - [What if the clock is set, or the machine is suspended?](Scheduler#what-is-due-when)
//! - [What happens when daylight saving time begins or ends?](Schedule)
//! - [What if a run takes longer than its period?](schedule::OverlapPolicy)
//! - [What if runs were missed?](schedule::MisfirePolicy)
//! - [What if the program did not run when they were due?](Scheduler::remember)
//! - [What if one item of a batch is bad?](Batcher#the-handler)
//! - How can timed work be tested without waiting? With the feature `testing`: see its module.
//!
//! # Words
//!
//! - A *task* is a closure that is run once by a *worker*, a thread of a pool.
//! - To *close* a pool is to refuse new tasks; to *stop* it is to close it, wait until a
//!   deadline, and report.
//! - An *unstarted* task was accepted, but a stop removed it before it started: it is handed
//!   back. An *abandoned* task was still running at the deadline: its thread is left behind
//!   ("leaked"), since no thread can be killed.
//! - To *cancel* is to request: running code has to check its token. A task that ends because
//!   of its token has *completed*; a *cancelled* task never started.
//! - A *service* is a long-running function with its own thread, run by a *host*. It is *up*
//!   when services that need it may start. Its *stop is requested* when its token is
//!   cancelled. It is *silent* when its heartbeat is missed.
//! - A *scope* waits for its tasks, so they may borrow. A task that the pool will not run is
//!   *withdrawn*, and run by its scope.
//! - A *schedule* is a rule that says when a task is due; an *entry* is a schedule with its
//!   task. A run is *late* if it begins after it was due, and *missed* if it does not begin at
//!   all.
//! - A task that is *retried* has *attempts*. A task is *overrun* if it runs longer than its
//!   limit plus the *grace period* after it. A *batch* is a number of items of one type,
//!   handled together. An item that is given up is a *dead letter*.
//! - *Overflow* lists hold the tasks that workers submit when the queue is full. A worker
//!   *claims* an unstarted task when it joins it and runs it itself.
//!
//! # Blocking
//!
//! Methods do not block unless their documentation says that they do, and until when. An
//! internal lock that is held for a moment does not count as blocking.
//!
//! # Errors
//!
//! A builder checks its options in its last method: `build`, or `run` for an entry of a
//! schedule. Each builder has its own error type ([`PoolBuildError`](pool::PoolBuildError),
//! [`HostBuildError`](host::HostBuildError), [`ScheduleError`](schedule::ScheduleError),
//! [`BatcherError`](batch::BatcherError), [`BreakerError`](retry::BreakerError)), whose
//! message says what is wrong and what to write instead. Methods that fail only if the system
//! refuses a resource, such as a thread, return [`std::io::Error`].
//!
//! The `{}` format of an error is a sentence. `{:?}` adds the causes that the sentence does
//! not show: Rust prints it for an error that `main` returns and in the panic of an `unwrap`.
//! `{:#?}` shows the type with its fields. A [`RetryError`](retry::RetryError) or a
//! [`CallError`](retry::CallError) may hold a value that is not an error; its `{:?}` contains
//! the `{:?}` of that value.
//!
//! Whatever a program gives to this crate, and may fail, returns `Result<_, `[`BoxError`]`>`: a
//! service, a startup task, a handler of a queue, of a batch or of durable jobs, a run of a
//! schedule. It ends with
//! `Ok(())`, and calls a function that returns another error, `anyhow::Result` included, as
//! `Ok(function()?)`. Only what is retried by a [`Retry`], or called through a
//! [`CircuitBreaker`](retry::CircuitBreaker), keeps an error type of its own, since their judges
//! look at it.
//!
//! # Zero, and no limit
//!
//! One rule holds for every duration that a program gives to this crate. [`Duration::MAX`] means
//! never: a limit with it is no limit, and a delay does not end by itself.
//! [`Duration::ZERO`] is over at once: a wait with it only looks, a pause is none, and a
//! limit has passed.
//!
//! A builder refuses a zero with which nothing could ever happen, and names the option: the
//! timeout for the start, the stop or the heartbeat of a service, the period of a schedule, the
//! time for which a circuit breaker is open, the window of its failure rate, the timeout of a job.
//! It also refuses 0 for a number of which at least one is needed, such as that of threads, of
//! workers or of places in a queue. And a pool whose drop would wait without limit is refused
//! ([`PoolBuilder::drop_plan`]).
//!
//! Options without a `build` that could refuse a value take the smallest one that makes sense:
//! [`Retry::attempts`] counts the first attempt, so 0 is 1, as for `Stream::in_flight` and
//! `Workers::max_interruptions`; the period of `FolderWatch::rescan_every` is 10 ms at least.
//!
//! [`Duration::MAX`]: std::time::Duration::MAX
//! [`Duration::ZERO`]: std::time::Duration::ZERO
//!
//! # What it does not do
//!
//! - No async runtime and no futures: waiting blocks the thread.
//! - No growing or shrinking: a CPU-bound pool needs one thread per core.
//! - No persistence of tasks: when the process is killed or `main` returns, running tasks end
//!   in the middle of an instruction. Jobs that outlive the process are in `jobs` (feature
//!   `jobs`).
//! - No killing of threads: a task that never ends keeps its thread until the process ends.
//!
//! # Log levels
//!
//! All messages go to the [`log`](https://docs.rs/log) facade. The logger is called without a
//! lock held, and may panic.
//!
//! Only these are printed, on stderr: an unclean report returned from `main`; and, if no
//! logger is enabled for them, the unclean report of a dropped pool, host or batcher, and the
//! message about a received signal. A stuck logger, or a stderr that is a full pipe, delays these
//! by a second at most. Rust itself prints panics (see [`std::panic::set_hook`]) and an error that
//! `main` returns, without such a limit; [`task::install_panic_hook`] adds a line to the former.
//!
//! | level | what |
//! | --- | --- |
//! | error | a panic in a task, in a drop, in a hook or in a closure of `on_cancel` (at most ten a second, the rest counted in a later record); a failure of a service; and, each also at most ten a second, a failed item of a queue, a failed run of a schedule, dead letters of a batch, a job that is dead, and the final failure of a retried task without a handle; an overrun task; a lost lease of a worker of jobs; the end of a job that cannot be stored; the unclean report of a dropped pool, host or batcher; a thread that could not be started; an internal bug |
//! | warn | the unclean report of a stop; a signal was received; a service is restarted, ignored or silent; a task reached its time limit; runs of a schedule were missed; the file of a [scheduler that remembers](Scheduler::remember) cannot be written; a batch failed and is retried; an attempt of a job failed; the store of jobs cannot be used; jobs were taken over from a process that has ended; a circuit breaker opened; a part of a watched folder cannot be read or watched; a pool in a program built with `panic = "abort"` |
//! | info | a pool opened, closed or made a clean report; a service is up; a host is up, stops or made a clean report; a circuit breaker tries again or closed; workers of jobs got a lease, or their store is back; a job was cancelled or interrupted |
//! | debug | a worker started or ends; a job was completed or snoozed; an abandoned task has ended; a run of a schedule begins, ends (with its outcome) or is skipped, and when the next one is due |
//!
//! # Log targets
//!
//! A record has one of these targets, by which a logger can filter. They are part of the public
//! API.
//!
//! | target | what |
//! | --- | --- |
//! | `groundcrew::cancel` | closures that are called when a token is cancelled |
//! | `groundcrew::pool` | pools, their workers and their tasks |
//! | `groundcrew::retry` | retried tasks that failed for good, circuit breakers |
//! | `groundcrew::signals` | received signals |
//! | `groundcrew::host` | hosts and their services |
//! | `groundcrew::queue` | items of work queues |
//! | `groundcrew::schedule` | entries of schedulers and their runs |
//! | `groundcrew::batch` | batchers and their dead letters |
//! | `groundcrew::jobs` | durable jobs, their workers and their stores |
//! | `groundcrew::watch` | watched folders |
//! | `groundcrew::drop` | a value of the program that panicked in its drop |
//!
//! # Crate features
//!
//! - **`signals`** (default): [`signals`], with the `ctrlc` crate.
//! - **`unix-signals`**: a choice of the signals that stop the program, and a channel for
//!   others ([A choice of signals](signals#a-choice-of-signals)), with the `signal-hook`
//!   crate, on Unix.
//! - **`cron`**: `Schedule::cron`, for times of day in a time zone, with the `croner` and
//!   `jiff` crates.
//! - **`serde`**: `serde::Serialize` for reports, statistics and statuses: [`StopReport`],
//!   [`PoolStats`](pool::PoolStats), [`HostReport`], [`HostStatus`](host::HostStatus),
//!   [`QueueStats`](host::QueueStats), [`BatchReport`](batch::BatchReport),
//!   [`BatchStats`](batch::BatchStats), [`EntryStatus`](schedule::EntryStatus),
//!   [`CircuitBreaker`](retry::CircuitBreaker), `JobsReport`, and the types in them. A field has the name of
//!   its method without `is_`. Durations are in seconds, and times in seconds since 1970.
//!   Closures and items are represented by identity or count.
//! - **`jobs`**: `jobs`, durable jobs with their workers, and `store`, where they are kept, with
//!   the `serde`, `serde_json` and `serde_path_to_error` crates.
//!   With `testing`, `testing::store` checks stores.
//! - **`sqlite`**: `store::sqlite`, a store of jobs in an SQLite file (Unix), with the `rusqlite`
//!   crate, which brings an SQLite of its own, and the `rustix` crate. Implies `jobs`.
//! - **`watch`**: `watch::FolderWatch`, a service that reports changes below a folder, with
//!   the `notify` crate.
//! - **`testing`**: `testing`, for tests that do not sleep: a manual clock, gates, scripted
//!   services, and a guard against tests that hang.
//! - **`tracing`**: spans and events for subscribers of the `tracing` crate. A span is made for
//!   each run or attempt of a task (`task`, with the fields `id`, `name`, `location`, `attempt`
//!   and `outcome`), each incarnation of a service (`service`: `host`, `name`, `outcome`) and,
//!   inside of its task, each run of a schedule (`schedule`: `name`, `due`, `outcome`), and each
//!   attempt of a durable job (`job`: `id`, `kind`, `queue`, `attempt`, `outcome`). It is a
//!   child of the span that was current where the task was submitted, the loop was called, the
//!   service or the entry was registered, or, if that was in this process and is one of the last
//!   1,000 that the same `Jobs` enqueued, the job was. If the subscriber does not want it, that span is entered
//!   instead. The records of the log are events, too, with the same targets; they go on being
//!   logged. All spans have the level `INFO`. Without the feature, nothing of this is compiled in;
//!   with it and without a subscriber, a task costs two relaxed loads.
//! - **`histogram`**: `PoolBuilder::latency_histogram` and `PoolStats::latency`, which measure
//!   how long tasks waited and ran, with the `hdrhistogram` crate.
//!
//! # Versioning
//!
//! The crate follows semantic versioning. The minimum Rust version, 1.85, is raised only in
//! minor versions. `crossbeam-channel`, re-exported as [`channel`], is part of the public API:
//! a new major version of it requires a new major version of this crate.

// In a model the ordinary unit tests are left out, and locks are large.
#![cfg_attr(
    any(loom, shuttle),
    allow(dead_code, clippy::large_enum_variant, clippy::result_large_err)
)]

mod async_log;
#[cfg(not(loom))]
pub mod batch;
pub mod cancel;
mod causes;
mod clock;
#[cfg(not(any(loom, shuttle)))]
pub mod guide;
#[cfg(not(loom))]
pub mod host;
#[cfg(all(feature = "jobs", not(any(loom, shuttle))))]
pub mod jobs;
#[cfg(all(test, any(loom, shuttle)))]
mod model;
pub mod parallel;
pub mod pool;
mod queue;
mod record;
pub mod retry;
#[cfg(not(any(loom, shuttle)))]
pub mod schedule;
#[cfg(all(feature = "serde", not(any(loom, shuttle))))]
mod serialize;
#[cfg(all(feature = "signals", not(any(loom, shuttle))))]
pub mod signals;
pub mod stop;
#[cfg(all(feature = "jobs", not(any(loom, shuttle))))]
pub mod store;
pub mod submit;
mod sync;
mod table;
pub mod task;
#[cfg(feature = "testing")]
pub mod testing;
mod threads;
mod timer;
mod trace;
mod unwind;
#[cfg(all(feature = "watch", not(any(loom, shuttle))))]
pub mod watch;
mod worker;

#[cfg(not(loom))]
pub use batch::Batcher;
pub use cancel::CancelToken;
pub use causes::BoxError;
#[cfg(not(loom))]
pub use host::{Host, HostBuilder, HostHandle, HostReport, Service, ServiceContext, WorkQueue};
pub use pool::{Pool, PoolBuilder};
pub use retry::Retry;
#[cfg(not(any(loom, shuttle)))]
pub use schedule::{Schedule, Scheduler};
pub use stop::{StopHandle, StopPlan, StopReport};
pub use submit::{SubmitError, Submitter, TaskBuilder};
/// The crate `crossbeam-channel`, re-exported.
///
/// When the last receiver of a [`bounded`](channel::bounded) channel is dropped, the messages in it
/// are not: they are destroyed with the last sender. If a message owns something that others wait
/// for, such as a sender of another channel, and a thread keeps a sender of this one, take the
/// messages out by `try_iter` before the receiver is dropped. (An
/// [`unbounded`](channel::unbounded) channel destroys its messages with its last receiver.)
///
/// ```
/// use groundcrew::channel;
/// use std::sync::Arc;
///
/// let value = Arc::new(7);
/// let (sender, receiver) = channel::bounded(1);
/// sender.send(value.clone())?;
/// drop(receiver);
/// assert_eq!(Arc::strong_count(&value), 2); // still in the channel
/// drop(sender);
/// assert_eq!(Arc::strong_count(&value), 1);
///
/// let (sender, receiver) = channel::unbounded();
/// sender.send(value.clone())?;
/// drop(receiver);
/// assert_eq!(Arc::strong_count(&value), 1);
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[doc(inline)]
pub use sync::channel;
pub use task::{TaskContext, TaskError, TaskHandle};

/// The programs in the README, as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
