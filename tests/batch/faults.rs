//! Batches that fail: in halves until the bad items stand alone, again and again as the
//! policy says, and whatever panics.

use crate::common::batch::{Dead, all, burying, expect_sum};
use crate::common::{Bomb, LONG, expected_panic, within};
use groundcrew::batch::BatcherBuilder;
use groundcrew::channel::unbounded;
use groundcrew::retry::{DeadLetterReason, GiveUpReason, PermanentError, Verdict};
use groundcrew::{Batcher, BoxError, Pool, Retry, TaskContext};
use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Nothing but what a test says fills a batch; what fails is tried again at once.
fn builder<T: Send + 'static>() -> BatcherBuilder<T> {
    Batcher::builder("it")
        .max_age(Duration::MAX)
        .max_items(1_000)
        .retry(Retry::fixed(Duration::ZERO))
}

/// So many calls an item may be in at most: ceil(log2 n) + 1.
fn most_calls(items: usize) -> u32 {
    items.next_power_of_two().trailing_zeros() + 1
}

// Permanent failures.

#[test]
fn exactly_the_bad_items_are_dead_and_none_is_in_more_calls_than_promised() {
    let pool = Pool::new(1).unwrap();
    let sizes = (1..=33).chain([63, 64, 65, 127, 128, 129, 200, 255, 256, 257, 300]);
    for size in sizes {
        for panics in [false, true] {
            let share = fastrand::f64().powi(3);
            let bad: BTreeSet<usize> = (0..size).filter(|_| fastrand::f64() < share).collect();
            expect_only_dead(&pool, size, bad, panics);
        }
        expect_only_dead(&pool, size, BTreeSet::new(), false);
        expect_only_dead(&pool, size, (0..size).collect(), false);
        expect_only_dead(&pool, size, BTreeSet::from([size - 1]), true);
    }
}

fn expect_only_dead(pool: &Pool, size: usize, bad: BTreeSet<usize>, panics: bool) {
    let calls: Arc<Vec<AtomicU32>> = Arc::new((0..size).map(|_| AtomicU32::new(0)).collect());
    let (bury, told) = burying();
    let (counts, of_handler) = (calls.clone(), bad.clone());
    let items = builder()
        .max_items(size)
        .dead_letter(bury)
        .build(pool.submitter(), move |batch: &mut Vec<usize>, _| {
            batch.iter().for_each(|item| {
                counts[*item].fetch_add(1, SeqCst);
            });
            match batch.iter().find(|item| of_handler.contains(item)) {
                Some(_) if panics => expected_panic(),
                Some(item) => Err(PermanentError::new(format!("bad {item}")))?,
                None => Ok(()),
            }
        })
        .unwrap();
    (0..size).for_each(|item| items.submit(item).unwrap());
    within(LONG, "a split", || items.flush());
    let dead = all(&told);
    let expected = |item: &usize| Dead {
        item: *item,
        cause: match panics {
            true => DeadLetterReason::Panicked,
            false => DeadLetterReason::Permanent,
        },
        error: (!panics).then(|| format!("bad {item}")),
        attempts: 1,
    };
    let expected: Vec<_> = bad.iter().map(expected).collect();
    assert_eq!(dead, expected, "in their order");
    let most = calls.iter().map(|calls| calls.load(SeqCst)).max().unwrap();
    assert!(most <= most_calls(size), "{size} items, {most} calls");
    let stats = items.stats();
    assert_eq!(
        (stats.handled(), stats.dead()),
        ((size - bad.len()) as u64, bad.len() as u64)
    );
    assert_eq!((stats.batches(), stats.waiting()), (1, 0));
}

#[test]
fn a_long_split_with_slow_calls_loses_nothing() {
    let pool = Pool::new(1).unwrap();
    let (bury, told) = burying();
    let items = builder()
        .max_items(128)
        .dead_letter(bury)
        .build(pool.submitter(), |batch: &mut Vec<u32>, _| {
            thread::sleep(Duration::from_micros(300));
            match batch.iter().any(|item| item % 3 == 0) {
                true => Err(PermanentError::new("no"))?,
                false => Ok(()),
            }
        })
        .unwrap();
    (0..256).for_each(|item| items.submit(item).unwrap());
    within(LONG, "a long split", || items.flush());
    let dead = all(&told).into_iter().map(|dead| dead.item);
    assert!(dead.eq((0..256).filter(|item| item % 3 == 0)));
    assert_eq!(items.stats().handled(), 256 - 86);
}

