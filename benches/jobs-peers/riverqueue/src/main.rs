//! One measurement of riverqueue on SQLite: `one`, `eight` and `batches` enqueue for a number of
//! seconds, `done` runs a number of jobs with a number of workers and milliseconds of cooldown
//! between fetches. Prints a number of jobs and the seconds they took.

use riverqueue::migrate::SqliteMigrator;
use riverqueue::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use riverqueue::{Client, Job, JobArgs, QueueConfig, WorkContext, WorkOutcome, Workers};
use serde::{Deserialize, Serialize};
use std::env;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

#[derive(Clone, Debug, Deserialize, JobArgs, Serialize)]
#[river(kind = "noop")]
struct Noop {
    n: u64,
}

static DONE: AtomicU64 = AtomicU64::new(0);

async fn run(_: WorkContext, _: Job<Noop>) -> Result<WorkOutcome, io::Error> {
    DONE.fetch_add(1, Relaxed);
    Ok(WorkOutcome::Complete)
}

async fn callers(client: &Client, callers: usize, time: Duration) -> u64 {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let client = client.clone();
        tasks.spawn(async move {
            let mut count = 0;
            while start.elapsed() < time {
                client.insert(Noop { n: count }).await.unwrap();
                count += 1;
            }
            count
        });
    }
    tasks.join_all().await.into_iter().sum()
}

async fn batch(client: &Client, jobs: std::ops::Range<u64>) {
    client.insert_many(jobs.map(|n| Noop { n })).await.unwrap();
}

async fn batches(client: &Client, time: Duration) -> u64 {
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < time {
        batch(client, count..count + 1000).await;
        count += 1000;
    }
    count
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = env::args().collect();
    let file = Path::new(&arguments[2]).join("peer.db");
    let amount: u64 = arguments[3].parse().unwrap();
    // As in the example of its documentation.
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(Duration::from_secs(5));
    let pool = SqlitePoolOptions::new()
        .connect_with(options)
        .await
        .unwrap();
    SqliteMigrator::new(pool.clone())
        .migrate_up()
        .await
        .unwrap();
    let mut workers = Workers::new();
    workers.add_fn(run).unwrap();
    let mut client = Client::builder(pool.clone()).workers(workers);
    let verb = arguments[1].as_str();
    if verb == "done" {
        client = client.queue("default", QueueConfig::new(arguments[4].parse().unwrap()));
        client = client.fetch_cooldown(Duration::from_millis(arguments[5].parse().unwrap()));
    }
    let client = client.build().unwrap();
    let time = Duration::from_secs(amount);
    let (count, took) = match verb {
        "done" => {
            for first in (0..amount).step_by(1000) {
                batch(&client, first..amount.min(first + 1000)).await;
            }
            let start = Instant::now();
            let mut running = client.start().unwrap();
            while DONE.load(Relaxed) < amount {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // Writes what has ended.
            running.stop().await.unwrap();
            (amount, start.elapsed())
        }
        verb => {
            let start = Instant::now();
            let count = match verb {
                "one" => callers(&client, 1, time).await,
                "eight" => callers(&client, 8, time).await,
                _ => batches(&client, time).await,
            };
            (count, start.elapsed())
        }
    };
    pool.close().await;
    println!("{count} {}", took.as_secs_f64());
}
