//! Batchers: when a batch is full, what the verbs do, and what `flush` waits for.

use crate::common::batch::{Handled, all, expect_sum, telling};
use crate::common::{Gate, LONG, expected_panic, occupied_pool, occupy, within};
use groundcrew::batch::BatcherBuilder;
use groundcrew::channel::unbounded;
use groundcrew::retry::PermanentError;
use groundcrew::{Batcher, Pool, Retry, TaskContext};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// Nothing but what a test says fills a batch.
fn builder<T: Send + 'static>() -> BatcherBuilder<T> {
    Batcher::builder("it").max_age(Duration::MAX)
}

// When a batch is full.

#[test]
fn the_maximum_number_of_items_is_a_batch() {
    let pool = Pool::new(1).unwrap();
    let (handler, told) = telling();
    let items = builder().max_items(3).build(pool.submitter(), handler);
    let items = items.unwrap();
    for item in 0..7 {
        items.submit(item).unwrap();
    }
    assert_eq!(told.recv().unwrap(), [0, 1, 2]);
    assert_eq!(told.recv().unwrap(), [3, 4, 5]);
    // Its handler has been called, and has yet to return.
    while items.stats().handled() < 6 {
        thread::yield_now();
    }
    assert_eq!(items.stats().waiting(), 1);
    assert!(told.is_empty());
    items.flush();
    assert_eq!(all(&told), [[6]]);
}

#[test]
fn the_maximum_of_bytes_is_a_batch_and_an_item_that_is_too_much_begins_the_next_one() {
    let pool = Pool::new(1).unwrap();
    let batches = |bytes: &[usize]| {
        let (handler, told) = telling();
        let measured = builder().max_bytes(10, |bytes: &usize| *bytes);
        let items = measured.build(pool.submitter(), handler).unwrap();
        bytes.iter().for_each(|bytes| items.submit(*bytes).unwrap());
        items.flush();
        all(&told)
    };
    // Exactly so many.
    assert_eq!(batches(&[4, 6, 1]), [vec![4, 6], vec![1]]);
    // One more would be too many.
    assert_eq!(batches(&[4, 7, 1]), [vec![4], vec![7, 1]]);
    // Too large alone: by itself, first, in the middle and last.
    assert_eq!(
        batches(&[11, 1, 11, 2]),
        [vec![11], vec![1], vec![11], vec![2]]
    );
    assert_eq!(batches(&[1, usize::MAX]), [vec![1], vec![usize::MAX]]);
    // What weighs nothing goes with whatever there is.
    assert_eq!(batches(&[0, 0, 9, 0, 1, 0]), [vec![0, 0, 9, 0, 1], vec![0]]);
    assert_eq!(batches(&[0, 11]), [vec![0], vec![11]]);
}

#[test]
fn a_batch_whose_time_has_come_is_handled_without_a_flush() {
    let pool = Pool::new(1).unwrap();
    for builder in [
        builder().max_age(Duration::from_millis(1)),
        builder().max_idle(Duration::from_millis(1)),
        builder().max_age(Duration::ZERO),
    ] {
        let (handler, told) = telling();
        let items = builder.build(pool.submitter(), handler).unwrap();
        within(LONG, "age", || {
            for item in 0..20 {
                items.submit(item).unwrap();
                assert_eq!(told.recv().unwrap(), [item]);
            }
        });
    }
}

// In which order, and how many at a time.

#[test]
fn with_one_in_flight_items_are_handled_in_their_order_whatever_fails() {
    let pool = Pool::new(3).unwrap();
    let (tell, told) = unbounded();
    let items = builder()
        .max_items(7)
        .max_bytes(40, |item: &usize| item % 10)
        .retry(Retry::fixed(Duration::ZERO))
        .build(pool.submitter(), move |batch: &mut Vec<usize>, _| {
            if fastrand::u8(..3) == 0 {
                batch
                    .drain(..fastrand::usize(..=batch.len()))
                    .for_each(|item| tell.send(item).unwrap());
                Err("busy")?;
            }
            batch.drain(..).for_each(|item| tell.send(item).unwrap());
            Ok(())
        })
        .unwrap();
    within(LONG, "order", || {
        for item in 0..2_000 {
            items.submit(item).unwrap();
            if fastrand::u8(..50) == 0 {
                items.flush();
            }
        }
        items.flush();
    });
    assert!(all(&told).into_iter().eq(0..2_000));
    assert!(items.stats().retries() > 0);
}