#[test]
fn an_error_that_is_caused_by_a_permanent_one_is_permanent() {
    let pool = Pool::new(1).unwrap();
    let (bury, told) = burying();
    let items = builder().dead_letter(bury).max_items(1);
    let items = items.build(pool.submitter(), |batch: &mut Vec<u32>, _| {
        let permanent = PermanentError::new("no such table");
        match batch[0] {
            0 => Err(permanent)?,
            1 => Err(io::Error::other(permanent))?,
            _ => Err(Caused(Box::new(permanent)))?,
        }
    });
    let items = items.unwrap();
    (0..3).for_each(|item| items.submit(item).unwrap());
    within(LONG, "flush", || items.flush());
    assert!(
        all(&told)
            .iter()
            .all(|dead| dead.cause == DeadLetterReason::Permanent)
    );
    assert_eq!((items.stats().dead(), items.stats().calls()), (3, 3));
}

#[derive(Debug)]
struct Caused(Box<dyn Error + Send + Sync>);

impl fmt::Display for Caused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("could not insert")
    }
}

impl Error for Caused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.0.as_ref())
    }
}

// Temporary failures.

#[test]
fn a_temporary_failure_is_tried_again_as_a_whole_and_then_handled() {
    let pool = Pool::new(2).unwrap();
    let (tell, told) = unbounded();
    let tries = AtomicU32::new(0);
    let items = builder()
        .max_items(3)
        .retry(Retry::custom(|failed| Duration::from_micros(u64::from(failed))).attempts(4))
        .build(pool.submitter(), move |batch: &mut Vec<u32>, _| {
            tell.send(batch.clone())?;
            match tries.fetch_add(1, SeqCst) % 4 {
                3 => Ok(()),
                _ => Err("busy")?,
            }
        })
        .unwrap();
    (0..6).for_each(|item| items.submit(item).unwrap());
    within(LONG, "flush", || items.flush());
    let calls = [[0, 1, 2]; 4].into_iter().chain([[3, 4, 5]; 4]);
    assert!(all(&told).into_iter().eq(calls.map(Vec::from)));
    let stats = items.stats();
    assert_eq!((stats.handled(), stats.batches()), (6, 2));
    assert_eq!((stats.calls(), stats.retries()), (8, 6));
}

#[test]
fn when_the_policy_gives_up_all_items_are_dead_letters_with_the_last_error() {
    let pool = Pool::new(1).unwrap();
    for attempts in [1, 3] {
        let (bury, told) = burying();
        let tries = AtomicU32::new(0);
        let items = builder()
            .retry(Retry::fixed(Duration::ZERO).attempts(attempts))
            .dead_letter(bury)
            .build(pool.submitter(), move |_: &mut Vec<&str>, _| {
                Err(format!("busy {}", tries.fetch_add(1, SeqCst)))?
            })
            .unwrap();
        items.submit("a").unwrap();
        items.submit("b").unwrap();
        within(LONG, "flush", || items.flush());
        let dead = |item| Dead {
            item,
            cause: DeadLetterReason::GaveUp(GiveUpReason::Attempts),
            error: Some(format!("busy {}", attempts - 1)),
            attempts,
        };
        assert_eq!(all(&told), [dead("a"), dead("b")]);
        assert_eq!(items.stats().retries(), u64::from(attempts) - 1);
    }
}

#[test]
fn what_the_judge_gives_up_is_split_until_the_bad_item_stands_alone() {
    let pool = Pool::new(1).unwrap();
    let (bury, told) = burying();
    let judge = |error: &BoxError| match error.to_string().as_str() {
        "bad" => Verdict::GiveUp,
        _ => Verdict::Retry,
    };
    let items = builder()
        .max_items(8)
        .retry(Retry::fixed(Duration::ZERO).attempts(2).on_error(judge))
        .dead_letter(bury)
        .build(pool.submitter(), |batch: &mut Vec<u32>, _| {
            match batch.contains(&5) {
                true => Err("bad")?,
                false => Ok(()),
            }
        })
        .unwrap();
    (0..8).for_each(|item| items.submit(item).unwrap());
    within(LONG, "flush", || items.flush());
    let dead = Dead {
        item: 5,
        cause: DeadLetterReason::GaveUp(GiveUpReason::Verdict),
        error: Some("bad".to_owned()),
        attempts: 1,
    };
    assert_eq!(all(&told), [dead]);
    let stats = items.stats();
    // 8, 4, 4, 2, 1, 1, 2
    assert_eq!((stats.handled(), stats.calls(), stats.retries()), (7, 7, 0));
}

#[test]
fn a_batch_that_the_judge_postpones_was_not_tried() {
    let pool = Pool::new(1).unwrap();
    let (bury, told) = burying();
    let judge = |error: &BoxError| match error.to_string().as_str() {
        "closed" => Verdict::Postpone(Duration::ZERO),
        _ => Verdict::RetryAfter(Duration::from_nanos(1)),
    };
    let tries = AtomicU32::new(0);
    let items = builder()
        .retry(Retry::fixed(LONG).attempts(2).on_error(judge))
        .dead_letter(bury)
        .build(pool.submitter(), move |_: &mut Vec<u32>, _| {
            match tries.fetch_add(1, SeqCst) {
                0..5 => Err("closed")?,
                _ => Err("busy")?,
            }
        })
        .unwrap();
    items.submit(1).unwrap();
    within(LONG, "flush", || items.flush());
    assert_eq!(all(&told)[0].attempts, 2);
    assert_eq!((items.stats().calls(), items.stats().retries()), (7, 6));
}

