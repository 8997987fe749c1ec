//! Batchers, schedules and circuit breakers.

use super::{seconds, serialize, serialize_kinds, unix_time};
use crate::batch::{BatchReport, BatchStats};
use crate::retry::{BreakerState, CircuitBreaker};
use crate::schedule::{EntryStatus, LastRun, RunOutcome};
use std::time::Duration;

serialize!(BatchReport<T>, |report| {
    batcher: report.batcher(),
    clean: report.is_clean(),
    elapsed: seconds(report.elapsed()),
    abandoned: report.abandoned(),
    stats: report.stats(),
});

serialize!(BatchStats, |stats| {
    accepted: stats.accepted(),
    waiting: stats.waiting(),
    in_progress: stats.in_progress(),
    handled: stats.handled(),
    dead: stats.dead(),
    unstarted: stats.unstarted(),
    batches: stats.batches(),
    calls: stats.calls(),
    retries: stats.retries(),
});

serialize!(EntryStatus, |entry| {
    name: entry.name(),
    schedule: entry.schedule(),
    next_due: entry.next_due().map(unix_time),
    paused: entry.is_paused(),
    running: entry.running(),
    runs: entry.runs(),
    missed: entry.missed(),
    overlapped: entry.overlapped(),
    failures: entry.failures(),
    last_error: entry.last_error(),
    max_lateness: seconds(entry.max_lateness()),
    last: entry.last(),
});

serialize!(LastRun, |run| {
    due: unix_time(run.due()),
    started: unix_time(run.started()),
    ran: seconds(run.ran()),
    lateness: seconds(run.lateness()),
    outcome: run.outcome(),
});

serialize_kinds!(RunOutcome {
    RunOutcome::Completed => "completed" {},
    RunOutcome::Failed(error) => "failed" { error: error },
    RunOutcome::Panicked => "panicked" {},
    RunOutcome::Cancelled => "cancelled" {},
});

serialize!(CircuitBreaker, |breaker| {
    name: breaker.name(),
    state: breaker.state(),
    failures: breaker.failures(),
    failure_rate: breaker.failure_rate(),
    refused: breaker.refused(),
});

serialize_kinds!(BreakerState {
    BreakerState::Closed => "closed" {},
    // One that is open until it is reset has no such time.
    BreakerState::Open { retry_in } => "open" {
        retry_in: (*retry_in < Duration::MAX).then(|| seconds(*retry_in))
    },
    BreakerState::HalfOpen => "half_open" {},
});
