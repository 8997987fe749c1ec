//! Values of the program whose drop panics, in the hands of the library: each is dropped, the
//! panic is logged, and nothing else comes of it. An abort ends the whole of this program.

use crate::common::{Gate, LONG, expected_panic, is_expected, within};
use groundcrew::{Batcher, Pool, StopPlan, TaskError, WorkQueue};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

/// How many bombs there are.
#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl Count {
    fn bomb(&self) -> Bomb {
        self.0.fetch_add(1, SeqCst);
        Bomb(self.clone())
    }

    fn bombs(&self, count: usize) -> Vec<Bomb> {
        (0..count).map(|_| self.bomb()).collect()
    }

    fn left(&self) -> usize {
        self.0.load(SeqCst)
    }
}

/// Its drop panics, also while another panic unwinds.
struct Bomb(Count);

impl Bomb {
    fn defuse(self) {
        self.0.0.fetch_sub(1, SeqCst);
        mem::forget(self);
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, SeqCst);
        expected_panic();
    }
}

#[test]
fn a_stream_is_dropped_with_many_results_and_items_and_what_it_was_made_of() {
    for is_unordered in [false, true] {
        let bombs = Count::default();
        let pool = Pool::new(2).unwrap();
        let (gate, of_source, of_results) = (Gate::new(), bombs.clone(), bombs.clone());
        let (entrance, in_source, in_closure) = (gate.entrance(), bombs.bomb(), bombs.bomb());
        let source = std::iter::repeat_with(move || {
            let _kept = &in_source;
            of_source.bomb()
        });
        let about_to_drop = Arc::new(AtomicBool::new(false));
        let is_dropped = about_to_drop.clone();
        let stream = pool.stream(source, move |item| {
            let _kept = &in_closure;
            item.defuse();
            if is_dropped.load(SeqCst) {
                entrance.pass();
            }
            of_results.bomb()
        });
        let mut stream = stream.in_flight(8192);
        if is_unordered {
            stream = stream.unordered();
        }
        // By then the batches are large, and the last ones wait.
        for _ in 0..36_000 {
            stream.next().unwrap().unwrap().defuse();
        }
        about_to_drop.store(true, SeqCst);
        drop(stream);
        gate.open();
        within(LONG, "what ran to its end", || pool.wait_idle());
        assert!(pool.stop(LONG).is_clean());
        assert_eq!(bombs.left(), 0);
    }
}

#[test]
fn a_stream_that_ends_by_a_stop_drops_what_it_has_in_silence() {
    let bombs = Count::default();
    let pool = Pool::new(1).unwrap();
    let stop = pool.stop_handle();
    let (of_source, of_results) = (bombs.clone(), bombs.clone());
    let source = (0..).map(move |n| (n, of_source.bomb()));
    let mut stream = pool.stream(source, move |(n, item)| {
        item.defuse();
        if n == 5_000 {
            stop.request_stop(StopPlan::cancel(LONG));
        }
        of_results.bomb()
    });
    let errors = within(LONG, "a stream to its end", || {
        let results = stream.by_ref().map(|result| result.map(Bomb::defuse));
        results.filter(Result::is_err).count()
    });
    assert!(errors > 0);
    drop(stream);
    drop(pool.stop(LONG));
    drop(pool);
    assert_eq!(bombs.left(), 0);
}

#[test]
fn a_loop_with_an_item_that_panics_goes_on_with_that_panic_whatever_else_it_drops() {
    let pool = Pool::new(2).unwrap();
    let bombs = Count::default();
    let in_closure = bombs.bomb();
    let on = |item: Bomb, n: usize| {
        let _kept = &in_closure;
        item.defuse();
        match n {
            500 => expected_panic(),
            _ => bombs.bomb(),
        }
    };
    let items = || bombs.bombs(1000).into_iter().zip(0..2000);
    let results = AssertUnwindSafe(|| pool.map(items(), |(item, n)| on(item, n)).map(drop));
    assert!(is_expected(catch_unwind(results).unwrap_err().as_ref()));
    assert_eq!(bombs.left(), 1);
    let each = AssertUnwindSafe(|| pool.for_each(items(), |(item, n)| on(item, n).defuse()));
    assert!(is_expected(catch_unwind(each).unwrap_err().as_ref()));
    assert_eq!(bombs.left(), 1);
    let reduce = |one: Bomb, other: Bomb| {
        one.defuse();
        other
    };
    let sum = AssertUnwindSafe(|| {
        let sum = pool.map_reduce(items(), |(item, n)| on(item, n), reduce);
        sum.map(drop)
    });
    assert!(is_expected(catch_unwind(sum).unwrap_err().as_ref()));
    assert_eq!(bombs.left(), 1);
    in_closure.defuse();
}

