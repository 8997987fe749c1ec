//! What the tests of jobs share.

use crate::faulty::FaultyStore;
use crate::setup::TestStore;
use groundcrew::channel::{Receiver, Sender, unbounded};
use groundcrew::host::JobsReport;
use groundcrew::host::{RunningHost, ServiceBuilder};
use groundcrew::jobs::{Job, JobContext, JobResult, Jobs, Workers};
use groundcrew::store::{
    ClaimRequest, ClaimedJob, JobId, JobState, KindRequest, LostJob, ProcessInfo, Store, WorkerId,
};
use groundcrew::testing::ManualClock;
use groundcrew::{Host, HostReport};
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

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

/// Jobs in a store of their own.
pub(crate) fn new_jobs() -> Jobs {
    open(&TestStore::new())
}

/// The same, by a clock of the test.
pub(crate) fn new_jobs_by(clock: &ManualClock) -> Jobs {
    open(&TestStore::new().clock(clock))
}

/// The jobs in `store`.
pub(crate) fn open(store: &TestStore) -> Jobs {
    Jobs::open(FaultyStore::over(store)).unwrap()
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
    set(host.jobs("jobs", jobs));
    host.build().unwrap().start().unwrap()
}

/// The same by a clock of the test, with 8 s to stop, and one handler.
pub(crate) fn start_by<F>(clock: &ManualClock, jobs: &Jobs, handler: F) -> RunningHost
where
    F: Fn(Number, &JobContext) -> JobResult + Send + Sync + 'static,
{
    start_threads_by(clock, jobs, 1, handler)
}

pub(crate) fn start_threads_by<F>(
    clock: &ManualClock,
    jobs: &Jobs,
    threads: usize,
    handler: F,
) -> RunningHost
where
    F: Fn(Number, &JobContext) -> JobResult + Send + Sync + 'static,
{
    let mut host = Host::builder();
    host.clock(clock).stop_timeout(8 * SECOND);
    host.jobs("jobs", jobs).threads(threads).on(handler);
    host.build().unwrap().start().unwrap()
}

/// Lets the time pass in which a silent process is found.
pub(crate) fn let_time_pass(clock: &ManualClock, jobs: &Jobs, until: impl Fn() -> bool) {
    while !until() {
        // Processes are looked at each 0.1 s of real time, and by the clock that is not to be long.
        clock.advance(SECOND);
        jobs.wake();
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// The number of claims of the only service so far.
pub(crate) fn claims(host: &RunningHost) -> u64 {
    let status = host.status();
    status.services()[0].jobs().unwrap().report().claimed()
}

/// The number of its jobs so far that the store has confirmed as completed.
pub(crate) fn completed(host: &RunningHost) -> u64 {
    let status = host.status();
    status.services()[0].jobs().unwrap().report().completed()
}

/// A process of another program: it claims, and is gone.
pub(crate) fn claim_elsewhere(store: &impl Store, most: usize) -> (WorkerId, Vec<ClaimedJob>) {
    let process = ProcessInfo {
        host: "elsewhere".to_owned(),
        pid: 7,
        boot: String::new(),
    };
    let worker = store.register(&process).unwrap();
    let kinds = [KindRequest {
        kind: "number",
        expected: Duration::ZERO,
        max_attempts: 2,
    }];
    let request = ClaimRequest {
        worker,
        queues: &["default"],
        kinds: &kinds,
        budget: SECOND,
        most,
    };
    (worker, store.claim(&request).unwrap().jobs)
}

/// The lease of a process ends as it does when another one finds it silent: what it had begun is due
/// again after the backoff.
pub(crate) fn end_lease(store: &impl Store, worker: WorkerId, backoff: Duration) {
    let workers = store.workers().unwrap();
    let beat = workers.iter().find(|it| it.id == worker).unwrap().beat;
    let judge = |lost: &LostJob| lost.outcome(backoff, 100);
    store.take_over(worker, beat, &judge).unwrap().unwrap();
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
