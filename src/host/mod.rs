//! Long-running services with a thread each, and the [`Host`] that starts, watches, restarts
//! and stops them.

// - `service`, `context`: what a service is, and what it can ask.
// - `builder`, `service_builder`, `spec`, `graph`, `make`: how a host is put together.
// - `running`, `handle`: what a program holds.
// - `machine`, `entry`, `policy`: what has to be done next; pure.
// - `core`, `supervisor`, `body`, `liveness`: the threads, and what they share.
// - `failure`, `reason`, `ending`, `report`, `display`, `status`, `pool_status`, `error`:
//   what is said.
// - `refused`: errors that are due to the stop, and so no failures.
// - `queue`: a bounded queue of items as a service.

mod body;
mod builder;
mod context;
mod core;
mod display;
mod ending;
mod entry;
mod error;
mod factory;
mod failure;
mod graph;
mod handle;
mod liveness;
mod machine;
mod policy;
mod pool_status;
mod queue;
mod reason;
mod refused;
mod report;
mod running;
mod service;
mod service_builder;
mod spec;
mod status;
mod supervisor;

pub use builder::HostBuilder;
pub use context::{ServiceContext, WaitForError};
pub use ending::{AbandonedService, ServiceOutcome, ServiceReport, ServiceThread};
pub use error::{HostBuildError, StartError};
#[cfg(feature = "watch")]
pub(crate) use factory::Make;
pub use failure::{FailedIn, ServiceFailure};
pub use handle::HostHandle;
pub use policy::{FailurePolicy, Restart};
pub use pool_status::PoolStatus;
pub(crate) use queue::Hosted;
pub use queue::{FailedItem, ItemOutcome, QueueStats, WorkQueue};
pub use reason::StopReason;
pub use report::HostReport;
pub use running::{Host, RunningHost};
pub use service::{Service, ServiceResult};
pub use service_builder::ServiceBuilder;
pub use status::{HostPhase, HostStatus, ServiceState, ServiceStatus};