#[test]
fn never_more_batches_are_in_flight_than_allowed_and_as_many_as_that() {
    let pool = Pool::new(4).unwrap();
    for allowed in 1..=3 {
        let gate = Gate::new();
        let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (tell, told) = unbounded();
        let handler = {
            let (inside, most, entrance) = (inside.clone(), most.clone(), gate.entrance());
            move |_: &mut Vec<usize>, _: &TaskContext| {
                most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
                tell.send(()).unwrap();
                entrance.pass();
                inside.fetch_sub(1, SeqCst);
                match fastrand::u8(..4) {
                    0 => Err("busy".into()),
                    _ => Ok(()),
                }
            }
        };
        let items = builder()
            .max_items(2)
            .capacity(1_000)
            .in_flight(allowed)
            .retry(Retry::fixed(Duration::ZERO))
            .build(pool.submitter(), handler)
            .unwrap();
        (0..200).for_each(|item| items.submit(item).unwrap());
        within(LONG, "in flight", || {
            (0..allowed).for_each(|_| told.recv().unwrap());
            gate.open();
            items.flush();
        });
        assert_eq!(most.load(SeqCst), allowed);
        assert_eq!(items.stats().handled(), 200);
    }
}

// The verbs.

#[test]
fn full_each_verb_does_what_it_says_and_gives_the_item_back() {
    let (pool, gate) = occupied_pool(1);
    let (handler, told) = telling();
    let items = builder().capacity(2).build(pool.submitter(), handler);
    let items = items.unwrap();
    items.submit("a").unwrap();
    items.try_submit("b").unwrap();

    let refused = items.try_submit("c").unwrap_err();
    assert!(refused.is_full() && !refused.is_closed() && !refused.is_timeout());
    assert_eq!(refused.to_string(), "the batcher is full");
    assert_eq!(refused.into_inner(), "c");
    let refused = items.submit_until(Duration::ZERO, "c").unwrap_err();
    assert!(refused.is_timeout());
    assert_eq!(refused.into_inner(), "c");
    let soon = Instant::now() + Duration::from_millis(5);
    let refused = items.submit_until(soon, "c").unwrap_err();
    assert!(refused.is_timeout() && Instant::now() >= soon);
    assert_eq!(refused.into_inner(), "c");

    within(LONG, "room", || {
        thread::scope(|scope| {
            scope.spawn(|| items.submit("c").unwrap());
            scope.spawn(|| items.submit_until(Duration::MAX, "d").unwrap());
            scope.spawn(|| items.submit_until(Instant::now() + LONG, "e").unwrap());
            gate.open();
        });
        items.flush();
    });
    assert_eq!(all(&told)[0], ["a", "b"]);
    assert_eq!((items.stats().accepted(), items.stats().handled()), (5, 5));
}

#[test]
fn a_submitter_that_waits_for_room_does_not_wait_for_the_batch_to_be_full() {
    let pool = Pool::new(1).unwrap();
    let (handler, told) = telling();
    let items = builder().max_items(100).capacity(3);
    let items = items.build(pool.submitter(), handler).unwrap();
    within(LONG, "a partial batch", || {
        (0..10).for_each(|item| items.submit(item).unwrap());
    });
    assert_eq!(told.recv().unwrap()[0], 0);
    items.flush();
    assert_eq!(items.stats().handled(), 10);
}

#[test]
fn a_worker_of_the_pool_never_waits_to_submit_and_goes_beyond_the_capacity() {
    let pool = Pool::new(1).unwrap();
    let (handler, told) = telling();
    let items = builder().max_items(4).capacity(2);
    let items = items.build(pool.submitter(), handler).unwrap();
    let inside = items.clone();
    let task = move || {
        (0..10).for_each(|item| inside.submit(item).unwrap());
        let refused = inside.try_submit(10).unwrap_err();
        assert!(refused.is_full());
        let refused = inside.submit_until(Duration::ZERO, 10).unwrap_err();
        assert!(refused.is_timeout());
        inside.stats().waiting()
    };
    let waiting = within(LONG, "a worker", || pool.submit(task).unwrap().join());
    assert_eq!(waiting.unwrap(), 10);
    items.flush();
    let handled: Vec<i32> = all(&told).concat();
    assert!(handled.into_iter().eq(0..10));
}

