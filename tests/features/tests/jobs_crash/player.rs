//! One of the processes: it enqueues and works until it is killed or stopped.

use crate::act::{self, A_MOMENT, Act};
use crate::records::Records;
use crate::{DRAINS, NUMBER};
use fastrand::Rng;
use groundcrew::host::ServiceResult;
use groundcrew::jobs::{EnqueueError, JobContext, Jobs, NewJob};
use groundcrew::store::sqlite::SqliteStore;
use groundcrew::store::{JobState, StoreError};
use groundcrew::{Host, Retry, ServiceContext};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs, process, thread};

/// The database, in a folder that may be a small disk.
pub(crate) fn database(folder: &Path) -> PathBuf {
    folder.join("disk").join("jobs.db")
}

/// Where player `number` says which process it is.
pub(crate) fn pid_file(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("pid-{number}"))
}

/// This number of jobs wait before nothing more is enqueued.
const BACKLOG: u64 = 200;

pub(crate) fn play(folder: PathBuf) -> ! {
    let records = Arc::new(Records::open(&folder));
    let number = env::var(NUMBER).unwrap().parse().unwrap();
    let store = open(&database(&folder));
    let jobs = Jobs::open(store).unwrap();
    let mut host = Host::builder();
    // Shorter than some jobs take: they are interrupted or abandoned.
    host.stop_timeout(Duration::from_millis(250));
    host.jobs("players", &jobs)
        .threads(2)
        .queues([("often", 3), ("seldom", 1)])
        .on({
            let records = records.clone();
            move |job: Act, ctx: &JobContext| act::act(&job, ctx, &records)
        })
        .retry::<Act>(Retry::fixed(A_MOMENT).attempts(act::ATTEMPTS));
    if env::var_os(DRAINS).is_none() {
        let (jobs, records) = (jobs.clone(), records.clone());
        host.background("enqueuer", move |ctx| enqueue(&jobs, &records, ctx));
    }
    let host = host.build().unwrap();
    let _signals = host.handle().stop_on_signal().unwrap();
    let written = folder.join(format!("new-pid-{number}"));
    fs::write(&written, process::id().to_string()).unwrap();
    fs::rename(written, pid_file(&folder, number)).unwrap();
    let report = host.run();
    records.report(report.jobs("players").unwrap());
    for failure in report.failures() {
        records.complain(format!("{failure}"));
    }
    process::exit(report.exit_code().into());
}

/// The store, once it can be had.
fn open(path: &Path) -> SqliteStore {
    loop {
        let builder = SqliteStore::builder(path);
        match builder.busy_timeout(Duration::from_millis(300)).open() {
            Ok(store) => return store,
            Err(error) if error.is_temporary() => thread::sleep(A_MOMENT),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Enqueues, one or several at once, and cancels some.
fn enqueue(jobs: &Jobs, records: &Records, ctx: &ServiceContext) -> ServiceResult {
    let mut rng = Rng::new();
    for first in (0..).step_by(5) {
        let count = if rng.u32(0..10) == 0 { 5 } else { 1 };
        let client_ids = (first..first + count).map(|n| format!("{}-{n}", process::id()));
        let client_ids: Vec<String> = client_ids.collect();
        let seed = rng.u64(..);
        while !ctx.is_cancelled() {
            // The same jobs again, should the answer be lost.
            let mut rng = Rng::with_seed(seed);
            let new = client_ids.iter().map(|id| act::random(&mut rng, id));
            let new: Vec<NewJob> = new.collect();
            match jobs.enqueue_many(new) {
                Ok(enqueued) => {
                    for (client_id, enqueued) in client_ids.iter().zip(&enqueued) {
                        records.enqueued(client_id, enqueued.id);
                    }
                    if rng.u32(0..20) == 0 {
                        let _ = jobs.cancel(enqueued[0].id);
                    }
                    break;
                }
                Err(EnqueueError::Store(StoreError::UniqueKeyHeld { .. })) => break,
                Err(EnqueueError::Store(error)) if error.is_temporary() => ctx.sleep(A_MOMENT)?,
                Err(error) => records.complain(error),
            }
        }
        ctx.sleep(Duration::from_millis(rng.u64(0..4)))?;
        while backlog(jobs) > BACKLOG {
            ctx.sleep(A_MOMENT)?;
        }
    }
    Ok(())
}

fn backlog(jobs: &Jobs) -> u64 {
    let lanes = jobs.counts().unwrap_or_default();
    let waiting = lanes.iter().map(|lane| lane.states[JobState::Available]);
    waiting.sum()
}
