//! `map`, `for_each` and `map_reduce`.

use crate::common::{Gate, LONG, expected_panic, is_expected, occupied_pool, occupy, within};
use groundcrew::channel::{Sender, bounded};
use groundcrew::parallel::TryMapError;
use groundcrew::{CancelToken, Pool, StopPlan, Submitter, TaskError, TaskHandle};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;
use std::time::Duration;

#[test]
fn results_come_in_the_order_of_the_items() {
    for threads in [1, 2, 4] {
        let pool = Pool::new(threads).unwrap();
        for length in [0, 1, 2, 3, 100, 10_000] {
            let items: Vec<u32> = (0..length).collect();
            let expected: Vec<u32> = items.iter().map(|n| n * 2).collect();
            assert_eq!(pool.map(&items, |n| n * 2).unwrap(), expected);
            assert_eq!(pool.map(0..length, |n| n * 2).unwrap(), expected);
            assert_eq!(pool.map(items, |n| n * 2).unwrap(), expected);
        }
    }
}

#[test]
fn the_collections_of_the_standard_library_can_be_gone_over() {
    let pool = Pool::new(2).unwrap();
    let text = |n: &u32| n.to_string();
    assert_eq!(pool.map([1, 2], |n| text(&n)).unwrap(), ["1", "2"]);
    assert_eq!(
        pool.map(&BTreeMap::from([(1, 2), (3, 4)]), |(a, b)| a + b)
            .unwrap(),
        [3, 7]
    );
    assert_eq!(
        pool.map(&HashMap::from([(1, 2)]), |(a, b)| a + b).unwrap(),
        [3]
    );
    assert_eq!(pool.map(&HashSet::from([7]), text).unwrap(), ["7"]);
    assert_eq!(
        pool.map("abc".as_bytes().chunks(2), <[u8]>::len).unwrap(),
        [2, 1]
    );
    let numbered = pool.map([5, 6].iter().enumerate(), |(index, n)| index as u32 + n);
    assert_eq!(numbered.unwrap(), [5, 7]);
    let mut numbers = [1, 2, 3];
    pool.for_each(&mut numbers, |n| *n += 1).unwrap();
    assert_eq!(numbers, [2, 3, 4]);
}

#[test]
fn every_item_is_worked_on_once_and_every_result_dropped_once() {
    struct Counted<'a>(&'a AtomicUsize);
    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let pool = Pool::new(2).unwrap();
    let (items, results, calls) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let owned: Vec<_> = (0..5000).map(|_| Counted(&items)).collect();
    let mapped = pool.map(owned, |_| {
        calls.fetch_add(1, SeqCst);
        Counted(&results)
    });
    assert_eq!(items.load(SeqCst), 5000);
    assert_eq!(results.load(SeqCst), 0);
    drop(mapped);
    assert_eq!((calls.into_inner(), results.into_inner()), (5000, 5000));
}

#[test]
fn reduce_is_given_neighbours_in_order() {
    let pool = Pool::new(3).unwrap();
    let expected: String = (0..2000).map(|n| format!("{n} ")).collect();
    let text = pool.map_reduce(0..2000, |n| format!("{n} "), |a, b| a + &b);
    assert_eq!(text.unwrap(), Some(expected));
    let none = pool.map_reduce(Vec::<u32>::new(), |n| n, |a, b| a + b);
    assert_eq!(none.unwrap(), None);
    assert_eq!(pool.map_reduce([7], |n| n, |a, b| a + b).unwrap(), Some(7));
}

#[test]
fn all_workers_take_part() {
    within(LONG, "a map whose items wait for each other", || {
        let pool = Pool::new(2).unwrap();
        let met = Barrier::new(2);
        pool.for_each(0..2, |_| {
            met.wait();
        })
        .unwrap();
    });
}

#[test]
fn called_by_a_worker_it_works_along_and_nests() {
    within(LONG, "maps in maps", || {
        for (threads, capacity) in [(1, 1), (2, 4)] {
            let pool = Pool::builder()
                .threads(threads)
                .queue_capacity(capacity)
                .build()
                .unwrap();
            let sums = pool.map(0..20_u32, |n| {
                let products = pool.map(0..20, |m| n * m).unwrap();
                products.into_iter().sum::<u32>()
            });
            let sums = sums.unwrap();
            assert_eq!(sums.iter().sum::<u32>(), 36_100);
        }
    });
}

