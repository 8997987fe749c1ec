//! Random jobs, outages, cancellations and restarts: the accounts of all hosts agree with the store.

use crate::common::{LONG, expected_panic, within};
use crate::faulty::FaultyStore;
use crate::parts::{adds_up, wait_until};
use fastrand::Rng;
use groundcrew::host::{JobsReport, RunningHost};
use groundcrew::jobs::{
    Job, JobContext, JobResult, Jobs, NewJob, PermanentError, RetryAfter, Snooze,
};
use groundcrew::store::{JobId, JobState, Store};
use groundcrew::{Host, Retry};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// What the handler does in one attempt after the other; then it succeeds.
#[derive(Serialize, Deserialize)]
struct Play {
    acts: Vec<u8>,
}

impl Job for Play {
    const KIND: &'static str = "play";
}

/// How often each job has returned `Ok`.
type Completions = Arc<Mutex<HashMap<JobId, usize>>>;

fn act(job: &Play, ctx: &JobContext, runs: &Mutex<HashMap<JobId, usize>>) -> JobResult {
    let mut all = runs.lock().unwrap();
    let run = all.entry(ctx.id()).or_default();
    *run += 1;
    let act = job.acts.get(*run - 1).copied();
    drop(all);
    match act {
        None | Some(0) => Ok(()),
        Some(1) => Err("no")?,
        Some(2) => Err(RetryAfter::new(MS, "busy"))?,
        Some(3) => Err(Snooze::new(MS))?,
        Some(4) => Ok(ctx.sleep(Duration::from_secs(3600))?), // until its timeout
        Some(5) => expected_panic(),
        Some(_) => Err(PermanentError::new("gone"))?,
    }
}

fn start(
    jobs: &Jobs,
    threads: usize,
    runs: &Arc<Mutex<HashMap<JobId, usize>>>,
    completions: &Completions,
) -> RunningHost {
    let mut host = Host::builder();
    host.stop_timeout(LONG);
    for name in ["one", "two"] {
        let (runs, completions) = (runs.clone(), completions.clone());
        let retry = Retry::fixed(MS).attempts(4);
        drop(
            host.jobs(name, jobs)
                .threads(threads)
                .queues([("a", 2), ("b", 1)])
                .on(move |job: Play, ctx: &JobContext| {
                    let result = act(&job, ctx, &runs);
                    if result.is_ok() {
                        *completions.lock().unwrap().entry(ctx.id()).or_default() += 1;
                    }
                    result
                })
                .retry::<Play>(retry),
        );
    }
    host.build().unwrap().start().unwrap()
}

fn random_job(rng: &mut Rng) -> NewJob {
    let acts = (0..rng.usize(0..5)).map(|_| rng.u8(0..7)).collect();
    let job = NewJob::of(&Play { acts }).timeout(30 * MS);
    let job = job
        .queue(if rng.bool() { "a" } else { "b" })
        .priority(rng.i32(0..3));
    match rng.u8(0..4) {
        0 => job.delay(Duration::from_millis(rng.u64(0..20))),
        _ => job,
    }
}

fn disturb(rng: &mut Rng, store: &FaultyStore, jobs: &Jobs, ids: &[JobId]) {
    const VERBS: [&str; 6] = ["claim", "finish", "held", "renew", "promote_due", "workers"];
    match rng.u8(0..5) {
        0 => store.break_down(&[VERBS[rng.usize(..VERBS.len())]]),
        1 => store.lose_answer("claim"),
        2 => store.lose_answer("finish"),
        3 => drop(jobs.cancel(ids[rng.usize(..ids.len())])),
        _ => {}
    }
    std::thread::sleep(Duration::from_millis(rng.u64(0..15)));
    store.come_back();
}

fn one_round(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let store = FaultyStore::default();
    let jobs = Jobs::open(store.clone()).unwrap();
    let (runs, completions) = (Arc::default(), Completions::default());
    let mut accounts: Vec<JobsReport> = Vec::new();
    let mut ids = Vec::new();
    let mut host = start(&jobs, rng.usize(1..4), &runs, &completions);
    let mut stop = |host: RunningHost| {
        let report = host.stop();
        for name in ["one", "two"] {
            accounts.push(adds_up(report.jobs(name).unwrap().clone()));
        }
    };
    for _ in 0..rng.usize(1..5) {
        let new: Vec<NewJob> = (0..rng.usize(1..15))
            .map(|_| random_job(&mut rng))
            .collect();
        ids.extend(jobs.enqueue_many(new).unwrap().iter().map(|it| it.id));
        disturb(&mut rng, &store, &jobs, &ids);
        if rng.u8(0..3) == 0 {
            stop(host);
            host = start(&jobs, rng.usize(1..4), &runs, &completions);
        }
    }
    let ended = || {
        ids.iter()
            .all(|id| jobs.get(*id).unwrap().unwrap().info.state.is_ended())
    };
    wait_until(ended);
    wait_until(|| {
        let status = host.status();
        let mut services = status.services().iter();
        services.all(|it| it.jobs().unwrap().report().is_clean())
    });
    stop(host);

    let sum = |count: fn(&JobsReport) -> u64| accounts.iter().map(count).sum::<u64>();
    assert_eq!(
        sum(|it| it.lease_lost() + it.unacknowledged()),
        0,
        "seed {seed}"
    );
    let count = |state| {
        let lanes = jobs.counts().unwrap();
        lanes.iter().map(|lane| lane.states[state]).sum::<u64>()
    };
    assert_eq!(
        sum(JobsReport::completed),
        count(JobState::Completed),
        "seed {seed}"
    );
    assert_eq!(sum(JobsReport::dead), count(JobState::Dead), "seed {seed}");
    assert!(
        sum(JobsReport::cancelled) <= count(JobState::Cancelled),
        "seed {seed}"
    );
    let completions = completions.lock().unwrap();
    for id in &ids {
        let job = jobs.get(*id).unwrap().unwrap().info;
        let is_completed = usize::from(job.state == JobState::Completed);
        assert_eq!(
            completions.get(id).copied().unwrap_or(0),
            is_completed,
            "seed {seed}, job {id}"
        );
        assert!(job.attempt <= 4, "seed {seed}, job {id}");
    }
    // Where the last outage was just over, the leases end a moment after the hosts.
    wait_until(|| store.workers().unwrap().is_empty());
}

#[test]
fn the_accounts_of_all_hosts_agree_with_the_store_whatever_happens() {
    within(2 * LONG, "random rounds", || {
        let seed = std::env::var("GROUNDCREW_SEED").ok();
        match seed.and_then(|seed| seed.parse().ok()) {
            Some(seed) => one_round(seed),
            None => (0..20).for_each(one_round),
        }
    });
}
