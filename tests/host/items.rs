//! Queues at random: every item that was accepted is handled, failed, unprocessed or maybe
//! handled, exactly once, whatever races, and every other one was refused and came back to its
//! submitter.
//!
//! Each round lets producers and handlers use all the verbs, and handlers do all that handlers
//! can: fail, panic, put or hand their item back, submit to their own queue, ignore the stop.
//! Some queues try again what fails, and have a closure for dead letters.
//! Meanwhile the host is stopped at some moment. What the report says is compared with a count
//! of its own: of what became of each item.
//!
//! See `accounting.rs` for `GROUNDCREW_ROUNDS`, `_MINUTES` and `_SEED`.

use crate::common::host::{host, wait};
use crate::common::{Bomb, expected_panic};
use groundcrew::channel::{Receiver, unbounded};
use groundcrew::host::{FailurePolicy, ItemOutcome, QueueStats, RunningHost};
use groundcrew::retry::{PermanentError, Verdict};
use groundcrew::{HostReport, Retry, ServiceContext, SubmitError, WorkQueue};
use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const ROUNDS: u64 = 300;
/// Of each producer.
const MOST_ITEMS: u64 = 60;

#[test]
fn every_item_ends_exactly_once_whatever_races() {
    crate::common::rounds::rounds("items", ROUNDS, round);
}

/// What became of an item, as its drop, its handler and its owner saw it.
#[derive(Default)]
struct Fate {
    /// The queue has accepted it, or it was dropped in its refusal.
    accepted: AtomicU32,
    /// Its last handler returned `Ok`, or panicked in its drop.
    done: AtomicU32,
    /// It came back: unprocessed, or failed.
    returned: AtomicU32,
    /// Its copy came back as maybe handled.
    in_doubt: AtomicU32,
    dropped: AtomicU32,
    copies: AtomicU32,
    copies_dropped: AtomicU32,
}

struct Item {
    fate: Arc<Fate>,
    is_copy: bool,
    /// So often it is put back before it is handled.
    returns: u32,
    /// Its handler submits so many others.
    children: u32,
    bomb: Option<Bomb>,
}

impl Item {
    fn defuse(&mut self) {
        std::mem::forget(self.bomb.take());
    }
}

impl Clone for Item {
    fn clone(&self) -> Item {
        self.fate.copies.fetch_add(1, SeqCst);
        Item {
            fate: self.fate.clone(),
            is_copy: true,
            bomb: None,
            ..*self
        }
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        match self.is_copy {
            true => self.fate.copies_dropped.fetch_add(1, SeqCst),
            false => self.fate.dropped.fetch_add(1, SeqCst),
        };
    }
}

#[derive(Default)]
struct Counts {
    /// Verbs that returned `Ok`, and refusals that were dropped with their item.
    accepted: AtomicU64,
    refused: AtomicU64,
    /// What handlers were about to return.
    well: AtomicU64,
    failed: AtomicU64,
    panicked: AtomicU64,
}

struct World {
    queue: WorkQueue<Item>,
    counts: Counts,
    fates: Mutex<Vec<Arc<Fate>>>,
    /// For handlers that do not heed their token.
    is_reported: AtomicBool,
    /// Those that the closure for dead letters got.
    buried: Receiver<Item>,
}

impl World {
    fn item(&self, rng: &mut fastrand::Rng, children: u32) -> Item {
        let fate = Arc::new(Fate::default());
        self.fates.lock().unwrap().push(fate.clone());
        Item {
            fate,
            is_copy: false,
            returns: if rng.u8(..8) == 0 { rng.u32(1..4) } else { 0 },
            children,
            bomb: (rng.u8(..16) == 0).then(|| Bomb),
        }
    }

    /// Submits an item by any verb. Returns the refusal, if it is one of a closed queue.
    fn submit(
        &self,
        item: Item,
        ctx: Option<&ServiceContext>,
        rng: &mut fastrand::Rng,
    ) -> Result<(), SubmitError<Item>> {
        let fate = item.fate.clone();
        let soon = Duration::from_micros(rng.u64(..200));
        let submitted = match (rng.u8(..5), ctx) {
            (0, Some(ctx)) => self.queue.submit_until(ctx.token(), item),
            (0 | 1, _) => self.queue.submit(item),
            (2, _) => self.queue.try_submit(item),
            (3, _) => self.queue.submit_until(soon, item),
            _ => self.queue.submit_until(Instant::now() + soon, item),
        };
        let accept = || {
            fate.accepted.fetch_add(1, SeqCst);
            self.counts.accepted.fetch_add(1, SeqCst);
        };
        let Err(refused) = submitted else {
            accept();
            return Ok(());
        };
        assert_eq!(fate.dropped.load(SeqCst), 0);
        let is_final = refused.is_closed() || refused.is_cancelled();
        assert!(is_final || refused.is_full() || refused.is_timeout());
        if is_final && rng.bool() {
            accept();
            return Err(refused);
        }
        let mut item = refused.into_inner();
        item.defuse();
        self.counts.refused.fetch_add(1, SeqCst);
        Ok(())
    }
}

