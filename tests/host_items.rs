//! Queues at random: every item that was accepted is handled, failed, panicked, in
//! hand or handed back, exactly once, whatever races, and every other one was refused
//! and came back to whoever submitted it.
//!
//! Each round lets producers use all the verbs, and handlers do all that handlers can,
//! while the host is stopped at some moment, and compares what the report says with a
//! count of its own: of what became of each item.
//!
//! See `accounting.rs` for `GROUNDCREW_ROUNDS`, `_MINUTES` and `_SEED`.

mod common;

use common::host::{host, wait};
use common::{Bomb, expected_panic};
use groundcrew::{FailurePolicy, HostReport, Queue, RunningHost, ServiceContext, SubmitError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

const ROUNDS: u64 = 300;
/// Of each producer.
const MOST_ITEMS: u64 = 60;

#[test]
fn every_item_ends_exactly_once_whatever_races() {
    common::rounds::rounds("items", ROUNDS, round);
}

/// What became of an item, as its drop and its handler tell.
#[derive(Default)]
struct Fate {
    dropped: AtomicU32,
}

struct Item {
    fate: Arc<Fate>,
    /// So often it is put back before it is handled.
    returns: u32,
    bomb: Option<Bomb>,
}

impl Drop for Item {
    fn drop(&mut self) {
        self.fate.dropped.fetch_add(1, SeqCst);
    }
}

#[derive(Default)]
struct Counts {
    /// Verbs that returned `Ok`.
    accepted: AtomicU64,
    refused: AtomicU64,
    /// What handlers were about to return.
    well: AtomicU64,
    failed: AtomicU64,
    panicked: AtomicU64,
}

struct World {
    queue: Queue<Item>,
    counts: Counts,
}

fn produce(world: &World, rng: &mut fastrand::Rng) -> Vec<Arc<Fate>> {
    let mut fates = Vec::new();
    for _ in 0..rng.u64(..MOST_ITEMS) {
        let fate = Arc::new(Fate::default());
        fates.push(fate.clone());
        let item = Item {
            fate,
            returns: if rng.u8(..8) == 0 { rng.u32(1..4) } else { 0 },
            bomb: (rng.u8(..16) == 0).then(|| Bomb),
        };
        let soon = Duration::from_micros(rng.u64(..200));
        let submitted = match rng.u8(..4) {
            0 => world.queue.submit(item),
            1 => world.queue.try_submit(item),
            2 => world.queue.submit_timeout(soon, item),
            _ => world.queue.submit_deadline(Instant::now() + soon, item),
        };
        match submitted {
            Ok(()) => world.counts.accepted.fetch_add(1, SeqCst),
            Err(refused) => {
                give_up(refused);
                world.counts.refused.fetch_add(1, SeqCst)
            }
        };
    }
    fates
}

/// The item is there, untouched.
fn give_up(refused: SubmitError<Item>) {
    assert!(refused.is_full() || refused.is_timeout() || refused.is_closed());
    let mut item = refused.into_item();
    assert_eq!(item.fate.dropped.load(SeqCst), 0);
    let bomb = item.bomb.take();
    std::mem::forget(bomb);
}

fn handle(
    world: &World,
    mut item: Item,
    ctx: &ServiceContext,
    rng: &mut fastrand::Rng,
) -> Result<(), String> {
    let counts = &world.counts;
    assert_eq!(item.fate.dropped.load(SeqCst), 0);
    if item.returns > 0 {
        item.returns -= 1;
        // What is put back is still there, and what the handler returns then counts for
        // nothing.
        if let Err(refused) = world.queue.put_back(item) {
            // After the report: this worker was abandoned.
            give_up(refused);
            counts.well.fetch_add(1, SeqCst);
        }
        return Ok(());
    }
    let isbomb = item.bomb.is_some();
    match rng.u8(..10) {
        _ if isbomb => {
            counts.panicked.fetch_add(1, SeqCst);
            drop(item);
        }
        0 => {
            counts.failed.fetch_add(1, SeqCst);
            return Err("no luck".to_owned());
        }
        1 => {
            counts.panicked.fetch_add(1, SeqCst);
            expected_panic();
        }
        2 => {
            let _ = ctx.sleep(Duration::from_micros(rng.u64(..2_000)));
            counts.well.fetch_add(1, SeqCst);
        }
        3 => {
            ctx.request_stop("an item wants it");
            counts.well.fetch_add(1, SeqCst);
        }
        _ => {
            counts.well.fetch_add(1, SeqCst);
        }
    }
    Ok(())
}

fn round(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let world = Arc::new(World {
        queue: Queue::new(rng.usize(1..=8)),
        counts: Counts::default(),
    });
    let limit = Duration::from_millis(rng.u64(1..40));
    let workers = rng.usize(1..=3);
    let host = host(limit, |host| {
        let (own, seed) = (world.clone(), AtomicU64::new(rng.u64(..)));
        host.queue("items", &world.queue, workers, move || {
            let world = own.clone();
            let mut rng = fastrand::Rng::with_seed(seed.fetch_add(1, SeqCst));
            move |item: Item, ctx: &ServiceContext| handle(&world, item, ctx, &mut rng)
        })
        .on_failure(FailurePolicy::Ignore);
        host.background("other", wait).after(["items"]);
    });
    let producers: Vec<_> = (0..rng.usize(1..=3))
        .map(|_| {
            let (world, mut rng) = (world.clone(), rng.fork());
            thread::spawn(move || produce(&world, &mut rng))
        })
        .collect();
    let report = match rng.u8(..8) {
        0 => host.handle().stop(),
        1 => {
            host.handle().request_stop("too early");
            host.run()
        }
        _ => match host.start() {
            Ok(host) => end(host, &mut rng),
            // An item has asked for the stop before everybody was up.
            Err(error) => error.into_report(),
        },
    };
    let fates: Vec<_> = producers
        .into_iter()
        .flat_map(|producer| producer.join().unwrap())
        .collect();
    check(&world, &report, &fates);
}

fn end(host: RunningHost, rng: &mut fastrand::Rng) -> HostReport {
    for _ in 0..rng.usize(..200) {
        thread::yield_now();
    }
    match rng.u8(..4) {
        0 => {
            let handle = host.handle().clone();
            let other = thread::spawn(move || handle.stop());
            let report = host.stop();
            // Either of them has the items; keep this one's.
            drop(other.join().unwrap());
            report
        }
        1 => {
            host.handle().request_stop_within(Duration::ZERO, "now");
            host.stop()
        }
        _ => host.stop(),
    }
}

fn check(world: &World, report: &HostReport, fates: &[Arc<Fate>]) {
    let (queue, counts) = (&world.queue, &world.counts);
    assert!(queue.is_closed());
    let told = report.services()[0].queue().unwrap().clone();
    let sum = |stats: &groundcrew::QueueStats| {
        assert_eq!(stats.queued(), 0);
        stats.in_hand() + stats.handled() + stats.failed() + stats.panicked() + stats.unprocessed()
    };
    assert_eq!(told.accepted(), sum(&told), "{told:?}");
    // Workers that were abandoned end late, and then nothing is in hand.
    while queue.stats().in_hand() > 0 {
        thread::yield_now();
    }
    let late = queue.stats();
    assert_eq!(late.accepted(), sum(&late), "{late:?}");
    let count = |count: &AtomicU64| count.load(SeqCst);
    assert_eq!(late.accepted(), count(&counts.accepted));
    assert_eq!(
        (told.accepted(), told.unprocessed()),
        (late.accepted(), late.unprocessed())
    );
    assert_eq!(late.handled(), count(&counts.well));
    assert_eq!(late.failed(), count(&counts.failed));
    assert_eq!(late.panicked(), count(&counts.panicked));
    let ended = late.handled() + late.failed() + late.panicked();
    assert_eq!(
        ended - (told.handled() + told.failed() + told.panicked()),
        told.in_hand()
    );

    let mut items = report.unprocessed::<Item>("items");
    assert_eq!(items.len() as u64, told.unprocessed());
    assert!(report.unprocessed::<Item>("items").is_empty());
    for item in &mut items {
        assert_eq!(item.fate.dropped.load(SeqCst), 0);
        std::mem::forget(item.bomb.take());
    }
    drop(items);
    // Each item was dropped once, wherever it was.
    for fate in fates {
        assert_eq!(fate.dropped.load(SeqCst), 1);
        assert_eq!(Arc::strong_count(fate), 1);
    }
    assert!(count(&counts.refused) <= fates.len() as u64);
}
