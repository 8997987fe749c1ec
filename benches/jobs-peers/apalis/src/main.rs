//! One measurement of apalis-sqlite: `one`, `eight` and `batches` enqueue for a number of seconds,
//! `done` runs a number of jobs with a number of workers. Prints a number of jobs and the seconds they took.

use apalis::prelude::*;
use apalis_sqlite::{SqliteConnectOptions, SqlitePool, SqliteStorage};
use serde::{Deserialize, Serialize};
use std::env;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

#[derive(Serialize, Deserialize)]
struct Noop {
    n: u64,
}

async fn callers(storage: &SqliteStorage<Noop>, callers: usize, time: Duration) -> u64 {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let mut storage = storage.clone();
        tasks.spawn(async move {
            let mut count = 0;
            while start.elapsed() < time {
                storage.push(Noop { n: count }).await.unwrap();
                count += 1;
            }
            count
        });
    }
    tasks.join_all().await.into_iter().sum()
}

async fn batch(storage: &mut SqliteStorage<Noop>, jobs: std::ops::Range<u64>) {
    let jobs = jobs.map(|n| Noop { n }).collect();
    storage.push_bulk(jobs).await.unwrap();
}

async fn batches(storage: &mut SqliteStorage<Noop>, time: Duration) -> u64 {
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < time {
        batch(storage, count..count + 1000).await;
        count += 1000;
    }
    count
}

async fn wait(done: &AtomicU64, amount: u64) {
    while done.load(Relaxed) < amount {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = env::args().collect();
    let file = Path::new(&arguments[2]).join("peer.db");
    let amount: u64 = arguments[3].parse().unwrap();
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    SqliteStorage::setup(&pool).await.unwrap();
    let mut storage = SqliteStorage::<Noop>::new(&pool);
    let time = Duration::from_secs(amount);
    let (count, took) = match arguments[1].as_str() {
        "done" => {
            for first in (0..amount).step_by(1000) {
                batch(&mut storage, first..amount.min(first + 1000)).await;
            }
            let done = Arc::new(AtomicU64::new(0));
            let start = Instant::now();
            let mut workers = JoinSet::new();
            for n in 0..arguments[4].parse::<u64>().unwrap() {
                let (runs, ends) = (done.clone(), done.clone());
                let run = move |_: Noop| {
                    runs.fetch_add(1, Relaxed);
                    async { Ok::<_, BoxDynError>(()) }
                };
                let worker = WorkerBuilder::new(format!("worker-{n}"))
                    .backend(storage.clone())
                    .build(run);
                workers.spawn(worker.run_with_ctx(move |context| {
                    let done = ends.clone();
                    async move {
                        wait(&done, amount).await;
                        context.stop()
                    }
                }));
            }
            // Writes what has ended.
            workers.join_all().await;
            (amount, start.elapsed())
        }
        verb => {
            let start = Instant::now();
            let count = match verb {
                "one" => callers(&storage, 1, time).await,
                "eight" => callers(&storage, 8, time).await,
                _ => batches(&mut storage, time).await,
            };
            (count, start.elapsed())
        }
    };
    pool.close().await;
    println!("{count} {}", took.as_secs_f64());
}