#[test]
fn a_part_of_a_split_batch_is_tried_again_by_itself() {
    let pool = Pool::new(1).unwrap();
    let (bury, told) = burying();
    let (tell, handled) = unbounded();
    let busy = AtomicU32::new(2);
    let items = builder()
        .max_items(4)
        .dead_letter(bury)
        .build(pool.submitter(), move |batch: &mut Vec<u32>, _| {
            if batch.contains(&1) {
                Err(PermanentError::new("bad"))?;
            }
            if batch.contains(&2) && busy.load(SeqCst) > 0 {
                busy.fetch_sub(1, SeqCst);
                Err("busy")?;
            }
            Ok(tell.send(batch.clone())?)
        })
        .unwrap();
    (0..4).for_each(|item| items.submit(item).unwrap());
    within(LONG, "flush", || items.flush());
    assert_eq!(all(&handled), [vec![0], vec![2, 3]]);
    assert_eq!(all(&told)[0].item, 1);
    assert_eq!((items.stats().retries(), items.stats().batches()), (2, 1));
}

#[test]
fn items_that_were_taken_out_before_a_failure_are_handled() {
    let pool = Pool::new(1).unwrap();
    let (bury, told) = burying();
    let (tell, written) = unbounded();
    // Fails after each two; the fourth is bad, the seventh panics.
    let items = builder()
        .dead_letter(bury)
        .build(pool.submitter(), move |batch: &mut Vec<u32>, _| {
            for nth in 0.. {
                match batch.first() {
                    None => return Ok(()),
                    Some(_) if nth == 2 => Err("busy")?,
                    Some(4) => Err(PermanentError::new("bad"))?,
                    Some(7) => expected_panic(),
                    Some(item) => tell.send(*item)?,
                }
                batch.remove(0);
            }
            Ok(())
        })
        .unwrap();
    (1..=10).for_each(|item| items.submit(item).unwrap());
    within(LONG, "flush", || items.flush());
    let mut all_written = all(&written);
    all_written.sort_unstable();
    assert_eq!(all_written, [1, 2, 3, 5, 6, 8, 9, 10]);
    let dead: Vec<_> = all(&told)
        .into_iter()
        .map(|dead| (dead.item, dead.cause))
        .collect();
    assert_eq!(
        dead,
        [
            (4, DeadLetterReason::Permanent),
            (7, DeadLetterReason::Panicked)
        ]
    );
    assert_eq!((items.stats().handled(), items.stats().dead()), (8, 2));
}

#[test]
fn a_failed_batch_of_which_nothing_is_left_is_handled() {
    let pool = Pool::new(1).unwrap();
    for permanent in [true, false] {
        let items = builder().build(pool.submitter(), move |batch: &mut Vec<u32>, _| {
            batch.clear();
            match permanent {
                true => Err(PermanentError::new("no"))?,
                false => Err("busy")?,
            }
        });
        let items = items.unwrap();
        items.submit(1).unwrap();
        within(LONG, "flush", || items.flush());
        assert_eq!((items.stats().handled(), items.stats().calls()), (1, 1));
    }
}

#[test]
fn what_a_handler_puts_into_its_batch_is_dropped() {
    struct Item(bool, Arc<AtomicUsize>);
    impl Drop for Item {
        fn drop(&mut self) {
            self.1.fetch_add(1, SeqCst);
        }
    }
    let pool = Pool::new(1).unwrap();
    for fails in [true, false] {
        let (dropped, tries) = (Arc::new(AtomicUsize::new(0)), AtomicU32::new(0));
        let of_handler = dropped.clone();
        let items = builder().build(pool.submitter(), move |batch: &mut Vec<Item>, _| {
            assert!(batch.iter().all(|item| item.0), "never accepted");
            batch.extend((0..10).map(|_| Item(false, of_handler.clone())));
            match fails && tries.fetch_add(1, SeqCst) == 0 {
                true => Err("busy")?,
                false => Ok(()),
            }
        });
        let items = items.unwrap();
        (0..3).for_each(|_| drop(items.submit(Item(true, dropped.clone()))));
        within(LONG, "flush", || items.flush());
        assert_eq!(items.stats().handled(), 3);
        assert_eq!(dropped.load(SeqCst), if fails { 23 } else { 13 });
    }
}

// Whatever panics.

