//! Durable jobs: units of work that survive the process, kept in a [store](crate::store).
//!
//! A program enqueues a [`Job`], plain data with a name. The workers of a [`Host`](crate::Host),
//! in this process or in another one on the same store, claim it and run its handler.
//!
//! ```
//! use groundcrew::Host;
//! use groundcrew::jobs::{Job, JobContext, Jobs};
//! use groundcrew::store::{JobState, MemoryStore};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct SendWelcome { user: u64 }
//!
//! impl Job for SendWelcome {
//!     const KIND: &'static str = "send-welcome"; // stays the same across releases
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let jobs = Jobs::open(MemoryStore::new())?; // or a store that outlives the process
//! let id = jobs.enqueue(&SendWelcome { user: 7 })?; // `Ok` means that the job is durable
//!
//! let (sender, sent) = groundcrew::channel::unbounded();
//! let mut host = Host::builder();
//! host.jobs("mailer", &jobs)
//!     .threads(2)
//!     .on(move |job: SendWelcome, ctx: &JobContext| Ok(sender.send((job.user, ctx.attempt()))?));
//! let host = host.build()?.start()?;
//! assert_eq!(sent.recv()?, (7, 1));
//!
//! let report = host.stop();
//! let mailer = report.jobs("mailer").unwrap();
//! assert_eq!((mailer.claimed(), mailer.completed()), (1, 1));
//! assert_eq!(jobs.get(id)?.unwrap().info.state, JobState::Completed);
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! A job that [`enqueue`](Jobs::enqueue) has accepted runs *at least once*, unless it is cancelled,
//! deleted, or expires. It may run more than once: a process that is killed between an effect of the
//! handler and the end of the attempt leaves no trace of the effect. So a handler should be
//! repeatable, for example by a key that it derives from [`JobContext::id`], or by the
//! [fence](JobContext::fence).
//!
//! - One attempt of a job counts at a time. The store refuses the end of an attempt whose job was
//!   taken over; the report counts it as *lease lost*.
//! - An attempt counts when it is claimed, so that a job that crashes its process each time is dead
//!   after its last attempt. After such an end it is claimed alone. After two in a row it also runs
//!   alone in its service, so that fewer jobs lose an attempt with it: it begins when those that run
//!   there have ended, and no other begins beside it. Each of the two lasts for 10 s at most, and so
//!   the service may do nothing else for 20 s. Beside a job that has run for 10 s already it begins at
//!   once, and others begin beside it.
//! - A process keeps its *lease* by renewing it every 6 s. One that has not renewed it for 30 s loses
//!   its jobs to another one. One on the same machine that has ended loses them after about 0.1 s,
//!   if the store can see that.
//! - Of a queue, jobs are claimed by priority, then by when they are due, then by their id. They may
//!   end in another order. A claim takes what is expected to begin within 50 ms, by the mean of the
//!   last 100 runs of the kind; what has not begun after a second is given back (after 30 s where it
//!   waits to be alone, or for an older attempt of the job that still runs in the process).
//! - Of the jobs with one [limit](JobBuilder::limit) no more than that number are available or run,
//!   in all processes together. The others are blocked, and cost no claim anything.
//! - A job that was enqueued [after](JobBuilder::after) others waits until these are completed.
//! - Completed and cancelled jobs are kept for a day, dead ones for 30 days.
//!
//! # What an error means
//!
//! The error of a handler, or one of its causes, may say what follows:
//!
//! | a handler that | the job |
//! | --- | --- |
//! | returns `Ok` | is completed, whatever was requested meanwhile |
//! | returns another error | is retried by the [policy](Workers::retry), then dead |
//! | panics | the same; the handlers of [`on_each`](Workers::on_each) are made again |
//! | cannot be called, since the payload cannot be decoded | the same; the error names kind and field |
//! | returns [`RetryAfter`] | is retried after that delay, within the limits of the policy |
//! | returns [`PermanentError`] | is dead at once |
//! | returns [`Snooze`] | is due again after that delay; the attempt does not count |
//! | returns [`Cancelled`] | is cancelled |
//!
//! An error after the attempt's [token](JobContext::token) was cancelled is attributed to the
//! cancellation:
//!
//! | the token was cancelled by | after which an error makes the job |
//! | --- | --- |
//! | an operator ([`Jobs::cancel`]) | cancelled |
//! | its [timeout](JobBuilder::timeout) | retried, or dead, with "timed out" |
//! | a stop | available again: it was *interrupted*, which costs no attempt; dead after 100 |
//! | the loss of the lease | what the new attempt makes it |
//!
//! # What a stop does
//!
//! When the stop of the service is requested, nothing more is claimed, and what was claimed and has
//! not begun is given back. [`JobContext::stopping`] is cancelled. Handlers that run may end by
//! themselves; in the last quarter of the time, at most 3 s, their tokens are cancelled. What still
//! runs at the end is *abandoned*: the report names it, and its lease is kept for as long as its
//! thread lives.
//!
//! [`HostReport::jobs`](crate::HostReport::jobs) counts all claims by outcome. The exit code is 75
//! if a lease was lost, or if ends are *unacknowledged* (the store has not confirmed them), or if
//! jobs were abandoned: these may run again.
//!
//! # Recurring jobs
//!
//! Workers of a host declare jobs that are enqueued by a schedule
//! ([`recurring`](Workers::recurring)). The store keeps the next instant of each, under the name of
//! the workers and a key. Each instant is enqueued once, by whichever of the processes comes first:
//! the job and the next instant are written together. [`JobContext::due`] is the instant, also if it
//! was made up for later. Instants are by the wall clock of the store.
//!
//! | when | then |
//! | --- | --- |
//! | no process ran at an instant | the first that runs makes up for it, by the [policy](Recurrence::misfire) |
//! | the clocks of a time zone change | as in [`Schedule::cron`](crate::Schedule) |
//! | a clock is set back, or behind that of another process | no instant is enqueued again; if it was ahead by more than 3 h, its instants count from now on |
//! | a release changes the schedule | the instant that was next is enqueued if it is due; otherwise only those of the new schedule after the change count |
//! | two releases run at the same time and differ | that of the process that started last counts |
//! | no process has declared it for 10 minutes | it is *undeclared*: it is shown; a release that declares it again makes up for what it missed; after 30 days it is removed |
//! | the job has a [unique key](NewJob::unique) that is held | the instant is left out |
//!
//! [`Jobs::recurring`] pauses, resumes and triggers one, and shows when it is due.
//!
//! # What an operator can do
//!
//! [`Jobs`] has the verbs, for this program or a tool beside it: any process on the store may call
//! them. A single job can be [cancelled](Jobs::cancel), [retried](Jobs::retry) and
//! [deleted](Jobs::delete), and so can all jobs of a [filter](crate::store::JobFilter)
//! ([`cancel_all`](Jobs::cancel_all), [`retry_all`](Jobs::retry_all),
//! [`delete_all`](Jobs::delete_all)). A queue can be [paused](Jobs::pause) and [resumed](Jobs::resume), and
//! [`lag`](Jobs::lag) says how far its workers are behind.
//!
//! # When the store cannot be used
//!
//! Enqueuing returns an error that says what to do. Workers try again, after pauses that grow from
//! 0.05 s to 5 s; they log it once, and the host is not ready until the store is back. The ends of
//! attempts are sent again until the store answers.
//!
//! A job that alone cannot be read or written, since its row is damaged, say, is dead, or stays as it
//! is if not even that can be written; the others go on. An end that cannot be stored, though the lease
//! can be renewed, is given up after some 20 s at most, and counts as unacknowledged.
//!
//! This does not hold yet for a blocked job, or one that waits for others, whose row cannot be
//! written: what would let it go on, the end of another job, say, then fails with it.

