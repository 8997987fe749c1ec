//! How tasks get in, wait, overflow, and are closed off.
//!
//! A task waits in the pool's one bounded channel, or in the overflow list of
//! the worker that submitted it, which lies in that worker's slot.
//!
//! `core` holds the declarations of what knows each other, and of these are the steps that
//! take several parts: `push`: how a task gets in; `take`: which one a worker runs next;
//! `due`: what comes back by itself; `close`: how all of it ends; `wait_idle`. What the types
//! declared there do is in `queued`, `pool_ref` and `current_worker`. The parts, each with its
//! fields and its lock, know no core:
//!
//! - `entry`: what the parts ask of a task.
//! - `channel`, and `gate`, where submitters from outside wait for room in it.
//! - `sleepers`: workers that sleep until there is work.
//! - `closing`: which side owns a push that raced the close; `close_watchers`: what depends on it.
//! - `timed_queue`: retries that wait, and what is due; `pool_timer`: what rings for them.
//! - `retry_permits`: how many tasks with a retry policy there may be.
//! - `limits`: how long a task may run.
//! - `waiters`: threads that wait for the pool to be idle, or for a task to be called off.
//! - `worker_states`: what each worker keeps for its tasks.
//! - `counters`, `hooks`, `latencies`, `failed_runs`, `member`: what is counted and reported.
//! - `monitor`, `on_full`, `refusal`, `room`: how a submitter waits, here and in other stores.
//!
//! # Invariants
//!
//! 1. No thread ever blocks inside crossbeam: a thread there can only be woken by a message
//!    or by disconnection, and would be woken for every single place.
//! 2. A worker takes from the queue only under its slot's lock, by which the task is on its
//!    stack before another thread can look; and nothing once its slot is marked.
//! 3. A thread that puts a task in looks at the `closed` flag afterwards, and then at `sleepers`; a
//!    worker that sleeps or leaves announces it and then looks for tasks. All four are
//!    sequentially consistent, so one sees the other.
//! 4. A worker of this pool never waits to submit, except up to a moment that the program
//!    chose: where the channel is full its task goes to its own list.
//!
//! # Why this cannot deadlock
//!
//! An unstarted task lies in the channel or in a list, and its handle can claim it wherever
//! it lies. So a worker's join only ever waits for a task that is running, and a task below
//! another on a stack waits for one that was joined from it. With joins as the only waits,
//! every wait of one task for another is part of the program's own join graph (compare
//! leapfrogging: Wagner and Calder, 1993, "Leapfrogging: a portable technique for
//! implementing efficient futures").
//!
//! # Order of locks
//!
//! The waiters of `idle`, closing or the sleepers; then slot; then the timed queue; then the waiters
//! of `calling_off`; then cell. The gate is a leaf, which is taken under a slot. A thief has two
//! slots, but only tries the second. The lists lie in the slots.

mod channel;
mod close;
mod close_watchers;
mod closing;
mod core;
mod counters;
mod current_worker;
mod due;
mod entry;
mod failed_runs;
mod gate;
mod hooks;
#[cfg(feature = "histogram")]
mod latencies;
#[cfg(not(feature = "histogram"))]
#[path = "latencies_off.rs"]
mod latencies;
mod limits;
mod member;
mod monitor;
mod on_full;
mod pool_ref;
mod pool_timer;
mod push;
mod queued;
mod refusal;
mod retry_permits;
mod room;
mod sleepers;
mod take;
mod timed_queue;
mod wait_idle;
mod waiters;
mod worker_states;

#[cfg(not(loom))]
pub(crate) use close_watchers::CloseWatcher;
pub(crate) use core::{
    CurrentWorker, FireAndForget, Listed, PoolCore, PoolRef, Queued, Settings, Shared, WorkerSlot,
    WorkerSlotGuard,
};
pub(crate) use counters::LeftBehind;
pub(crate) use current_worker::{current_task, current_worker_in, worker_index_in};
pub(crate) use entry::{Entry, TakenOut, Withdrawal};
pub(crate) use hooks::{Observer, PanicHook};
pub(crate) use latencies::Latencies;
#[cfg(not(feature = "histogram"))]
pub(crate) use latencies::Latency;
pub(crate) use limits::Limit;
pub(crate) use member::Member;
#[cfg(not(loom))]
pub(crate) use member::Membership;
pub(crate) use on_full::OnFull;
#[cfg(not(loom))]
pub(crate) use on_full::Wait;
pub(crate) use refusal::Refusal;
pub(crate) use retry_permits::RetryPermit;
#[cfg(not(loom))]
pub(crate) use room::Room;
pub(crate) use worker_states::StateMakers;

pub use failed_runs::FailedSchedule;
#[cfg(feature = "histogram")]
pub use latencies::{DurationHistogram, Latency};