#[test]
fn a_dead_letter_closure_that_panics_costs_nothing_but_its_own_item() {
    let pool = Pool::new(1).unwrap();
    let (tell, told) = unbounded();
    let items = builder()
        .dead_letter(move |item: u32, _| {
            if item == 2 {
                expected_panic();
            }
            tell.send(item).unwrap();
        })
        .build(pool.submitter(), |_: &mut Vec<u32>, _| {
            Err(PermanentError::new("no"))?
        })
        .unwrap();
    (1..=3).for_each(|item| items.submit(item).unwrap());
    within(LONG, "flush", || items.flush());
    assert_eq!(all(&told), [1, 3]);
    assert_eq!(items.stats().dead(), 3);
}

#[test]
fn items_that_panic_in_their_drop_cost_nothing() {
    let pool = Pool::new(1).unwrap();
    for dead_letters in [true, false] {
        let items = builder();
        let items = match dead_letters {
            true => items.dead_letter(|item: (u32, Bomb), _| drop(item)),
            false => items,
        };
        let items = items.max_items(6).build(pool.submitter(), |batch, _| {
            match batch.iter().any(|(number, _)| *number == 3) {
                true => Err(PermanentError::new("no"))?,
                false => Ok(()),
            }
        });
        let items = items.unwrap();
        (0..6).for_each(|number| drop(items.submit((number, Bomb))));
        within(LONG, "flush", || items.flush());
        assert_eq!((items.stats().handled(), items.stats().dead()), (5, 1));
        // Nobody takes these.
        items.submit((0, Bomb)).unwrap();
        drop(items.stop(Duration::ZERO));
        expect_sum(&items.stats());
    }
}

/// Panics in whatever is asked of it.
struct Nasty {
    _bomb: Option<Bomb>,
}

impl fmt::Debug for Nasty {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        expected_panic()
    }
}

impl fmt::Display for Nasty {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        expected_panic()
    }
}

impl Error for Nasty {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        expected_panic()
    }
}

#[test]
fn errors_that_panic_in_everything_cost_nothing() {
    let pool = Pool::new(1).unwrap();
    for attempts in [1, 3] {
        let (tell, told) = unbounded();
        let items = builder()
            .retry(Retry::fixed(Duration::ZERO).attempts(attempts))
            .dead_letter(move |item: u32, why| tell.send((item, why.attempts())).unwrap())
            .build(pool.submitter(), |batch: &mut Vec<u32>, _| {
                match batch.len() {
                    1 => Err(Nasty { _bomb: Some(Bomb) })?,
                    _ => Err(Caused(Box::new(PermanentError::new(Nasty { _bomb: None }))))?,
                }
            })
            .unwrap();
        (0..3).for_each(|item| items.submit(item).unwrap());
        within(LONG, "flush", || items.flush());
        assert_eq!(all(&told), [0, 1, 2].map(|item| (item, attempts)));
    }
}

#[test]
fn a_policy_that_panics_loses_no_item() {
    let pool = Pool::new(1).unwrap();
    let (bury, told) = burying();
    let items = builder()
        .max_items(2)
        .retry(Retry::custom(|_| expected_panic()))
        .dead_letter(bury)
        .build(pool.submitter(), |_: &mut Vec<u32>, _| Err("busy")?)
        .unwrap();
    (0..4).for_each(|item| items.submit(item).unwrap());
    within(LONG, "flush", || items.flush());
    let dead = all(&told).into_iter().map(|dead| dead.item);
    assert!(dead.eq(0..4));
    expect_sum(&items.stats());
    assert_eq!(items.stats().waiting(), 0);
}

#[test]
fn the_pool_goes_on_whatever_its_batches_did() {
    let pool = Pool::new(2).unwrap();
    let items = builder()
        .max_items(1)
        .in_flight(2)
        .build(pool.submitter(), |_: &mut Vec<u32>, _: &TaskContext| {
            expected_panic()
        });
    let items = items.unwrap();
    (0..100).for_each(|item| items.submit(item).unwrap());
    within(LONG, "flush", || items.flush());
    pool.wait_idle();
    assert_eq!(items.stats().dead(), 100);
    let stats = pool.stats();
    assert_eq!((stats.panicked(), stats.workers_alive()), (0, 2));
}

// What a handler knows.

#[test]
fn a_handler_runs_in_a_task_with_the_batchers_name() {
    let pool = Pool::new(1).unwrap();
    let seen = Arc::new(Mutex::new(String::new()));
    let of_handler = seen.clone();
    let items = builder().build(pool.submitter(), move |_: &mut Vec<u32>, ctx| {
        *of_handler.lock().unwrap() = format!("{}", ctx.info());
        Ok(())
    });
    let items = items.unwrap();
    items.submit(1).unwrap();
    items.flush();
    let seen = seen.lock().unwrap();
    assert!(
        seen.contains("\"it\"") && seen.contains("tests/batch/faults.rs"),
        "{seen}"
    );
}
