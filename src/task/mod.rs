//! A submitted task: its handle, its context while it runs, and its errors.

mod body;
mod cell;
mod context;
mod due;
mod error;
mod handle;
mod link;
mod panic_hook;
mod plain;
mod unstarted;

pub(crate) use body::{Attempt, Bare, Labelled, Next, TaskFn, WithContext};
pub(crate) use cell::{Joinable, TaskCell, TaskLimits};
#[cfg(not(loom))]
pub(crate) use due::due_task;
#[cfg(not(loom))]
pub(crate) use due::due_task_with_handle;
pub(crate) use link::Link;
#[cfg(all(test, not(any(loom, shuttle))))]
pub(crate) use plain::deadly;
pub(crate) use plain::{Plain, run_in_place};

pub use crate::worker::{TaskInfo, TaskOutcome};
pub use context::TaskContext;
#[cfg(not(loom))]
pub(crate) use error::LeftByStop;
pub use error::{TaskError, TaskPanic, TaskRefusal};
pub use handle::TaskHandle;
pub use panic_hook::install_panic_hook;
pub use unstarted::UnstartedTask;
