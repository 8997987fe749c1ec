//! What a host shows of itself while it runs.

mod host_status;
mod phase;
mod pool;

pub use host_status::{HostStatus, ServiceStatus};
pub use phase::{HostPhase, ServiceState};
pub use pool::PoolStatus;
