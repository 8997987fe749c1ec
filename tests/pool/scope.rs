//! Scopes: tasks that borrow, on a pool that may be closed, stopped or full.

use crate::common::{Bomb, Gate, LONG, expected_panic, is_expected, occupied_pool, occupy, within};
use groundcrew::channel::bounded;
use groundcrew::{Pool, StopPlan, Submitter, TaskError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

#[test]
fn a_scope_returns_when_all_its_tasks_have_ended_and_what_they_borrowed_is_whole() {
    let pool = Pool::new(2).unwrap();
    let mut numbers = vec![0_u64; 1000];
    let returned = pool.scope(|s| {
        for (index, number) in numbers.iter_mut().enumerate() {
            s.execute(move || *number = index as u64);
        }
        "what the body returns"
    });
    assert_eq!(returned, "what the body returns");
    assert_eq!(numbers.iter().sum::<u64>(), 499_500);
}

#[test]
fn a_handle_gives_a_result_that_borrows() {
    let pool = Pool::new(1).unwrap();
    let text = String::from("to be or not");
    let longest: &str = pool.scope(|s| {
        let handle = s.submit(|| text.split(' ').max_by_key(|word| word.len()).unwrap());
        handle.join().unwrap()
    });
    assert_eq!(longest, "not");
}

#[test]
fn a_dropped_handle_detaches_its_task_and_the_scope_waits_for_it() {
    let pool = Pool::new(1).unwrap();
    let ran = AtomicBool::new(false);
    pool.scope(|s| drop(s.submit(|| ran.store(true, SeqCst))));
    assert!(ran.into_inner());
}

#[test]
fn what_a_task_captured_and_returned_is_gone_when_the_scope_returns() {
    struct Counted<'a>(&'a AtomicU32);
    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let pool = Pool::new(2).unwrap();
    let dropped = AtomicU32::new(0);
    pool.scope(|s| {
        for _ in 0..100 {
            let captured = Counted(&dropped);
            let handle = s.submit(|| {
                let _captured = captured;
                Counted(&dropped)
            });
            drop(handle);
        }
    });
    assert_eq!(dropped.into_inner(), 200);
}

#[test]
fn the_panic_of_a_task_goes_on_in_the_scopes_thread_after_all_have_ended() {
    let pool = Pool::new(2).unwrap();
    let ended = AtomicU32::new(0);
    let gate = Gate::new();
    let scope = AssertUnwindSafe(|| {
        pool.scope(|s| {
            s.execute(|| -> () { expected_panic() });
            for _ in 0..10 {
                let entrance = gate.entrance();
                let ended = &ended;
                s.execute(move || {
                    entrance.pass();
                    ended.fetch_add(1, SeqCst);
                });
            }
            gate.open();
        });
    });
    let payload = catch_unwind(scope).unwrap_err();
    assert!(is_expected(payload.as_ref()));
    assert_eq!(ended.into_inner(), 10);
    assert_eq!(pool.stats().panicked(), 1);
}

#[test]
fn a_panic_that_was_joined_is_the_joiners() {
    let pool = Pool::new(1).unwrap();
    let joined = pool.scope(|s| s.submit(|| -> u32 { expected_panic() }).join());
    assert!(matches!(joined, Err(TaskError::Panicked(_))));
}

#[test]
fn the_panic_of_the_body_goes_on_after_its_tasks_have_ended_and_before_theirs() {
    let pool = Pool::new(1).unwrap();
    let mut ran = false;
    let scope = AssertUnwindSafe(|| {
        pool.scope(|s| {
            s.execute(|| ran = true);
            s.execute(|| -> () { expected_panic() });
            std::panic::panic_any(7_u8)
        })
    });
    let payload = catch_unwind(scope).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&7_u8));
    assert!(ran);
}

#[test]
fn the_drop_of_a_detached_result_may_panic() {
    let pool = Pool::new(1).unwrap();
    pool.scope(|s| drop(s.submit(|| Bomb)));
    pool.scope(|s| s.execute(|| Bomb));
    assert_eq!(pool.stats().completed(), 2);
}

fn sum(pool: &Pool, numbers: &[u64]) -> u64 {
    match numbers {
        [] => 0,
        [number] => *number,
        _ => {
            let (left, right) = numbers.split_at(numbers.len() / 2);
            pool.scope(|s| {
                let left = s.submit(|| sum(pool, left));
                let right = s.submit(|| sum(pool, right));
                left.join().unwrap() + right.join().unwrap()
            })
        }
    }
}

#[test]
fn scopes_nest_at_any_size_of_pool_and_queue() {
    within(LONG, "nested scopes", || {
        let numbers: Vec<u64> = (0..500).collect();
        for (threads, capacity) in [(1, 1), (2, 1), (3, 8)] {
            for in_place in [false, true] {
                let builder = Pool::builder().threads(threads).queue_capacity(capacity);
                let pool = match in_place {
                    true => builder.caller_runs_when_full().build().unwrap(),
                    false => builder.build().unwrap(),
                };
                assert_eq!(sum(&pool, &numbers), 124_750);
                let inside = pool.scope(|s| s.submit(|| sum(&pool, &numbers)).join().unwrap());
                assert_eq!(inside, 124_750);
            }
        }
    });
}

