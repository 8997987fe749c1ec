//! Submitting tasks to a pool: submitters, builders for tasks with a name, limits and retries, the
//! option for a full queue, and the error that returns a refused task.
//!
//! | when the queue is full | [`Pool`](crate::Pool), [`Submitter`] | [`TaskBuilder`], [`RetryTaskBuilder`], [`ScopedTaskBuilder`] | [`WorkQueue`], [`Batcher`] |
//! | --- | --- | --- | --- |
//! | wait | `submit`, `submit_with`, `execute`, `execute_with`, `resubmit` | the same except `resubmit` | `submit` |
//! | refuse | `try_submit`, `try_execute`, `try_resubmit` | with `when_full` | `try_submit` |
//! | wait for a time or a token | `resubmit_until` | with `when_full` | `submit_until` |
//!
//! [`ScopedTaskBuilder`]: crate::parallel::ScopedTaskBuilder
//! [`WorkQueue`]: crate::WorkQueue
//! [`Batcher`]: crate::Batcher

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
#[cfg(not(loom))]
pub(crate) use error::{Keeper, Target};
pub use retry_builder::RetryTaskBuilder;
pub use submitter::Submitter;
pub use task_builder::TaskBuilder;
pub use when_full::WhenFull;
