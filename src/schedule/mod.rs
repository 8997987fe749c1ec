//! Tasks that run by the clock: a [`Schedule`] defines when, and a [`Scheduler`] runs them.

// From the bottom up:
//
// - `error`, `shown`: what is wrong with a rule or an entry; spans and times as text.
// - `rule`: [`Schedule`]; `cron`: the rules of cron, with the feature `cron`. Pure.
// - `policy`, `planned`, `timetable`: what is due when, whatever the clocks do. Pure.
// - `instants`: the same for schedules whose next instant is kept in a store. Pure.
// - `active_runs`: the runs that have not ended, and the policy for overlaps. Pure.
// - `memory`, `progress`: what is kept on a file of the runs, and how far an entry has come.
// - `context`, `status`: what a run gets, and what is counted of the runs.
// - `job`: the closure, as a task of the pool. `alarm`: the moment in the timer.
// - `state`, `entry`: an entry, between the timer and the pool: composed of these.
// - `scheduler`, `builder`: what a program holds. `hosted`: a scheduler as a service.

mod active_runs;
mod alarm;
mod builder;
mod context;
#[cfg(feature = "cron")]
mod cron;
mod entry;
mod error;
mod hosted;
#[cfg(feature = "jobs")]
mod instants;
mod job;
mod memory;
mod planned;
mod policy;
mod progress;
mod rule;
mod scheduler;
mod shown;
mod state;
mod status;
mod timetable;

pub use builder::EntryBuilder;
pub use context::RunContext;
pub use error::ScheduleError;
#[cfg(feature = "jobs")]
pub(crate) use instants::Instants;
pub use memory::RememberError;
pub use policy::{MisfirePolicy, OverlapPolicy};
pub use rule::Schedule;
pub use scheduler::{ScheduleEntry, Scheduler};
#[cfg(feature = "jobs")]
pub(crate) use shown::utc;
pub use status::{EntryStatus, LastRun, RunOutcome};
