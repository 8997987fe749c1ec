//! What schedulers leave in their process: one test, so that no other has threads meanwhile.
#![cfg(target_os = "linux")]

mod common;

use common::host::signal;
use common::{LONG, within};
use groundcrew::channel::Receiver;
use groundcrew::schedule::ScheduleEntry;
use groundcrew::{Host, Pool, Schedule, Scheduler};
use std::thread;
use std::time::Duration;

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// Some may be on their way out.
fn wait_for_threads(count: usize) {
    while threads() > count {
        thread::yield_now();
    }
}

struct Stage {
    pool: Pool,
    scheduler: Scheduler,
    entries: Vec<ScheduleEntry>,
    ran: Receiver<()>,
}

/// What has been running for a while.
fn stage() -> Stage {
    let pool = Pool::new(2).unwrap();
    let scheduler = Scheduler::new(pool.submitter());
    let (tell, ran) = signal();
    let entries = (0..10).map(|nth| {
        let tell = tell.clone();
        let period = Duration::from_micros(100 + 300 * nth);
        scheduler
            .entry(format!("{nth}"), Schedule::every(period))
            .time_limit(LONG)
            .run(move |_| Ok(tell.send(())?))
            .unwrap()
    });
    let entries = entries.collect();
    scheduler.start().unwrap();
    for _ in 0..20 {
        ran.recv().unwrap();
    }
    Stage {
        pool,
        scheduler,
        entries,
        ran,
    }
}

#[test]
fn no_thread_outlives_what_it_was_for() {
    within(LONG, "threads", || {
        let before = threads();
        for _ in 0..20 {
            let it = stage();
            drop(it.scheduler);
            drop(it.pool);
            wait_for_threads(before);

            // The pool goes first, and with it the timer, though the scheduler is there.
            let it = stage();
            assert!(it.pool.stop(LONG).elapsed() < LONG);
            wait_for_threads(before);
            assert!(
                it.entries
                    .iter()
                    .all(|entry| entry.status().next_due().is_none())
            );
            it.scheduler.start().unwrap();
            assert!(it.entries.iter().all(|entry| !entry.trigger()));
            assert_eq!(threads(), before);

            // A stop, and a start again.
            let it = stage();
            it.scheduler.stop();
            it.scheduler.start().unwrap();
            it.ran.recv().unwrap();
            it.entries.iter().for_each(ScheduleEntry::remove);
            drop(it.pool);
            wait_for_threads(before);

            let it = stage();
            let mut host = Host::builder();
            host.add("workers", it.pool);
            host.add("schedules", &it.scheduler).after(["workers"]);
            let host = host.build().unwrap().start().unwrap();
            assert!(host.stop().is_clean());
            drop(host);
            wait_for_threads(before);
        }
    });
}
