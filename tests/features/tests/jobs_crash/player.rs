//! One of the processes: it enqueues and works until it is killed or stopped.

use crate::act::{A_MOMENT, ATTEMPTS, Deed, Plan};
use crate::records::Records;
use crate::{DRAINS, NUMBER, SEED};
use fastrand::Rng;
use groundcrew::host::ServiceResult;
use groundcrew::jobs::{EnqueueError, JobContext, JobResult, Jobs};
use groundcrew::store::sqlite::SqliteStore;
use groundcrew::store::{JobId, JobState, StoreError};
use groundcrew::{Host, Retry, ServiceContext};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, process, thread};

/// The database, in a folder that may be a small disk.
pub(crate) fn database(folder: &Path) -> PathBuf {
    folder.join("disk").join("jobs.db")
}

/// How far a player has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// It is about to open the store.
    Opening,
    /// The store is open, and the process stops on a signal.
    Ready,
}

impl Stage {
    /// The file that is there from this stage on.
    pub(crate) fn file(self, folder: &Path, number: usize) -> PathBuf {
        folder.join(format!("{self:?}-{number}"))
    }
}

/// The threads that work.
pub(crate) const THREADS: usize = 2;

/// While this number of jobs wait, few more are enqueued.
const BACKLOG: u64 = 200;

pub(crate) fn play(folder: &Path) -> ! {
    let records = Arc::new(Records::open(folder));
    let number: usize = variable(NUMBER);
    let reached = |stage: Stage| drop(File::create(stage.file(folder, number)).unwrap());
    reached(Stage::Opening);
    let store = open(&database(folder), &records);
    let jobs = Jobs::open(store).unwrap();
    let mut host = Host::builder();
    // Shorter than some jobs take: they are interrupted or abandoned.
    host.stop_timeout(Duration::from_millis(250));
    host.jobs("players", &jobs)
        .threads(THREADS)
        .queues([("often", 3), ("seldom", 1)])
        .on({
            let records = records.clone();
            move |deed: Deed, ctx: &JobContext| deed.run(ctx, &records)
        })
        .retry::<Deed>(Retry::fixed(A_MOMENT).attempts(ATTEMPTS));
    if env::var_os(DRAINS).is_none() {
        let mut enqueuer = Enqueuer {
            jobs: jobs.clone(),
            records: records.clone(),
            number,
            rng: Rng::with_seed(variable::<u64>(SEED).wrapping_add(number as u64)),
        };
        host.background("enqueuer", move |ctx| enqueuer.run(ctx));
    }
    let host = host.build().unwrap();
    let _signals = host.handle().stop_on_signal().unwrap();
    reached(Stage::Ready);
    let report = host.run();
    records.report(report.jobs("players").unwrap());
    for failure in report.failures() {
        records.complain(format!("{failure}"));
    }
    process::exit(report.exit_code().into());
}

fn variable<N: std::str::FromStr<Err: std::fmt::Debug>>(name: &str) -> N {
    env::var(name).unwrap().parse().unwrap()
}

/// The store, once it can be had.
fn open(path: &Path, records: &Records) -> SqliteStore {
    loop {
        let builder = SqliteStore::builder(path);
        match builder.busy_timeout(Duration::from_millis(300)).open() {
            Ok(store) => return store,
            Err(error) if error.is_temporary() => {
                records.error(&error);
                thread::sleep(A_MOMENT);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Enqueues, one or several at once, and cancels some.
struct Enqueuer {
    jobs: Jobs,
    records: Arc<Records>,
    number: usize,
    rng: Rng,
}

impl Enqueuer {
    fn run(&mut self, ctx: &ServiceContext) -> ServiceResult {
        for first in (0..).step_by(5) {
            let count = if self.rng.u32(0..10) == 0 { 5 } else { 1 };
            let client_ids = (first..first + count).map(|n| format!("{}-{n}", self.number));
            let plans: Vec<Plan> = client_ids
                .map(|id| Plan::random(&mut self.rng, &id))
                .collect();
            plans.iter().for_each(|plan| self.records.planned(plan));
            let enqueued = self.enqueue(&plans, ctx)?;
            if let Some(id) = enqueued.filter(|_| self.rng.u32(0..20) == 0) {
                self.records.cancels(&plans[0].client_id);
                let _ = self.jobs.cancel(id);
            }
            ctx.sleep(Duration::from_millis(self.rng.u64(0..4)))?;
            while self.backlog() > BACKLOG && self.rng.u32(0..10) > 0 {
                ctx.sleep(A_MOMENT)?;
                // Which does not make them more.
                self.enqueue(&plans, ctx)?;
            }
        }
        Ok(())
    }

    /// The same jobs again, should the answer be lost. Returns the first; `None` if they cannot be
    /// enqueued.
    fn enqueue(&self, plans: &[Plan], ctx: &ServiceContext) -> JobResult<Option<JobId>> {
        loop {
            match self.jobs.enqueue_many(plans.iter().map(Plan::job)) {
                Ok(enqueued) => {
                    for (plan, enqueued) in plans.iter().zip(&enqueued) {
                        self.records.enqueued(&plan.client_id, enqueued.id);
                    }
                    return Ok(Some(enqueued[0].id));
                }
                Err(EnqueueError::Store(StoreError::UniqueKeyHeld { .. })) => return Ok(None),
                Err(EnqueueError::Store(error)) if error.is_temporary() => {
                    self.records.error(&error);
                    ctx.sleep(A_MOMENT)?;
                }
                Err(error) => {
                    self.records.complain(error);
                    return Ok(None);
                }
            }
        }
    }

    fn backlog(&self) -> u64 {
        let lanes = self.jobs.counts().unwrap_or_default();
        let waiting = lanes.iter().map(|lane| lane.states[JobState::Available]);
        waiting.sum()
    }
}
