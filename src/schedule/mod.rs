//! When things are due.
//!
//! - `rule`: [`Schedule`], the rule of one task; pure.
//! - `cron`: the rules of cron, with the feature `cron`; pure, too.
//! - `error`: what is wrong with a rule.

#[cfg(feature = "cron")]
mod cron;
mod error;
mod rule;

pub use error::ScheduleError;
pub use rule::Schedule;