/// The store is the handler's own: a batcher that hands on to itself.
fn feeding_itself(
    pool: &Pool,
    handle: impl Fn(&Batcher<u32>, &mut Vec<u32>) -> Handled + Send + Sync + 'static,
) -> Batcher<u32> {
    let own: Arc<OnceLock<Batcher<u32>>> = Arc::default();
    let of_handler = Arc::downgrade(&own);
    let built = builder().max_items(2).capacity(2);
    let built = built.build(pool.submitter(), move |batch: &mut Vec<u32>, _| {
        let own = of_handler.upgrade().unwrap();
        handle(own.get().unwrap(), batch)
    });
    let items = own.get_or_init(|| built.unwrap()).clone();
    // As long as the process: the handler's way to itself.
    std::mem::forget(own);
    items
}

#[test]
fn a_handler_may_submit_to_its_own_batcher_and_flush_does_not_wait_there() {
    let pool = Pool::new(1).unwrap();
    let (tell, told) = unbounded();
    let items = feeding_itself(&pool, move |own, batch| {
        for item in batch.drain(..) {
            if item > 0 {
                own.submit(item - 1)?;
                own.submit(item - 1)?;
            }
            tell.send(item)?;
        }
        assert!(!own.flush());
        assert!(!own.flush_timeout(Duration::MAX));
        Ok(())
    });
    within(LONG, "a handler that feeds itself", || {
        items.submit(6).unwrap();
        while items.stats().waiting() > 0 {
            items.flush();
        }
    });
    assert_eq!(all(&told).len(), (1 << 7) - 1);
}

#[test]
fn a_handler_that_a_stop_handed_back_may_submit_as_well_wherever_it_is_run() {
    let (pool, gate) = occupied_pool(1);
    let items = feeding_itself(&pool, |own, batch| {
        if batch.contains(&1) {
            (2..10).try_for_each(|item| own.submit(item))?;
        }
        Ok(())
    });
    items.submit(0).unwrap();
    items.submit(1).unwrap();
    let report = pool.stop(Duration::ZERO);
    gate.open();
    within(LONG, "a handler on another thread", || {
        report
            .take_unstarted()
            .into_iter()
            .for_each(|task| task.run());
    });
    let report = items.stop(Duration::ZERO);
    expect_sum(report.stats());
    let left = report.take_unstarted();
    assert_eq!(left.len() as u64 + report.stats().handled(), 10);
}

#[test]
fn a_measure_that_panics_costs_its_own_item_only() {
    let pool = Pool::new(1).unwrap();
    let (handler, told) = telling();
    let items = builder().max_bytes(10, |item: &usize| match item {
        13 => expected_panic(),
        item => *item,
    });
    let items = items.build(pool.submitter(), handler).unwrap();
    for item in [1, 13, 2, 13, 3] {
        let submitted = catch_unwind(AssertUnwindSafe(|| items.submit(item)));
        assert_eq!(submitted.is_err(), item == 13);
    }
    items.flush();
    assert_eq!(all(&told), [[1, 2, 3]]);
    assert_eq!(items.stats().accepted(), 3);
}

// What flush waits for.

#[test]
fn flush_waits_for_what_was_submitted_before_and_for_nothing_else() {
    let pool = Pool::new(2).unwrap();
    let gate = Gate::new();
    let entrance = gate.entrance();
    let (tell, told) = unbounded();
    let items = builder()
        .max_items(1)
        .in_flight(2)
        .build(pool.submitter(), move |batch: &mut Vec<&str>, _| {
            tell.send(batch[0])?;
            if batch[0] == "slow" {
                entrance.pass();
            }
            Ok(())
        })
        .unwrap();
    within(LONG, "flush", || {
        items.flush(); // of nothing
        items.submit("quick").unwrap();
        items.flush();
        items.submit("slow").unwrap();
        while told.recv().unwrap() != "slow" {}
        assert!(!items.flush_timeout(Duration::ZERO));
        assert!(!items.flush_timeout(Duration::from_millis(1)));
        thread::scope(|scope| {
            let flushers: Vec<_> = (0..4).map(|_| scope.spawn(|| items.flush())).collect();
            // A later one that has ended does not count.
            items.submit("quick").unwrap();
            assert_eq!(told.recv().unwrap(), "quick");
            assert!(!flushers.iter().any(|flusher| flusher.is_finished()));
            gate.open();
        });
    });
    assert_eq!(items.stats().waiting(), 0);
}

#[test]
fn flush_waits_for_batches_that_are_tried_again() {
    let pool = Pool::new(1).unwrap();
    let tries = AtomicUsize::new(0);
    let items = builder()
        .retry(Retry::fixed(Duration::from_millis(1)))
        .build(pool.submitter(), move |_: &mut Vec<u32>, _| {
            match tries.fetch_add(1, SeqCst) {
                0..5 => Err("busy".into()),
                _ => Ok(()),
            }
        })
        .unwrap();
    items.submit(1).unwrap();
    within(LONG, "flush", || items.flush());
    assert_eq!((items.stats().handled(), items.stats().retries()), (1, 5));
}

