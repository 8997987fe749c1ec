//! `stream`.

use crate::common::{Gate, LONG, expected_panic, occupied_pool, within};
use groundcrew::parallel::StreamError;
use groundcrew::{CancelToken, Pool, StopPlan, TaskError};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

#[test]
fn results_come_in_the_order_of_the_items() {
    for threads in [1, 2, 4] {
        let pool = Pool::new(threads).unwrap();
        for length in [0, 1, 2, 100, 20_000] {
            let results = pool.stream(0..length, |n: u64| n * 2);
            let results: Vec<u64> = results.map(Result::unwrap).collect();
            assert!(results.into_iter().eq((0..length).map(|n| n * 2)));
        }
    }
}

#[test]
fn without_order_every_item_still_gives_one_result() {
    let pool = Pool::new(2).unwrap();
    let results = pool.stream(0..20_000_u64, |n| n).unordered();
    let seen: HashSet<u64> = results.map(Result::unwrap).collect();
    assert_eq!(seen.len(), 20_000);
}

#[test]
fn without_order_a_slow_item_holds_nothing_up() {
    within(LONG, "a slow item", || {
        let pool = Pool::new(2).unwrap();
        let gate = Gate::new();
        let entrance = gate.entrance();
        let mut results = pool
            .stream(0..3, move |n| {
                if n == 0 {
                    entrance.pass();
                }
                n
            })
            .unordered();
        assert_ne!(results.next().unwrap().unwrap(), 0);
        assert_ne!(results.next().unwrap().unwrap(), 0);
        gate.open();
        assert_eq!(results.next().unwrap().unwrap(), 0);
        assert!(results.next().is_none());
    });
}

/// How many values of it live.
#[derive(Clone, Default)]
struct Alive(Arc<AtomicUsize>);

struct One(Alive);

impl Alive {
    fn one(&self) -> One {
        self.0.fetch_add(1, SeqCst);
        One(self.clone())
    }

    fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, SeqCst);
    }
}

#[test]
fn a_million_items_at_a_capacity_of_eight_take_the_memory_of_eight() {
    within(LONG, "a million items", || {
        let pool = Pool::builder()
            .threads(2)
            .queue_capacity(8)
            .build()
            .unwrap();
        let alive = Alive::default();
        let source = alive.clone();
        let items = (0..1_000_000).map(move |_| source.one());
        let mut count = 0;
        for result in pool.stream(items, |item| item) {
            assert!(alive.count() <= 8, "{} at item {count}", alive.count());
            drop(result.unwrap());
            count += 1;
        }
        assert_eq!((count, alive.count()), (1_000_000, 0));
    });
}

#[test]
fn no_more_is_pulled_than_may_be_in_flight() {
    let pool = Pool::new(2).unwrap();
    for limit in [0, 1, 3, 100] {
        let alive = Alive::default();
        let source = alive.clone();
        let items = (0..5000).map(move |_| source.one());
        for result in pool.stream(items, |item| item).in_flight(limit) {
            assert!(alive.count() <= limit.max(1));
            drop(result.unwrap());
        }
    }
}

#[test]
fn nothing_is_pulled_before_a_result_is_asked_for() {
    let pool = Pool::new(1).unwrap();
    let pulled = Arc::new(AtomicUsize::new(0));
    let count = pulled.clone();
    let stream = pool.stream(
        (0..9).inspect(move |_| {
            count.fetch_add(1, SeqCst);
        }),
        |n| n,
    );
    assert_eq!(pulled.load(SeqCst), 0);
    drop(stream);
    assert_eq!((pulled.load(SeqCst), pool.stats().accepted()), (0, 0));
}

