//! Where durable jobs are kept: the trait [`Store`], its types, and a store in memory.
//!
//! A program that enqueues and handles jobs does not need this module beyond the constructor of
//! its store. It is for those who write a store, or a tool that reads one. The suite
//! `testing::store` (feature `testing`) checks whether a store keeps the contracts.
//!
//! # A job's way
//!
//! ```text
//!              enqueue
//!            /         \
//!   scheduled --------> available --------> running --------> completed
//!       ^    promote_due     ^     claim       |    finish    dead
//!       |                    |                 |              cancelled
//!       +--------------------+-----------------+
//!         failed, snoozed     given back, interrupted
//! ```
//!
//! A job is *scheduled* until it is due, then *available*, or *blocked* as long as as many jobs
//! with its [limit](Limit) are available or run as may. One that was enqueued
//! [after](JobSpec::after) others is *waiting* until these are completed. [`claim`](Store::claim) makes it
//! *running* in the name of a worker: a process that has [registered](Store::register) and renews
//! its lease. The claim gives each attempt a [`Fence`], and [`finish`](Store::finish) accepts an
//! outcome only with the fence that the job still has. So an attempt that was taken over
//! ([`take_over`](Store::take_over)) cannot change the job any more. Jobs that ended stay until
//! they are [pruned](Store::prune) or [deleted](Store::delete); dead and cancelled ones can be
//! [retried](Store::retry).

// The types first, from the smallest; then the decisions that all stores share, which are pure;
// then the trait, and the store in memory.
//
// - `ids`, `state`, `due`: the words.
// - `spec`: what is enqueued, and which of it is refused; `info`: what is read.
// - `outcome`: how an attempt ends; `claim`: what a worker asks for, and `pick`: which of the
//   candidates it gets.
// - `lease`: processes; `beats`: which of them are silent; `lost`: what becomes of their jobs.
// - `row`: one job, and what an outcome makes of it.
// - `list`, `counts`, `paused`: what an operator reads; `place`: its order; `operation`: what one
//   does.
// - `recurring`: jobs that are enqueued by a schedule.
// - `error`, `interface`, `transaction`; `changes`: the waits for a change.
// - `memory`, `sqlite`: the stores.

mod beats;
mod changes;
mod claim;
mod counts;
mod due;
mod error;
mod ids;
mod info;
mod interface;
mod lease;
mod limit;
mod list;
mod lost;
mod memory;
mod operation;
mod outcome;
mod paused;
mod pick;
mod place;
mod recurring;
mod row;
mod spec;
#[cfg(all(feature = "sqlite", unix))]
pub mod sqlite;
mod state;
mod transaction;

pub use beats::BeatWatch;
pub use claim::{Claim, ClaimRequest, ClaimedJob, KindRequest, UnreadableJob};
pub use counts::{LaneCounts, StateCounts};
pub use due::Due;
pub use error::StoreError;
pub use ids::{AttemptId, Beat, Fence, JobId, Version, WorkerId};
pub use info::{AttemptInfo, AttemptOutcome, JobDetails, JobInfo};
pub use interface::Store;
pub use lease::{HeldJob, LeaseSign, ProcessInfo, WorkerInfo};
pub use limit::Limit;
pub use list::{Cursor, JobFilter, JobPage};
pub use lost::{Begun, LostJob, TakenOver};
pub use memory::MemoryStore;
pub use operation::Operation;
pub use outcome::{Answer, CancelOutcome, Finish, Outcome, Promoted, Swept};
pub use paused::PausedQueue;
pub use pick::{Candidate, Picker};
pub use recurring::{DueRecurring, RecurringAnswer, RecurringChange, RecurringJob};
pub(crate) use spec::check_name;
pub use spec::{Enqueued, JobSpec};
pub use state::JobState;
pub use transaction::{SqlValue, Statement, Transaction};