#[test]
fn it_does_not_wait_for_workers_that_are_busy_elsewhere() {
    within(LONG, "a map beside a busy worker", || {
        let pool = Pool::new(2).unwrap();
        let gate = Gate::new();
        drop(occupy(&pool, &gate));
        assert_eq!(pool.map(0..1000, |n| n).unwrap().len(), 1000);
        gate.open();
        pool.wait_idle();
        // The one that nobody needed was never there, or came after all.
        let stats = pool.stats();
        assert_eq!(stats.accepted(), stats.completed(), "{stats}");
        assert!(pool.stop(LONG).is_clean());
    });
}

#[test]
fn a_panic_goes_on_in_the_caller_once_the_chunks_that_were_begun_have_ended() {
    let pool = Pool::new(2).unwrap();
    let running = AtomicU32::new(0);
    let map = AssertUnwindSafe(|| {
        pool.for_each(0..100_000_u32, |n| {
            running.fetch_add(1, SeqCst);
            if n == 500 {
                running.fetch_sub(1, SeqCst);
                expected_panic();
            }
            running.fetch_sub(1, SeqCst);
        })
    });
    let payload = catch_unwind(map).unwrap_err();
    assert!(is_expected(payload.as_ref()));
    assert_eq!(running.into_inner(), 0);
    assert_eq!(pool.stats().panicked(), 1);
    assert_eq!(pool.map(0..10, |n| n).unwrap().len(), 10);
}

#[test]
fn the_panic_of_a_map_inside_a_task_is_that_tasks() {
    let pool = Pool::new(1).unwrap();
    let submitter = pool.submitter();
    let handle = pool.submit(move || submitter.for_each(0..10, |_| expected_panic()));
    assert!(matches!(
        handle.unwrap().join(),
        Err(TaskError::Panicked(_))
    ));
}

#[test]
fn on_a_closed_pool_it_says_unstarted_at_once_and_calls_nothing() {
    let pool = Pool::new(1).unwrap();
    pool.stop_handle().close();
    let called = AtomicBool::new(false);
    let result = pool.map(0..10, |_| called.store(true, SeqCst));
    assert!(matches!(result, Err(TaskError::Unstarted)));
    assert!(!called.into_inner());
    assert!(pool.map(Vec::<u32>::new(), |n| n).unwrap().is_empty());
}

#[test]
fn a_drain_lets_it_go_on_to_its_end() {
    within(LONG, "a map while the pool drains", || {
        let pool = Arc::new(Pool::new(2).unwrap());
        let handle = pool.stop_handle();
        let closed = AtomicBool::new(false);
        let results = pool.map(0..1000_u32, |n| {
            if n == 0 {
                handle.request_stop(StopPlan::drain(LONG));
                closed.store(true, SeqCst);
            }
            while !closed.load(SeqCst) {
                thread::yield_now();
            }
            n
        });
        assert_eq!(results.unwrap().len(), 1000);
        let report = handle.stop(LONG);
        assert!(report.is_clean(), "{report}");
    });
}

#[test]
fn a_stop_that_takes_the_backlog_out_ends_it_between_two_items() {
    within(LONG, "a map while the pool finishes", || {
        for plan in [StopPlan::finish_running(LONG), StopPlan::cancel(LONG)] {
            let pool = Pool::new(2).unwrap();
            let handle = pool.stop_handle();
            let calls = AtomicU32::new(0);
            // A task in the backlog, which tells when that is taken out.
            let backlog = OnceLock::new();
            let results = pool.map(0..1_000_000_u32, |_| {
                if calls.fetch_add(1, SeqCst) == 0 {
                    backlog.get_or_init(|| pool.submitter().submit(|| ()).unwrap());
                    handle.request_stop(plan);
                }
                while !backlog.get().is_some_and(TaskHandle::is_finished) {
                    thread::yield_now();
                }
            });
            assert!(matches!(results, Err(TaskError::Unstarted)));
            // One item for each worker.
            assert!(calls.into_inner() <= 2);
            let report = handle.stop(LONG);
            assert_eq!(report.unstarted().len(), 1, "{report}");
            assert!(report.abandoned().is_empty() && report.lingering().is_empty());
        }
    });
}

