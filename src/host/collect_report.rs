//! Collects the facts of the report.

use super::core::Core;
use super::items::LeftItems;
use super::machine::{Entry, Machine};
use super::reason::StopReason;
use super::report::{AbandonedService, ReportData, ServiceOutcome, ServiceReport, ServiceThread};
use crate::stop::StopReport;
use std::time::{Duration, Instant};

/// `lingering`: the services whose threads could not be joined; `items`, each with the index of
/// its service.
pub(super) fn collect(
    core: &Core,
    machine: &Machine,
    lingering: &[usize],
    pools: &[StopReport],
    items: &[(usize, LeftItems)],
) -> ReportData {
    let times = machine.times;
    let done = times.done.unwrap_or_else(|| core.clock.now());
    let services = 0..machine.entries.len();
    let mut services: Vec<ServiceReport> = services
        .map(|index| service(core, &machine.entries[index], index, done))
        .collect();
    for (index, left) in items {
        services[*index].items = Some(left.clone());
    }
    // A host whose report is made has a stop; the other arm only spares a panic.
    let (began, reason, limit) = match &machine.stop {
        Some(stop) => (stop.began, stop.reason.clone(), stop.limit),
        None => (done, StopReason::Stopped, Duration::ZERO),
    };
    let stopping = times.stopping.unwrap_or(began);
    let lingering = lingering.iter().map(|index| core.names[*index].clone());
    ReportData {
        host: core.name.clone(),
        reason,
        limit,
        start: times.begun.map(|begun| times.up.unwrap_or(began) - begun),
        ran: times.up.map(|up| began - up),
        delay: stopping - began,
        stop: done - stopping,
        services,
        failures: machine.failures.kept().to_vec(),
        lingering: lingering.collect(),
        pools: pools.iter().map(StopReport::without_tasks).collect(),
    }
}

fn service(core: &Core, entry: &Entry, index: usize, now: Instant) -> ServiceReport {
    let open_failure = entry.open_failure();
    let outcome = match open_failure {
        _ if !entry.is_over() && entry.is_inside_stop => ServiceOutcome::Stopping,
        _ if !entry.is_over() => ServiceOutcome::Abandoned(abandoned(core, entry, index, now)),
        Some(failure) if failure.is_panic() => ServiceOutcome::Panicked(failure.clone()),
        Some(failure) => ServiceOutcome::Failed(failure.clone()),
        None if !entry.is_begun => ServiceOutcome::NotStarted,
        None if entry.has_returned => ServiceOutcome::Returned,
        None => ServiceOutcome::Stopped,
    };
    ServiceReport {
        name: entry.name.clone(),
        outcome,
        has_failed: open_failure.is_some(),
        restarts: entry.restarts,
        failures: entry.failure_count,
        start_took: entry.start_took,
        stop_took: entry.stop_took,
        items: None,
        pool: core.pools.iter().position(|(service, _)| *service == index),
    }
}

fn abandoned(core: &Core, entry: &Entry, index: usize, now: Instant) -> AbandonedService {
    let liveness = &core.liveness[index];
    let since = |moment: Instant| now.saturating_duration_since(moment);
    let threads = liveness.running();
    let threads = threads
        .iter()
        .map(|thread| ServiceThread::new(thread).with_state());
    AbandonedService {
        stop_requested_for: entry.stop_requested().map(since),
        heartbeat_age: liveness.last_beat().map(since),
        threads: threads.collect(),
    }
}