#[test]
fn flush_by_the_only_worker_of_the_pool_handles_the_batches_itself() {
    let pool = Pool::new(1).unwrap();
    let tries = AtomicUsize::new(0);
    let items = builder()
        .max_items(2)
        .retry(Retry::fixed(Duration::from_millis(1)))
        .build(pool.submitter(), move |_: &mut Vec<u32>, _| {
            match tries.fetch_add(1, SeqCst) {
                0..3 => Err("busy".into()),
                _ => Ok(()),
            }
        })
        .unwrap();
    let inside = items.clone();
    let task = move || {
        (0..5).for_each(|item| inside.submit(item).unwrap());
        inside.flush();
        inside.stats().handled()
    };
    let handled = within(LONG, "flush", || pool.submit(task).unwrap().join());
    assert_eq!(handled.unwrap(), 5);
}

/// Each claims the task that handles the batches, and one of them gets it: what that does
/// before the other one waits must not be missed (see also `src/model/batch.rs`).
#[test]
fn workers_that_flush_at_the_same_time_all_return() {
    const ROUNDS: usize = 500;
    let pool = Pool::new(2).unwrap();
    let items = builder().max_items(1);
    let items = items
        .build(pool.submitter(), |_: &mut Vec<usize>, _| Ok(()))
        .unwrap();
    let barrier = Arc::new(Barrier::new(2));
    within(LONG, "flush", || {
        let workers = [0, 1].map(|_| {
            let (items, barrier) = (items.clone(), barrier.clone());
            let flush = move |round| {
                barrier.wait();
                items.submit(round).unwrap();
                items.flush()
            };
            pool.submit(move || (0..ROUNDS).all(flush)).unwrap()
        });
        for worker in workers {
            assert!(worker.join().unwrap(), "both have handled everything");
        }
    });
    assert_eq!(items.stats().handled(), 2 * ROUNDS as u64);
}

#[test]
fn flush_from_a_dead_letter_closure_does_not_wait_for_itself() {
    let pool = Pool::new(1).unwrap();
    let own: Arc<OnceLock<Batcher<u32>>> = Arc::default();
    let of_closure = own.clone();
    let (tell, told) = unbounded();
    let items = builder()
        .dead_letter(move |item, _| {
            let own = of_closure.get().unwrap();
            own.flush();
            if item < 3 {
                own.submit(item + 1).unwrap();
            }
            tell.send(item).unwrap();
        })
        .build(pool.submitter(), |_: &mut Vec<u32>, _| {
            Err(PermanentError::new("no"))?
        })
        .unwrap();
    own.get_or_init(|| items.clone());
    within(LONG, "a dead letter closure", || {
        items.submit(0).unwrap();
        while items.stats().waiting() > 0 {
            items.flush();
        }
    });
    assert_eq!(all(&told), [0, 1, 2, 3]);
}

// A pool that runs nothing any more.

#[test]
fn flush_does_not_wait_for_a_pool_that_is_closed_and_runs_nothing() {
    let pool = Pool::new(1).unwrap();
    let (handler, told) = telling();
    let items = builder().build(pool.submitter(), handler).unwrap();
    pool.stop_handle().close();
    items.submit(1).unwrap();
    within(LONG, "flush", || {
        assert!(!items.flush());
        assert!(!items.flush_timeout(Duration::MAX));
    });
    assert_eq!(items.stats().waiting(), 1);
    let report = within(LONG, "stop", || items.stop(LONG));
    assert_eq!(report.take_unstarted(), [1]);
    assert!(told.is_empty());
}

#[test]
fn a_flush_that_waits_returns_when_the_pool_is_stopped() {
    // The batch waits for a worker; and for another attempt.
    for waits_for_a_worker in [true, false] {
        let pool = Pool::new(1).unwrap();
        let gate = Gate::new();
        let occupied = waits_for_a_worker.then(|| occupy(&pool, &gate));
        let items = builder()
            .retry(Retry::fixed(Duration::MAX))
            .build(pool.submitter(), |_: &mut Vec<u32>, _| Err("busy")?)
            .unwrap();
        items.submit(1).unwrap();
        within(LONG, "flush", || {
            let report = thread::scope(|scope| {
                let flusher = scope.spawn(|| items.flush());
                while items.stats().retries() == 0 && !waits_for_a_worker {
                    thread::yield_now();
                }
                let report = pool.stop(Duration::ZERO);
                flusher.join().unwrap();
                report
            });
            gate.open();
            let left = items.stop(LONG);
            assert_eq!(left.take_unstarted(), [1]);
            drop((report, occupied));
        });
    }
}

