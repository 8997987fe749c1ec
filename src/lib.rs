//! groundcrew
mod cancel;
mod clock;
mod pool;
mod queue;
#[cfg(feature = "signals")]
pub mod signals;
mod stop;
mod sync;
mod task;
mod threads;
mod unwind;
pub use cancel::{CancelToken, Cancelled};
pub use pool::{Pool, PoolBuilder, RunningTask, Stats};
pub use queue::{SubmitError, Submitter, TaskBuilder, TaskContext};
pub use stop::{AbandonedTask, LingeringWorker, Phase, StopHandle, StopPlan, StopReport};
pub use sync::channel;
pub use task::{TaskError, TaskHandle, TaskInfo, TaskPanic, UnstartedTask};