#[test]
fn one_that_waits_in_the_queue_is_ended_by_a_stop_and_is_not_counted() {
    within(LONG, "a map that never began", || {
        let (pool, gate) = occupied_pool(16);
        let handle = pool.stop_handle();
        let stopper = thread::spawn(move || {
            while handle.phase() == groundcrew::stop::PoolPhase::Open {
                thread::yield_now();
            }
            handle.stop(Duration::ZERO)
        });
        thread::scope(|threads| {
            threads.spawn(|| {
                while pool.stats().queued() == 0 {
                    thread::yield_now();
                }
                pool.stop_handle().close();
            });
            let results = pool.map(0..10, |n| n);
            assert!(matches!(results, Err(TaskError::Unstarted)));
        });
        let report = stopper.join().unwrap();
        assert_eq!(
            (report.accepted(), report.unstarted().len()),
            (1, 0),
            "{report}"
        );
        gate.open();
    });
}

#[test]
fn try_map_returns_all_results_or_the_error_of_a_sequential_run() {
    for threads in [1, 2, 4] {
        let pool = Pool::new(threads).unwrap();
        let fails = |n: u32| match n % 997 {
            500 => Err(n),
            _ => Ok(n * 2),
        };
        for length in [0, 1, 500, 501, 100_000] {
            let sequential: Result<Vec<u32>, u32> = (0..length).map(fails).collect();
            let done: Vec<AtomicBool> = (0..length).map(|_| AtomicBool::new(false)).collect();
            let parallel = pool.try_map(0..length, |n| {
                done[n as usize].store(true, SeqCst);
                fails(n)
            });
            match (parallel, sequential) {
                (Ok(results), Ok(expected)) => assert_eq!(results, expected),
                (Err(TryMapError::Item { index, error }), Err(expected)) => {
                    assert_eq!((index as u32, error), (expected, expected));
                    assert!(done[..=index].iter().all(|done| done.load(SeqCst)));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn after_an_error_or_a_hit_no_further_item_begins() {
    let pool = Pool::new(1).unwrap();
    let begun = AtomicUsize::new(0);
    let is_seven = |n: &u32| {
        begun.fetch_add(1, SeqCst);
        *n == 7
    };
    assert_eq!(pool.find_any(0..1_000_000, is_seven).unwrap(), Some(7));
    assert_eq!(begun.swap(0, SeqCst), 8);
    let failed = pool.try_map(0..1_000_000, |n| {
        is_seven(&n).then_some(()).map_or(Ok(n), Err)
    });
    assert!(matches!(failed, Err(TryMapError::Item { index: 7, .. })));
    assert_eq!(begun.swap(0, SeqCst), 8);
    assert_eq!(pool.find_any(8..1000, is_seven).unwrap(), None);
    assert_eq!(begun.load(SeqCst), 992);
    assert_eq!(pool.find_any(0..0, is_seven).unwrap(), None);
}

#[test]
fn a_hit_ends_the_loop_while_others_still_look() {
    within(LONG, "the search", || {
        let pool = Pool::new(2).unwrap();
        let both = Barrier::new(2);
        // Neither is in the other's chunk, since the first chunks are of one item.
        let hit = pool.find_any([1, 2], |n| {
            both.wait();
            *n == 2
        });
        assert_eq!(hit.unwrap(), Some(2));
    });
}

#[test]
fn what_these_loops_do_not_return_is_dropped_once_and_a_panic_goes_on() {
    let pool = Pool::new(2).unwrap();
    let alive = Arc::new(());
    let items = || (0..1000).map(|_| alive.clone()).collect::<Vec<_>>();
    assert!(pool.find_any(items(), |_| true).unwrap().is_some());
    let failed = pool.try_map(items(), |item| match Arc::strong_count(&item) % 2 {
        0 => Ok(item),
        _ => Err(item),
    });
    drop(failed);
    assert_eq!(Arc::strong_count(&alive), 1);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        pool.try_map(items(), |item| -> Result<(), ()> {
            let _item: Arc<()> = item;
            expected_panic()
        })
    }));
    assert!(is_expected(panicked.unwrap_err().as_ref()));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        pool.find_any(items(), |_| expected_panic())
    }));
    assert!(is_expected(panicked.unwrap_err().as_ref()));
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[test]
fn a_hit_and_an_error_are_returned_though_a_stop_cut_the_loop_short() {
    let stopping = || {
        let pool = Pool::new(1).unwrap();
        pool.stop_handle()
            .request_stop(StopPlan::finish_running(LONG));
        pool
    };
    // From a task: on a closed pool only a worker begins a loop.
    let loops = |looped: fn(&Submitter, &groundcrew::StopHandle) -> bool| {
        let pool = Pool::new(1).unwrap();
        let (stop, submitter) = (pool.stop_handle(), pool.submitter());
        assert!(
            pool.submit(move || looped(&submitter, &stop))
                .unwrap()
                .join()
                .unwrap()
        );
    };
    loops(|pool, stop| {
        let hit = pool.find_any(0..1000, |n| {
            stop.request_stop(StopPlan::finish_running(LONG));
            *n == 0
        });
        hit.unwrap() == Some(0)
    });
    loops(|pool, stop| {
        let failed = pool.try_map(0..1000, |n| {
            stop.request_stop(StopPlan::finish_running(LONG));
            Err::<(), i32>(n)
        });
        matches!(failed, Err(TryMapError::Item { index: 0, error: 0 }))
    });
    let unstarted = stopping().try_map(0..10, Ok::<i32, i32>);
    assert!(matches!(
        unstarted,
        Err(TryMapError::Loop(TaskError::Unstarted))
    ));
}

