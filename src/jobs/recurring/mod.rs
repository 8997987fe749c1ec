//! Recurring jobs: what a program declares, and what an operator sees of it.

// `recurrence`: when; `declared`: that with its job, checked. `plan`: what becomes of the row in the
// store, pure; the maintenance of the workers does it. `operate`: the verbs of an operator.

mod declared;
mod operate;
mod plan;
mod recurrence;

pub(super) use declared::Declared;
pub use operate::{Recurring, RecurringStatus};
pub(super) use plan::{Declaration, declare, look};
pub use recurrence::Recurrence;
