//! How a pool stops: close, wait to a deadline, report.
//!
//! - `plan`: when each phase is due; pure.
//! - `state`: where the stop is, and what is to be done next; pure.
//! - `stopper`: the one that does it, and those that wait for it.
//! - `handle`: what a program holds of it.
//! - `report`, `display`: what it says in the end.

mod abandoned;
mod display;
mod handle;
mod plan;
mod report;
mod state;
mod stopper;

pub(crate) use abandoned::cancel_asked;
#[cfg(feature = "signals")]
pub(crate) use display::{TIME_TO_TELL, say};
pub(crate) use stopper::Stopper;

pub use abandoned::{AbandonedTask, LingeringWorker};
pub use handle::StopHandle;
pub use plan::{Phase, StopPlan};
pub use report::StopReport;