#[test]
fn a_panic_appears_at_its_items_place_and_costs_no_other() {
    for unordered in [false, true] {
        let pool = Pool::new(2).unwrap();
        let stream = pool.stream(0..10_000_u32, |n| match n % 1000 {
            999 => expected_panic(),
            _ => n,
        });
        let stream = match unordered {
            true => stream.unordered(),
            false => stream,
        };
        let (mut next, mut panics, mut sum) = (0, 0, 0);
        for result in stream {
            match result {
                Ok(n) => {
                    assert!(unordered || n == next);
                    sum += n;
                }
                Err(error) => {
                    assert!(unordered || next % 1000 == 999);
                    assert_eq!(error.index() % 1000, 999);
                    let TaskError::Panicked(panic) = error.into_error() else {
                        panic!("it did not panic")
                    };
                    assert_eq!(panic.message(), "expected by the test");
                    panics += 1;
                }
            }
            next += 1;
        }
        let expected: u32 = (0..10_000).filter(|n| n % 1000 != 999).sum();
        assert_eq!((next, panics, sum), (10_000, 10, expected));
        assert_eq!(pool.stats().panicked(), 10);
    }
}

#[test]
fn dropped_half_way_it_cancels_what_has_not_started_and_waits_for_nothing() {
    within(LONG, "a stream that is dropped", || {
        let (pool, gate) = occupied_pool(16);
        let alive = Alive::default();
        let entrance = gate.entrance();
        let other = Pool::new(1).unwrap();
        let source = alive.clone();
        let mut stream = other
            .stream((0..100).map(move |n| (n, source.one())), move |(n, one)| {
                if n > 0 {
                    entrance.pass();
                }
                drop(one);
            })
            .in_flight(8);
        assert!(stream.next().unwrap().is_ok());
        drop(stream); // the second one runs, or is about to, and waits at the gate
        assert!(alive.count() <= 1);
        gate.open();
        let report = other.stop(LONG);
        assert!(report.is_clean(), "{report}");
        assert_eq!(report.accepted(), report.completed() + report.cancelled());
        assert_eq!(alive.count(), 0);
        drop(pool);
    });
}

#[test]
fn a_closed_pool_gives_one_error_and_then_the_end() {
    let pool = Pool::new(1).unwrap();
    pool.stop_handle().close();
    for unordered in [false, true] {
        let stream = pool.stream(0_u64.., |n| n);
        let mut stream = match unordered {
            true => stream.unordered(),
            false => stream,
        };
        let first = stream.next();
        assert!(
            matches!(&first, Some(Err(error)) if is_unstarted(error, 0)),
            "{first:?} {unordered}"
        );
        assert!(stream.next().is_none());
        assert!(stream.next().is_none());
    }
    let nothing = std::iter::empty::<u32>();
    assert!(pool.stream(nothing, |n| n).next().is_none());
}

fn is_unstarted(error: &StreamError, index: usize) -> bool {
    matches!(error.error(), TaskError::Unstarted) && error.index() == index
}

#[test]
fn a_token_ends_a_stream_between_two_items_and_says_which_it_left_out() {
    for unordered in [false, true] {
        let (pool, token) = (Pool::new(1).unwrap(), CancelToken::new());
        let own = token.clone();
        let stream =
            pool.parallel("parse")
                .cancel_token(&token)
                .stream(0..1_000_000_u32, move |n| {
                    if n == 7 {
                        own.cancel();
                    }
                    n
                });
        let stream = match unordered {
            true => stream.unordered(),
            false => stream,
        };
        let results: Vec<_> = within(LONG, "the stream", || stream.collect());
        for (place, result) in results.iter().enumerate() {
            match result {
                Ok(n) => assert!((unordered || *n as usize == place) && *n <= 7),
                Err(error) => {
                    assert!(matches!(error.error(), TaskError::Cancelled), "{error}");
                    assert!(error.index() > 7);
                    assert!(unordered || error.index() == place);
                }
            }
        }
        assert_eq!(results.iter().flatten().count(), 8);
        assert!((9..1_000_000).contains(&results.len()), "{}", results.len());
        let mut left: Vec<_> = results.iter().filter_map(|it| it.as_ref().err()).collect();
        left.sort_by_key(|error| error.index());
        assert!(left.iter().map(|error| error.index()).eq(8..results.len()));
        assert!(pool.stop(LONG).is_clean());
    }
}

