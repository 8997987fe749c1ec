//! The stop of a pool: a [`StopHandle`] closes it, waits to the deadline of a [`StopPlan`], and
//! returns a [`StopReport`].

// - `plan`: when each phase is due; pure.
// - `state`: where the stop is, and what has to be done next; pure.
// - `stopper`: the one that does it, and those that wait for it.
// - `account`: the report, made of what the slots and the queue say.
// - `tell`: the log records of a stop.
// - `handle`: what a program holds of it.
// - `failed_runs`: what it says of schedules.
// - `report`, `abandoned`, `lingering`, `running`, `display`: what it says in
//   the end, and how that looks.

mod abandoned;
mod account;
mod display;
mod failed_runs;
mod handle;
mod lingering;
mod plan;
mod report;
mod running;
mod spare;
mod state;
mod stopper;
mod tell;
mod unstarted;

#[cfg(all(feature = "signals", not(any(loom, shuttle))))]
pub(crate) use display::{TIME_TO_TELL_UNCLEAN, say};
#[cfg(not(any(loom, shuttle)))]
pub(crate) use display::{say_in_time, to_stderr_in_time};
pub(crate) use spare::Replaced;
pub(crate) use stopper::Stopper;

pub use crate::queue::FailedSchedule;
pub use abandoned::AbandonedTask;
pub use handle::StopHandle;
pub use lingering::LingeringWorker;
#[cfg(not(any(loom, shuttle)))]
pub(crate) use plan::Moments;
pub use plan::{PoolPhase, StopPlan};
pub use report::StopReport;
pub use running::RunningTask;
