//! One measurement of effectum: `one`, `eight` and `batches` enqueue for a number of seconds, `done`
//! runs a number of jobs, some at a time. Prints a number of jobs and the seconds they took.

use effectum::{Error, Job, JobRunner, Queue, RunningJob, Worker};
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

fn noop(n: u64) -> Job {
    let job = Job::builder("noop").json_payload(&Noop { n });
    job.unwrap().build()
}

async fn run(job: RunningJob, done: Arc<AtomicU64>) -> Result<(), Error> {
    let Noop { n: _ } = job.json_payload()?;
    done.fetch_add(1, Relaxed);
    Ok(())
}

async fn callers(queue: &Arc<Queue>, callers: usize, time: Duration) -> u64 {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let queue = queue.clone();
        tasks.spawn(async move {
            let mut count = 0;
            while start.elapsed() < time {
                queue.add_job(noop(count)).await.unwrap();
                count += 1;
            }
            count
        });
    }
    tasks.join_all().await.into_iter().sum()
}

async fn batches(queue: &Queue, time: Duration) -> u64 {
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < time {
        let jobs = (0..1000).map(|n| noop(count + n)).collect();
        queue.add_jobs(jobs).await.unwrap();
        count += 1000;
    }
    count
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = env::args().collect();
    let file = Path::new(&arguments[2]).join("peer.db");
    let amount: u64 = arguments[3].parse().unwrap();
    let queue = Arc::new(Queue::new(&file).await.unwrap());
    let time = Duration::from_secs(amount);
    let (count, took) = match arguments[1].as_str() {
        "done" => {
            for first in (0..amount).step_by(1000) {
                let jobs = (first..amount.min(first + 1000)).map(noop).collect();
                queue.add_jobs(jobs).await.unwrap();
            }
            let done = Arc::new(AtomicU64::new(0));
            let start = Instant::now();
            let worker = Worker::builder(&queue, done.clone())
                .jobs([JobRunner::builder("noop", run).build()])
                .max_concurrency(arguments[4].parse().unwrap())
                .build();
            let worker = worker.await.unwrap();
            while done.load(Relaxed) < amount {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // Writes what has ended.
            worker.unregister(None).await.unwrap();
            (amount, start.elapsed())
        }
        verb => {
            let start = Instant::now();
            let count = match verb {
                "one" => callers(&queue, 1, time).await,
                "eight" => callers(&queue, 8, time).await,
                _ => batches(&queue, time).await,
            };
            (count, start.elapsed())
        }
    };
    queue.close(Duration::from_secs(10)).await.unwrap();
    println!("{count} {}", took.as_secs_f64());
}
