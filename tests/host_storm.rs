//! Hosts of every kind of service, built, started and stopped from ten threads at
//! random moments: whatever races, every service has ended, every value is gone, every
//! task and item is accounted for, and the report says so.
//!
//! See `accounting.rs` for `GROUNDCREW_ROUNDS`, `_MINUTES` and `_SEED`.

mod common;

use common::expected_panic;
use common::host::{OnDrop, Puppet, wait};
use groundcrew::host::{FailurePolicy, Restart, ServiceOutcome};
use groundcrew::retry::Backoff;
use groundcrew::{Host, HostReport, Pool, ServiceContext, WorkQueue};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

const ROUNDS: u64 = 20;
const THREADS: usize = 10;
const HOSTS: usize = 4;

/// Hosts that are dropped are told of: to the log, or else to stderr.
struct Silent;

impl log::Log for Silent {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, _: &log::Record<'_>) {}

    fn flush(&self) {}
}

#[test]
fn hosts_of_every_kind_stop_at_any_moment_and_leave_nothing() {
    log::set_logger(&Silent).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    common::rounds::rounds("storm", ROUNDS, round);
}

fn round(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let mut rng = rng.fork();
            thread::spawn(move || (0..HOSTS).for_each(|_| live(&mut rng)))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

/// What the program counts.
#[derive(Default)]
struct Counts {
    made: AtomicU64,
    dropped: AtomicU64,
    started: AtomicU64,
    stopped: AtomicU64,
    tasks: AtomicU64,
    handled: AtomicU64,
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, SeqCst);
}

fn counted(counts: &Arc<Counts>) -> Puppet {
    add(&counts.made);
    let (started, stopped, dropped) = (counts.clone(), counts.clone(), counts.clone());
    Puppet::new()
        .start(move |_| {
            add(&started.started);
            Ok(())
        })
        .stop(move |_| {
            add(&stopped.stopped);
            Ok(())
        })
        .own(OnDrop::new(move || add(&dropped.dropped)))
}

/// One host, from its making to its report.
fn live(rng: &mut fastrand::Rng) {
    let (counts, queue) = (Arc::new(Counts::default()), WorkQueue::new(4));
    let pool = Pool::builder().threads(1).name("storm").build().unwrap();
    let (render, items) = (pool.submitter(), queue.clone());
    let mut host = Host::builder();
    host.stop_timeout(Duration::from_secs(30));
    host.add("pool", pool);
    let own = counts.clone();
    host.add(
        "queue",
        queue.workers(2, move || {
            let own = own.clone();
            move |_: &mut u32, _: &ServiceContext| {
                add(&own.handled);
                Ok(())
            }
        }),
    );
    let fails = rng.u8(..8) == 0;
    host.startup_task("warm-up", move |_| match fails {
        true => Err("no disk")?,
        false => Ok(()),
    });
    let own = counts.clone();
    let (accepted, submitted) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (task, item) = (accepted.clone(), submitted.clone());
    host.background("web", move |ctx| {
        for n in 0.. {
            let own = own.clone();
            if render.execute(move || add(&own.tasks)).is_ok() {
                add(&task);
            }
            if items.try_submit(n).is_ok() {
                add(&item);
            }
            ctx.heartbeat();
            ctx.sleep(Duration::from_micros(50))?;
        }
        Ok(())
    })
    .after(["pool", "queue", "warm-up"])
    .heartbeat_timeout(Duration::from_secs(30));
    let own = counts.clone();
    host.service("plain", move || counted(&own))
        .after(["warm-up"]);
    let (own, mut nth) = (counts.clone(), 0);
    host.service("failing", move || {
        nth += 1;
        counted(&own).run(move |ctx| match nth % 4 {
            0 => wait(ctx),
            1 => expected_panic(),
            2 => Err("no luck")?,
            _ => Ok(()),
        })
    })
    .on_failure(
        Restart::new()
            .backoff(Backoff::fixed(Duration::ZERO))
            .limit(1_000, Duration::from_secs(60)),
    );
    host.background("ignored", |_| Err("no luck")?)
        .on_failure(FailurePolicy::Ignore);
    let asks = rng.u8(..4) == 0;
    host.background("asks", move |ctx| {
        if asks {
            ctx.request_stop("storm");
        }
        wait(ctx)
    });

    let report = end(host.build().unwrap(), rng);
    let count = |count: &AtomicU64| count.load(SeqCst);
    for service in report.services() {
        let ending = service.outcome();
        let is_over = !matches!(
            ending,
            ServiceOutcome::Abandoned(_) | ServiceOutcome::Stopping
        );
        assert!(is_over, "{report}");
    }
    assert_eq!(report.lingering().count(), 0, "{report}");
    assert_eq!(count(&counts.made), count(&counts.dropped));
    assert_eq!(count(&counts.started), count(&counts.stopped));
    assert_eq!(count(&counts.started), count(&counts.made));
    let pool = &report.pools()[0];
    assert!(pool.is_clean(), "{report}");
    assert_eq!(
        (pool.accepted(), pool.completed()),
        (count(&accepted), count(&counts.tasks))
    );
    assert_eq!(pool.accepted(), pool.completed());
    let items = report.services()[1].queue().unwrap();
    assert_eq!(
        (items.accepted(), items.handled()),
        (count(&submitted), count(&counts.handled))
    );
    assert_eq!(items.accepted(), items.handled() + items.unstarted());
    let given_back = queue.take_unstarted().len() as u64;
    assert_eq!(given_back, items.unstarted());
    // No thread holds on to anything of it.
    assert_eq!(Arc::strong_count(&counts), 1);
}

fn end(host: Host, rng: &mut fastrand::Rng) -> HostReport {
    let handle = host.handle();
    let pause = Duration::from_micros(rng.u64(..3_000));
    let other = handle.clone();
    let stops = thread::spawn(move || {
        thread::park_timeout(pause);
        other.request_stop("another thread wants it");
    });
    let report = match rng.u8(..4) {
        0 => host.run(),
        1 => {
            let stops = thread::spawn(move || handle.stop());
            let started = host.start().map_err(|error| error.into_report());
            let report = match &started {
                Ok(host) => host.stop(),
                Err(report) => report.clone(),
            };
            assert_eq!(stops.join().unwrap().to_string(), report.to_string());
            report
        }
        2 => match host.start() {
            Ok(host) => host.wait(),
            Err(error) => error.into_report(),
        },
        _ => {
            let Ok(host) = host.start() else {
                let report = handle.stop();
                stops.join().unwrap();
                return report;
            };
            drop(host);
            handle.stop()
        }
    };
    stops.join().unwrap();
    report
}
