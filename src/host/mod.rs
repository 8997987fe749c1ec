//! Services, and the host that runs them.

// - `service`, `context`: what a service is, and what it can ask.
// - `build`: how a host is put together.
// - `running`, `handle`: what a program holds.
// - `machine`, `policy`: what has to be done next; pure.
// - `core`, `supervisor`, `service_thread`, `liveness`: the threads, and what they share.
// - `status`, `report`: what the host shows while it runs, and in the end; `read_status` and
//   `collect_report` fill them in.
// - `failure`, `reason`, `error`: what goes wrong, and why it stops.
// - `stop_errors`: errors that are due to the stop, and so no failures.
// - `items`: services with items, and their counts.
// - `pool_service`, `queue`: a pool and a bounded queue of items as services.

mod build;
mod collect_report;
mod context;
mod core;
mod error;
mod failure;
mod handle;
pub(crate) mod items;
mod liveness;
mod machine;
mod policy;
mod pool_service;
mod queue;
mod read_status;
mod reason;
mod report;
mod running;
mod service;
mod service_thread;
mod status;
mod stop_errors;
mod supervisor;

pub use crate::clock::Clock;
pub use build::{HostBuilder, IntoService, ServiceBuilder, ServiceNames};
pub use context::ServiceContext;
pub use error::{HostBuildError, StartError, WaitForError};
pub use failure::{FailedIn, ServiceFailure, ServiceResult};
pub use handle::HostHandle;
pub use items::QueueStats;
#[cfg(feature = "jobs")]
pub use items::{JobsReport, JobsStatus, RunningJob};
pub use policy::{FailurePolicy, Restart};
pub use queue::{FailedItem, ItemOutcome, WorkQueue};
pub use reason::StopReason;
pub use report::{AbandonedService, HostReport, ServiceOutcome, ServiceReport, ServiceThread};
pub use running::{Host, RunningHost};
pub use service::Service;
pub use status::{HostPhase, HostStatus, PoolStatus, ServiceState, ServiceStatus};

#[cfg(feature = "watch")]
pub(crate) use build::MakeService;
pub(crate) use build::{IntoParts, Parts};
