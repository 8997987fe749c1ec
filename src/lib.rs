//! Background work for programs that do not use async: a fixed pool of threads
//! fed by one bounded queue, and a stop that keeps its deadline and says, by
//! name, what it left behind.
//!
//! ```
//! use groundcrew::Pool;
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
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
//! # From the top
//!
//! A [`Pool`] owns its workers and its queue. A [`Submitter`] is a way in for others; a
//! [`TaskHandle`] waits for one task, or cancels it. A [`StopHandle`] stops the pool by a
//! [`StopPlan`] and returns the [`StopReport`]. A task that has to react to the stop takes
//! a [`TaskContext`] with a [`CancelToken`]. With the feature `signals`,
//! [`signals::stop_on_signal`] makes Ctrl-C and SIGTERM stop a pool, and
//! [`Host::run_until_signal`] a host.
//!
//! On top of it are the parallel loops, which stop too:
//!
//! | to | use | what a stop does to it |
//! | --- | --- | --- |
//! | run closures that borrow | [`Pool::scope`] | nothing: it ends with its tasks, those that the pool gives back run here |
//! | change or compute every item of a collection | [`Pool::map`], [`Pool::for_each`], [`Pool::map_reduce`] | a drain lets it end, if there is time; otherwise it is `Err(Unstarted)` |
//! | work on an iterator of any length, in order, in little memory | [`Pool::stream`] | an error in the place of what was not done, then the end |
//!
//! And a [`Host`] runs long-lived services, each on a thread of its own: they start in
//! the order in which they need each other, a failure is never silent, and all stop
//! together by one deadline. A pool is one of them, and so is a [`WorkQueue`] of items with
//! its workers.
//!
//! ```
//! use groundcrew::host::Restart;
//! use groundcrew::{Host, HostReport};
//! use std::time::Duration;
//!
//! fn main() -> Result<HostReport, Box<dyn std::error::Error + Send + Sync>> {
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
//! What has to do with time:
//!
//! | to | use | what a stop of the pool does to it |
//! | --- | --- | --- |
//! | run something every five minutes, or at 17:00 in London | [`Scheduler`] with a [`Schedule`] | nothing becomes due any more; runs that had not started are handed back |
//! | try again what failed | [`TaskBuilder::retry`] with a [`Retry`]; in a service [`Retry::call`] | it waits no more, and is handed back |
//! | ask what takes too long to end | [`TaskBuilder::time_limit`], [`PoolBuilder::max_replacements`] | a task that ran too long is marked in the report |
//! | handle items of one type together | [`Batcher`] | its own stop handles what there is, and hands back the rest as items |
//! | spare what is down, and those that call it | [`CircuitBreaker`](retry::CircuitBreaker) | nothing |
//!
//! ```
//! use groundcrew::{Pool, Retry, Schedule, Scheduler};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
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
//! Common questions about a pool, and where the answers are:
//!
//! - [What happens when the queue is full?](Pool#when-the-queue-is-full)
//! - [What happens to a panicking task?](Pool#what-happens-to-a-panicking-task)
//! - [What happens when it stops?](Pool#stopping)
//! - [May a task join another one?](TaskHandle#joining-from-inside-a-task)
//! - [May a task stop its own pool?](StopHandle#from-inside-a-task)
//! - [What happens to tasks that never started?](StopReport#what-it-holds)
//! - [What if a result is of no use later?](TaskBuilder::start_within)
//! - [What if a task fails, and may succeed later?](submit::RetryTaskBuilder)
//! - [What if a task takes too long?](TaskBuilder::time_limit)
//!
//! About a host:
//!
//! - [What is waited for at the start, and what if it fails?](Host#the-start)
//! - [In which order are services stopped, and how much time has each?](Host#the-stop)
//! - [How long may that take under Docker, Kubernetes, systemd?](Host#how-long-the-stop-may-take)
//! - [What happens when a service fails?](Host#when-a-service-fails)
//! - How does one react to changes of files? With the feature `watch`: `FolderWatch::on_change`.
//!
//! About schedules and other timed work:
//!
//! - [What if the clock is set, or the machine was suspended?](Scheduler#what-is-due-when)
//! - [What happens when daylight saving begins, or ends?](Schedule)
//! - [What if a run takes longer than its period?](schedule::OverlapPolicy)
//! - [What if runs were missed?](schedule::MisfirePolicy)
//! - [What if one item of a batch is bad?](Batcher#the-handler)
//! - How is all that tested without waiting? With the feature `testing`: see its module.
//!
//! # Words
//!
//! - A *task* is a closure run once by a *worker*, a thread of a pool.
//! - To *close* a pool is to let nothing more in; to *stop* it is to close it,
//!   wait to a deadline, and report.
//! - *Unstarted* is a task that was accepted and that a stop took out before it
//!   started: it is handed back. *Abandoned* is one that still ran when the
//!   deadline came: its thread is left behind ("leaked"), since no thread can
//!   be killed.
//! - To *cancel* is to ask: running code has to check its token.
//! - A *service* is a long-lived body with a thread of its own, run by a *host*. It is *up*
//!   when others that need it may start; *its *stop is requested* when its token is
//!   cancelled; it is *silent* when its heartbeat is missed.
//! - A *scope* waits for its tasks, so they may borrow; one that the pool will
//!   not run is *withdrawn*, and run by its scope.
//! - A *schedule* is a rule that says when a task is due; an *entry* is a schedule with its
//!   task. A run is *late* if it begins after it was due, and *missed* if it does not
//!   begin at all.
//! - A task that is *retried* has *attempts*; one that ran longer than its limit and the
//!   grace after it is *overrun*. A *batch* is items of one type, handled together; one
//!   that is given up is a *dead letter*.
//! - *Overflow* is where a worker's own submits go when the queue is full; a
//!   *claim* is a worker's join that runs its unstarted target.
//!
//! # Blocking
//!
//! Methods do not block unless their documentation says so: it then says "blocks", and until
//! when. An internal lock that is held for a moment does not count as blocking.
//!
//! # Errors
//!
//! A builder checks its options in its last method: `build`, or `run` for an entry of a schedule.
//! Its error is a type of its own ([`PoolBuildError`](pool::PoolBuildError),
//! [`HostBuildError`](host::HostBuildError), [`ScheduleError`](schedule::ScheduleError),
//! [`BatcherError`](batch::BatcherError), [`BreakerError`](retry::BreakerError)), whose text says
//! what is wrong and what to write instead. [`std::io::Error`] is the error of methods that can
//! only be refused something by the system, such as a thread.
//!
//! `{}` of an error is a sentence. `{:?}` is the same sentence, followed by those causes that it
//! does not show: it is what Rust prints for an error that `main` returns, and in the panic of an
//! `unwrap`. `{:#?}` is the type with its fields. Of a [`RetryError`](retry::RetryError) and a
//! [`CallError`](retry::CallError), which need not hold an error with a text, `{:?}` contains the
//! `{:?}` of what they hold.
//!
//! # What it does not do
//!
//! - No async runtime, and no futures: what waits blocks its thread.
//! - No growing and shrinking: a CPU-bound pool wants one thread per core.
//! - Nothing survives the process. A kill, or a return from `main`, ends what
//!   runs in the middle of an instruction.
//! - No thread is ever killed: a task that never ends keeps its thread until
//!   the process ends.
//!
//! # Log levels
//!
//! Everything goes to the [`log`](https://docs.rs/log) facade, targets below
//! `groundcrew`. The logger is called without a lock held, and may panic.
//! Nothing is ever printed, except on stderr: an unclean report returned from
//! `main`; and, where no logger is enabled for it, the unclean report of a
//! dropped pool or host, and the line that a signal causes. (Rust's own panic hook
//! prints panics; see [`std::panic::set_hook`].) None of these waits for a logger that is
//! stuck, or for a stderr that is a full pipe, for longer than a second; what Rust itself
//! prints does: a panic, and an error that `main` returns.
//!
//! | level | what |
//! | --- | --- |
//! | error | a panic in a task, in a drop or in a hook (ten a second at most, the rest counted in a later record); a failure of a service; an item of a queue that failed (ten a second, too), and likewise a run of a schedule, items of a batch that are given up, and a retried task without a handle that failed for good; a task that is overrun; the unclean report of a dropped pool, host or batcher; a thread that could not be started; an internal bug |
//! | warn | a signal was received; a service is started again, is ignored, or is silent; a task reached its time limit; runs of a schedule were missed; a batch failed and is tried again; a circuit breaker opened; a part of a watched folder cannot be read, or not be watched; a pool in a program built with `panic = "abort"` |
//! | info | a pool opened, was closed, made its report; a service is up; a host is up, stops, made its report; a circuit breaker tries again, or closed |
//! | debug | a worker started, or ends; a task that was abandoned has ended |
//!
//! # Crate features
//!
//! - **`signals`** (default): [`signals`], by way of the `ctrlc` crate.
//! - **`unix-signals`**: which signals stop the program, and the others from a channel
//!   ([A choice of signals](signals#a-choice-of-signals)), by way of the `signal-hook`
//!   crate, on Unix.
//! - **`cron`**: `Schedule::cron`, times of day in a time zone, by way of the `croner`
//!   and `jiff` crates.
//! - **`serde`**: reports, statistics and statuses implement `serde::Serialize`:
//!   [`StopReport`], [`PoolStats`](pool::PoolStats), [`HostReport`],
//!   [`HostStatus`](host::HostStatus), [`QueueStats`](host::QueueStats),
//!   [`BatchReport`](batch::BatchReport), [`BatchStats`](batch::BatchStats),
//!   [`EntryStatus`](schedule::EntryStatus), [`CircuitBreaker`](retry::CircuitBreaker), and what
//!   is in them. A field has the name of its method, without `is_`; durations are in seconds,
//!   moments of the wall clock in seconds since 1970; closures and items are given by identity
//!   or count.
//! - **`watch`**: `watch::FolderWatch`, a service that reports what changes below a folder,
//!   by way of the `notify` crate.
//! - **`testing`**: `testing`, for tests that do not sleep: a clock that is moved by hand,
//!   gates, puppets of services, and a guard against tests that hang.
//! - **`histogram`**: `PoolBuilder::latency_histogram` and `PoolStats::latency`: how
//!   long tasks waited and ran, by way of the `hdrhistogram` crate.
//!
//! # Versioning
//!
//! Semantic versioning. The minimum Rust version, 1.85, is raised in minor versions only.
//! `crossbeam-channel`, re-exported as [`channel`], is part of the public API: a new major
//! version of it is a new major version of this crate.