#[test]
fn a_task_submits_more_to_its_own_scope() {
    fn count<'scope>(
        s: &'scope groundcrew::parallel::Scope<'scope, '_>,
        total: &'scope AtomicU32,
        depth: u32,
    ) {
        total.fetch_add(1, SeqCst);
        for _ in 0..depth {
            s.execute(move || count(s, total, depth - 1));
        }
    }
    within(LONG, "a task that submits to its own scope", || {
        for threads in [1, 2] {
            let pool = Pool::builder()
                .threads(threads)
                .queue_capacity(1)
                .build()
                .unwrap();
            let total = AtomicU32::new(0);
            pool.scope(|s| count(s, &total, 6));
            assert_eq!(total.swap(0, SeqCst), 1957);
            pool.scope(|s| s.execute(|| pool.scope(|s| count(s, &total, 6))));
            assert_eq!(total.into_inner(), 1957);
        }
    });
}

#[test]
fn one_that_is_joined_by_a_sibling_is_claimed() {
    within(LONG, "a sibling's join", || {
        let pool = Pool::new(1).unwrap();
        let result = pool.scope(|s| {
            let (give, given) = bounded(1);
            let outer = s.submit(move || {
                let inner: groundcrew::parallel::ScopedHandle<'_, u32> = given.recv().unwrap();
                inner.join().unwrap() + 1
            });
            give.send(s.submit(|| 41)).unwrap();
            outer.join().unwrap()
        });
        assert_eq!(result, 42);
    });
}

#[test]
fn on_a_closed_pool_the_scopes_thread_runs_its_tasks() {
    let pool = Pool::new(1).unwrap();
    pool.stop_handle().close();
    let here = thread::current().id();
    let (mut joined, mut executed) = (None, None);
    pool.scope(|s| {
        joined = Some(s.submit(|| thread::current().id()).join().unwrap());
        s.execute(|| executed = Some(thread::current().id()));
    });
    assert_eq!((joined, executed), (Some(here), Some(here)));
    let report = pool.stop(LONG);
    assert_eq!((report.accepted(), report.is_clean()), (0, true));
}

#[test]
fn what_a_stop_finds_unstarted_is_withdrawn_and_run_by_the_scopes_thread() {
    within(LONG, "a withdrawn task", || {
        let (pool, gate) = occupied_pool(16);
        let here = thread::current().id();
        let mut ran_on = vec![None; 10];
        let report = pool.scope(|s| {
            for place in &mut ran_on {
                s.execute(move || *place = Some(thread::current().id()));
            }
            pool.stop(Duration::ZERO)
        });
        assert!(ran_on.iter().all(|id| *id == Some(here)));
        assert_eq!(report.accepted(), 1, "{report}");
        assert_eq!(report.abandoned().len(), 1);
        assert!(report.unstarted().is_empty());
        gate.open();
    });
}

#[test]
fn a_join_that_waits_while_a_stop_withdraws_its_task_runs_it() {
    within(LONG, "a join of a withdrawn task", || {
        let (pool, gate) = occupied_pool(16);
        let handle = pool.stop_handle();
        let result = pool.scope(|s| {
            let task = s.submit(|| thread::current().id());
            thread::scope(|threads| {
                threads.spawn(|| handle.stop(StopPlan::finish_running(Duration::ZERO)));
                // Neither worker nor the scope's thread.
                threads.spawn(|| {
                    let ran_on = task.join().unwrap();
                    assert_eq!(ran_on, thread::current().id());
                });
            });
            "done"
        });
        assert_eq!(result, "done");
        gate.open();
    });
}

#[test]
fn one_that_runs_at_the_deadline_is_abandoned_and_its_scope_waits_on() {
    within(LONG, "an abandoned scoped task", || {
        let pool = Pool::new(1).unwrap();
        let gate = Gate::new();
        let text = &String::from("borrowed");
        let (length, report) = pool.scope(|s| {
            let entrance = gate.entrance();
            let task = s.submit(move || {
                entrance.pass();
                text.len()
            });
            while pool.running().is_empty() {
                thread::yield_now();
            }
            let report = pool.stop(Duration::ZERO);
            assert!(!task.is_finished());
            gate.open();
            (task.join().unwrap(), report)
        });
        assert_eq!(length, 8);
        assert_eq!(report.abandoned().len(), 1);
        assert_eq!(report.wait_for_abandoned(LONG), 0);
        assert_eq!(pool.stats().ended_late(), 1);
    });
}

