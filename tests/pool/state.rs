//! What each worker keeps for its tasks.

use crate::common::{Bomb, Gate, LONG, SlowDrop, expected_panic, within};
use groundcrew::channel::{Sender, bounded, unbounded};
use groundcrew::{Pool, TaskContext, TaskError};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread::{self, ThreadId};
use std::time::Duration;

/// Sends the thread of its drop. Not `Send`.
struct Tracked {
    made_on: ThreadId,
    dropped_on: Sender<ThreadId>,
    uses: Cell<usize>,
    _not_send: Rc<()>,
}

impl Tracked {
    fn new(dropped_on: &Sender<ThreadId>) -> Tracked {
        Tracked {
            made_on: thread::current().id(),
            dropped_on: dropped_on.clone(),
            uses: Cell::new(0),
            _not_send: Rc::new(()),
        }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.dropped_on.send(thread::current().id()).unwrap();
    }
}

#[test]
fn each_worker_makes_its_own_state_once_and_drops_it_on_its_thread() {
    within(LONG, "two workers", || {
        let (dropped_on, drops) = unbounded();
        let (made, counted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let count = made.clone();
        let pool = Pool::builder()
            .threads(2)
            .worker_state(move |_| {
                count.fetch_add(1, SeqCst);
                Tracked::new(&dropped_on)
            })
            .build()
            .unwrap();
        let both = Arc::new(Barrier::new(2));
        for _ in 0..10 {
            let (both, counted) = (both.clone(), counted.clone());
            let uses = move |ctx: &TaskContext| {
                both.wait(); // so that each worker runs every other one
                let state = ctx.state::<Tracked>().unwrap();
                assert_eq!(state.made_on, thread::current().id());
                state.uses.set(state.uses.get() + 1);
                counted.fetch_max(state.uses.get(), SeqCst);
            };
            pool.execute_with(uses).unwrap();
        }
        let report = pool.stop(LONG);
        assert!(report.is_clean() && report.panicked() == 0, "{report}");
        assert_eq!((made.load(SeqCst), counted.load(SeqCst)), (2, 5));
        let dropped: Vec<ThreadId> = drops.try_iter().collect();
        assert_eq!(dropped.len(), 2);
        assert_ne!(dropped[0], dropped[1]);
    });
}

#[test]
fn state_is_made_when_a_task_asks_and_dropped_before_the_hook_of_the_workers_end() {
    let (tell, told) = unbounded();
    struct Says(Sender<&'static str>);
    impl Drop for Says {
        fn drop(&mut self) {
            self.0.send("dropped").unwrap();
        }
    }
    let (made, stopped) = (tell.clone(), tell.clone());
    let pool = Pool::builder()
        .threads(1)
        .worker_state(move |index| {
            assert_eq!(index, 0);
            made.send("made").unwrap();
            Says(made.clone())
        })
        .on_worker_stop(move |_| stopped.send("stopped").unwrap())
        .build()
        .unwrap();
    pool.submit(|| ()).unwrap().join().unwrap();
    tell.send("a task that did not ask").unwrap();
    let asks = pool.submit_with(|ctx| drop(ctx.state::<Says>())).unwrap();
    asks.join().unwrap();
    tell.send("stop").unwrap();
    assert!(pool.stop(LONG).is_clean());
    let told: Vec<&str> = told.try_iter().collect();
    let expected = [
        "a task that did not ask",
        "made",
        "stop",
        "dropped",
        "stopped",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_panic_of_the_maker_is_one_of_the_task_that_asked_and_the_next_task_tries_again() {
    let calls = AtomicUsize::new(0);
    let pool = Pool::builder()
        .threads(1)
        .worker_state(move |_| match calls.fetch_add(1, SeqCst) {
            0 => expected_panic(),
            call => call,
        })
        .build()
        .unwrap();
    let ask = || pool.submit_with(|ctx| ctx.state::<usize>().map(|state| *state));
    let first = ask().unwrap().join();
    assert!(matches!(first, Err(TaskError::Panicked(_))), "{first:?}");
    for _ in 0..2 {
        assert_eq!(ask().unwrap().join().unwrap(), Some(1));
    }
}

#[test]
fn after_a_task_has_panicked_its_worker_makes_new_state() {
    within(LONG, "a panic", || {
        let (dropped_on, drops) = unbounded();
        let pool = Pool::builder()
            .threads(1)
            .worker_state(move |_| Tracked::new(&dropped_on))
            .build()
            .unwrap();
        let uses = |ctx: &TaskContext| {
            let state = ctx.state::<Tracked>().unwrap();
            state.uses.set(state.uses.get() + 1);
            state.uses.get()
        };
        assert_eq!(pool.submit_with(uses).unwrap().join().unwrap(), 1);
        assert_eq!(pool.submit_with(uses).unwrap().join().unwrap(), 2);
        let panics = pool.submit_with(move |ctx| {
            uses(ctx);
            expected_panic()
        });
        assert!(panics.unwrap().join().is_err());
        assert_eq!(drops.try_iter().count(), 1); // before its handle knew
        assert_eq!(pool.submit_with(uses).unwrap().join().unwrap(), 1);

        // What a task below the one that panics still holds stays whole.
        let below = pool.submit_with(move |ctx| {
            let held = ctx.state::<Tracked>().unwrap();
            let on_top = ctx.submitter().submit(|| expected_panic()).unwrap();
            assert!(on_top.join().is_err());
            held.uses.set(held.uses.get() + 1);
            (held.uses.get(), uses(ctx))
        });
        assert_eq!(below.unwrap().join().unwrap(), (2, 1));
        assert_eq!(drops.try_iter().count(), 1);
        assert!(pool.stop(LONG).is_clean());
        assert_eq!(drops.try_iter().count(), 1);
    });
}

#[test]
fn tasks_on_top_of_each_other_share_the_state_of_their_worker() {
    type Names = RefCell<Vec<&'static str>>;
    let pool = Pool::builder()
        .threads(1)
        .worker_state(|_| Names::default())
        .build()
        .unwrap();
    let below = pool.submit_with(|ctx| {
        ctx.state::<Names>().unwrap().borrow_mut().push("below");
        let note = |ctx: &TaskContext| ctx.state::<Names>().unwrap().borrow_mut().push("on top");
        ctx.submitter().submit_with(note).unwrap().join().unwrap();
        ctx.state::<Names>().unwrap().borrow().clone()
    });
    assert_eq!(below.unwrap().join().unwrap(), ["below", "on top"]);
}

#[test]
fn there_is_no_state_of_other_types_nor_off_the_workers() {
    within(LONG, "an unstarted task", || {
        let pool = Pool::builder()
            .threads(1)
            .worker_state(|_| 7_u32)
            .worker_state(|_| "text")
            .worker_state(|_| 8_u32) // replaces the first
            .build()
            .unwrap();
        let states = |ctx: &TaskContext| {
            let number = ctx.state::<u32>().map(|number| *number);
            let text = ctx.state::<&str>().map(|text| *text);
            (number, text, ctx.state::<u64>().map(|other| *other))
        };
        let task = pool.submit_with(states).unwrap();
        assert_eq!(task.join().unwrap(), (Some(8), Some("text"), None));

        let gate = Gate::new();
        drop(crate::common::occupy(&pool, &gate));
        let unstarted = pool.submit_with(states).unwrap();
        let report = pool.stop(groundcrew::StopPlan::cancel(Duration::ZERO));
        gate.open();
        report.take_unstarted().remove(0).run();
        assert_eq!(unstarted.join().unwrap(), (None, None, None));
    });
}

#[test]
fn a_maker_may_run_tasks_of_its_pool_that_ask_as_well() {
    within(LONG, "a maker", || {
        let (give, given) = bounded::<groundcrew::Submitter>(1);
        let pool = Pool::builder()
            .threads(1)
            .worker_state(move |_| {
                if let Ok(submitter) = given.try_recv() {
                    let inner = submitter.submit_with(|ctx| *ctx.state::<u32>().unwrap());
                    return inner.unwrap().join().unwrap() + 1;
                }
                1_u32
            })
            .build()
            .unwrap();
        give.send(pool.submitter()).unwrap();
        let ask = || {
            pool.submit_with(|ctx| *ctx.state::<u32>().unwrap())
                .unwrap()
        };
        let first = ask().join().unwrap();
        assert_eq!((first, ask().join().unwrap()), (1, 1));
    });
}

#[test]
fn a_worker_that_replaces_a_stuck_one_makes_its_own_state() {
    within(LONG, "a stuck worker", || {
        let pool = Pool::builder()
            .threads(1)
            .max_replacements(1)
            .worker_state(|index| index)
            .build()
            .unwrap();
        let gate = Gate::new();
        let entrance = gate.entrance();
        let index = |ctx: &TaskContext| *ctx.state::<usize>().unwrap();
        let stuck = pool
            .task("stuck")
            .time_limit(Duration::from_millis(1))
            .submit_with(move |ctx| {
                let before = index(ctx);
                entrance.pass();
                (before, index(ctx))
            })
            .unwrap();
        assert_eq!(pool.submit_with(index).unwrap().join().unwrap(), 1);
        gate.open();
        assert_eq!(stuck.join().unwrap(), (0, 0));
    });
}

#[test]
fn a_worker_whose_state_hangs_in_its_drop_is_lingering() {
    within(LONG, "a stop", || {
        let gate = Gate::new();
        let entrance = gate.entrance();
        let pool = Pool::builder()
            .threads(1)
            .worker_state(move |_| SlowDrop(entrance.clone()))
            .build()
            .unwrap();
        let asks = pool
            .submit_with(|ctx| drop(ctx.state::<SlowDrop>()))
            .unwrap();
        asks.join().unwrap();
        let report = pool.stop(Duration::from_millis(100));
        assert_eq!((report.completed(), report.lingering().len()), (1, 1));
        gate.open();
    });
}

#[test]
fn state_whose_drop_panics_holds_up_no_stop_though_a_task_of_the_last_hook_has_made_it() {
    within(LONG, "a stop", || {
        let (give, given) = bounded::<groundcrew::Submitter>(1);
        let pool = Pool::builder()
            .threads(1)
            .max_replacements(1)
            .worker_state(|_| Bomb)
            .on_worker_stop(move |index| {
                if index == 0 {
                    let asks = |ctx: &TaskContext| ctx.state::<Bomb>().is_some();
                    let asks = given.recv().unwrap().submit_with(asks).unwrap();
                    assert!(asks.join().unwrap());
                }
            })
            .build()
            .unwrap();
        let (stuck, busy) = (Gate::new(), Gate::new());
        let entrance = stuck.entrance();
        let limited = pool.task("stuck").time_limit(Duration::from_millis(1));
        limited.execute(move || entrance.pass()).unwrap();
        // The first worker leaves when its task ends, and this one is in its place.
        drop(crate::common::occupy(&pool, &busy));
        stuck.open();
        give.send(pool.submitter()).unwrap();
        while pool.stats().workers_alive() > 1 {
            thread::yield_now();
        }
        busy.open();
        assert!(pool.stop(LONG).is_clean());
    });
}
