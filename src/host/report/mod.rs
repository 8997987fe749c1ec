//! What a host reports in the end, and how that looks.

mod abandoned;
mod display;
mod host_report;
mod service_report;

pub use abandoned::{AbandonedService, ServiceThread};
pub use host_report::HostReport;
pub use service_report::{ServiceOutcome, ServiceReport};

pub(super) use host_report::{ReportData, StoredReport};
