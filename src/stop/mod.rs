//! Stopping a pool: a [`StopHandle`] closes it, waits until the deadline of a [`StopPlan`], and
//! returns a [`StopReport`].

// - `plan`, `phase`: when each phase is due, and which one it is; pure.
// - `state`: where the stop is, and what has to be done next; pure.
// - `stopper`: the requests for a stop, and the wait for its report.
// - `driver`: the one thread that carries it out.
// - `workers`: what the workers report, and new ones for lost places.
// - `account`: the report, made of what the slots and the queue say.
// - `records`: the log records of a stop.
// - `handle`: what a program holds of it.
// - `report`, `abandoned`, `lingering`, `running`, `unstarted`, `display`: what it says in
//   the end, and how that looks.

mod abandoned;
mod account;
mod display;
mod driver;
mod handle;
mod lingering;
mod phase;
mod plan;
mod records;
mod report;
mod running;
mod state;
mod stopper;
mod unstarted;
mod workers;

pub(crate) use stopper::Stopper;
pub(crate) use workers::Replaced;

pub use crate::queue::FailedSchedule;
pub use abandoned::AbandonedTask;
pub use handle::StopHandle;
pub use lingering::LingeringWorker;
pub use phase::PoolPhase;
#[cfg(not(loom))]
pub(crate) use plan::Moments;
pub use plan::StopPlan;
pub use report::StopReport;
pub use running::RunningTask;