#[test]
fn a_cancelled_one_never_runs_and_its_husk_may_outlive_the_scope() {
    within(LONG, "a cancelled scoped task", || {
        let (pool, gate) = occupied_pool(16);
        {
            let borrowed = String::from("gone when the worker passes the husk");
            pool.scope(|s| {
                let task = s.submit(|| borrowed.len());
                assert!(task.cancel());
                assert!(!task.cancel());
                assert!(matches!(task.join(), Err(TaskError::Cancelled)));
            });
        }
        assert_eq!(pool.stats().queued(), 1);
        gate.open();
        pool.wait_idle();
        assert_eq!(pool.stats().cancelled(), 1);
        let report = pool.stop(LONG);
        assert_eq!((report.accepted(), report.cancelled()), (2, 1));
    });
}

#[test]
fn a_running_one_sees_that_its_handle_cancels_it() {
    let pool = Pool::new(1).unwrap();
    let asked = pool.scope(|s| {
        let task = s.submit_with(|ctx| ctx.token().wait_timeout(LONG));
        while pool.running().is_empty() {
            thread::yield_now();
        }
        assert!(!task.cancel());
        task.join().unwrap()
    });
    assert!(asked);
}

#[test]
fn one_that_is_run_off_the_pool_sees_that_the_pool_is_cancelled() {
    let pool = Pool::new(1).unwrap();
    assert!(pool.stop(StopPlan::cancel(LONG)).is_clean());
    let asked = pool.scope(|s| s.submit_with(|ctx| ctx.is_cancelled()).join().unwrap());
    assert!(asked);
}

#[test]
fn a_stop_from_inside_of_a_scoped_task_lists_it_as_caller() {
    within(LONG, "a stop from inside", || {
        let pool = Pool::new(1).unwrap();
        let mut left = None;
        let callers = pool.scope(|s| {
            let task = s.submit(|| pool.stop(LONG).stopping_tasks().len());
            s.execute(|| left = Some(thread::current().id()));
            task.join().unwrap()
        });
        assert_eq!(callers, 1);
        assert!(left.is_some());
    });
}

#[test]
fn the_pool_goes_on_while_a_scope_waits_and_after_it() {
    let pool = Pool::new(2).unwrap();
    let gate = Gate::new();
    drop(occupy(&pool, &gate));
    pool.scope(|s| s.execute(|| ()));
    assert_eq!(pool.submit(|| 7).unwrap().join().unwrap(), 7);
    gate.open();
    let report = pool.stop(LONG);
    assert_eq!((report.accepted(), report.completed()), (3, 3));
}

#[test]
fn a_scope_of_another_pools_worker_waits_as_from_outside() {
    within(LONG, "two pools", || {
        let (one, other) = (Pool::new(1).unwrap(), Pool::new(1).unwrap());
        let total = one.scope(|s| {
            s.submit(|| other.scope(|s| s.submit(|| 20).join().unwrap()) + 22)
                .join()
                .unwrap()
        });
        assert_eq!(total, 42);
    });
}

#[test]
fn a_submitter_opens_scopes_too() {
    let pool = Pool::new(1).unwrap();
    let handle = pool.submit_with(|ctx| {
        let numbers = [1, 2, 3];
        let submitter = ctx.submitter();
        submitter.scope(|s| s.submit(|| numbers.iter().sum::<u32>()).join().unwrap())
    });
    assert_eq!(handle.unwrap().join().unwrap(), 6);
}

/// How much of the stack one level takes of scopes that nest, each in a task that the one above
/// waits for on the same worker.
fn stack_of_a_level(levels: u32, waits_by_join: bool) -> usize {
    fn nest(pool: &Submitter, levels: u32, waits_by_join: bool, deepest: &AtomicUsize) {
        let here = 0_u8;
        deepest.fetch_min(std::ptr::from_ref(&here).addr(), SeqCst);
        if levels > 0 {
            pool.scope(|s| {
                let below = || nest(pool, levels - 1, waits_by_join, deepest);
                match waits_by_join {
                    true => s.submit(below).join().unwrap(),
                    false => s.execute(below),
                }
            });
        }
    }
    let pool = Pool::builder()
        .threads(1)
        .stack_size(32 << 20)
        .build()
        .unwrap();
    let submitter = pool.submitter();
    let task = move || {
        let here = 0_u8;
        let deepest = AtomicUsize::new(usize::MAX);
        nest(&submitter, levels, waits_by_join, &deepest);
        std::ptr::from_ref(&here).addr() - deepest.into_inner()
    };
    pool.submit(task).unwrap().join().unwrap() / levels as usize
}

#[test]
fn a_level_of_nested_scopes_takes_no_more_of_the_stack_than_documented() {
    for waits_by_join in [false, true] {
        let bytes = stack_of_a_level(1000, waits_by_join);
        println!("a level takes {bytes} bytes, waits by join: {waits_by_join}");
        let most = if cfg!(debug_assertions) {
            16_384
        } else {
            2_048
        };
        assert!(bytes < most, "{bytes}");
    }
}