fn produce(world: &World, rng: &mut fastrand::Rng) {
    for _ in 0..rng.u64(..MOST_ITEMS) {
        let children = if rng.u8(..8) == 0 { rng.u32(1..4) } else { 0 };
        let item = world.item(rng, children);
        drop(world.submit(item, None, rng));
    }
}

fn handle(
    world: &World,
    item: &mut Item,
    ctx: &ServiceContext,
    rng: &mut fastrand::Rng,
) -> Result<ItemOutcome, Box<dyn Error + Send + Sync>> {
    let counts = &world.counts;
    assert_eq!(item.fate.dropped.load(SeqCst), 0);
    if item.returns > 0 {
        item.returns -= 1;
        return Ok(ItemOutcome::PutBack);
    }
    while item.children > 0 {
        item.children -= 1;
        let child = world.item(rng, 0);
        let submitted = world.submit(child, Some(ctx), rng);
        match rng.bool() {
            true => submitted?, // due to the stop, and so the item has not failed
            false => drop(submitted),
        }
    }
    match rng.u8(..12) {
        0 => {
            counts.failed.fetch_add(1, SeqCst);
            match rng.u8(..4) {
                0 => Err(PermanentError::new("never any luck"))?,
                _ => Err("no luck")?,
            }
        }
        1 => {
            counts.panicked.fetch_add(1, SeqCst);
            expected_panic();
        }
        2 => return Ok(ItemOutcome::HandBack),
        3 => ctx.sleep(Duration::from_micros(rng.u64(..2_000)))?,
        4 => ctx.request_stop("an item wants it"),
        5 if rng.u8(..8) == 0 => {
            // Abandoned, unless it is not reported in its time.
            while !world.is_reported.load(SeqCst) {
                thread::sleep(Duration::from_micros(100));
            }
            match rng.u8(..5) {
                0 => {
                    counts.failed.fetch_add(1, SeqCst);
                    Err("too late")?;
                }
                1 => {
                    counts.panicked.fetch_add(1, SeqCst);
                    expected_panic();
                }
                2 => return Ok(ItemOutcome::HandBack),
                3 => return Ok(ItemOutcome::PutBack),
                _ => {}
            }
        }
        _ => {}
    }
    item.fate.done.fetch_add(1, SeqCst);
    match item.bomb {
        Some(_) => counts.panicked.fetch_add(1, SeqCst),
        None => counts.well.fetch_add(1, SeqCst),
    };
    Ok(ItemOutcome::Handled)
}

