//! What the tests of jobs share.

use groundcrew::channel::{Receiver, Sender, unbounded};
use groundcrew::host::JobsReport;
use groundcrew::host::{RunningHost, ServiceBuilder};
use groundcrew::jobs::{Job, Jobs, Workers};
use groundcrew::store::{JobId, JobState, MemoryStore};
use groundcrew::{Host, HostReport};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Says which number it is.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Number {
    pub(crate) n: u32,
}

impl Job for Number {
    const KIND: &'static str = "number";
}

/// Another kind.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Text {
    pub(crate) text: String,
}

impl Job for Text {
    const KIND: &'static str = "text";
}

pub(crate) fn number(n: u32) -> Number {
    Number { n }
}

pub(crate) fn memory() -> Jobs {
    Jobs::open(MemoryStore::new()).unwrap()
}

pub(crate) fn state(jobs: &Jobs, id: JobId) -> JobState {
    jobs.get(id).unwrap().unwrap().info.state
}

pub(crate) fn reason(jobs: &Jobs, id: JobId) -> String {
    let reason = jobs.get(id).unwrap().unwrap().info.reason;
    reason.unwrap_or_default()
}

/// Blocks until the job is in this state; the hang guard is the limit.
pub(crate) fn wait_for(jobs: &Jobs, id: JobId, awaited: JobState) {
    wait_until(|| state(jobs, id) == awaited);
}

/// For what other threads do, and say by nothing but the store.
pub(crate) fn wait_until(is_so: impl Fn() -> bool) {
    while !is_so() {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A host with one service of workers, called "jobs".
pub(crate) fn start(
    jobs: &Jobs,
    set: impl FnOnce(Workers<ServiceBuilder<'_>>) -> Workers<ServiceBuilder<'_>>,
) -> RunningHost {
    let mut host = Host::builder();
    host.stop_timeout(Duration::from_secs(60));
    drop(set(host.jobs("jobs", jobs)));
    host.build().unwrap().start().unwrap()
}

/// The account of a host's workers. It adds up.
pub(crate) fn account(report: &HostReport) -> JobsReport {
    adds_up(report.jobs("jobs").unwrap().clone())
}

pub(crate) fn adds_up(account: JobsReport) -> JobsReport {
    let sum = account.completed()
        + account.failed()
        + account.dead()
        + account.cancelled()
        + account.snoozed()
        + account.given_back()
        + account.interrupted()
        + account.lease_lost()
        + account.unacknowledged()
        + account.abandoned().len() as u64;
    assert_eq!(account.claimed(), sum, "{account}");
    account
}

/// What a handler says, and what the test hears.
pub(crate) fn ear<T>() -> (Sender<T>, Receiver<T>) {
    unbounded()
}