// In a model the ordinary unit tests are left out, and locks are large.
#![cfg_attr(
    any(loom, shuttle),
    allow(dead_code, clippy::large_enum_variant, clippy::result_large_err)
)]

mod async_log;
#[cfg(not(any(loom, shuttle)))]
pub mod batch;
pub mod cancel;
mod causes;
mod clock;
#[cfg(not(any(loom, shuttle)))]
pub mod host;
#[cfg(all(test, any(loom, shuttle)))]
mod model;
pub mod parallel;
pub mod pool;
mod queue;
pub mod retry;
#[cfg(not(any(loom, shuttle)))]
pub mod schedule;
#[cfg(all(feature = "serde", not(any(loom, shuttle))))]
mod serialize;
#[cfg(all(feature = "signals", not(any(loom, shuttle))))]
pub mod signals;
pub mod stop;
pub mod submit;
mod sync;
mod table;
pub mod task;
#[cfg(feature = "testing")]
pub mod testing;
mod threads;
mod timer;
mod unwind;
#[cfg(all(feature = "watch", not(any(loom, shuttle))))]
pub mod watch;
mod worker;

#[cfg(not(any(loom, shuttle)))]
pub use batch::Batcher;
pub use cancel::CancelToken;
#[cfg(not(any(loom, shuttle)))]
pub use host::{Host, HostBuilder, HostHandle, HostReport, Service, ServiceContext, WorkQueue};
pub use pool::{Pool, PoolBuilder};
pub use retry::Retry;
#[cfg(not(any(loom, shuttle)))]
pub use schedule::{Schedule, Scheduler};
pub use stop::{StopHandle, StopPlan, StopReport};
pub use submit::{SubmitError, Submitter, TaskBuilder};
#[doc(inline)]
pub use sync::channel;
pub use task::{TaskContext, TaskError, TaskHandle};

/// The programs in the README, as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
