//! How tasks get in, or do not: contracts 3, 7 and 11.

use crate::common::{Gate, LONG, occupied_pool, occupy, within};
use groundcrew::channel::{bounded, unbounded};
use groundcrew::{Pool, StopPlan, SubmitError};
use std::cell::Cell;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

/// Calls every verb of `$to` with a closure that returns 7, and checks that it
/// comes back, refused as `$is`, and can be called.
macro_rules! every_verb_refuses {
    ($to:expr, $is:ident) => {{
        let to = &$to;
        let seven = || 7;
        let back: Vec<(&str, u32)> = vec![
            ("submit", refused!(to.submit(seven), $is)()),
            ("execute", refused!(to.execute(seven), $is)()),
        ];
        assert!(back.iter().all(|(_, seven)| *seven == 7), "{back:?}");
        // A context cannot be made by hand, so these two are only dropped.
        let _ = refused!(to.submit_with(|_| 7), $is);
        let _ = refused!(to.execute_with(|_| 7), $is);
    }};
}

macro_rules! refused {
    ($result:expr, $is:ident) => {{
        let error = $result.map(|_| ()).unwrap_err();
        assert!(error.$is(), "{error}");
        error.into_inner()
    }};
}

#[test]
fn after_close_every_verb_refuses_on_pool_submitter_and_named_task() {
    let pool = Pool::new(1).unwrap();
    pool.stop_handle().close();
    every_verb_refuses!(pool, is_closed);
    let submitter = pool.submitter();
    every_verb_refuses!(submitter, is_closed);
    every_verb_refuses!(pool.task("named"), is_closed);
    every_verb_refuses!(pool.task("named").when_full(LONG), is_closed);
    every_verb_refuses!(pool.task("named").when_full(Instant::now()), is_closed);
    every_verb_refuses!(submitter.task("named"), is_closed);
    for to in [&submitter, &pool.submitter()] {
        assert_eq!(refused!(to.try_submit(|| 7), is_closed)(), 7);
        assert_eq!(refused!(to.try_execute(|| 7), is_closed)(), 7);
    }
    assert_eq!(refused!(pool.try_submit(|| 7), is_closed)(), 7);
    assert_eq!(refused!(pool.try_execute(|| 7), is_closed)(), 7);
    assert_eq!(pool.stats().refused(), 30);
    assert!(pool.stop(LONG).is_clean());
}

#[test]
fn after_close_every_verb_refuses_from_the_pools_own_tasks_too() {
    let pool = Pool::new(1).unwrap();
    let (tell, told) = bounded(1);
    let stop = pool.stop_handle();
    pool.execute_with(move |ctx| {
        stop.close();
        let submitter = ctx.submitter();
        every_verb_refuses!(submitter, is_closed);
        every_verb_refuses!(submitter.task("named").when_full(LONG), is_closed);
        assert_eq!(refused!(submitter.try_submit(|| 7), is_closed)(), 7);
        assert_eq!(refused!(submitter.try_execute(|| 7), is_closed)(), 7);
        tell.send(()).unwrap();
    })
    .unwrap();
    told.recv_timeout(LONG).unwrap();
}

#[test]
fn a_full_queue_refuses_or_times_out_as_the_verb_says_and_gives_the_closure_back() {
    let (pool, gate) = occupied_pool(1);
    pool.execute(|| ()).unwrap();
    assert_eq!(refused!(pool.try_submit(|| 7), is_full)(), 7);
    assert_eq!(refused!(pool.try_execute(|| 7), is_full)(), 7);
    let timeout = Duration::from_millis(2);
    let task = pool.task("seven").when_full(timeout);
    assert_eq!(refused!(task.submit(|| 7), is_timeout)(), 7);
    let past = Instant::now().checked_sub(timeout).unwrap();
    let task = pool.task("seven").when_full(past);
    assert_eq!(refused!(task.submit(|| 7), is_timeout)(), 7);
    let task = pool.task("seven").when_full(Duration::ZERO);
    assert_eq!(refused!(task.submit(|| 7), is_timeout)(), 7);
    assert_eq!(pool.stats().refused(), 5);
    assert_eq!(pool.stats().queue_peak(), 1);
    gate.open();
    let report = pool.stop(LONG);
    assert_eq!((report.accepted(), report.completed()), (2, 2));
}

