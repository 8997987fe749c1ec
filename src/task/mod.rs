//! A task that was submitted: its handle, what it sees while it runs, and how it ended.

// ```text
// QUEUED ------> RUNNING      a worker popped it, or a worker's join claimed it
//    |             |------> COMPLETED | PANICKED
//    |             |------> WAITING -> QUEUED   a failed attempt; the timer puts it back
//    |             '------> ABANDONED       by the stopper, as it makes the report
//    |---------> CANCELLING -> CANCELLED    handle.cancel
//    '---------> UNSTARTED                  a stop took it out
// WAITING -----> CANCELLING, UNSTARTED       as from QUEUED
// UNSTARTED ---> RUNNING (UnstartedTask::run)
//           ---> RESUBMITTING -> QUEUED in another pool, or back
// ```
//
// # Invariants
//
// 1. The state of a task with a handle changes only under its cell's lock. The thread that
//    makes the change counts it, and drops what is left of the task after the lock is
//    released.
// 2. RUNNING is entered and left under the lock of the worker's slot, with
//    the cell's lock inside. So a stopper that has been through all slots
//    knows every running task, and no handle disagrees with the report.
// 3. A task that ended some other way than by a worker that popped it stays
//    in the queue as a tombstone, its closure gone, until it is passed there.
// 4. A task that is retried may be in the queue more than once, if a join claimed
//    one of its attempts: the first entry that is passed while it is QUEUED runs
//    it, the others are tombstones. Every entry but its first is counted as
//    `repeated`, so that the sum of what was taken less those is what was
//    accepted.
// 5. A fire-and-forget task has no cell: only its worker can end it, so its slot alone
//    settles its end against its abandonment.
//
// A worker changes its slot through a `SlotGuard`, which is the slot's lock, held
// between two tasks.
//
// Order of locks: slot, then cell. Neither is held while a closure, a drop, a
// hook or the logger runs.

mod body;
mod cell;
mod context;
mod current_worker;
mod error;
mod handle;
mod info;
mod link;
mod observed;
mod outcome;
mod plain;
mod queued;
mod running;
mod slot;
mod slot_guard;
mod unstarted;
mod with_context;

pub(crate) use body::{Attempt, Bare, Labelled, Ledger, Next, TaskControl, TaskFn};
pub(crate) use cell::{Joinable, Off, TaskCell};
pub(crate) use current_worker::{CurrentWorker, current_worker_in, worker_index_in};
pub(crate) use info::{Meta, Origin, next_id};
pub(crate) use link::Link;
pub(crate) use observed::Ended;
pub(crate) use plain::{FireAndForget, Plain, run_in_place};
pub(crate) use queued::{Pointer, Queued, Shared, TakenOut};
pub(crate) use running::{Running, Settled};
pub(crate) use slot::{Aftermath, Counts, Quiet, Slot, State};
pub(crate) use slot_guard::{How, SlotGuard};
pub(crate) use with_context::WithContext;

pub use context::TaskContext;
pub use error::{TaskError, TaskPanic};
pub use handle::TaskHandle;
pub use info::TaskInfo;
pub use outcome::TaskOutcome;
pub use unstarted::UnstartedTask;