#[test]
fn a_token_ends_a_loop_between_two_items() {
    let (pool, token) = (Pool::new(1).unwrap(), CancelToken::new());
    let begun = AtomicUsize::new(0);
    let loops = pool.parallel("cut").cancel_token(&token);
    let cut = loops.for_each(0..1000, |n| {
        begun.fetch_add(1, SeqCst);
        if n == 7 {
            token.cancel();
        }
    });
    assert!(matches!(cut, Err(TaskError::Cancelled)));
    assert_eq!(begun.load(SeqCst), 8);
    // None begins, and a loop without items is complete.
    assert!(matches!(loops.map(0..3, |n| n), Err(TaskError::Cancelled)));
    assert!(matches!(loops.map(0..0, |n| n), Ok(results) if results.is_empty()));
    assert_eq!(begun.load(SeqCst), 8);
    assert!(matches!(
        loops.map_reduce(0..3, |n| n, |a, b| a + b),
        Err(TaskError::Cancelled)
    ));
    assert!(matches!(
        loops.find_any(0..3, |_| true),
        Err(TaskError::Cancelled)
    ));
    let failed = loops.try_map(0..3, Ok::<i32, ()>);
    assert!(matches!(
        failed,
        Err(TryMapError::Loop(TaskError::Cancelled))
    ));
}

