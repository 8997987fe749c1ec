//! What a task shares with its handle: one allocation, one lock.
//!
//! The states, which thread changes them, and the invariants are in `state`.
//!
//! A task of a scope is one of these, too, and may borrow what its scope
//! outlives: closure and result. Both are in an `Option` each, and are taken out
//! before [`Link::ended`](super::Link::ended) is called for the last time; what is left then,
//! and may lie in the queue for long, is a tombstone of plain words.

mod joinable;
mod run;
mod run_unstarted;
mod shared;
mod state;
mod task_cell;
mod wait;

pub(crate) use joinable::Joinable;
pub(crate) use task_cell::{Contents, TaskCell, TaskLimits};
