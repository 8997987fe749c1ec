//! Durable jobs: the account of a service's claims, and how its jobs are.

use super::{seconds, serialize};
use crate::host::{JobsReport, JobsStatus, RunningJob};
use crate::store::{JobState, LaneCounts};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

serialize!(JobsReport, |report| {
    clean: report.is_clean(),
    claimed: report.claimed(),
    completed: report.completed(),
    failed: report.failed(),
    dead: report.dead(),
    cancelled: report.cancelled(),
    snoozed: report.snoozed(),
    given_back: report.given_back(),
    interrupted: report.interrupted(),
    lease_lost: report.lease_lost(),
    unacknowledged: report.unacknowledged(),
    abandoned: report.abandoned(),
});

serialize!(RunningJob, |job| {
    id: job.id().get(),
    kind: job.kind(),
    queue: job.queue(),
    attempt: job.attempt(),
    fence: job.fence().get(),
    age: seconds(job.age()),
    note: job.note(),
    progress: job.progress(),
});

serialize!(JobsStatus, |status| {
    report: status.report(),
    running: status.running(),
    waiting: status.waiting(),
    rate: status.rate(),
    trouble: status.trouble(),
    lanes: status.lanes(),
    lags: lags(status),
});

/// By queue, in seconds.
fn lags(status: &JobsStatus) -> BTreeMap<&str, f64> {
    let lags = status.lags().iter();
    lags.map(|(queue, lag)| (&**queue, seconds(*lag))).collect()
}

/// The states are fields of their own.
impl Serialize for LaneCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut lane = serializer.serialize_map(None)?;
        lane.serialize_entry("queue", &self.queue)?;
        lane.serialize_entry("kind", &self.kind)?;
        for state in JobState::ALL {
            lane.serialize_entry(state.name(), &self.states[state])?;
        }
        lane.serialize_entry("deleted", &self.deleted)?;
        lane.serialize_entry("pruned", &self.pruned)?;
        lane.end()
    }
}
