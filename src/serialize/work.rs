//! Batchers, schedules and circuit breakers.

use super::{seconds, serialize, unix_time};
use crate::batch::{BatchReport, BatchStats};
use crate::retry::{BreakerState, CircuitBreaker};
use crate::schedule::{EntryStatus, LastRun, RunOutcome};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
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

impl Serialize for RunOutcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut outcome = serializer.serialize_map(None)?;
        let kind = match self {
            RunOutcome::Completed => "completed",
            RunOutcome::Failed(_) => "failed",
            RunOutcome::Panicked => "panicked",
            RunOutcome::Cancelled => "cancelled",
        };
        outcome.serialize_entry("kind", kind)?;
        if let RunOutcome::Failed(error) = self {
            outcome.serialize_entry("error", error)?;
        }
        outcome.end()
    }
}

serialize!(CircuitBreaker, |breaker| {
    name: breaker.name(),
    state: breaker.state(),
    failures: breaker.failures(),
    failure_rate: breaker.failure_rate(),
    refused: breaker.refused(),
});

impl Serialize for BreakerState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut state = serializer.serialize_map(None)?;
        let kind = match self {
            BreakerState::Closed => "closed",
            BreakerState::Open { .. } => "open",
            BreakerState::HalfOpen => "half_open",
        };
        state.serialize_entry("kind", kind)?;
        if let BreakerState::Open { retry_in } = self {
            // Until it is reset: never by itself.
            let retry_in = (*retry_in < Duration::MAX).then(|| seconds(*retry_in));
            state.serialize_entry("retry_in", &retry_in)?;
        }
        state.end()
    }
}