#[test]
fn a_token_ends_a_stream_that_waits_for_a_pool_that_is_busy_elsewhere() {
    within(LONG, "the streams", || {
        for unordered in [false, true] {
            for capacity in [1, 16] {
                let (pool, gate) = occupied_pool(capacity);
                let token = CancelToken::new();
                let loops = pool.parallel("parse").cancel_token(&token);
                let stream = loops.stream(0..100_u32, |n| n);
                let stream = match unordered {
                    true => stream.unordered(),
                    false => stream,
                };
                let results: Vec<_> = thread::scope(|threads| {
                    threads.spawn(|| {
                        while pool.stats().queued() == 0 {
                            thread::yield_now();
                        }
                        token.cancel();
                    });
                    stream.collect()
                });
                assert!(!results.is_empty());
                for (index, result) in results.into_iter().enumerate() {
                    let error = result.unwrap_err();
                    assert!(matches!(error.error(), TaskError::Cancelled), "{error}");
                    assert!(unordered || error.index() == index);
                }
                gate.open();
            }
        }
    });
}

#[test]
fn a_stream_with_a_name_shows_it_in_the_report() {
    let (pool, gate) = occupied_pool(16);
    let mut stream = pool.parallel("parse").stream(0..3, |n| n).in_flight(3);
    let stop = pool.stop_handle();
    let report = thread::scope(|threads| {
        let stopper = threads.spawn(move || {
            while pool.stats().queued() == 0 {
                thread::yield_now();
            }
            stop.stop(Duration::ZERO)
        });
        assert!(stream.next().unwrap().is_err());
        stopper.join().unwrap()
    });
    assert!(report.unstarted().iter().all(|task| task.name() == "parse"));
    assert!(!report.unstarted().is_empty(), "{report}");
    gate.open();
}

#[test]
fn a_drain_lets_what_was_pulled_end_and_says_where_it_broke_off() {
    within(LONG, "a stream while the pool drains", || {
        for unordered in [false, true] {
            let pool = Pool::new(2).unwrap();
            let handle = pool.stop_handle();
            let stream = pool.stream(0_u64.., |n| n);
            let stream = match unordered {
                true => stream.unordered(),
                false => stream,
            };
            let (mut results, mut errors) = (0, 0);
            for result in stream {
                match result {
                    Ok(_) => results += 1,
                    Err(error) if matches!(error.error(), TaskError::Unstarted) => errors += 1,
                    Err(other) => panic!("{other}"),
                }
                if results == 1000 {
                    handle.request_stop(StopPlan::drain(LONG));
                }
            }
            assert!(results >= 1000);
            assert!(errors >= 1);
            assert!(handle.stop(LONG).is_clean());
        }
    });
}

#[test]
fn what_a_stop_takes_out_or_abandons_is_an_error_in_its_place() {
    within(LONG, "a stream that a stop cuts", || {
        for unordered in [false, true] {
            let pool = Pool::new(1).unwrap();
            let gate = Gate::new();
            let entrance = gate.entrance();
            let stop = pool.stop_handle();
            let stream = pool.stream(0..100, move |n| {
                if n == 1 {
                    stop.request_stop(Duration::ZERO);
                    entrance.pass();
                }
                n
            });
            let stream = match unordered {
                true => stream.unordered(),
                false => stream,
            };
            // So few that each item is a task of its own.
            let results: Vec<_> = stream.in_flight(3).collect();
            let said = |want: fn(&TaskError) -> bool| {
                let errors = results.iter().filter_map(|result| result.as_ref().err());
                errors.filter(|error| want(error.error())).count()
            };
            assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
            assert_eq!(said(|error| matches!(error, TaskError::Abandoned)), 1);
            assert_eq!(
                said(|error| matches!(error, TaskError::Unstarted)),
                results.len() - 2
            );
            gate.open();
            let report = pool.stop(LONG);
            assert_eq!(report.accepted() as usize, 2 + report.unstarted().len());
        }
    });
}

