//! Batchers at random: every item that was accepted is handled, dead or handed back,
//! exactly once, whatever races, and every other one was refused and came back to whoever
//! submitted it.
//!
//! Each round lets producers use all the verbs, and handlers do all that handlers can,
//! while the batcher is stopped in some way at some moment, or its pool before it, and
//! compares the numbers of the report, and those of later, with what became of each item.
//!
//! See `accounting.rs` for `GROUNDCREW_ROUNDS`, `_MINUTES` and `_SEED`.

use crate::common::batch::Handled;
use crate::common::{Bomb, expected_panic};
use groundcrew::batch::BatchReport;
use groundcrew::retry::{DeadLetter, PermanentError};
use groundcrew::{Batcher, Pool, Retry, StopPlan, SubmitError, TaskContext};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

const ROUNDS: u64 = 2_000;
/// Of each producer.
const MOST_ITEMS: u64 = 50;

#[test]
fn every_item_ends_exactly_once_whatever_races() {
    crate::common::rounds::rounds("batches", ROUNDS, round);
}

/// What became of an item.
#[derive(Default)]
struct Fate {
    accepted: AtomicU32,
    refused: AtomicU32,
    handled: AtomicU32,
    dead: AtomicU32,
    handed_back: AtomicU32,
    dropped: AtomicU32,
}

impl Fate {
    /// Of one that was accepted.
    fn ends(&self) -> u32 {
        [&self.handled, &self.dead, &self.handed_back]
            .map(|end| end.load(SeqCst))
            .iter()
            .sum()
    }
}

struct Item {
    fate: Arc<Fate>,
    size: usize,
    /// The handler cannot do anything with it: says so, or panics.
    is_bad: bool,
    bomb: Option<Bomb>,
}

impl Drop for Item {
    fn drop(&mut self) {
        self.fate.dropped.fetch_add(1, SeqCst);
    }
}

impl Item {
    fn is_untouched(&self) -> bool {
        self.fate.dropped.load(SeqCst) == 0 && self.fate.ends() == 0
    }

    /// The end of an item outside of the batcher's guard.
    fn lay_down(mut self) {
        std::mem::forget(self.bomb.take());
    }
}

#[derive(Default)]
struct World {
    /// For handlers that submit, flush and stop.
    items: Mutex<Weak<Batcher<Item>>>,
    fates: Mutex<Vec<Arc<Fate>>>,
    reports: Mutex<Vec<BatchReport<Item>>>,
    seed: AtomicU64,
    /// A batch may wait for an hour for its next attempt.
    is_patient: AtomicBool,
    /// Producers, handlers and stops that are not at their end.
    active: AtomicU32,
    running: AtomicU32,
    most_running: AtomicU32,
}

impl World {
    fn rng(&self) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.seed.fetch_add(1, SeqCst))
    }

    fn items(&self) -> Option<Arc<Batcher<Item>>> {
        self.items.lock().unwrap().upgrade()
    }

    fn enter(self: &Arc<Self>) -> impl Drop + use<> {
        self.active.fetch_add(1, SeqCst);
        let world = self.clone();
        OnDrop(move || {
            world.active.fetch_sub(1, SeqCst);
        })
    }

    fn item(&self, rng: &mut fastrand::Rng) -> Item {
        let fate = Arc::new(Fate::default());
        self.fates.lock().unwrap().push(fate.clone());
        Item {
            fate,
            size: rng.usize(..8),
            is_bad: rng.u8(..12) == 0,
            bomb: match rng.u8(..16) {
                0 => Some(Bomb),
                _ => None,
            },
        }
    }

    fn submit(&self, items: &Batcher<Item>, rng: &mut fastrand::Rng) {
        let item = self.item(rng);
        let fate = item.fate.clone();
        let soon = Duration::from_micros(rng.u64(..200));
        let submitted = match rng.u8(..4) {
            0 => items.submit(item),
            1 => items.try_submit(item),
            2 => items.submit_until(soon, item),
            _ => items.submit_until(Instant::now() + soon, item),
        };
        match submitted {
            Ok(()) => fate.accepted.fetch_add(1, SeqCst),
            Err(refused) => {
                give_up(refused);
                fate.refused.fetch_add(1, SeqCst)
            }
        };
    }
}

fn give_up(refused: SubmitError<Item>) {
    assert!(refused.is_full() || refused.is_timeout() || refused.is_closed());
    let item = refused.into_inner();
    assert!(item.is_untouched());
    item.lay_down();
}

