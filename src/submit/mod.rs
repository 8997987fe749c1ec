//! The ways into a pool: its verbs, the builders of tasks, and the error that gives a refused
//! task back.

mod attempts;
mod context;
mod error;
mod retry_builder;
mod submitter;
mod task_builder;
mod verbs;
mod when_full;

pub(crate) use verbs::{Submission, pool_verbs, verbs};

pub use error::SubmitError;
#[cfg(not(any(loom, shuttle)))]
pub(crate) use error::{Keeper, Target};
pub use retry_builder::RetryTaskBuilder;
pub use submitter::Submitter;
pub use task_builder::TaskBuilder;
pub use when_full::WhenFull;
