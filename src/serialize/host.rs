//! Hosts: their report, and what became of each service.

use super::{maybe_seconds, seconds, serialize};
use crate::host::{
    AbandonedService, FailedIn, HostReport, ServiceFailure, ServiceOutcome, ServiceReport,
    ServiceThread, StopReason,
};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

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

impl Serialize for FailedIn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
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

impl Serialize for ServiceOutcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut outcome = serializer.serialize_map(None)?;
        let kind = match self {
            ServiceOutcome::Stopped => "stopped",
            ServiceOutcome::Returned => "returned",
            ServiceOutcome::Failed(_) => "failed",
            ServiceOutcome::Panicked(_) => "panicked",
            ServiceOutcome::Abandoned(_) => "abandoned",
            ServiceOutcome::Caller => "caller",
            ServiceOutcome::NotStarted => "not_started",
        };
        outcome.serialize_entry("kind", kind)?;
        match self {
            ServiceOutcome::Failed(failure) | ServiceOutcome::Panicked(failure) => {
                outcome.serialize_entry("failure", failure)?;
            }
            ServiceOutcome::Abandoned(service) => outcome.serialize_entry("abandoned", service)?,
            _ => {}
        }
        outcome.end()
    }
}

impl Serialize for StopReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut reason = serializer.serialize_map(None)?;
        let kind = match self {
            StopReason::Requested { .. } => "requested",
            StopReason::Stopped => "stopped",
            StopReason::Signal => "signal",
            StopReason::StartFailed(_) => "start_failed",
            StopReason::Failed(_) => "failed",
            StopReason::AllReturned => "all_returned",
            StopReason::Dropped => "dropped",
            StopReason::NoThreads(_) => "no_threads",
        };
        reason.serialize_entry("kind", kind)?;
        match self {
            StopReason::Requested { by, reason: why } => {
                reason.serialize_entry("by", &by.as_deref())?;
                reason.serialize_entry("reason", &**why)?;
            }
            StopReason::StartFailed(failure) | StopReason::Failed(failure) => {
                reason.serialize_entry("failure", failure)?;
            }
            StopReason::NoThreads(error) => reason.serialize_entry("error", &**error)?,
            _ => {}
        }
        reason.end()
    }
}