// `job`, `new_job`, `enqueue_error`: what is enqueued; `way_in` and `job_builder`: how; `parents`: in
// which spans. `operate`: what an operator does to many at once, and `operated`: what became of
// them.
// `meaning`: errors that say more; `dead_job`: what `dead_letter` gets.
// `attempt`, `context`: an attempt that runs, and what its handler sees of it.
// `recurring`: jobs by a schedule.
// `workers`: the threads.

mod attempt;
mod context;
mod dead_job;
mod enqueue_error;
mod job;
mod job_builder;
mod meaning;
mod new_job;
mod operate;
mod operated;
mod parents;
mod recurring;
mod way_in;
mod workers;

pub use crate::cancel::Cancelled;
pub use crate::causes::PermanentError;
pub use context::JobContext;
pub use dead_job::DeadJob;
pub use enqueue_error::EnqueueError;
pub use job::{Job, JobResult};
pub use job_builder::JobBuilder;
pub use meaning::{RetryAfter, Snooze};
pub use new_job::NewJob;
pub use operated::{Operated, Refusal};
pub use recurring::{Recurrence, Recurring, RecurringStatus};
pub use way_in::Jobs;
#[cfg(feature = "testing")]
pub(crate) use workers::OneByOne;
pub use workers::{HandlerOutput, ThisThread, WorkError, WorkedQueue, Workers};
