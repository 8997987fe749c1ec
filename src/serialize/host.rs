//! Hosts: their status, their report, and what became of each service.

use super::{maybe_seconds, seconds, serialize, serialize_kinds};
use crate::host::{
    AbandonedService, FailedIn, HostReport, HostStatus, ServiceFailure, ServiceOutcome,
    ServiceReport, ServiceStatus, ServiceThread, StopReason,
};

serialize!(HostStatus, |status| {
    host: status.host(),
    phase: status.phase(),
    ready: status.is_ready(),
    alive: status.is_alive(),
    services: status.services(),
});

serialize!(ServiceStatus, |service| {
    name: service.name(),
    state: service.state(),
    since: maybe_seconds(service.since()),
    restarts: service.restarts(),
    failures: service.failures(),
    last_failure: service.last_failure(),
    note: service.note(),
    heartbeat_age: maybe_seconds(service.heartbeat_age()),
    heartbeat_overdue: service.heartbeat_overdue(),
    threads: service.threads(),
    queue: service.queue(),
    batcher: service.batcher(),
    pool: service.pool(),
    #[cfg(feature = "jobs")]
    jobs: service.jobs(),
});

serialize!(HostReport, |report| {
    host: report.host(),
    clean: report.is_clean(),
    exit_code: report.exit_code(),
    reason: report.reason(),
    start_took: maybe_seconds(report.start_took()),
    ran: maybe_seconds(report.ran()),
    delay_took: seconds(report.delay_took()),
    stop_took: seconds(report.stop_took()),
    services: report.services(),
    failures: report.failures(),
    lingering: report.lingering().collect::<Vec<_>>(),
    pools: report.pools(),
});

serialize!(ServiceReport, |service| {
    name: service.name(),
    outcome: service.outcome(),
    restarts: service.restarts(),
    failures: service.failures(),
    start_took: maybe_seconds(service.start_took()),
    stop_took: maybe_seconds(service.stop_took()),
    queue: service.queue(),
    batcher: service.batcher(),
    items_left: service.items_left(),
    #[cfg(feature = "jobs")]
    jobs: service.jobs(),
});

serialize!(ServiceFailure, |failure| {
    service: failure.service(),
    failed_in: failure.failed_in(),
    kind: kind_of(failure),
    message: failure.message(),
});

fn kind_of(failure: &ServiceFailure) -> &'static str {
    match (failure.is_panic(), failure.is_timeout()) {
        (true, _) => "panic",
        (_, true) => "timeout",
        _ => "error",
    }
}

// Alone it is a word, since it has no fields.
impl serde::Serialize for FailedIn {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

serialize!(AbandonedService, |service| {
    stop_requested_for: maybe_seconds(service.stop_requested_for()),
    heartbeat_age: maybe_seconds(service.heartbeat_age()),
    threads: service.threads(),
});

serialize!(ServiceThread, |thread| {
    name: thread.name(),
    note: thread.note(),
    thread_id: thread.thread_id(),
    thread_state: thread.thread_state(),
});

serialize_kinds!(ServiceOutcome {
    ServiceOutcome::Stopped => "stopped" {},
    ServiceOutcome::Returned => "returned" {},
    ServiceOutcome::Failed(failure) => "failed" { failure: failure },
    ServiceOutcome::Panicked(failure) => "panicked" { failure: failure },
    ServiceOutcome::Abandoned(service) => "abandoned" { abandoned: service },
    ServiceOutcome::Stopping => "stopping" {},
    ServiceOutcome::NotStarted => "not_started" {},
});

serialize_kinds!(StopReason {
    StopReason::Requested { by, reason } => "requested" { by: by.as_deref(), reason: &**reason },
    StopReason::Stopped => "stopped" {},
    StopReason::Signal => "signal" {},
    StopReason::StartFailed(failure) => "start_failed" { failure: failure },
    StopReason::Failed(failure) => "failed" { failure: failure },
    StopReason::AllReturned => "all_returned" {},
    StopReason::Dropped => "dropped" {},
    StopReason::NoThreads(error) => "no_threads" { error: &**error },
});