// What is said.

#[test]
fn what_makes_no_sense_is_refused_with_what_to_write_instead() {
    let pool = Pool::new(1).unwrap();
    let error = |builder: BatcherBuilder<u32>| {
        let built = builder.build(pool.submitter(), |_, _| Ok(()));
        built.unwrap_err().to_string()
    };
    let expected = [
        (builder().max_items(0), "max_items"),
        (builder().max_bytes(0, |_| 1), "max_bytes"),
        (builder().in_flight(0), "in_flight"),
        (builder().capacity(0), "capacity"),
    ];
    for (builder, method) in expected {
        assert_eq!(
            error(builder),
            format!(
                "batcher \"it\" would never handle an item with a `{method}` of 0; give it 1 or more"
            )
        );
    }
    assert_eq!(
        error(builder().max_items(usize::MAX)),
        format!(
            "batcher \"it\": a batch of {} items is too large; give `max_items` 16777216 at most",
            usize::MAX
        )
    );
    for name in ["", "two\nlines"] {
        assert_eq!(
            error(Batcher::builder(name)),
            format!(
                "{name:?} cannot be the name of a batcher, which the log shows; give it some \
                 letters, and no control characters"
            )
        );
    }
    for large in [
        builder::<u32>().in_flight(usize::MAX),
        builder().capacity(usize::MAX),
        builder().max_items(1 << 24),
    ] {
        let items = large.build(pool.submitter(), |_, _| Ok(())).unwrap();
        items.submit(1).unwrap();
        items.flush();
        assert_eq!(items.stats().handled(), 1);
    }
}

#[test]
fn it_prints_what_there_is_to_know() {
    let pool = Pool::new(1).unwrap();
    let items = builder::<u32>().capacity(7);
    let shown = format!("{items:?}");
    assert!(
        shown.contains("name: \"it\"") && shown.contains("capacity: Some(7)"),
        "{shown}"
    );
    let items = items.build(pool.submitter(), |_, _| Ok(())).unwrap();
    items.submit(1).unwrap();
    items.flush();
    let shown = format!("{items:?}");
    assert!(
        shown.contains("capacity: 7") && shown.contains("handled: 1"),
        "{shown}"
    );
    assert_eq!(
        items.stats().to_string(),
        "accepted 1, waiting 0, handled 1, dead 0, unstarted 0, batches 1, calls 1, retries 0"
    );
    let report = items.stop(LONG);
    let shown = report.to_string();
    assert!(shown.starts_with("batcher \"it\": clean after "), "{shown}");
    assert!(shown.ends_with("s: 1 accepted"), "{shown}");
}

#[test]
fn what_has_been_collected_when_there_is_no_more_room_is_a_batch() {
    let pool = Pool::new(1).unwrap();
    let (handler, told) = telling();
    let items = builder().max_items(100).capacity(3);
    let items = items.build(pool.submitter(), handler).unwrap();
    within(LONG, "more items than have room", || {
        for item in 0..9 {
            while items.try_submit(item).is_err() {
                thread::yield_now();
            }
        }
    });
    items.flush();
    assert_eq!(all(&told).concat(), (0..9).collect::<Vec<usize>>());
}

#[test]
fn what_a_handler_left_half_done_in_the_state_of_its_worker_is_gone_after_a_panic() {
    within(LONG, "a batcher", || {
        let pool = Pool::builder()
            .threads(1)
            .worker_state(|_| Cell::new(false));
        let pool = pool.build().unwrap();
        let handler = |numbers: &mut Vec<u32>, ctx: &TaskContext| {
            let is_half_done = ctx.state::<Cell<bool>>().unwrap();
            assert!(
                !is_half_done.replace(true),
                "the handler that panicked left it"
            );
            if numbers.contains(&3) {
                expected_panic();
            }
            is_half_done.set(false);
            Ok(())
        };
        let items = builder().max_items(5).build(pool.submitter(), handler);
        let items = items.unwrap();
        (0..5).for_each(|number| items.submit(number).unwrap());
        items.flush();
        assert_eq!([items.stats().handled(), items.stats().dead()], [4, 1]);
    });
}