#[test]
fn a_token_that_is_cancelled_by_the_last_item_changes_nothing() {
    let (pool, token) = (Pool::new(1).unwrap(), CancelToken::new());
    let loops = pool.parallel("whole").cancel_token(&token);
    let results = loops.map(0..8, |n| {
        if n == 7 {
            token.cancel();
        }
        n
    });
    assert_eq!(results.unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn a_token_ends_a_loop_that_waits_for_a_pool_that_is_busy_elsewhere() {
    within(LONG, "the loops", || {
        // With one place the second runner waits for room.
        for capacity in [1, 16] {
            let gate = Gate::new();
            let pool = Pool::builder().threads(2).queue_capacity(capacity);
            let pool = pool.build().unwrap();
            let occupied = [occupy(&pool, &gate), occupy(&pool, &gate)];
            let token = CancelToken::new();
            thread::scope(|threads| {
                threads.spawn(|| {
                    while pool.stats().queued() == 0 {
                        thread::yield_now();
                    }
                    token.cancel();
                });
                let results = pool.parallel("cut").cancel_token(&token).map(0..10, |n| n);
                assert!(matches!(results, Err(TaskError::Cancelled)));
            });
            gate.open();
            for handle in occupied {
                handle.join().unwrap();
            }
            let report = pool.stop(LONG);
            assert!(report.is_clean(), "{report}");
            assert_eq!((report.accepted(), report.cancelled()), (2, 0));
        }
    });
}

#[test]
fn a_loop_with_a_token_goes_on_while_the_pool_drains_and_ends_with_a_stop() {
    within(LONG, "the loops", || {
        let token = CancelToken::new();
        for drains in [true, false] {
            let (pool, gate) = occupied_pool(16);
            let stop = pool.stop_handle();
            let results = thread::scope(|threads| {
                let stopper = threads.spawn(|| {
                    while pool.stats().queued() == 0 {
                        thread::yield_now();
                    }
                    match drains {
                        true => stop.close(),
                        false => drop(stop.stop(Duration::ZERO)),
                    }
                    gate.open();
                });
                let results = pool
                    .parallel("drained")
                    .cancel_token(&token)
                    .map(0..10, |n| n);
                stopper.join().unwrap();
                results
            });
            match drains {
                true => assert_eq!(results.unwrap().len(), 10),
                false => assert!(matches!(results, Err(TaskError::Unstarted))),
            }
        }
    });
}

#[test]
fn a_loop_with_a_name_shows_it_among_the_running_and_the_abandoned_tasks() {
    let pool = Pool::new(1).unwrap();
    let (gate, stop) = (Gate::new(), pool.stop_handle());
    let entrance = gate.entrance();
    thread::scope(|threads| {
        let loops = pool.parallel("thumbnails");
        let looping = threads.spawn(move || loops.for_each(0..1, |_| entrance.pass()));
        let running = loop {
            if let Some(running) = pool.running().pop() {
                break running;
            }
            thread::yield_now();
        };
        assert_eq!(running.info().name(), "thumbnails");
        let report = stop.stop(StopPlan::cancel(Duration::ZERO));
        assert_eq!(report.abandoned()[0].info().name(), "thumbnails");
        assert!(report.to_string().contains("\"thumbnails\""), "{report}");
        gate.open();
        looping.join().unwrap().unwrap();
    });
}

#[test]
fn its_tasks_have_the_name_of_the_closure_and_the_place_of_the_call() {
    let pool = Pool::new(1).unwrap();
    let line = line!() + 1;
    pool.for_each(0..1, |_| {
        let running = pool.running();
        let info = running[0].info();
        assert!(info.name().contains("its_tasks_have_the_name"), "{info}");
        assert_eq!(info.submitted_at().line(), line);
        assert!(info.submitted_at().file().ends_with("map.rs"));
    })
    .unwrap();
}

#[test]
fn the_first_panic_in_time_is_the_one_that_goes_on() {
    within(LONG, "two panics in a map", || {
        for _ in 0..20 {
            let pool = Pool::new(2).unwrap();
            let panicked = AtomicBool::new(false);
            let map = AssertUnwindSafe(|| {
                pool.for_each(0..2, |n| {
                    if n == 1 {
                        panicked.store(true, SeqCst);
                        expected_panic();
                    }
                    while pool.stats().panicked() == 0 {
                        thread::yield_now();
                    }
                    std::panic::panic_any("the second");
                })
            });
            assert!(is_expected(catch_unwind(map).unwrap_err().as_ref()));
        }
    });
}

#[test]
fn maps_in_a_task_leave_no_husks_behind() {
    within(LONG, "many maps in a task", || {
        let pool = Pool::builder()
            .threads(2)
            .queue_capacity(8)
            .build()
            .unwrap();
        let gate = Gate::new();
        drop(occupy(&pool, &gate));
        let submitter = pool.submitter();
        let handle = pool.submit(move || {
            for _ in 0..1000 {
                submitter.for_each(0..10, |_| ()).unwrap();
            }
        });
        handle.unwrap().join().unwrap();
        assert!(pool.stats().overflow_peak() < 20, "{}", pool.stats());
        gate.open();
    });
}

#[test]
fn find_map_any_returns_what_was_made_of_a_hit_once() {
    for threads in [1, 2, 4] {
        let pool = Pool::new(threads).unwrap();
        let alive = Arc::new(());
        let find = |n: u32| (n % 7 == 3).then(|| (n, alive.clone()));
        let (n, kept) = pool.find_map_any(0..100_000_u32, find).unwrap().unwrap();
        assert_eq!(n % 7, 3);
        assert_eq!(Arc::strong_count(&alive), 2, "other hits are dropped");
        drop(kept);
        assert!(pool.find_map_any(0..3_u32, find).unwrap().is_none());
        assert!(pool.find_map_any(0..0_u32, find).unwrap().is_none());
    }
}

#[test]
fn a_hit_an_error_and_a_panic_end_the_items_that_run_by_the_token_of_the_loop() {
    within(LONG, "the loops", || {
        let pool = Pool::new(2).unwrap();
        let parent = CancelToken::new();
        // Item 0 ends only by the token; neither is in the other's chunk.
        let both = Barrier::new(2);
        let waits = |n: u32, token: &CancelToken| {
            both.wait();
            match n {
                0 => token.wait(),
                _ => assert!(!token.is_cancelled()),
            }
        };
        let own = parent.child();
        let search = pool.parallel("search").own_token(&own);
        let hit = search.find_any([0, 1], |n| {
            waits(*n, &own);
            *n == 1
        });
        assert_eq!(hit.unwrap(), Some(1));

        let own = parent.child();
        let checks = pool.parallel("check").own_token(&own);
        let failed = checks.try_map([0, 1], |n| {
            waits(n, &own);
            Err::<(), _>(format!("error {n}"))
        });
        // That of item 0 comes from the token.
        match failed {
            Err(TryMapError::Item { index, error }) => assert_eq!((index, &*error), (1, "error 1")),
            other => panic!("{other:?}"),
        }

        let own = parent.child();
        let panics = pool.parallel("panics").own_token(&own);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            panics.for_each([0, 1], |n| {
                waits(n, &own);
                if n == 1 {
                    expected_panic();
                }
            })
        }));
        assert!(ended.is_err());
        assert!(!parent.is_cancelled());
    });
}

