//! What batchers do when time passes, by a clock that the tests move.

use crate::common::batch::{Handled, all, burying, telling};
use crate::common::{LONG, within};
use groundcrew::batch::BatcherBuilder;
use groundcrew::channel::{Receiver, unbounded};
use groundcrew::retry::{Backoff, DeadLetterReason, GiveUpReason, Jitter, PermanentError};
use groundcrew::testing::ManualClock;
use groundcrew::{Batcher, Pool, Retry, TaskContext};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn pool() -> (ManualClock, Pool) {
    let clock = ManualClock::new();
    let pool = Pool::builder().threads(1).clock(&clock).build().unwrap();
    (clock, pool)
}

fn builder() -> BatcherBuilder<u32> {
    Batcher::builder("it").max_age(Duration::MAX)
}

struct World {
    clock: ManualClock,
    pool: Pool,
    items: Batcher<u32>,
    told: Receiver<Vec<u32>>,
}

impl World {
    fn new(builder: BatcherBuilder<u32>) -> World {
        let (clock, pool) = pool();
        let (handler, told) = telling();
        let items = builder.build(pool.submitter(), handler).unwrap();
        World {
            clock,
            pool,
            items,
            told,
        }
    }

    fn submit(&self, items: impl IntoIterator<Item = u32>) {
        items
            .into_iter()
            .for_each(|item| self.items.submit(item).unwrap());
    }

    /// The batches that are handled within this time.
    fn after(&self, time: Duration) -> Vec<Vec<u32>> {
        within(LONG, "time", || {
            self.clock.advance(time);
            self.pool.wait_idle();
        });
        all(&self.told)
    }
}

const NONE: [Vec<u32>; 0] = [];
const A_BIT: Duration = Duration::from_nanos(1);

#[test]
fn a_batch_is_full_when_its_first_item_is_so_old() {
    let world = World::new(builder().max_age(10 * SECOND));
    world.submit([1]);
    assert_eq!(world.after(6 * SECOND), NONE);
    world.submit([2]);
    assert_eq!(world.after(4 * SECOND - A_BIT), NONE);
    world.submit([3]);
    assert_eq!(world.after(A_BIT), [[1, 2, 3]]);
    // The next one has its own age.
    assert_eq!(world.after(100 * SECOND), NONE);
    world.submit([4]);
    assert_eq!(world.after(10 * SECOND - A_BIT), NONE);
    assert_eq!(world.after(A_BIT), [[4]]);
}

#[test]
fn a_batch_is_full_when_nothing_was_added_for_the_idle_time() {
    let world = World::new(builder().max_age(10 * SECOND).max_idle(3 * SECOND));
    for item in 0..4 {
        world.submit([item]);
        assert_eq!(world.after(2 * SECOND), NONE, "item {item}");
    }
    // 8 s old, and idle for 2 s.
    assert_eq!(world.after(SECOND), [[0, 1, 2, 3]]);
    for item in 0..5 {
        world.submit([item]);
        let batches = world.after(2 * SECOND);
        assert_eq!(batches.is_empty(), item < 4, "10 s old: {batches:?}");
    }
    world.submit([9]);
    assert_eq!(world.after(3 * SECOND), [[9]]);
}

#[test]
fn an_idleness_that_is_not_shorter_than_the_age_means_nothing() {
    let world = World::new(builder().max_age(3 * SECOND).max_idle(3 * SECOND));
    world.submit([1]);
    assert_eq!(world.after(2 * SECOND), NONE);
    world.submit([2]);
    assert_eq!(world.after(SECOND), [[1, 2]]);
}

#[test]
fn a_batch_that_was_full_otherwise_leaves_no_alarm_for_the_next_one() {
    let world = World::new(builder().max_items(2).max_age(10 * SECOND));
    world.submit([1, 2]);
    assert_eq!(world.after(6 * SECOND), [[1, 2]]);
    world.submit([3]);
    // The first one would be old now.
    assert_eq!(world.after(6 * SECOND), NONE);
    world.items.flush();
    assert_eq!(all(&world.told), [[3]]);
    assert_eq!(world.after(100 * SECOND), NONE);
    world.submit([4]);
    assert_eq!(world.after(10 * SECOND), [[4]]);
}

#[test]
fn ages_are_kept_for_a_thousand_batches_and_with_a_clock_that_leaps() {
    let world = World::new(builder().max_age(10 * SECOND).max_idle(SECOND));
    for round in 0..1_000 {
        world.submit([round, round]);
        let leap = SECOND * fastrand::u32(1..100);
        assert_eq!(world.after(leap), [[round, round]]);
    }
}

#[test]
fn the_pauses_between_attempts_are_those_of_the_policy() {
    let (clock, pool) = pool();
    let (bury, told) = burying();
    let (tell, calls) = unbounded();
    let of_handler = clock.clone();
    let backoff = Backoff::exponential(SECOND).jitter(Jitter::None);
    let items = builder()
        .max_items(2)
        .retry(Retry::new(backoff).attempts(4))
        .dead_letter(bury)
        .build(pool.submitter(), move |_: &mut Vec<u32>, _| {
            tell.send(of_handler.elapsed())?;
            Err("busy")?
        })
        .unwrap();
    items.submit(1).unwrap();
    items.submit(2).unwrap();
    within(LONG, "attempts", || {
        for pause in [1, 2, 4] {
            clock.wait_for_sleepers(1);
            clock.advance(SECOND * pause);
        }
        items.flush();
    });
    assert_eq!(all(&calls), [0, 1, 3, 7].map(|seconds| SECOND * seconds));
    let dead = all(&told);
    assert_eq!(dead.len(), 2);
    assert_eq!(
        (dead[1].cause, dead[1].attempts),
        (DeadLetterReason::GaveUp(GiveUpReason::Attempts), 4)
    );
}