#[test]
fn a_worker_may_consume_one_of_its_own_pool() {
    within(LONG, "a stream inside a task", || {
        for unordered in [false, true] {
            let pool = Pool::builder()
                .threads(1)
                .queue_capacity(1)
                .build()
                .unwrap();
            let handle = pool.submit_with(move |ctx| {
                let stream = ctx.submitter().stream(0..1000_u64, |n| n).in_flight(10);
                let stream = match unordered {
                    true => stream.unordered(),
                    false => stream,
                };
                stream.map(Result::unwrap).sum::<u64>()
            });
            assert_eq!(handle.unwrap().join().unwrap(), 499_500);
        }
    });
}

#[test]
fn a_panic_of_the_source_is_the_consumers_and_the_stream_can_go_on() {
    let pool = Pool::new(1).unwrap();
    let mut n = 0;
    let source = std::iter::from_fn(move || {
        n += 1;
        match n {
            3 => expected_panic(),
            1..=5 => Some(n),
            _ => None,
        }
    });
    let mut stream = pool.stream(source, |n| n);
    let mut seen = Vec::new();
    loop {
        let next = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| stream.next()));
        match next {
            Ok(Some(result)) => seen.push(result.unwrap()),
            Ok(None) => break,
            Err(_) => {}
        }
    }
    assert_eq!(seen, [1, 2, 4, 5]);
}

#[test]
fn a_result_does_not_wait_for_a_source_that_is_known_to_be_slow() {
    within(LONG, "a source that waits for results", || {
        let pool = Pool::new(2).unwrap();
        let (give, given) = groundcrew::channel::unbounded();
        // Longer than ten times what a first item is expected to run.
        let slow = Duration::from_millis(300);
        let source = given.into_iter().inspect(move |_| thread::sleep(slow));
        let mut results = pool.stream(source, |n: u32| n);
        // It answers each before it asks for the next.
        for n in 0..4 {
            give.send(n).unwrap();
            assert_eq!(results.next().unwrap().unwrap(), n);
        }
        drop(give);
        assert!(results.next().is_none());
    });
}

#[test]
fn its_size_hint_says_how_much_may_come() {
    let pool = Pool::new(1).unwrap();
    let mut stream = pool.stream(0..10, |n| n).in_flight(4);
    assert_eq!(stream.size_hint(), (0, Some(10)));
    stream.next().unwrap().unwrap();
    assert_eq!(stream.size_hint().1, Some(9));
    thread::yield_now();
    assert_eq!(stream.by_ref().count(), 9);
    assert_eq!(stream.size_hint(), (0, Some(0)));
}

#[test]
fn a_stream_in_a_task_leaves_no_husks_behind() {
    within(LONG, "a long stream in a task", || {
        for unordered in [false, true] {
            let pool = Pool::builder()
                .threads(1)
                .queue_capacity(8)
                .build()
                .unwrap();
            let handle = pool.submit_with(move |ctx| {
                let stream = ctx.submitter().stream(0..20_000_u32, |n| n);
                match unordered {
                    true => stream.unordered().map(Result::unwrap).count(),
                    false => stream.map(Result::unwrap).count(),
                }
            });
            assert_eq!(handle.unwrap().join().unwrap(), 20_000);
            assert!(pool.stats().overflow_peak() < 100, "{}", pool.stats());
        }
    });
}

#[test]
fn a_batch_whose_items_become_slow_is_left_to_a_stop_and_to_other_workers() {
    within(LONG, "a batch that becomes slow", || {
        let pool = Pool::new(2).unwrap();
        let stop = pool.stop_handle();
        let ran = Arc::new(AtomicUsize::new(0));
        let slow = ran.clone();
        // Thousands of short ones, then each takes as long as a stop does.
        let stream = pool.stream(0..40_000, move |n| {
            if n >= 30_000 {
                slow.fetch_add(1, SeqCst);
                stop.request_stop(StopPlan::cancel(LONG));
                while stop.phase() != groundcrew::stop::PoolPhase::Cancelling
                    && stop.phase() != groundcrew::stop::PoolPhase::Done
                {
                    thread::yield_now();
                }
            }
        });
        let mut done = 0;
        for result in stream {
            match result {
                Ok(()) => done += 1,
                Err(error) => assert!(matches!(error.error(), TaskError::Unstarted)),
            }
        }
        // Both workers may have been at one of them, and none began another.
        assert!((1..=2).contains(&ran.load(SeqCst)), "{ran:?}");
        // Batches of short ones may have been cut: of what is on its way, at most 4,096.
        assert!((30_000 - 4_096..=30_002).contains(&done), "{done}");
        assert!(pool.stop(LONG).abandoned().is_empty());
    });
}