fn handle(world: &Arc<World>, batch: &mut Vec<Item>, ctx: &TaskContext) -> Handled {
    let _active = world.enter();
    let running = world.running.fetch_add(1, SeqCst) + 1;
    world.most_running.fetch_max(running, SeqCst);
    let _guard = OnDrop(|| {
        world.running.fetch_sub(1, SeqCst);
    });
    let mut rng = world.rng();
    assert!(!batch.is_empty());
    assert!(batch.iter().all(Item::is_untouched));
    match rng.u8(..24) {
        0 => drop(ctx.sleep(Duration::from_micros(rng.u64(..500)))),
        1 => thread::sleep(Duration::from_micros(rng.u64(..200))),
        2 => {
            if let Some(items) = world.items() {
                world.submit(&items, &mut rng);
            }
        }
        3 => {
            if let Some(items) = world.items() {
                items.flush();
            }
        }
        4 if rng.u8(..8) == 0 => stop(world, &mut rng),
        _ => {}
    }
    if ctx.is_cancelled() && rng.bool() {
        ctx.token().check()?;
    }
    // Some of it, and then the rest another time.
    let part = rng.usize(..=batch.len());
    let partial = match rng.u8(..8) {
        0 => part,
        _ => 0,
    };
    if batch[..partial].iter().all(|item| !item.is_bad) {
        for item in batch.drain(..partial) {
            item.fate.handled.fetch_add(1, SeqCst);
            item.lay_down();
        }
    }
    match rng.u8(..12) {
        0 => Err("busy")?,
        1 => expected_panic(),
        2 => Err(PermanentError::new("no"))?,
        _ if batch.iter().any(|item| item.is_bad) => match rng.bool() {
            true => Err(PermanentError::new("bad"))?,
            false => expected_panic(),
        },
        _ => {}
    }
    // What is left in it is handled as well, and dropped under guard.
    for item in batch.iter() {
        item.fate.handled.fetch_add(1, SeqCst);
    }
    if rng.u8(..16) == 0 {
        // Of no batcher: nobody counts it.
        let extra = world.item(&mut rng);
        extra.fate.refused.fetch_add(1, SeqCst);
        batch.push(extra);
    }
    Ok(())
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn bury(world: &Arc<World>, item: Item, why: &DeadLetter) {
    let _active = world.enter();
    assert!(item.is_untouched());
    item.fate.dead.fetch_add(1, SeqCst);
    let _ = (why.reason().to_string(), why.attempts());
    if world.rng().u8(..8) == 0 {
        expected_panic(); // drops the item, and its bomb with it
    }
    item.lay_down();
}

fn stop(world: &Arc<World>, rng: &mut fastrand::Rng) {
    let _active = world.enter();
    let Some(items) = world.items() else {
        return;
    };
    let limit = Duration::from_micros(rng.u64(..3_000));
    let plan = match rng.u8(..4) {
        0 => StopPlan::cancel(limit),
        1 => StopPlan::finish_running(limit),
        2 => StopPlan::drain(limit).grace(limit),
        _ if world.is_patient.load(SeqCst) => StopPlan::drain(limit),
        _ => StopPlan::drain(Duration::from_secs(30)),
    };
    let report = items.stop(plan);
    let stats = report.stats();
    let sum = stats.handled() + stats.dead() + stats.unstarted() + report.abandoned() as u64;
    assert_eq!(stats.accepted(), sum, "{report:?}");
    assert_eq!(report.abandoned() as u64, stats.waiting());
    let unhandled = stats.unstarted();
    let mut left = report.take_unstarted();
    assert!(left.len() as u64 <= unhandled);
    while let Some(item) = left.pop() {
        assert!(item.is_untouched());
        item.fate.handed_back.fetch_add(1, SeqCst);
        item.lay_down();
    }
    world.reports.lock().unwrap().push(report);
}

fn build(
    pool: &Pool,
    world: &Arc<World>,
    in_flight: usize,
    rng: &mut fastrand::Rng,
) -> Batcher<Item> {
    let soon = Duration::from_micros(rng.u64(..500));
    let mut items = Batcher::builder("items")
        .in_flight(in_flight)
        .max_items(rng.usize(1..=20))
        .max_age(if rng.bool() { soon } else { Duration::MAX })
        .max_idle(if rng.bool() { soon } else { Duration::MAX });
    if rng.bool() {
        items = items.max_bytes(rng.usize(1..=40), |item: &Item| item.size);
    }
    if rng.bool() {
        items = items.capacity(rng.usize(1..=30));
    }
    let pause = match rng.u8(..8) {
        0 => {
            world.is_patient.store(true, SeqCst);
            Duration::from_secs(3600)
        }
        _ => Duration::from_micros(rng.u64(..300)),
    };
    items = items.retry(match rng.bool() {
        true => Retry::fixed(pause).attempts(rng.u32(1..4)),
        false => Retry::fixed(pause),
    });
    let own = world.clone();
    let items = items.dead_letter(move |item, why| bury(&own, item, why));
    let own = world.clone();
    let handler = move |batch: &mut Vec<Item>, ctx: &TaskContext| handle(&own, batch, ctx);
    items.build(pool.submitter(), handler).unwrap()
}

fn round(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let world = Arc::new(World::default());
    world.seed.store(rng.u64(..1 << 60), SeqCst);
    let pool = Pool::builder()
        .threads(rng.usize(1..=3))
        .queue_capacity(rng.usize(1..=4))
        .build()
        .unwrap();
    let in_flight = rng.usize(1..=3);
    let items = Arc::new(build(&pool, &world, in_flight, &mut rng));
    *world.items.lock().unwrap() = Arc::downgrade(&items);

    let mut pool = Some(pool);
    let kept = thread::scope(|scope| {
        for _ in 0..rng.usize(1..=3) {
            let (world, items, mut rng) = (&world, items.clone(), rng.fork());
            let submitter = rng.bool().then(|| pool.as_ref().unwrap().submitter());
            let count = rng.u64(..MOST_ITEMS);
            match submitter {
                // From a worker of the pool.
                Some(submitter) => {
                    let (world, active) = (world.clone(), world.enter());
                    drop(submitter.try_execute(move || {
                        produce(&world, &items, &mut rng, count);
                        drop(active);
                    }));
                }
                None => drop(scope.spawn(move || produce(world, &items, &mut rng, count))),
            }
        }
        for _ in 0..rng.usize(..3) {
            let (items, micros) = (items.clone(), rng.u64(..2_000));
            scope.spawn(move || items.flush_timeout(Duration::from_micros(micros)));
        }
        // Not by yields, which take their time where others are busy.
        thread::sleep(Duration::from_micros(rng.u64(..300)));
        let mut kept = None;
        match rng.u8(..10) {
            0 => {
                kept = pool
                    .take()
                    .map(|pool| pool.stop(Duration::from_micros(500)))
            }
            1 => drop(
                pool.take()
                    .map(|pool| pool.stop(Duration::from_micros(500))),
            ),
            2 => pool.as_ref().unwrap().stop_handle().close(),
            3 => {
                let (world, mut rng) = (world.clone(), rng.fork());
                let active = world.enter();
                let stop = move || {
                    stop(&world, &mut rng);
                    drop(active);
                };
                drop(pool.as_ref().unwrap().try_execute(stop));
            }
            _ => {}
        }
        for _ in 0..rng.usize(..3) {
            let (world, mut rng) = (&world, rng.fork());
            scope.spawn(move || stop(world, &mut rng));
        }
        stop(&world, &mut rng);
        kept
    });
    if let Some(kept) = kept {
        match rng.bool() {
            true => kept
                .take_unstarted()
                .into_iter()
                .for_each(|task| task.run()),
            false => kept.drop_unstarted(),
        }
        kept.wait_for_abandoned(Duration::MAX);
    }
    if let Some(pool) = pool {
        assert!(pool.stop(Duration::from_secs(30)).abandoned().is_empty());
    }
    // What a pool that was dropped has left behind ends late.
    let last = items.clone();
    drop(items);
    while last.stats().waiting() > 0 || world.active.load(SeqCst) > 0 {
        thread::yield_now();
    }
    check(&world, &last, in_flight);
}

fn produce(world: &Arc<World>, items: &Batcher<Item>, rng: &mut fastrand::Rng, count: u64) {
    let _active = world.enter();
    for _ in 0..count {
        world.submit(items, rng);
        match rng.u8(..40) {
            0 => drop(items.flush()),
            1 => drop(items.flush_timeout(Duration::from_micros(rng.u64(..300)))),
            2 => thread::sleep(Duration::from_micros(rng.u64(..30))),
            _ => {}
        }
    }
}

fn check(world: &World, items: &Batcher<Item>, in_flight: usize) {
    let stats = items.stats();
    let fates = world.fates.lock().unwrap();
    let count = |what: fn(&Fate) -> &AtomicU32| -> u64 {
        let counts = fates.iter().map(|fate| u64::from(what(fate).load(SeqCst)));
        counts.sum()
    };
    for fate in fates.iter() {
        let (accepted, refused) = (fate.accepted.load(SeqCst), fate.refused.load(SeqCst));
        assert_eq!(accepted + refused, 1);
        // The last one may just be going: the closure for dead letters is called once it is
        // counted.
        while fate.dropped.load(SeqCst) == 0 {
            thread::yield_now();
        }
        assert_eq!(fate.ends(), accepted);
        assert_eq!(fate.dropped.load(SeqCst), 1);
    }
    assert_eq!(stats.accepted(), count(|fate| &fate.accepted));
    assert_eq!(stats.handled(), count(|fate| &fate.handled));
    assert_eq!(stats.dead(), count(|fate| &fate.dead));
    assert_eq!(stats.unstarted(), count(|fate| &fate.handed_back));
    assert!(world.most_running.load(SeqCst) <= in_flight as u32);
    for report in world.reports.lock().unwrap().iter() {
        assert!(report.stats().unstarted() <= stats.unstarted());
        assert!(report.stats().accepted() <= stats.accepted());
    }
}