#[test]
fn a_refusal_is_a_boxed_error_even_when_the_closure_is_not_sync() {
    fn submit(pool: &Pool) -> Result<(), Box<dyn Error + Send + Sync>> {
        let not_sync = Cell::new(7);
        pool.execute(move || not_sync.get())?;
        Ok(())
    }
    let pool = Pool::new(1).unwrap();
    submit(&pool).unwrap();
    pool.stop_handle().close();
    let error = submit(&pool).unwrap_err();
    assert_eq!(error.to_string(), "the pool is closed");
    assert_eq!(format!("{error:?}"), "the pool is closed");
    assert!(format!("{error:#?}").contains("Closed"));
}

#[test]
fn a_submitter_that_waits_for_room_is_refused_when_the_pool_closes() {
    within(LONG, "a blocked submit", || {
        let (pool, gate) = occupied_pool(1);
        pool.execute(|| ()).unwrap();
        let submitter = pool.submitter();
        let waiting = thread::spawn(move || refused!(submitter.submit(|| 7), is_closed)());
        let (submitter, forever) = (pool.submitter(), Duration::MAX);
        let timed = thread::spawn(move || {
            let task = submitter.task("timed").when_full(forever);
            refused!(task.submit(|| 8), is_closed)()
        });
        // Whether they wait by now or come to a closed door: they are refused.
        pool.stop_handle().close();
        assert_eq!((waiting.join().unwrap(), timed.join().unwrap()), (7, 8));
        gate.open();
        assert!(pool.stop(LONG).is_clean());
    });
}

#[test]
fn a_submitter_that_waits_gets_the_first_free_place_also_where_tasks_are_long() {
    within(LONG, "a blocked submit", || {
        let pool = Pool::builder()
            .threads(1)
            .queue_capacity(8)
            .build()
            .unwrap();
        let (step, steps) = unbounded::<()>();
        // Each task waits for its step, so that the queue stays nearly full.
        let long = || {
            let steps = steps.clone();
            move || steps.recv().unwrap()
        };
        for _ in 0..9 {
            pool.execute(long()).unwrap();
        }
        let (submitter, more) = (pool.submitter(), long());
        let waiting = thread::spawn(move || submitter.execute(more).unwrap());
        step.send(()).unwrap();
        waiting.join().unwrap();
        for _ in 0..9 {
            step.send(()).unwrap();
        }
        assert!(pool.stop(LONG).is_clean());
    });
}

#[test]
fn tasks_of_one_thread_start_in_the_order_they_were_submitted() {
    let pool = Pool::builder()
        .threads(1)
        .queue_capacity(3)
        .build()
        .unwrap();
    let (seen, order) = unbounded();
    for number in 0..100 {
        let seen = seen.clone();
        match number % 2 {
            0 => pool.execute(move || seen.send(number)).unwrap(),
            _ => drop(pool.submit(move || seen.send(number)).unwrap()),
        }
    }
    drop(seen);
    assert_eq!(
        order.iter().collect::<Vec<_>>(),
        (0..100).collect::<Vec<_>>()
    );
}

#[test]
fn from_outside_no_more_tasks_exist_than_places_workers_and_submitters() {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, SeqCst);
        }
    }
    let pool = Pool::builder()
        .threads(2)
        .queue_capacity(4)
        .build()
        .unwrap();
    let alive = Arc::new(AtomicUsize::new(0));
    let peak = Arc::new(AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    let now = alive.fetch_add(1, SeqCst) + 1;
                    peak.fetch_max(now, SeqCst);
                    let counted = Counted(alive.clone());
                    pool.execute(move || drop(counted)).unwrap();
                }
            });
        }
    });
    pool.wait_idle();
    assert_eq!(alive.load(SeqCst), 0);
    let most = 4 + 2 + 3;
    assert!(peak.load(SeqCst) <= most, "{} > {most}", peak.load(SeqCst));
}

#[test]
fn a_submitter_does_not_keep_the_pool_open() {
    let pool = Pool::new(1).unwrap();
    let submitter = pool.submitter();
    drop(pool);
    assert!(submitter.execute(|| ()).unwrap_err().is_closed());
    assert!(submitter.clone().execute(|| ()).unwrap_err().is_closed());
}

#[test]
fn what_happened_before_the_submit_is_seen_by_the_task_and_its_end_by_the_join() {
    let pool = Pool::new(2).unwrap();
    for round in 0..2_000_usize {
        let shared = Arc::new(AtomicUsize::new(0));
        shared.store(round, std::sync::atomic::Ordering::Relaxed);
        let seen = shared.clone();
        let handle = pool
            .submit(move || {
                let seen_value = seen.load(std::sync::atomic::Ordering::Relaxed);
                seen.store(seen_value + 1, std::sync::atomic::Ordering::Relaxed);
            })
            .unwrap();
        handle.join().unwrap();
        assert_eq!(shared.load(std::sync::atomic::Ordering::Relaxed), round + 1);
    }
}