#[test]
fn what_would_come_after_the_policys_deadline_is_given_up() {
    let (clock, pool) = pool();
    let (bury, told) = burying();
    let retry = Retry::fixed(4 * SECOND).deadline(9 * SECOND);
    let items = builder().max_items(1).retry(retry).dead_letter(bury);
    let items = items.build(pool.submitter(), |_: &mut Vec<u32>, _| Err("busy")?);
    let items = items.unwrap();
    items.submit(1).unwrap();
    within(LONG, "attempts", || {
        for _ in 0..2 {
            clock.wait_for_sleepers(1);
            clock.advance(4 * SECOND);
        }
        items.flush();
    });
    let dead = all(&told);
    assert_eq!(
        (dead[0].cause, dead[0].attempts),
        (DeadLetterReason::GaveUp(GiveUpReason::Deadline), 3)
    );
}

#[test]
fn a_batch_that_waits_for_its_next_attempt_is_in_flight_and_on_no_worker() {
    let (clock, pool) = pool();
    let (tell, told) = unbounded();
    let items = builder()
        .max_items(1)
        .retry(Retry::fixed(SECOND))
        .in_flight(2);
    let handler = move |batch: &mut Vec<u32>, _: &TaskContext| -> Handled {
        tell.send(batch[0])?;
        match batch[0] {
            1 => Err("busy")?,
            _ => Ok(()),
        }
    };
    let items = items.build(pool.submitter(), handler).unwrap();
    (1..=3).for_each(|item| items.submit(item).unwrap());
    within(LONG, "attempts", || {
        clock.wait_for_sleepers(1);
        pool.wait_idle();
        assert_eq!(all(&told), [1, 2, 3], "the others pass it");
        // Two that wait leave room for none.
        items.submit(1).unwrap();
        clock.wait_for_sleepers(2);
        items.submit(4).unwrap();
        pool.wait_idle();
        assert_eq!(all(&told), [1]);
        assert!(!items.flush_timeout(Duration::ZERO));
    });
    let report = items.stop(Duration::ZERO);
    assert_eq!(report.take_unstarted(), [1, 1, 4]);
}

#[test]
fn with_one_in_flight_later_batches_wait_for_the_one_that_is_tried_again() {
    let (clock, pool) = pool();
    let tries = AtomicU32::new(0);
    let (tell, told) = unbounded();
    let items = builder().max_items(1).retry(Retry::fixed(SECOND));
    let items = items.build(pool.submitter(), move |batch: &mut Vec<u32>, _| {
        if tries.fetch_add(1, SeqCst) < 2 {
            Err("busy")?;
        }
        Ok(tell.send(batch[0])?)
    });
    let items = items.unwrap();
    (1..=3).for_each(|item| items.submit(item).unwrap());
    within(LONG, "attempts", || {
        for _ in 0..2 {
            clock.wait_for_sleepers(1);
            pool.wait_idle();
            assert!(told.is_empty());
            clock.advance(SECOND);
        }
        items.flush();
    });
    assert_eq!(all(&told), [1, 2, 3]);
}

/// One after the other, each by a tick of the clock, as slow as a batch may be.
#[test]
fn batches_that_take_long_leave_others_their_turn() {
    let (clock, pool) = pool();
    let (tell, told) = unbounded();
    let (of_handler, of_task) = (tell.clone(), tell);
    let items = builder().max_items(1);
    let items = items.build(pool.submitter(), move |batch: &mut Vec<u32>, ctx| {
        if batch[0] == 0 {
            // It was in the queue before the batches were ready.
            let tell = of_task.clone();
            ctx.submitter().execute(move || tell.send(None).unwrap())?;
        }
        if batch[0] >= QUICK {
            clock.advance(SECOND);
        }
        of_handler.send(Some(batch[0]))?;
        match batch[0] {
            1 => Err(PermanentError::new("no"))?,
            _ => Ok(()),
        }
    });
    let items = items.unwrap();
    (0..QUICK + 20).for_each(|item| items.submit(item).unwrap());
    within(LONG, "flush", || items.flush());
    pool.wait_idle();
    let order = all(&told);
    let place = order.iter().position(Option::is_none).unwrap();
    assert!(place <= QUICK as usize + 2, "{order:?}");
}

/// So many batches take no time.
const QUICK: u32 = 50;

#[test]
fn the_deadline_of_a_batch_counts_from_its_own_first_attempt() {
    let (clock, pool) = pool();
    let (bury, dead) = burying();
    let calls = AtomicU32::new(0);
    let retry = Retry::fixed(Duration::ZERO).attempts(2);
    let items = builder()
        .max_items(1)
        .retry(retry.deadline(SECOND))
        .dead_letter(bury);
    let items = items.build(pool.submitter(), move |batch: &mut Vec<u32>, _| {
        if batch[0] == QUICK {
            clock.advance(10 * SECOND);
        } else if batch[0] > QUICK && calls.fetch_add(1, SeqCst) == 0 {
            Err("busy")?;
        }
        Ok(())
    });
    let items = items.unwrap();
    (0..QUICK + 2).for_each(|item| items.submit(item).unwrap());
    assert!(within(LONG, "flush", || items.flush()));
    assert_eq!(all(&dead), []);
    assert_eq!(items.stats().handled(), u64::from(QUICK) + 2);
}
