//! What one worker runs, has run and holds: its slot; and how a task is known there, by its
//! identity, its place on the stack, and its token and note. It knows no pool.
//!
//! A worker changes its slot through a [`SlotGuard`], which is the slot's lock, held between
//! two tasks. Others look at it through the methods of [`Slot`].

mod abandoned;
mod control;
mod counts;
mod ended;
mod info;
mod outcome;
mod running;
mod slot;
mod slot_guard;
mod stack_size;
mod task_clock;
mod tombstone;

pub(crate) use abandoned::AbandonedCounter;
pub(crate) use control::{RunningCell, TaskControl};
pub(crate) use counts::Counts;
pub(crate) use ended::Ended;
pub(crate) use info::{Meta, Origin, next_id};
pub(crate) use running::{Running, Settled};
pub(crate) use slot::{Quiet, Slot, WorkerState};
pub(crate) use slot_guard::{How, SlotGuard};
pub(crate) use stack_size::StackSize;
pub(crate) use task_clock::TaskClock;
pub(crate) use tombstone::{Off, Tombstone};

pub use info::TaskInfo;
pub use outcome::TaskOutcome;
