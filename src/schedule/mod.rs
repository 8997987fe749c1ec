//! Work that becomes due by the clock: a [`Schedule`] says when, a [`Scheduler`] runs it.

// - `rule`: [`Schedule`], the rule of one task; pure.
// - `cron`: the rules of cron, with the feature `cron`; pure, too.
// - `policy`, `timetable`: what is due when, whatever the clocks do; pure.
// - `entry`: a schedule with its closure, between the timer and the pool.
// - `scheduler`, `builder`, `status`, `context`: what a program holds.
// - `hosted`: a scheduler as a service.
// - `error`: what is wrong with a rule, or an entry.

mod builder;
mod context;
#[cfg(feature = "cron")]
mod cron;
mod entry;
mod error;
mod hosted;
mod policy;
mod rule;
mod scheduler;
mod status;
mod timetable;

pub use builder::EntryBuilder;
pub use context::RunContext;
pub use error::ScheduleError;
pub use policy::{MisfirePolicy, OverlapPolicy};
pub use rule::Schedule;
pub use scheduler::{ScheduleEntry, Scheduler};
pub use status::{EntryStatus, LastRun, RunOutcome};