#[test]
fn a_burst_into_a_sleeping_pool_wakes_as_many_workers_as_there_are_tasks() {
    within(LONG, "a burst", || {
        let pool = Pool::new(4).unwrap();
        for _ in 0..200 {
            // Every one of the four has to run at the same time.
            let barrier = Arc::new(std::sync::Barrier::new(4));
            for _ in 0..4 {
                let barrier = barrier.clone();
                pool.execute(move || barrier.wait()).unwrap();
            }
            pool.wait_idle();
        }
    });
}

#[test]
fn a_place_is_free_again_once_its_husk_was_passed() {
    let (pool, gate) = occupied_pool(1);
    let handle = pool.submit(|| ()).unwrap();
    assert!(handle.cancel());
    assert_eq!((pool.stats().queued(), pool.stats().cancelled()), (1, 1));
    gate.open();
    pool.wait_idle();
    assert_eq!(pool.stats().queued(), 0);
    let gate = Gate::new();
    drop(occupy(&pool, &gate));
    pool.try_execute(|| ()).unwrap();
    gate.open();
}

#[test]
fn an_error_says_what_it_is_and_nothing_of_the_closure() {
    fn assert_error<E: Error + Send + Sync + 'static>(_: &E) {}
    let pool = Pool::new(1).unwrap();
    pool.stop_handle().close();
    let error: SubmitError<_> = pool.submit(|| 7).unwrap_err();
    assert_error(&error);
    assert!(!error.is_full() && !error.is_timeout());
}

#[test]
fn every_refusal_is_counted_also_of_a_push_that_raced_the_stop() {
    for _ in 0..100 {
        let pool = Pool::new(2).unwrap();
        let refused = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                let submitter = pool.submitter();
                let refused = &refused;
                scope.spawn(move || {
                    while submitter.execute(|| ()).is_ok() {}
                    refused.fetch_add(1, SeqCst);
                });
            }
            while pool.stats().accepted() < 100 {
                thread::yield_now();
            }
            drop(pool.stop(StopPlan::cancel(Duration::ZERO)));
        });
        assert_eq!(pool.stats().refused(), refused.load(SeqCst) as u64);
    }
}

/// The mark at which a worker wakes a waiting submitter is not reached here: the
/// submitter has to look by itself.
#[test]
fn a_waiting_submitter_does_not_sleep_on_beside_free_places_while_the_workers_are_stuck() {
    const CAPACITY: usize = 64;
    let (pool, first) = occupied_pool(CAPACITY);
    let second = Gate::new();
    for number in 0..CAPACITY {
        let entrance = second.entrance();
        pool.execute(move || {
            if number == 10 {
                entrance.pass();
            }
        })
        .unwrap();
    }
    let submitter = pool.submitter();
    let waiting = thread::spawn(move || submitter.submit(|| 7).unwrap());
    // It is at the gate, asleep or about to be, when places become free.
    while pool.stats().queue_peak() < CAPACITY {
        thread::yield_now();
    }
    first.open();
    let handle = within(LONG, "the submit", move || waiting.join().unwrap());
    assert!(!handle.is_finished());
    second.open();
    assert_eq!(handle.join().unwrap(), 7);
    assert!(pool.stop(LONG).is_clean());
}

#[test]
fn a_submitter_has_the_statistics_of_its_pool_and_keeps_them_when_the_pool_is_gone() {
    let (pool, gate) = occupied_pool(2);
    let submitter = pool.submitter();
    pool.execute(|| ()).unwrap();
    assert!(pool.submit(|| ()).unwrap().cancel());
    let same = |pool: &Pool| {
        assert_eq!(submitter.stats().to_string(), pool.stats().to_string());
        submitter.stats()
    };
    let open = same(&pool);
    assert_eq!(
        (open.accepted(), open.running(), open.cancelled()),
        (3, 1, 1)
    );

    let report = pool.stop(StopPlan::cancel(Duration::ZERO));
    let stopped = same(&pool);
    assert_eq!((stopped.accepted(), stopped.cancelled()), (3, 1));
    assert_eq!((stopped.abandoned(), stopped.unstarted()), (1, 1));
    drop((pool, report));
    let dropped = submitter.stats();
    assert_eq!((dropped.abandoned(), dropped.unstarted()), (1, 1));
    gate.open();
    // As a task that was abandoned, it counts when it ends.
    within(LONG, "the late end", || {
        while submitter.stats().ended_late() == 0 {
            thread::yield_now();
        }
    });
}