#[test]
fn a_loop_that_is_done_leaves_its_token_alone_and_never_cancels_one_that_it_does_not_own() {
    let pool = Pool::new(2).unwrap();
    let token = CancelToken::new();
    let whole = pool.parallel("whole").own_token(&token);
    assert_eq!(whole.map(0..100, |n| n).unwrap().len(), 100);
    assert_eq!(whole.find_any(0..100, |_| false).unwrap(), None);
    let borrowed = pool.parallel("borrowed").cancel_token(&token);
    assert!(borrowed.find_any(0..100, |_| true).unwrap().is_some());
    assert!(borrowed.try_map(0..100, |_| Err::<(), _>("no")).is_err());
    assert!(!token.is_cancelled());
    token.cancel();
    assert!(matches!(
        whole.map(0..100, |n| n),
        Err(TaskError::Cancelled)
    ));
}

#[test]
fn a_loop_in_a_drop_while_its_thread_unwinds_is_no_loop_that_panicked() {
    struct Sums(Submitter, CancelToken, Sender<usize>);
    impl Drop for Sums {
        fn drop(&mut self) {
            let whole = self.0.parallel("whole").own_token(&self.1);
            let sums = whole.map(0..1000, |n| n).unwrap();
            self.2.send(sums.len()).unwrap();
        }
    }
    within(LONG, "a loop", || {
        let pool = Pool::new(2).unwrap();
        let token = CancelToken::new();
        let (tell, told) = bounded(1);
        let (own, submitter) = (token.clone(), pool.submitter());
        let task = pool.submit(move || {
            let _sums = Sums(submitter, own, tell);
            expected_panic()
        });
        assert!(task.unwrap().join().is_err());
        assert_eq!(told.recv(), Ok(1000));
        assert!(!token.is_cancelled());
    });
}

#[test]
fn the_drop_of_a_stream_cancels_its_own_token() {
    within(LONG, "a stream", || {
        let pool = Pool::new(2).unwrap();
        let token = CancelToken::new();
        let seen = token.clone();
        let mut stream = pool
            .parallel("walk")
            .own_token(&token)
            .stream(0.., move |n| match n {
                0 => n,
                _ => {
                    seen.wait();
                    n
                }
            });
        assert_eq!(stream.next().unwrap().unwrap(), 0);
        assert!(!token.is_cancelled());
        drop(stream);
        assert!(pool.stop(Duration::MAX).is_clean());
    });
}