#[test]
fn a_loop_that_is_cut_by_a_stop_says_unstarted_and_one_on_a_closed_pool_too() {
    let bombs = Count::default();
    for reduces in [false, true] {
        let pool = Pool::new(2).unwrap();
        let stop = pool.stop_handle();
        let on = |(n, item): (usize, Bomb)| {
            item.defuse();
            if n == 500 {
                stop.request_stop(StopPlan::cancel(LONG));
            }
            bombs.bomb()
        };
        let in_closure = bombs.bomb();
        for _ in 0..2 {
            let items = bombs.bombs(100_000).into_iter().enumerate();
            let error = match reduces {
                false => pool.map(items, on).err(),
                true => {
                    let reduce = |one: Bomb, other: Bomb| {
                        one.defuse();
                        other
                    };
                    pool.map_reduce(items, on, reduce).err()
                }
            };
            assert!(matches!(error, Some(TaskError::Unstarted)), "{error:?}");
            assert_eq!(bombs.left(), 1);
        }
        // So does the closure's own.
        let results = pool.map(0..10, move |_| _ = &in_closure);
        assert!(matches!(results, Err(TaskError::Unstarted)));
        assert_eq!(bombs.left(), 0);
    }
}

#[test]
fn what_the_body_of_a_scope_returned_is_dropped_and_the_panic_of_its_task_goes_on() {
    let pool = Pool::new(1).unwrap();
    let bombs = Count::default();
    let scope = AssertUnwindSafe(|| {
        pool.scope(|s| {
            s.execute(|| expected_panic());
            drop(s.submit(|| bombs.bomb()));
            bombs.bomb()
        })
        .defuse();
    });
    let payload = catch_unwind(scope).unwrap_err();
    assert!(is_expected(payload.as_ref()));
    assert_eq!(bombs.left(), 0);
    assert_eq!(pool.stats().panicked(), 1);
}

#[test]
fn items_in_a_queue_without_a_host_and_in_a_batcher_that_is_dropped_are_each_dropped() {
    let bombs = Count::default();
    let queue = WorkQueue::new(10);
    let pool = Pool::new(1).unwrap();
    let in_handler = bombs.bomb();
    let batcher = Batcher::builder("bombs")
        .build(pool.submitter(), move |_: &mut Vec<Bomb>, _| {
            let _kept = &in_handler;
            Ok(())
        })
        .unwrap();
    for _ in 0..3 {
        queue.submit(bombs.bomb()).unwrap();
        batcher.submit(bombs.bomb()).unwrap();
    }
    drop(queue);
    pool.stop_handle().close();
    drop(batcher);
    assert!(pool.stop(LONG).is_clean());
    drop(pool);
    within(LONG, "the last one", || {
        while bombs.left() > 0 {
            std::thread::yield_now();
        }
    });
}

#[test]
fn what_hooks_captured_is_dropped_with_the_pool() {
    let bombs = Count::default();
    let kept: [Bomb; 4] = std::array::from_fn(|_| bombs.bomb());
    let [start, stop, panic, observer] = kept;
    let pool = Pool::builder()
        .threads(2)
        .on_worker_start(move |_| _ = &start)
        .on_worker_stop(move |_| _ = &stop)
        .on_panic(move |_, _| _ = &panic)
        .observer(move |_, _, _, _| _ = &observer)
        .build()
        .unwrap();
    pool.execute(|| expected_panic()).unwrap();
    let report = pool.stop(LONG);
    assert!(report.is_clean(), "{report}");
    drop(pool);
    within(LONG, "the last worker's", || {
        while bombs.left() > 0 {
            std::thread::yield_now();
        }
    });
}