fn round(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut queue = WorkQueue::new(rng.usize(1..=8));
    if rng.bool() {
        queue = queue.keep_copy();
    }
    if rng.bool() {
        let soon = Duration::from_micros(rng.u64(..2_000));
        let retry = Retry::fixed(soon).attempts(rng.u32(1..4));
        queue = match rng.u8(..3) {
            0 => queue.retry(retry.on_error(move |_: &groundcrew::BoxError| {
                match fastrand::u8(..4) {
                    0 => Verdict::GiveUp,
                    1 => Verdict::Postpone(soon),
                    2 => Verdict::RetryAfter(Duration::MAX),
                    _ => Verdict::Retry,
                }
            })),
            1 => queue.retry(retry).max_retrying(rng.usize(1..4)),
            _ => queue.retry(retry),
        };
    }
    let (bury, buried) = unbounded();
    if rng.bool() {
        queue = queue.dead_letter(move |item: Item, _| {
            let _ = bury.send(item);
            if fastrand::u8(..8) == 0 {
                expected_panic();
            }
        });
    }
    let world = Arc::new(World {
        queue,
        counts: Counts::default(),
        fates: Mutex::default(),
        is_reported: AtomicBool::new(false),
        buried,
    });
    let limit = Duration::from_millis(rng.u64(1..40));
    let workers = rng.usize(1..=3);
    let host = host(limit, |host| {
        let (own, seed) = (world.clone(), AtomicU64::new(rng.u64(..)));
        host.add(
            "items",
            world.queue.workers(workers, move || {
                let world = own.clone();
                let mut rng = fastrand::Rng::with_seed(seed.fetch_add(1, SeqCst));
                move |item: &mut Item, ctx: &ServiceContext| handle(&world, item, ctx, &mut rng)
            }),
        )
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
    let mut taken = Taken::default();
    if rng.bool() {
        taken.take(&world);
    }
    world.is_reported.store(true, SeqCst);
    for producer in producers {
        producer.join().unwrap();
    }
    check(&world, &report, taken);
}

/// What the owner of the queue has.
#[derive(Default)]
struct Taken {
    unprocessed: Vec<Item>,
    failed: Vec<Item>,
    in_doubt: Vec<Item>,
}

impl Taken {
    fn take(&mut self, world: &World) {
        let queue = &world.queue;
        if fastrand::bool() {
            let waited = queue.take_retrying().into_iter();
            self.unprocessed.extend(waited.map(|it| it.into_inner()));
        }
        self.unprocessed.extend(queue.take_unstarted());
        let failed = queue.take_failed().into_iter().map(|it| it.into_inner());
        self.failed.extend(failed.chain(world.buried.try_iter()));
        self.in_doubt.extend(queue.take_maybe_handled());
    }
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

fn check(world: &World, report: &HostReport, mut taken: Taken) {
    let (queue, counts) = (&world.queue, &world.counts);
    assert!(queue.is_closed());
    let told = report.services()[0].queue().unwrap().clone();
    let ended = |stats: &QueueStats| stats.handled() + stats.failed() + stats.panicked();
    let sum = |stats: &QueueStats| {
        let waiting = stats.queued() + stats.retrying();
        assert_eq!((waiting, stats.overflow()), (0, 0));
        stats.in_progress() + ended(stats) + stats.unstarted()
    };
    assert_eq!(told.accepted(), sum(&told), "{told:?}");
    let left = told.in_progress() + told.unstarted() + told.failed_left();
    assert!(left == 0 || !report.is_clean());
    // Workers that were abandoned end late, and then nothing is in hand.
    while queue.stats().in_progress() > 0 {
        thread::yield_now();
    }
    taken.take(world);
    let late = queue.stats();
    assert_eq!(late.accepted(), sum(&late), "{late:?}");
    assert_eq!(late.failed_left(), 0);
    let count = |count: &AtomicU64| count.load(SeqCst);
    assert_eq!(late.accepted(), count(&counts.accepted));
    assert_eq!(late.handled(), count(&counts.well));
    assert_eq!(late.failed() + late.retries(), count(&counts.failed));
    assert_eq!(late.panicked(), count(&counts.panicked));
    // What came since the report was in hand, or refused and dropped.
    let since = ended(&late) + late.unstarted() - ended(&told) - told.unstarted();
    assert_eq!(
        since,
        told.in_progress() + late.accepted() - told.accepted()
    );
    assert!(taken.in_doubt.len() as u64 <= told.in_progress());
    if taken.in_doubt.is_empty() {
        assert_eq!(taken.unprocessed.len() as u64, late.unstarted());
    }

    for items in [&mut taken.unprocessed, &mut taken.failed] {
        for item in items {
            assert!(!item.is_copy && item.fate.dropped.load(SeqCst) == 0);
            item.fate.returned.fetch_add(1, SeqCst);
            item.defuse();
        }
    }
    for item in &taken.in_doubt {
        assert!(item.is_copy);
        item.fate.in_doubt.fetch_add(1, SeqCst);
    }
    drop(taken);
    let fates = std::mem::take(&mut *world.fates.lock().unwrap());
    for fate in &fates {
        let load = |count: &AtomicU32| count.load(SeqCst);
        let (done, returned) = (load(&fate.done), load(&fate.returned));
        match load(&fate.in_doubt) {
            0 => assert_eq!(done + returned, load(&fate.accepted)),
            // It was: it does not come back in another way.
            doubts => assert_eq!((doubts, returned, load(&fate.accepted)), (1, 0, 1)),
        }
        // Each was dropped once, wherever it was, and its copies as well.
        assert_eq!(load(&fate.dropped), 1);
        assert_eq!(load(&fate.copies), load(&fate.copies_dropped));
        assert_eq!(Arc::strong_count(fate), 1);
    }
    assert!(count(&counts.refused) <= fates.len() as u64);
}