#[test]
fn what_came_from_a_source_that_becomes_slow_does_not_wait_for_a_whole_batch() {
    within(LONG, "a source that becomes slow", || {
        let pool = Pool::new(2).unwrap();
        let pulled = Arc::new(AtomicUsize::new(0));
        let count = pulled.clone();
        let source = (0..30_100_usize).inspect(move |n| {
            count.fetch_add(1, SeqCst);
            if *n >= 30_000 {
                thread::sleep(Duration::from_millis(2));
            }
        });
        let ahead = pool.stream(source, |n| n).map(|result| {
            let n = result.unwrap();
            if n < 30_000 {
                0
            } else {
                pulled.load(SeqCst) - n
            }
        });
        // Batches have 512 items by then. At most 100 of one item are on their way until the source
        // counts as slow: it takes 2 ms, and one that takes a tenth of that to run fills a hundredth
        // of the 20 ms that two workers have in progress.
        let most = ahead.max().unwrap();
        assert!(
            most <= 200,
            "{most} were pulled behind one that was not yielded"
        );
    });
}

#[test]
fn results_whose_drop_panics_and_an_item_that_panics_cost_no_more_than_that() {
    struct Explosive(bool);
    impl Drop for Explosive {
        fn drop(&mut self) {
            if self.0 {
                expected_panic();
            }
        }
    }
    within(LONG, "bombs in a stream that is dropped", || {
        let pool = Pool::new(2).unwrap();
        let gate = Gate::new();
        let entrance = gate.entrance();
        // One worker is held in its batch. The other goes on: what the first one leaves of a batch
        // that took long is behind all that is queued by then.
        let is_first = AtomicBool::new(true);
        let mut stream = pool
            .stream(0..100_000, move |n| {
                if n > 30_000 && n % 8 == 7 {
                    if is_first.swap(false, SeqCst) {
                        entrance.pass();
                    }
                    expected_panic();
                }
                Explosive(n > 30_000)
            })
            .in_flight(8192);
        // So far that the batch with the last of them has none that waits.
        for _ in 0..27_000 {
            drop(stream.next());
        }
        drop(stream);
        gate.open();
        assert_eq!(pool.submit(|| 7).unwrap().join().unwrap(), 7);
        assert!(pool.stop(LONG).is_clean());
    });
}

#[test]
fn what_a_stop_handed_back_of_one_is_worked_on_when_it_is_run() {
    within(LONG, "unstarted batches", || {
        let (pool, gate) = occupied_pool(16);
        let ran = Arc::new(AtomicUsize::new(0));
        let count = ran.clone();
        let stop = pool.stop_handle();
        let stopper = thread::spawn(move || {
            while stop.phase() == groundcrew::stop::PoolPhase::Open {
                thread::yield_now();
            }
            stop.stop(Duration::ZERO)
        });
        let stream = pool.stream(0..8, move |_| count.fetch_add(1, SeqCst));
        let source_end = pool.stop_handle();
        let mut stream = stream.in_flight(8);
        let results = thread::scope(|threads| {
            threads.spawn(|| {
                while pool.stats().queued() < 4 {
                    thread::yield_now();
                }
                source_end.close();
            });
            stream
                .by_ref()
                .map(|result| result.is_err())
                .collect::<Vec<_>>()
        });
        assert!(results.iter().all(|is_error| *is_error));
        drop(stream);
        let report = stopper.join().unwrap();
        let unstarted = report.take_unstarted();
        let batches = unstarted.len();
        assert!(batches >= 4);
        for task in unstarted {
            task.run();
        }
        assert!(ran.load(SeqCst) >= batches);
        gate.open();
    });
}
